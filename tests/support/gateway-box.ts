import { setImmediate } from 'node:timers/promises';
import { ApiClient } from '../../src/api/client.js';
import { CONN_STATES, CONNTRACK_LIST } from '../../src/api/conntrack.js';
import { STATS_ALL_CPUS, STATS_GET, STATS_SOFTWARE } from '../../src/api/stats.js';
import { Lab, WAN_GATEWAY } from './lab.js';
import {
  assertArrived,
  CLIENT,
  CLIENT_PREFIX,
  type Ends,
  type Middlebox,
  numberOf,
  packetOf,
  SERVER,
  SERVER_PORT,
  SERVER_PREFIX,
  type Step,
  TTL,
} from './middlebox.js';
import { buildUdp } from './packets.js';
import type { Flow, State } from './tcp-segment.js';
import { Wire } from './wire.js';

/** A host that no policy covers: what it sends is only routed. */
const STRANGER = '10.96.0.1';
const MARK_PORT = 9;
const PROTO_UDP = 17;
const PROTO_TCP = 6;
/** The gateway, and the kernel on either side of it. */
const HOPS = 3;
const PATIENCE_MS = 5000;
/** Long enough that no test outlives an entry. */
const TIMEOUTS = 'closed-timeout 600 new-timeout 600 half-close-timeout 600 time-wait-timeout 600';

/** A connection as the daemon tells of it over its API. */
export interface TrackedConn {
  readonly state: State;
  readonly lastUpdateNs: bigint;
}

/**
 * The running daemon between two wires:
 *
 *     test -wire- [lan kernel] - p1 [daemon] p0 - [wan kernel] -wire- test
 *
 * The LAN is translated. A mark that is sent behind the segments tells when all are through, as
 * the daemon's one worker and all devices keep the order.
 */
export class GatewayBox implements Middlebox {
  readonly lab: Lab;
  readonly api: ApiClient;
  readonly #wires: Readonly<Record<Flow, Wire>>;
  /** Outside ports by the client's; its own until a packet shows another. */
  readonly #outside = new Map<number, number>();
  #marks = 0;

  private constructor(lab: Lab, api: ApiClient, wires: Readonly<Record<Flow, Wire>>) {
    this.lab = lab;
    this.api = api;
    this.#wires = wires;
  }

  /** `settings` are more words of `conntrack config set`. */
  static async open(settings = ''): Promise<GatewayBox> {
    const lab = await Lab.open({ args: ['--workers', '1'] });
    const wires: Wire[] = [];
    try {
      const fwd = await Wire.lay(lab.lan, CLIENT_PREFIX);
      wires.push(fwd);
      const rev = await Wire.lay(lab.wan, SERVER_PREFIX);
      wires.push(rev);
      await lab.gateway.do(`conntrack config set max 131072 ${TIMEOUTS} ${settings}`.trim());
      const api = await ApiClient.connect(lab.gateway.socketPath);
      return new GatewayBox(lab, api, { fwd, rev });
    } catch (cause) {
      for (const wire of wires) wire.close();
      await lab.close();
      throw cause;
    }
  }

  async pass(steps: readonly Step[]): Promise<boolean[]> {
    for (const [number, step] of steps.entries())
      this.#wires[step.flow].send(packetOf(step, number, this.#ends(step, step.flow)));
    const isForwarded = steps.map(() => false);
    await this.#drain((packet, flow) => {
      const number = numberOf(packet);
      const step = steps[number];
      if (step === undefined || step.flow !== flow || isForwarded[number] === true)
        throw new Error(`nobody sent ${packet.toString('hex')}`);
      if (flow === 'fwd') this.#outside.set(step.port, packet.readUInt16BE(20));
      assertArrived(packet, step, this.#ends(step, flow === 'fwd' ? 'rev' : 'fwd'), HOPS);
      isForwarded[number] = true;
    });
    return isForwarded;
  }

  /** Returns all TCP connections by the client's port. */
  async conns(): Promise<ReadonlyMap<number, TrackedConn>> {
    const conns = new Map<number, TrackedConn>();
    for await (const conn of this.api.stream(CONNTRACK_LIST, {})) {
      const state = CONN_STATES[conn.state];
      if (conn.proto === PROTO_TCP && state !== undefined)
        conns.set(conn.fwd.sport, { state, lastUpdateNs: conn.lastUpdateNs });
    }
    return conns;
  }

  /** Returns the packets counted under each name that matches `pattern`, those not 0. */
  async counters(pattern: string): Promise<ReadonlyMap<string, number>> {
    const flags = STATS_SOFTWARE;
    const stats = await this.api.call(STATS_GET, { flags, cpu: STATS_ALL_CPUS, pattern });
    return new Map(stats.map(({ name, packets }) => [name, Number(packets)]));
  }

  async close(): Promise<void> {
    this.api.close();
    for (const wire of Object.values(this.#wires)) wire.close();
    await this.lab.close();
  }

  /** Addresses of the step's packets on the client's side (fwd) or the server's (rev). */
  #ends({ port, flow }: Step, side: Flow): Ends {
    const inside = { src: CLIENT, sport: port };
    const outside = { src: WAN_GATEWAY, sport: this.#outside.get(port) ?? port };
    const { src, sport } = side === 'fwd' ? inside : outside;
    if (flow === 'fwd') return { src, sport, dst: SERVER, dport: SERVER_PORT };
    return { src: SERVER, sport: SERVER_PORT, dst: src, dport: sport };
  }

  /** Sends marks both ways and takes all that arrives until both are here. */
  async #drain(take: (packet: Buffer, flow: Flow) => void): Promise<void> {
    const id = ++this.#marks & 0xffff;
    const mark = { id, ttl: TTL, sport: MARK_PORT, dport: MARK_PORT };
    this.#wires.fwd.send(buildUdp({ ...mark, src: STRANGER, dst: SERVER }));
    this.#wires.rev.send(buildUdp({ ...mark, src: SERVER, dst: CLIENT }));
    const isThrough = { fwd: false, rev: false };
    const endMs = performance.now() + PATIENCE_MS;
    while (!isThrough.fwd || !isThrough.rev) {
      for (const [flow, exit] of [
        ['fwd', this.#wires.rev],
        ['rev', this.#wires.fwd],
      ] as const)
        for (let packet = exit.receive(); packet !== undefined; packet = exit.receive()) {
          if (packet[9] !== PROTO_UDP) take(packet, flow);
          else if (numberOf(packet) === id) isThrough[flow] = true;
        }
      if (performance.now() > endMs) throw new Error('the gateway lost a mark');
      await setImmediate();
    }
  }
}
