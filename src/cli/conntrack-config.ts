import {
  CONNTRACK_CONF_GET,
  CONNTRACK_CONF_SET,
  type ConntrackConfig,
  EARLY_DROP_MODES,
  TCP_LOOSE_MODES,
  TCP_WINDOW_MODES,
} from '../api/conntrack.js';
import type { CliContext } from './context.js';
import { UsageError } from './failure.js';
import { type CommandGroup, keywordCommand } from './grammar/command.js';
import { type Keyword, optional } from './grammar/keywords.js';
import { alternatives } from './grammar/prefix.js';
import { choice, integer, PERCENT_RANGE, type Value } from './grammar/values.js';
import { withProgress } from './migration-progress.js';

/** What of a configuration a setting changes. */
type Change = Partial<ConntrackConfig>;

/** A setting: how it is given, what that changes, and how `config show` tells of it. */
interface Setting extends Keyword<Change> {
  readonly isRequired: false;
  /** Returns the value, undefined when the daemon does not tell it. */
  shown(config: ConntrackConfig): string | number | undefined;
}

/** The defaults of the manual page. */
const GROUT_TIMERS: Change = {
  closedTimeoutSec: 5,
  newTimeoutSec: 5,
  establishedUdpTimeoutSec: 30,
  establishedTcpTimeoutSec: 300,
  halfCloseTimeoutSec: 120,
  timeWaitTimeoutSec: 30,
};

/**
 * What the RFCs ask for at the least. TCP: 2 h 4 min established and 4 min while it opens or closes,
 * RFC 5382 section 5 (REQ-5). After a RST 4 min, RFC 7857 section 2.2. UDP: 5 min, RFC 4787 section
 * 4.3 (REQ-5); ICMP queries, which need 60 s by RFC 5508 section 3.2 (REQ-2), share its timer.
 */
const RFC_TIMERS: Change = {
  closedTimeoutSec: 240,
  newTimeoutSec: 240,
  establishedUdpTimeoutSec: 300,
  establishedTcpTimeoutSec: 7440,
  halfCloseTimeoutSec: 240,
  timeWaitTimeoutSec: 240,
};

/** Every setting by its name, in the order of `config show`. 0 keeps the present value. */
const CONFIG_SETTINGS: Readonly<Record<string, Setting>> = {
  max: number('max', 'most connections at a time; all live ones are migrated'),
  'closed-timeout': number('closedTimeoutSec', 'seconds until a closed connection goes'),
  'new-timeout': number('newTimeoutSec', 'seconds until an unanswered connection goes'),
  'established-udp-timeout': number(
    'establishedUdpTimeoutSec',
    'seconds until an idle UDP or ICMP connection goes',
  ),
  'established-tcp-timeout': number(
    'establishedTcpTimeoutSec',
    'seconds until an idle TCP connection goes',
  ),
  'half-close-timeout': number(
    'halfCloseTimeoutSec',
    'seconds until a TCP connection that is being closed goes',
  ),
  'time-wait-timeout': number('timeWaitTimeoutSec', 'seconds until a finished TCP connection goes'),
  'tcp-window': mode(
    'tcpWindow',
    TCP_WINDOW_MODES,
    choice('strict', 'liberal', 'off'),
    'what becomes of TCP that does not belong: dropped, only counted, or not judged by windows',
  ),
  'tcp-loose': mode(
    'tcpLoose',
    TCP_LOOSE_MODES,
    choice('on', 'off'),
    'whether TCP connections are picked up in mid-stream',
  ),
  adaptive: {
    ...optional(
      mapped(
        PERCENT_RANGE,
        ({ start, end }): Change => ({ adaptiveStart: start, adaptiveEnd: end }),
      ),
      'time-outs shrink with the use of max: whole at START %, nothing left at END %',
    ),
    shown: ({ adaptiveStart, adaptiveEnd }) =>
      adaptiveEnd === 0 ? undefined : `${adaptiveStart} ${adaptiveEnd}`,
  },
  'early-drop': mode(
    'earlyDrop',
    EARLY_DROP_MODES,
    choice('on', 'off'),
    'whether a full table drops unanswered connections for new ones',
  ),
  profile: {
    ...optional(
      mapped(choice('grout', 'rfc'), (name) => (name === 'rfc' ? RFC_TIMERS : GROUT_TIMERS)),
      'all time-outs at once: the defaults, or those of the RFCs; a time-out beside it wins',
    ),
    shown: () => undefined,
  },
};

const KEEP_ALL: ConntrackConfig = {
  max: 0,
  closedTimeoutSec: 0,
  newTimeoutSec: 0,
  establishedUdpTimeoutSec: 0,
  establishedTcpTimeoutSec: 0,
  halfCloseTimeoutSec: 0,
  timeWaitTimeoutSec: 0,
  tcpWindow: 0,
  tcpLoose: 0,
  earlyDrop: 0,
  adaptiveStart: 0,
  adaptiveEnd: 0,
};

/** `conntrack config`: limits, time-outs and modes. */
export const CONNTRACK_SETTINGS: CommandGroup = {
  name: 'config',
  summary: 'Limits, time-outs and modes',
  members: [
    keywordCommand({
      name: 'set',
      summary: 'Change at least one setting, all or none; 0 keeps the present value',
      keywords: CONFIG_SETTINGS,
      run: set,
    }),
    keywordCommand({
      name: 'show',
      summary: 'Show the settings and how many connections there are',
      keywords: {},
      run: show,
    }),
  ],
};

async function set(
  context: CliContext,
  { profile, ...others }: Readonly<Record<string, Change | undefined>>,
): Promise<void> {
  // A single setting wins over the profile's, wherever in the command it stands.
  const changes = [profile, ...Object.values(others)].filter((change) => change !== undefined);
  if (changes.length === 0)
    throw new UsageError(
      `config set: at least one of ${alternatives(Object.keys(CONFIG_SETTINGS))} is expected`,
    );
  const api = await context.connect();
  const request: ConntrackConfig = Object.assign({ ...KEEP_ALL }, ...changes);
  await withProgress(context, () => api.call(CONNTRACK_CONF_SET, request));
}

async function show({ connect, output }: CliContext): Promise<void> {
  const api = await connect();
  const status = await api.call(CONNTRACK_CONF_GET, {});
  const { migratedPercent } = status;
  const percent = (status.max === 0 ? 0 : (100 * status.used) / status.max).toFixed(1);
  const settings = Object.entries(CONFIG_SETTINGS)
    .map(([name, setting]) => [name, setting.shown(status)] as const)
    .filter(([, value]) => value !== undefined);
  if (output.isJson)
    return output.json({
      used: status.used,
      used_percent: Number(percent),
      ...Object.fromEntries(settings),
      ...(migratedPercent === undefined ? {} : { migrating_percent: migratedPercent }),
    });
  const lines = settings.map(([name, value]) => `${name} ${value}`);
  if (migratedPercent !== undefined) lines.push(`migrating ${migratedPercent} %`);
  return output.lines([`used ${status.used} (${percent}%)`, ...lines]);
}

function number(field: keyof ConntrackConfig, help: string): Setting {
  const value = mapped(integer(0, 0xffffffff), (given): Change => ({ [field]: given }));
  return { ...optional(value, help), shown: (config) => config[field] };
}

/** Returns the setting of a mode whose number is its place in `modes`, 0 if the daemon has none. */
function mode<M extends string>(
  field: 'tcpWindow' | 'tcpLoose' | 'earlyDrop',
  modes: readonly (M | '')[],
  value: Value<M>,
  help: string,
): Setting {
  const change = mapped(value, (given): Change => ({ [field]: modes.indexOf(given) }));
  const shown = (config: ConntrackConfig) =>
    config[field] === 0 ? undefined : (modes[config[field]] ?? '?');
  return { ...optional(change, help), shown };
}

/** Returns the kind of words of `value` with another meaning. */
function mapped<T, U>(value: Value<T>, meaning: (given: T) => U): Value<U> {
  return { ...value, parse: (name, text) => meaning(value.parse(name, text)) };
}
