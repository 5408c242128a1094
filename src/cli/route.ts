import { formatPrefix } from '../api/ipv4.js';
import {
  IP4_ROUTE_ADD,
  IP4_ROUTE_DEL,
  IP4_ROUTE_LIST,
  NEXTHOP_GATEWAY,
  NEXTHOP_LINK,
  NEXTHOP_LOCAL,
  NEXTHOP_STATES,
  NEXTHOP_TYPE_L3,
  ROUTE_ORIGIN_LINK,
  ROUTE_ORIGIN_STATIC,
  type Route,
} from '../api/route.js';
import type { CliContext } from './context.js';
import { type CommandGroup, keywordCommand, subjectCommand } from './grammar/command.js';
import { required } from './grammar/keywords.js';
import { ADDRESS, DESTINATION } from './grammar/values.js';
import { IfaceNames } from './iface-names.js';
import type { Field } from './output.js';

/** The vrf `main`, which routes are added to. */
const VRF_MAIN = 1;
/** Vrf of a list request that asks for all of them, and a limit that is none. */
const EVERY = 0;
/** A next hop that `via` spells out. */
const NO_NEXTHOP_ID = 0;

const ORIGIN_NAMES: ReadonlyMap<number, string> = new Map([
  [ROUTE_ORIGIN_LINK, 'link'],
  [ROUTE_ORIGIN_STATIC, 'static'],
]);

const FLAG_NAMES: ReadonlyMap<number, string> = new Map([
  [NEXTHOP_LOCAL, 'local'],
  [NEXTHOP_GATEWAY, 'gateway'],
  [NEXTHOP_LINK, 'link'],
]);

/** `route`: where packets go. */
export const ROUTES: CommandGroup = {
  name: 'route',
  summary: 'Routes',
  members: [
    subjectCommand({
      name: 'add',
      summary: 'Add a route',
      subject: { name: 'destination', value: DESTINATION, isRequired: true },
      keywords: { via: required(ADDRESS, 'the gateway that leads there') },
      run: async ({ connect }, dest, { via }) => {
        const api = await connect();
        await api.call(IP4_ROUTE_ADD, {
          vrfId: VRF_MAIN,
          dest,
          via,
          nexthopId: NO_NEXTHOP_ID,
          origin: ROUTE_ORIGIN_STATIC,
          existOk: true,
        });
      },
    }),
    subjectCommand({
      name: 'del',
      summary: 'Delete a route',
      subject: { name: 'destination', value: DESTINATION, isRequired: true },
      keywords: {},
      run: async ({ connect }, dest) => {
        const api = await connect();
        await api.call(IP4_ROUTE_DEL, { vrfId: VRF_MAIN, dest, missingOk: true });
      },
    }),
    keywordCommand({
      name: 'show',
      summary: 'Show the routes',
      keywords: {},
      run: show,
    }),
  ],
};

async function show({ connect, output }: CliContext): Promise<void> {
  const api = await connect();
  const routes: Route[] = [];
  for await (const route of api.stream(IP4_ROUTE_LIST, { vrfId: EVERY, max: EVERY }))
    routes.push(route);
  const names = new IfaceNames();
  await names.learn(
    api,
    routes.flatMap((route) => [route.vrfId, route.nexthop.ifaceId]),
  );
  const fields: readonly Field<Route>[] = [
    { header: 'VRF', align: 'left', value: (route) => names.get(route.vrfId) },
    { header: 'FAMILY', align: 'left', value: () => 'ipv4' },
    { header: 'DESTINATION', align: 'left', value: (route) => formatPrefix(route.dest) },
    {
      header: 'ORIGIN',
      align: 'left',
      value: (route) => ORIGIN_NAMES.get(route.origin) ?? String(route.origin),
    },
    { header: 'NEXT_HOP', align: 'left', value: (route) => nexthopText(route, names) },
  ];
  await output.list(fields, routes);
}

/** Returns a next hop as `key=value` words; only one of type L3 has an address to tell. */
function nexthopText({ nexthop, via }: Route, names: IfaceNames): string {
  const isL3 = nexthop.type === NEXTHOP_TYPE_L3;
  const words = [`type=${isL3 ? 'L3' : nexthop.type}`, `iface=${names.get(nexthop.ifaceId)}`];
  if (!isL3 || via === undefined) return words.join(' ');
  const addr = nexthop.prefixLength === 0 ? via : `${via}/${nexthop.prefixLength}`;
  words.push(`addr=${addr}`, `state=${NEXTHOP_STATES[nexthop.state] ?? nexthop.state}`);
  const flags = [...FLAG_NAMES].filter(([bit]) => (nexthop.flags & bit) !== 0);
  if (flags.length > 0) words.push(`flags=${flags.map(([, name]) => name).join(' ')}`);
  return words.join(' ');
}
