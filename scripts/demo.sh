#!/usr/bin/env bash
# Shows the gateway at work: `npm run demo`. Builds if needed; an ordinary user gets namespaces of
# his own (unshare -Urnm), where he may make devices if /dev/net/tun is open to him.
set -euo pipefail
cd "$(dirname "$0")/.."

demo=dist/scripts/demo.js
# Somebody else's build is taken as it is.
if [ ! -f "$demo" ] || [ ! -f build/release.wasm ] ||
  [ -w dist ] && [ -n "$(find assembly src scripts tests -newer "$demo" -name '*.ts' -print -quit)" ]; then
  echo 'Building...'
  npm run build --silent
fi

if [ "$(id -u)" -ne 0 ] && unshare -Urnm true 2>/dev/null; then
  exec unshare -Urnm node "$demo"
fi
exec node "$demo"
