import type { ApiClient } from '../api/client.js';
import { formatPrefix } from '../api/ipv4.js';
import { SNAT44_ADD, SNAT44_DEL, SNAT44_LIST, type SnatPolicy } from '../api/snat44.js';
import type { CliContext } from './context.js';
import { type CommandGroup, keywordCommand } from './grammar/command.js';
import { type Given, required } from './grammar/keywords.js';
import { ADDRESS, IFACE_NAME, SUBNET } from './grammar/values.js';
import { IfaceNames, ifaceByName } from './iface-names.js';
import type { Field } from './output.js';

/** What makes a policy; `add` and `del` take the same words. */
const POLICY_KEYWORDS = {
  interface: required(IFACE_NAME, 'the interface through which the packets leave'),
  subnet: required(SUBNET, 'the sources that are replaced'),
  replace: required(ADDRESS, 'the source that the packets get'),
};

/** `snat44`: policies of source translation. */
export const SNAT44: CommandGroup = {
  name: 'snat44',
  summary: 'Policies of source address translation',
  members: [
    keywordCommand({
      name: 'add',
      summary: 'Add a policy',
      keywords: POLICY_KEYWORDS,
      run: async ({ connect }, given) => {
        const api = await connect();
        await api.call(SNAT44_ADD, { ...(await policyOf(api, given)), existOk: true });
      },
    }),
    keywordCommand({
      name: 'del',
      summary: 'Delete a policy and the connections that depend on it',
      keywords: POLICY_KEYWORDS,
      run: async ({ connect }, given) => {
        const api = await connect();
        await api.call(SNAT44_DEL, { ...(await policyOf(api, given)), missingOk: true });
      },
    }),
    keywordCommand({
      name: 'show',
      summary: 'Show the policies',
      keywords: {},
      run: show,
    }),
  ],
};

async function policyOf(api: ApiClient, given: Given<typeof POLICY_KEYWORDS>): Promise<SnatPolicy> {
  const { id } = await ifaceByName(api, given.interface);
  return { ifaceId: id, subnet: given.subnet, replace: given.replace };
}

async function show({ connect, output }: CliContext): Promise<void> {
  const api = await connect();
  const policies: SnatPolicy[] = [];
  for await (const policy of api.stream(SNAT44_LIST, {})) policies.push(policy);
  const names = new IfaceNames();
  await names.learn(
    api,
    policies.map((policy) => policy.ifaceId),
  );
  const fields: readonly Field<SnatPolicy>[] = [
    { header: 'INTERFACE', align: 'left', value: (policy) => names.get(policy.ifaceId) },
    { header: 'SUBNET', align: 'left', value: (policy) => formatPrefix(policy.subnet) },
    { header: 'REPLACE', align: 'left', value: (policy) => policy.replace },
  ];
  await output.list(fields, policies);
}
