// Rules of the house that no compiler or linter checks. Prints every violation, exits 1 on any.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SOURCE_FOLDERS = ['src', 'assembly', 'bench', 'tests', 'scripts', 'docs', '.ci'];
const MAX_LINES = 400;
/** One table of constants for two compilers: it imports nothing, so it cannot be split. */
const LONG_FILES = new Set(['assembly/layout.ts']);

/** Each rule gets one file and returns what it found wrong with it. */
const RULES = [
  {
    applies: (path) =>
      /^(src|assembly|bench|tests|scripts)\/.*\.(ts|mjs|sh)$/.test(path) && !LONG_FILES.has(path),
    check: ({ lines }) => (lines > MAX_LINES ? [`${lines} lines, at most ${MAX_LINES}`] : []),
  },
  {
    // uvu forgets a suite that does not run, and then says that all is well.
    applies: (path) => path.endsWith('.test.ts'),
    check: ({ text }) => [
      ...(/^.*\b\w+\.run\(\);$/m.test(text) ? [] : ['the suite never calls .run()']),
      ...(/\.(only|skip)\(/.test(text) ? ['leaves tests out with .only( or .skip('] : []),
    ],
  },
  {
    applies: (path) => /^(bench\/)?assembly\//.test(path),
    check: ({ text }) => [
      ...(/^(export )?let /m.test(text)
        ? ['mutable module state is per instance: use memory']
        : []),
      ...(/\batomic\.fence\(/.test(text) ? ['atomic.fence() does not compile'] : []),
      ...(/\bnew [A-Z]/.test(text.replace(/\/\/.*|^ *\*.*/gm, '')) ? ['allocates with new'] : []),
    ],
  },
  {
    applies: (path) => path.endsWith('.sh') || path === '.ci/run',
    check: ({ text, mode }) => [
      ...(mode & 0o111 ? [] : ['is not executable']),
      ...(text.includes('set -euo pipefail') ? [] : ['goes on after errors']),
    ],
  },
  {
    // A path that leaves the repository, or names one machine's folders, works nowhere else.
    applies: (path) => path !== 'biome.json', // its globs are not paths
    check: ({ path, text }) => [
      // URLs of modules are relative to dist, which is one folder deeper.
      ...[...text.replace(/new URL\(.*import\.meta\.url\)/g, '').matchAll(/(?:\.\.\/)+[\w./-]*/g)]
        .map(([target]) => target)
        .filter((target) => normalize(join(dirname(path), target)).startsWith('..'))
        .map((target) => `${target} leads out of the repository`),
      ...[...text.matchAll(/(?<![\w.])\/(?:home|work|Users)\/\w+/g)].map(
        ([target]) => `${target} exists on one machine only`,
      ),
    ],
  },
  {
    // The counters of the TCP tracker have a document of their own.
    applies: (path) => path === 'docs/operations.md' || path === 'docs/tcp-tracking.md',
    check: ({ path, text }) =>
      [...readFileSync(join(ROOT, 'src/host/reasons.ts'), 'utf8').matchAll(/: '(\w+)',$/gm)]
        .map(([, name]) => name)
        .filter((name) => name.startsWith('tcp_') === path.endsWith('tcp-tracking.md'))
        .map((name) => (name.startsWith('tcp_ignored_') ? name : `drop_${name}`))
        .filter((name) => !text.includes(`\`${name}\``))
        .map((name) => `the counter ${name} is not explained`),
  },
  {
    applies: (path) => path === 'package.json',
    check: ({ text }) => {
      const { dependencies, devDependencies } = JSON.parse(text);
      return Object.entries({ ...dependencies, ...devDependencies })
        .filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))
        .map(([name, version]) => `${name} ${version} is not pinned`);
    },
  },
];

let found = 0;
for (const path of listFiles()) {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const file = {
    path,
    text,
    lines: text.split('\n').length - 1,
    mode: statSync(join(ROOT, path)).mode,
  };
  for (const rule of RULES.filter((each) => each.applies(path))) {
    for (const problem of rule.check(file)) {
      console.error(`${path}: ${problem}`);
      found++;
    }
  }
}
if (found > 0) process.exit(1);

function listFiles() {
  const atRoot = readdirSync(ROOT, { withFileTypes: true }).filter((entry) => entry.isFile());
  const below = SOURCE_FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(ROOT, join(entry.parentPath, entry.name))),
  );
  // In a linked worktree `.git` is a file.
  return [...atRoot.map(({ name }) => name), ...below].filter(
    (path) => !/^\.git$|\.tgz$/.test(path),
  );
}
