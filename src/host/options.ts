import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { MAX_CONNTRACKS, MAX_WORKERS } from '../../assembly/layout.js';
import { TCP_LOOSE_MODES, TCP_WINDOW_MODES } from '../api/conntrack.js';
import { type Prefix, parsePrefix } from '../api/ipv4.js';
import { defaultSocketPath } from '../api/socket-path.js';
import { IO_WISHES, type IoWish } from './io.js';
import { DEFAULT_CEILING } from './memory.js';
import type { ReplayOptions, TcpLoose, TcpWindow } from './replay.js';

/** What the gateway is started with. */
export interface GatewayOptions {
  readonly socket: string;
  readonly verbose: boolean;
  readonly workers: number;
  readonly maxConntracks: number;
  readonly io: IoWish;
  readonly spinUs: number;
  readonly file?: string;
}

/** What the command line asks for. */
export type Wish =
  | { readonly command: 'gateway'; readonly options: GatewayOptions }
  | { readonly command: 'replay'; readonly options: ReplayOptions };

/** A second: beyond that, it is a worker that never sleeps. */
const MAX_SPIN_US = 1_000_000;

const REPLAY_HELP = `
CAPTURE is a pcap file, - for the standard input. A capture of the inside interface has the inside
hosts' own addresses: PREFIX is their subnet. In a capture of the outside interface their packets
are translated already: PREFIX is the outside address, with a length of 32.`;

/** Returns what `argv` asks for. @throws {CommanderError} when it is help or makes no sense. */
export function parseWish(argv: readonly string[], version: string): Wish {
  let wish: Wish | undefined;
  const program = new Command('grout')
    .description('A connection-tracking NAT gateway over TUN devices, driven by grcli.')
    .option(
      '-s, --socket <path>',
      'UNIX socket of the API (env GROUT_SOCK_PATH)',
      defaultSocketPath(),
    )
    .option('-v, --verbose', 'log more than what changes', false)
    .option(
      '--workers <n>',
      `datapath threads, 1..${MAX_WORKERS}`,
      wholeNumber(1, MAX_WORKERS),
      Math.min(MAX_WORKERS, Math.max(1, availableParallelism() - 1)),
    )
    .option(
      '--max-conntracks <n>',
      `highest value that conntrack's max may be set to, 1..${MAX_CONNTRACKS}`,
      wholeNumber(1, MAX_CONNTRACKS),
      DEFAULT_CEILING,
    )
    .addOption(
      new Option('--io <way>', 'how packets are moved; auto is uring where it works')
        .choices(IO_WISHES)
        .default('auto'),
    )
    .option(
      '--spin-us <n>',
      `microseconds that an idle worker looks for packets before it sleeps, 0..${MAX_SPIN_US}`,
      wholeNumber(0, MAX_SPIN_US),
      0,
    )
    .option('-f, --file <path>', 'grcli commands to run once the daemon is up')
    .version(version, '-V, --version')
    .helpOption('-h, --help')
    .helpCommand(false)
    .allowExcessArguments(false)
    .enablePositionalOptions()
    .exitOverride()
    .action((options: GatewayOptions) => {
      wish = { command: 'gateway', options };
    });
  const replay = replayCommand((options) => {
    wish = { command: 'replay', options };
  });
  program.addCommand(replay.copyInheritedSettings(program));
  program.parse(argv);
  if (wish === undefined) throw new Error('the command line has no command');
  return wish;
}

interface ReplayWords {
  readonly inside: Prefix;
  readonly json: boolean;
  readonly tcpLoose: TcpLoose;
  readonly tcpWindow: TcpWindow;
}

function replayCommand(run: (options: ReplayOptions) => void): Command {
  return new Command('replay')
    .description('Tells for each packet of a capture what the connection tracker makes of it.')
    .argument('<CAPTURE>', 'the capture')
    .requiredOption('--inside <PREFIX>', 'the addresses behind the gateway', prefix)
    .option('-j, --json', 'print JSON, a line for each packet', false)
    .addOption(
      new Option('--tcp-loose <mode>', 'pick TCP up in mid-stream')
        .choices(namesOf(TCP_LOOSE_MODES))
        .default('off'),
    )
    .addOption(
      new Option('--tcp-window <mode>', 'what to do with TCP out of its window')
        .choices(namesOf(TCP_WINDOW_MODES))
        .default('strict'),
    )
    .helpOption('-h, --help')
    .addHelpText('after', REPLAY_HELP)
    .action((path: string, { json, ...rest }: ReplayWords) => run({ path, isJson: json, ...rest }));
}

/** The first of the modes by number has no name. */
function namesOf(modes: readonly string[]): string[] {
  return modes.filter((name) => name !== '').reverse();
}

function prefix(text: string): Prefix {
  const value = parsePrefix(text);
  if (value === undefined)
    throw new InvalidArgumentError('It is not ADDRESS/LENGTH, as 10.0.0.0/8.');
  return value;
}

/** Returns a parser of decimal whole numbers in min..max. */
function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It is not a whole number in ${min}..${max}.`);
  };
}
