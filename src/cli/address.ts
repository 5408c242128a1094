import { type IfaceAddress, IP4_ADDR_ADD, IP4_ADDR_DEL, IP4_ADDR_LIST } from '../api/address.js';
import { formatPrefix } from '../api/ipv4.js';
import type { CliContext } from './context.js';
import { type CommandGroup, keywordCommand, subjectCommand } from './grammar/command.js';
import { optional, required } from './grammar/keywords.js';
import { ADDRESS_IN_SUBNET, IFACE_NAME } from './grammar/values.js';
import { IfaceNames, ifaceByName } from './iface-names.js';
import type { Field } from './output.js';

/** Ids in a list request that stand for every vrf and every interface. */
const EVERY = 0;

/** `address`: the gateway's own addresses. */
export const ADDRESSES: CommandGroup = {
  name: 'address',
  summary: 'Addresses of the gateway',
  members: [
    subjectCommand({
      name: 'add',
      summary: 'Add an address to an interface, and the route to its subnet',
      subject: { name: 'address', value: ADDRESS_IN_SUBNET, isRequired: true },
      keywords: { iface: required(IFACE_NAME, 'the interface that gets the address') },
      run: async ({ connect }, prefix, { iface }) => {
        const api = await connect();
        const { id } = await ifaceByName(api, iface);
        await api.call(IP4_ADDR_ADD, { ifaceId: id, ...prefix, existOk: true });
      },
    }),
    subjectCommand({
      name: 'del',
      summary: 'Delete an address and what depends on it',
      subject: { name: 'address', value: ADDRESS_IN_SUBNET, isRequired: true },
      keywords: { iface: required(IFACE_NAME, 'the interface that has the address') },
      run: async ({ connect }, prefix, { iface }) => {
        const api = await connect();
        const { id } = await ifaceByName(api, iface);
        await api.call(IP4_ADDR_DEL, { ifaceId: id, ...prefix, missingOk: true });
      },
    }),
    keywordCommand({
      name: 'show',
      summary: 'Show the addresses',
      keywords: { iface: optional(IFACE_NAME, 'those of one interface only') },
      run: (context, { iface }) => show(context, iface),
    }),
  ],
};

async function show({ connect, output }: CliContext, iface: string | undefined): Promise<void> {
  const api = await connect();
  const ifaceId = iface === undefined ? EVERY : (await ifaceByName(api, iface)).id;
  const addresses: IfaceAddress[] = [];
  for await (const address of api.stream(IP4_ADDR_LIST, { vrfId: EVERY, ifaceId }))
    addresses.push(address);
  const names = new IfaceNames();
  await names.learn(
    api,
    addresses.map((address) => address.ifaceId),
  );
  const fields: readonly Field<IfaceAddress>[] = [
    { header: 'IFACE', align: 'left', value: (address) => names.get(address.ifaceId) },
    { header: 'FAMILY', align: 'left', value: () => 'ipv4' },
    { header: 'ADDRESS', align: 'left', value: formatPrefix },
  ];
  await output.list(fields, addresses);
}
