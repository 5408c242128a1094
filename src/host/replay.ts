import { TCP_LOOSE_MODES, TCP_WINDOW_MODES } from '../api/conntrack.js';
import { ControlError } from '../api/errors.js';
import type { Prefix } from '../api/ipv4.js';
import { PcapReader } from '../tun/pcap.js';
import { DEFAULT_CONFIG } from './conntrack.js';
import { DEFAULT_CEILING } from './memory.js';
import { jsonReport, type ReplayReport, textReport, type Write } from './replay-report.js';
import { ReplayTracker } from './replay-tracker.js';

/** A mode of the TCP tracker, as `conntrack config set` has them. */
export type TcpWindow = Exclude<(typeof TCP_WINDOW_MODES)[number], ''>;
export type TcpLoose = Exclude<(typeof TCP_LOOSE_MODES)[number], ''>;

export interface ReplayOptions {
  /** The capture; `-` is the standard input. */
  readonly path: string;
  /** Where connections begin: the addresses behind the gateway. */
  readonly inside: Prefix;
  readonly isJson: boolean;
  readonly tcpWindow: TcpWindow;
  readonly tcpLoose: TcpLoose;
}

/**
 * Runs a capture through the datapath, tracking without translating, and writes what becomes of each
 * packet and what conns are left. Time-outs are the daemon's defaults. Needs no privilege.
 *
 * @throws {ControlError} when the capture cannot be read; what came before the fault was written.
 */
export async function replay(options: ReplayOptions, write: Write): Promise<void> {
  const reader = PcapReader.open(options.path);
  try {
    const tracker = new ReplayTracker({
      inside: options.inside,
      ceiling: DEFAULT_CEILING,
      config: {
        ...DEFAULT_CONFIG,
        tcpWindow: TCP_WINDOW_MODES.indexOf(options.tcpWindow),
        tcpLoose: TCP_LOOSE_MODES.indexOf(options.tcpLoose),
      },
    });
    const report = options.isJson ? jsonReport(write) : textReport(write);
    const fault = await replayAll(reader, tracker, report);
    await report.end(tracker.conns());
    if (fault !== undefined) throw fault;
  } finally {
    reader.close();
  }
}

/** Replays up to the capture's end, or to where it is damaged: then returns what is wrong. */
async function replayAll(
  reader: PcapReader,
  tracker: ReplayTracker,
  report: ReplayReport,
): Promise<ControlError | undefined> {
  try {
    for (let packet = reader.next(); packet !== undefined; packet = reader.next()) {
      const expired = tracker.advance(packet.timeNs);
      await report.packet(tracker.track(packet), expired, tracker.timeSec);
    }
    return undefined;
  } catch (cause) {
    if (cause instanceof ControlError) return cause;
    throw cause;
  }
}
