import {
  IFACE_ADD,
  IFACE_DEL,
  IFACE_LIST,
  IFACE_TYPE_PORT,
  IFACE_UP,
  type Iface,
} from '../api/iface.js';
import type { CliContext } from './context.js';
import { type CommandGroup, keywordCommand, subjectCommand } from './grammar/command.js';
import { optional, required } from './grammar/keywords.js';
import { DEVARGS, IFACE_NAME, integer, NEW_NAME } from './grammar/values.js';
import { IfaceNames, ifaceByName } from './iface-names.js';
import { describeIface, IFACE_TYPE_ALL, ifaceColumns } from './interface-fields.js';
import { showInterfaceStats } from './interface-stats.js';

/** Every IPv4 link carries packets of 68 bytes (RFC 791 section 3.2). */
const MTU = integer(68, 65535);
/** An mtu that the daemon chooses. */
const MTU_DEFAULT = 0;

const MTU_KEYWORD = optional(MTU, 'the largest packet in bytes');

/** Where an interface gets its name. */
const NAMED = { name: 'name', value: NEW_NAME, isRequired: true } as const;

const ADD: CommandGroup = {
  name: 'add',
  summary: 'Create an interface',
  members: [
    subjectCommand({
      name: 'tun',
      summary: 'Create an interface on a TUN device',
      subject: NAMED,
      keywords: { dev: optional(NEW_NAME, 'the TUN device, NAME by default'), mtu: MTU_KEYWORD },
      // The number that belongs behind net_tap is the daemon's to choose.
      run: (context, name, { dev, mtu }) => add(context, name, `net_tap,iface=${dev ?? name}`, mtu),
    }),
    subjectCommand({
      name: 'port',
      summary: 'Create an interface on a device that devargs describe',
      subject: NAMED,
      keywords: {
        devargs: required(DEVARGS, 'the device, as in net_tap0,iface=gw0'),
        mtu: MTU_KEYWORD,
      },
      run: (context, name, { devargs, mtu }) => add(context, name, devargs, mtu),
    }),
  ],
};

/** `interface`: the devices that packets enter and leave through. */
export const INTERFACES: CommandGroup = {
  name: 'interface',
  summary: 'Interfaces',
  members: [
    ADD,
    subjectCommand({
      name: 'del',
      summary: 'Delete an interface and what depends on it',
      subject: { name: 'name', value: IFACE_NAME, isRequired: true },
      keywords: {},
      run: del,
    }),
    keywordCommand({
      name: 'show',
      summary: 'Show the interfaces, or one of them in detail',
      keywords: { name: optional(IFACE_NAME, 'the interface that is shown in detail') },
      run: (context, { name }) => (name === undefined ? showAll(context) : showOne(context, name)),
    }),
    keywordCommand({
      name: 'stats',
      summary: 'Show the traffic of all interfaces',
      keywords: {},
      run: showInterfaceStats,
    }),
  ],
};

async function add(
  { connect }: CliContext,
  name: string,
  devargs: string,
  mtu: number | undefined,
): Promise<void> {
  const api = await connect();
  await api.call(IFACE_ADD, {
    id: 0,
    type: IFACE_TYPE_PORT,
    mode: 0,
    flags: IFACE_UP,
    state: 0,
    mtu: mtu ?? MTU_DEFAULT,
    vrfId: 0,
    domainId: 0,
    speedMbps: 0,
    name,
    description: '',
    info: {
      kind: 'port',
      rxQueues: 0,
      txQueues: 0,
      rxQueueSize: 0,
      txQueueSize: 0,
      mac: '00:00:00:00:00:00',
      devargs,
      driver: '',
    },
  });
}

async function del({ connect }: CliContext, name: string): Promise<void> {
  const api = await connect();
  const { id } = await ifaceByName(api, name);
  await api.call(IFACE_DEL, id);
}

async function showAll({ connect, output }: CliContext): Promise<void> {
  const api = await connect();
  const ifaces: Iface[] = [];
  for await (const iface of api.stream(IFACE_LIST, IFACE_TYPE_ALL)) ifaces.push(iface);
  const names = new IfaceNames();
  for (const { id, name } of ifaces) names.add(id, name);
  await output.list(ifaceColumns(names), ifaces);
}

async function showOne({ connect, output }: CliContext, name: string): Promise<void> {
  const api = await connect();
  const iface = await ifaceByName(api, name);
  const names = new IfaceNames();
  await names.learn(api, [iface.vrfId]);
  await output.item(describeIface(iface, names));
}
