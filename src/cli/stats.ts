import type { Command } from 'commander';
import {
  STATS_ALL_CPUS,
  STATS_GET,
  STATS_RESET,
  STATS_SOFTWARE,
  STATS_ZERO,
  type Stat,
} from '../api/stats.js';
import type { CliContext } from './context.js';
import { UsageError } from './failure.js';
import { groupCommand, keywordCommand, wordsCommand } from './grammar/command.js';
import { expand } from './grammar/prefix.js';
import { PATTERN } from './grammar/values.js';
import type { Field } from './output.js';

/** What is asked for. */
interface Query {
  readonly flags: number;
  readonly pattern: string;
}

const ALL = '*';

const FIELDS: readonly Field<Stat>[] = [
  { header: 'NAME', align: 'left', value: (stat) => stat.name },
  { header: 'PACKETS', align: 'right', value: (stat) => stat.packets },
  { header: 'BATCHES', align: 'right', value: (stat) => stat.batches },
];

/** `stats`: the datapath's counters. */
export function statsCommand(context: CliContext): Command {
  const { connect } = context;
  return groupCommand('stats', 'Counters of the datapath', [
    keywordCommand({
      name: 'reset',
      summary: 'Set all counters to zero',
      keywords: {},
      run: async () => {
        const api = await connect();
        await api.call(STATS_RESET, {});
      },
    }),
    wordsCommand(
      'show',
      'Show the counters',
      [
        {
          term: 'software',
          help: 'those of the software, which is all there are',
          isRequired: false,
        },
        { term: PATTERN.placeholder, help: 'a glob over their names', isRequired: false },
        { term: 'zero', help: 'also those that are zero', isRequired: false },
      ],
      (words) => show(context, parseQuery(words)),
    ),
  ]);
}

/** Returns what `words` ask for, in any order; a word that is no keyword is the pattern. */
function parseQuery(words: readonly string[]): Query {
  const given = new Set<string>();
  let pattern = ALL;
  for (const word of words) {
    const name = expand(word, ['software', 'zero'])[0] ?? PATTERN.placeholder;
    if (given.has(name)) throw new UsageError(`${name} is given twice`);
    given.add(name);
    if (name === PATTERN.placeholder) pattern = PATTERN.parse(name, word);
  }
  return { flags: STATS_SOFTWARE | (given.has('zero') ? STATS_ZERO : 0), pattern };
}

async function show({ connect, output }: CliContext, { flags, pattern }: Query): Promise<void> {
  const api = await connect();
  const stats = await api.call(STATS_GET, { flags, cpu: STATS_ALL_CPUS, pattern });
  await output.list(FIELDS, stats);
}
