#!/usr/bin/env bash
# Builds ../page/editor.js, and the licences of what is in it, from the versions in package-lock.json.
#
# Only needed after a change in this folder: the result is committed, so that the relay builds without Node. The same
# inputs give the same bytes, and the first line says which inputs those were: a test compares.
set -euo pipefail
cd "$(dirname "$0")"

export LC_ALL=C
sources=$(cat -- *.js *.json build.sh | sha256sum | cut -d' ' -f1)
npm ci --silent
meta=$(mktemp)
trap 'rm -f "$meta"' EXIT
node_modules/.bin/esbuild editor.js --bundle --minify --format=esm --target=es2022 --charset=utf8 --legal-comments=none \
  --banner:js="// Built by src/workshop/editor/build.sh from $sources. Contains CodeMirror 6 (MIT); see editor.LICENSE.txt." \
  --metafile="$meta" --outfile=../page/editor.js --log-level=warning
node licences.js "$meta" > ../page/editor.LICENSE.txt
