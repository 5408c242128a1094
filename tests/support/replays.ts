// Runs replays for the tests and takes apart what they print.
import { ControlError } from '../../src/api/errors.js';
import { parsePrefix } from '../../src/api/ipv4.js';
import { type ReplayOptions, replay } from '../../src/host/replay.js';
import type { CaptureFormat, Frame } from './captures.js';
import { buildPcap, CaptureFolder, INSIDE } from './captures.js';
import type { Conn } from './gateway.js';

/** A packet's line of `grout replay -j`. */
export interface PacketLine {
  readonly n: number;
  readonly flow: string;
  readonly verdict: string;
  readonly reason: string;
  readonly state: string;
  readonly conn: string;
  readonly expired?: readonly {
    readonly conn: string;
    readonly state: string;
    readonly reason: string;
    readonly time: number;
  }[];
}

/** The last line of `grout replay -j`. */
export interface EndLine {
  readonly conns: readonly Conn[];
  readonly verdicts: readonly {
    readonly verdict: string;
    readonly reason: string;
    readonly packets: number;
  }[];
}

/** All that a replay says; `error` is what it failed with. */
export interface Replayed {
  readonly packets: readonly PacketLine[];
  readonly end: EndLine;
  readonly error: ControlError | undefined;
}

/** Settings of a replay; its own defaults unless told. */
export type ReplaySettings = Partial<Omit<ReplayOptions, 'path' | 'inside'>> & {
  readonly inside?: string;
};

/** Returns the lines of `grout replay -j`. @throws {Error} when they are not laid out as they should. */
export function parseLines(text: string): Omit<Replayed, 'error'> {
  const lines = text.trimEnd().split('\n');
  const last = lines.pop() ?? '';
  const end: unknown = JSON.parse(last);
  if (typeof end !== 'object' || end === null || !('conns' in end)) throw new Error(last);
  // Their layout is what the tests compare, field by field.
  return { packets: lines.map((line) => JSON.parse(line) as PacketLine), end: end as EndLine };
}

/** Runs replays in this process. */
export class Replayer {
  readonly folder = new CaptureFolder();

  /** Returns what a replay of `frames` prints as JSON. */
  async run(
    frames: readonly Frame[],
    format: CaptureFormat = {},
    settings: ReplaySettings = {},
  ): Promise<Replayed> {
    return this.runFile(buildPcap(frames, format), settings);
  }

  /** The same, for a file as it is. */
  async runFile(file: Uint8Array, settings: ReplaySettings = {}): Promise<Replayed> {
    const { text, error } = await this.print(file, { isJson: true, ...settings });
    return { ...parseLines(text), error };
  }

  /** Returns what a replay prints. */
  async print(
    file: Uint8Array,
    { inside = INSIDE, ...settings }: ReplaySettings = {},
  ): Promise<{ readonly text: string; readonly error: ControlError | undefined }> {
    const prefix = parsePrefix(inside);
    if (prefix === undefined) throw new Error(`${inside} is no prefix`);
    const path = this.folder.write(file);
    const defaults = { isJson: false, tcpLoose: 'off', tcpWindow: 'strict' } as const;
    let text = '';
    const write = async (part: string) => {
      text += part;
    };
    try {
      await replay({ path, inside: prefix, ...defaults, ...settings }, write);
      return { text, error: undefined };
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      return { text, error };
    }
  }
}
