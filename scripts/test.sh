#!/usr/bin/env bash
# Runs the tests of the present build: unit tests on both WebAssembly targets, models, smoke tests.
#   scripts/test.sh [unit] [model] [smoke] [--long] [--only WORD]
# uvu has no time-outs and is content with no test at all; the runner sees to both.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ ! -f dist/scripts/run-tests.js ]; then
  echo "test.sh: nothing is built yet: run 'npm run build'" >&2
  exit 1
fi
exec node dist/scripts/run-tests.js "$@"
