import { ADDRESSES } from './address.js';
import { CONNTRACK } from './conntrack.js';
import { type CommandGroup, keywordCommand } from './grammar/command.js';
import { INTERFACES } from './interface.js';
import { ROUTES } from './route.js';
import { SNAT44 } from './snat44.js';
import { STATS } from './stats.js';

const QUIT = keywordCommand({
  name: 'quit',
  summary: 'End a script',
  keywords: {},
  run: async (context) => context.quit(),
});

/** All commands, in the order in which help tells of them. */
export const COMMANDS: CommandGroup = {
  name: 'grcli',
  summary: 'Drives grout, a connection-tracking NAT gateway',
  members: [ADDRESSES, CONNTRACK, INTERFACES, QUIT, ROUTES, SNAT44, STATS],
};
