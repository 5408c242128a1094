#!/usr/bin/env bash
# Builds everything from nothing: both WebAssembly targets, the benchmark's, then the JavaScript.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH"
# tsc leaves the outputs of deleted sources behind, and a deleted test must not keep running.
rm -rf dist build
for target in debug release; do
  asc assembly/index.ts --target "$target"
done
asc bench/assembly/index.ts --target bench
tsc
chmod +x dist/src/host/main.js dist/src/cli/main.js
