#!/usr/bin/env bash
# Shows the gateway at work: `npm run demo`. Builds if needed; an ordinary user gets namespaces of
# his own (unshare -Urnm), where he may make devices if /dev/net/tun is open to him.
set -euo pipefail
cd "$(dirname "$0")/.."

demo=dist/scripts/demo.js

needs_build() {
  if [ ! -f "$demo" ] || [ ! -f build/release.wasm ]; then return 0; fi
  if [ ! -w dist ]; then return 1; fi # somebody else's build is taken as it is
  [ -n "$(find assembly src scripts tests -newer "$demo" -name '*.ts' -print -quit)" ]
}

if needs_build; then
  echo 'Building...'
  npm run build --silent
fi

if [ "$(id -u)" -ne 0 ] && unshare -Urnm true 2>/dev/null; then
  exec unshare -Urnm node "$demo"
fi
exec node "$demo"
