#!/usr/bin/env bash
# Packs the present build, installs the tarball into an empty folder as a user would - no compiler,
# no development tools - and runs both programs from there.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
daemon=
cleanup() {
  [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
  rm -rf "$folder"
}
trap cleanup EXIT

tarball=$(npm pack --ignore-scripts --silent --pack-destination "$folder")
cd "$folder"
echo '{ "private": true }' >package.json
if ! npm install --omit=dev --prefer-offline --no-audit --no-fund --loglevel=error "./$tarball"; then
  if [ -z "${CI:-}" ] && ! npm ping --silent 2>/dev/null; then
    echo 'left out: the package registry cannot be reached'
    exit 0
  fi
  exit 1
fi

# Nothing of the workshop may be in it.
if find node_modules/grout-conntrack -name '*.test.*' -o -name '*.map' -o -name 'debug.wasm' | grep .; then
  echo 'check-package: the tarball holds files that no user needs' >&2
  exit 1
fi

bin=node_modules/.bin
"$bin/grcli" -V
"$bin/grout" -h >/dev/null
status=0
"$bin/grcli" -s "$folder/none.sock" conntrack show 2>/dev/null || status=$?
if [ "$status" -ne 3 ]; then
  echo "check-package: grcli without a daemon exits $status, not 3" >&2
  exit 1
fi

if [ ! -w /dev/net/tun ]; then
  echo 'the daemon was not started: /dev/net/tun is not writable'
  exit 0
fi
"$bin/grout" -s "$folder/grout.sock" &
daemon=$!
for _ in $(seq 100); do
  [ ! -S "$folder/grout.sock" ] || break
  sleep 0.1
done
"$bin/grcli" -s "$folder/grout.sock" conntrack config show
kill "$daemon"
wait "$daemon"
daemon=
