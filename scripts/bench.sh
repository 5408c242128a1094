#!/usr/bin/env bash
# Builds what the benchmark needs, with both compilers at once, and runs it with the given arguments.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH"
# Standard output belongs to the results.
asc bench/assembly/index.ts --target bench >&2 &
tsc >&2
wait $!
exec node dist/bench/main.js "$@"
