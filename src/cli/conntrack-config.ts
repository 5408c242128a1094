import type { Command } from 'commander';
import { CONNTRACK_CONF_GET, CONNTRACK_CONF_SET, type ConntrackConfig } from '../api/conntrack.js';
import type { CliContext } from './context.js';
import { UsageError } from './failure.js';
import { groupCommand, keywordCommand } from './grammar/command.js';
import { type Keyword, optional } from './grammar/keywords.js';
import { alternatives } from './grammar/prefix.js';
import { integer } from './grammar/values.js';

/** A setting: the field that it is on the wire, and what it does. */
interface Setting extends Keyword<number> {
  readonly field: keyof ConntrackConfig;
  readonly isRequired: false;
}

/** Every setting by its name, in the order of `config show`. 0 keeps the present value. */
const CONFIG_SETTINGS: Readonly<Record<string, Setting>> = {
  max: setting('max', 'most connections at a time; all live ones are migrated'),
  'closed-timeout': setting('closedTimeoutSec', 'seconds until a closed connection goes'),
  'new-timeout': setting('newTimeoutSec', 'seconds until an unanswered connection goes'),
  'established-udp-timeout': setting(
    'establishedUdpTimeoutSec',
    'seconds until an idle UDP or ICMP connection goes',
  ),
  'established-tcp-timeout': setting(
    'establishedTcpTimeoutSec',
    'seconds until an idle TCP connection goes',
  ),
  'half-close-timeout': setting(
    'halfCloseTimeoutSec',
    'seconds until a TCP connection that is being closed goes',
  ),
  'time-wait-timeout': setting(
    'timeWaitTimeoutSec',
    'seconds until a finished TCP connection goes',
  ),
};

const KEEP_ALL: ConntrackConfig = {
  max: 0,
  closedTimeoutSec: 0,
  newTimeoutSec: 0,
  establishedUdpTimeoutSec: 0,
  establishedTcpTimeoutSec: 0,
  halfCloseTimeoutSec: 0,
  timeWaitTimeoutSec: 0,
};

/** `conntrack config`: limits and time-outs. */
export function conntrackConfigCommand(context: CliContext): Command {
  return groupCommand('config', 'Limits and time-outs', [
    keywordCommand({
      name: 'set',
      summary: 'Change at least one setting, all or none; 0 keeps the present value',
      keywords: CONFIG_SETTINGS,
      run: (given) => set(context, new Map(Object.entries(given))),
    }),
    keywordCommand({
      name: 'show',
      summary: 'Show the settings and how many connections there are',
      keywords: {},
      run: () => show(context),
    }),
  ]);
}

async function set(
  { connect }: CliContext,
  given: ReadonlyMap<string, number | undefined>,
): Promise<void> {
  if (given.size === 0)
    throw new UsageError(
      `config set: at least one of ${alternatives(Object.keys(CONFIG_SETTINGS))} is expected`,
    );
  const fields = Object.entries(CONFIG_SETTINGS).map(
    ([name, { field }]) => [field, given.get(name) ?? 0] as const,
  );
  const api = await connect();
  await api.call(CONNTRACK_CONF_SET, { ...KEEP_ALL, ...Object.fromEntries(fields) });
}

async function show({ connect, output }: CliContext): Promise<void> {
  const api = await connect();
  const status = await api.call(CONNTRACK_CONF_GET, {});
  const percent = (status.max === 0 ? 0 : (100 * status.used) / status.max).toFixed(1);
  const settings = Object.entries(CONFIG_SETTINGS).map(
    ([name, { field }]) => [name, status[field]] as const,
  );
  if (output.isJson)
    return output.json({
      used: status.used,
      used_percent: Number(percent),
      ...Object.fromEntries(settings),
    });
  const lines = settings.map(([name, value]) => `${name} ${value}`);
  return output.lines([`used ${status.used} (${percent}%)`, ...lines]);
}

function setting(field: keyof ConntrackConfig, help: string): Setting {
  return { ...optional(integer(0, 0xffffffff), help), field };
}
