// One TCP connection through a gateway without devices: what its client and its server say, as real
// packets that burst() decides.
import {
  CTL_TCP_LOOSE,
  CTL_TCP_WINDOW,
  TCP_WINDOW_LIBERAL,
  TCP_WINDOW_OFF,
  TCP_WINDOW_STRICT,
} from '../../assembly/layout.js';
import { buildTcp, type TcpFields } from './packets.js';
import type { WindowMode } from './tcp-segment.js';
import type { Line } from './tcp-talk.js';
import { type Departure, INSIDE, OUTSIDE, TestGateway } from './test-gateway.js';

const MODES: Readonly<Record<WindowMode, number>> = {
  off: TCP_WINDOW_OFF,
  liberal: TCP_WINDOW_LIBERAL,
  strict: TCP_WINDOW_STRICT,
};
const CLIENT = { src: '10.99.0.5', sport: 40000 };
const SERVER = { src: '192.0.2.9', sport: 80 };
const OUTER = { dst: '172.16.0.1', dport: 40000 };

/** A gateway that translates the connection from 10.99.0.5:40000 to 192.0.2.9:80. */
export class TcpGateway {
  readonly gateway: TestGateway;

  private constructor(gateway: TestGateway) {
    this.gateway = gateway;
  }

  static async open(mode: WindowMode = 'strict', isLoose = false): Promise<TcpGateway> {
    const gateway = await TestGateway.open({ ceiling: 8 });
    const { u32 } = gateway.datapath.shared;
    Atomics.store(u32, CTL_TCP_WINDOW >>> 2, MODES[mode]);
    Atomics.store(u32, CTL_TCP_LOOSE >>> 2, isLoose ? 1 : 0);
    return new TcpGateway(gateway);
  }

  /** Says `lines` one after the other, a second apart; returns what became of the last one. */
  say(lines: readonly Line[], rest: Partial<TcpFields> = {}): Departure {
    let last: Departure | undefined;
    for (const line of lines) {
      last = this.gateway.decideOne(arrivalOf(line, rest));
      this.gateway.datapath.clock.advance(1_000_000_000n);
    }
    if (last === undefined) throw new Error('nothing was said');
    return last;
  }
}

/** Returns the packet of a line; `rest` are header fields that no TCP would send. */
export function arrivalOf([flow, flags, seq, ack, more]: Line, rest: Partial<TcpFields> = {}) {
  const ends =
    flow === 'fwd' ? { ...CLIENT, dst: SERVER.src, dport: SERVER.sport } : { ...SERVER, ...OUTER };
  const { len = 0, win = 65535, opts = {} } = more ?? {};
  const packet = buildTcp({ ...ends, flags, seq, ack, win, opts, ...rest }, Buffer.alloc(len));
  return { iface: flow === 'fwd' ? INSIDE : OUTSIDE, packet };
}
