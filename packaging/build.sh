#!/usr/bin/env bash
# Builds the .deb and the .rpm of this machine's architecture into target/packages.
#
#   build.sh            builds the program as the image does, with glibc linked in
#   build.sh PROGRAM    packs a program that is built already
#
# Needs cargo-deb and cargo-generate-rpm (cargo install).

set -euo pipefail
cd "$(dirname "$0")/.."

out=target/packages
rm -rf "$out"
mkdir -p "$out/man" "$out/completions"

if [ $# -eq 0 ]; then
    target="$(rustc -vV | sed -n 's/^host: //p')"
    RUSTFLAGS='-C target-feature=+crt-static' cargo build --locked --profile dist --target "$target"
    set -- "target/$target/dist/grafana-matrix-relay"
fi
install -m 755 "$1" "$out/grafana-matrix-relay"

"$out/grafana-matrix-relay" man --dir "$out/man"
gzip -9 --no-name "$out"/man/*.1
for shell in bash fish zsh; do
    "$out/grafana-matrix-relay" completions "$shell" >"$out/completions/$shell"
done

gzip -9 --no-name --stdout CHANGELOG.md >"$out/changelog.gz"
# Debian wants one of its packages, too.
version="$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)"
maintainer="$(sed -n 's/^maintainer = "\(.*\)"$/\1/p' Cargo.toml)"
written="$(date --utc --rfc-email --date "@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}")"
printf '%s\n' "grafana-matrix-relay ($version-1) stable; urgency=medium" '' \
    "  * Version $version: see changelog.gz." '' " -- $maintainer  $written" >"$out/changelog.Debian"

cargo deb --no-build --no-strip --output "$out/"
cargo generate-rpm --output "$out/"
