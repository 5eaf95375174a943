#!/usr/bin/env bash
# Tries the .deb in target/packages: lintian looks at it, and a Debian of its own installs it, starts the relay as its unit does,
# has a notification accepted, and removes it.
#
#   packaging/build.sh PROGRAM && packaging/try-deb.sh
#
# Needs root, lintian, mmdebstrap and curl. There is no systemd in that Debian, so its sandbox is tried elsewhere
# (tests/it/packaging/systemd.rs).

set -euo pipefail
cd "$(dirname "$0")/.."

package="$(echo target/packages/*.deb)"
folder="$(mktemp -d)"
root="$folder/root"
relay=
finish() {
    [ -z "$relay" ] || kill "$relay" 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT
is() {
    echo "try-deb: $1"
}

# It is for everybody's archive, so it closes no bug of Debian's. A program with glibc linked in is meant.
lintian --allow-root --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs,statically-linked-binary "$package"
is 'lintian finds nothing'

mmdebstrap --quiet --variant=minbase bookworm "$root"
cp "$package" "$root/tmp/relay.deb"
chroot "$root" apt-get update --quiet=2
chroot "$root" apt-get install --yes --quiet=2 /tmp/relay.deb
chroot "$root" grafana-matrix-relay --version
for path in lib/systemd/system/grafana-matrix-relay.service share/man/man1/grafana-matrix-relay.1.gz \
    share/bash-completion/completions/grafana-matrix-relay share/doc/grafana-matrix-relay/monitoring/rules.yml; do
    # A small Debian leaves out pages of the manual and documentation.
    chroot "$root" dpkg-query --listfiles grafana-matrix-relay | grep -qx "/usr/$path"
done
is 'installed'

# A homeserver that does not answer keeps no relay from accepting.
etc="$root/etc/grafana-matrix-relay"
sed -i 's,^MATRIX_HOME_SERVER_URL=.*,MATRIX_HOME_SERVER_URL=http://127.0.0.1:9,' "$etc/relay.env"
echo no-token-of-anybody >"$etc/matrix-access-token"
echo what-senders-show-here >"$etc/relay-token"
install -d -m 700 -o nobody "$root/var/lib/grafana-matrix-relay"
chown nobody "$etc"/*-token
# shellcheck disable=SC2016
chroot --userspec nobody:nogroup "$root" sh -c 'set -a; cd /etc/grafana-matrix-relay; . ./relay.env; RELAY_PORT=0
    MATRIX_ACCESS_TOKEN_FILE=$PWD/matrix-access-token RELAY_TOKEN_FILE=$PWD/relay-token
    RELAY_DATA_DIR=/var/lib/grafana-matrix-relay RELAY_TEMPLATES_DIR=$PWD/templates
    exec grafana-matrix-relay' >"$folder/log" 2>&1 &
relay=$!
address=
for _ in $(seq 100); do
    address="$(sed -n 's,.*listening on http://\(127\.0\.0\.1:[0-9]*\).*,\1,p' "$folder/log")"
    [ -z "$address" ] || break
    sleep 0.1
done
[ -n "$address" ] || { cat "$folder/log"; exit 1; }
status="$(curl --silent --output "$folder/answer" --write-out '%{http_code}' "http://$address/alert" \
    --header 'Authorization: Bearer what-senders-show-here' --json '{"alerts": [{"status": "firing", "labels": {"alertname": "Hello"}}]}' || true)"
[ "$status" = 202 ] || { cat "$folder/answer" "$folder/log"; exit 1; }
kill -TERM "$relay"
wait "$relay"
relay=
is 'started as another user, accepted a notification, ended by itself'

chroot "$root" dpkg --remove grafana-matrix-relay
[ ! -e "$root/usr/bin/grafana-matrix-relay" ] && [ -e "$etc/relay.env" ] && [ -e "$etc/relay-token" ]
is 'removed; settings and secrets stay'
chroot "$root" dpkg --purge grafana-matrix-relay
[ ! -e "$etc/relay.env" ] && [ -e "$etc/relay-token" ] && [ -e "$root/var/lib/grafana-matrix-relay/outbox.db" ]
is 'purged; secrets and outbox stay, they are not of the package'
