#!/usr/bin/env bash
# The whole gate: a clean build, types, lint, repository rules, dead code, all tests, the package.
# `--long` gives random and stress tests their long run. The last line is `N passed, N failed`.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH"

step() {
  printf '\n== %s\n' "$1"
}

step 'build: both WebAssembly targets and TypeScript, from nothing'
scripts/build.sh
step 'lint and format'
biome check --error-on-warnings .
step 'repository rules'
node scripts/check-repo.mjs
step 'dead code'
knip --treat-config-hints-as-errors
step 'package: pack, install without a compiler, run'
scripts/check-package.sh
step 'tests'
scripts/test.sh "$@"
