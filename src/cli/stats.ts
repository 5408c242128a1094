import {
  STATS_ALL_CPUS,
  STATS_GET,
  STATS_RESET,
  STATS_SOFTWARE,
  STATS_ZERO,
  type Stat,
} from '../api/stats.js';
import type { CliContext } from './context.js';
import { type CommandGroup, keywordCommand, subjectCommand } from './grammar/command.js';
import { flag } from './grammar/keywords.js';
import { PATTERN } from './grammar/values.js';
import type { Field } from './output.js';

const ALL = '*';

const FIELDS: readonly Field<Stat>[] = [
  { header: 'NAME', align: 'left', value: (stat) => stat.name },
  { header: 'PACKETS', align: 'right', value: (stat) => stat.packets },
  { header: 'BATCHES', align: 'right', value: (stat) => stat.batches },
];

/** `stats`: the datapath's counters. */
export const STATS: CommandGroup = {
  name: 'stats',
  summary: 'Counters of the datapath',
  members: [
    keywordCommand({
      name: 'reset',
      summary: 'Set all counters to zero',
      keywords: {},
      run: async ({ connect }) => {
        const api = await connect();
        await api.call(STATS_RESET, {});
      },
    }),
    subjectCommand({
      name: 'show',
      summary: 'Show the counters',
      subject: {
        name: 'PATTERN',
        value: PATTERN,
        isRequired: false,
        help: 'a glob over their names',
      },
      keywords: {
        software: flag('those of the software, which is all there are'),
        zero: flag('also those that are zero'),
      },
      run: (context, pattern, { zero }) => show(context, pattern, zero === true),
    }),
  ],
};

async function show(
  { connect, output }: CliContext,
  pattern = ALL,
  withZero = false,
): Promise<void> {
  const api = await connect();
  const flags = STATS_SOFTWARE | (withZero ? STATS_ZERO : 0);
  const stats = await api.call(STATS_GET, { flags, cpu: STATS_ALL_CPUS, pattern });
  await output.list(FIELDS, stats);
}
