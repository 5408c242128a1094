import {
  CTX_BASE,
  CTX_NOW,
  CTX_SIZE,
  MAX_BURST,
  PKT_IN_IFACE,
  PKT_LEN,
  PKT_SIZE,
  PKT_VERDICT,
  PKTS_OFFSET,
  RING_SIZE,
  RINGS_BASE,
  SCRATCH_LIST,
  SLOT_PACKET,
  SLOT_SIZE,
  SLOT_VNET,
  VERDICT_FORWARD,
  VNET_SIZE,
} from '../../assembly/layout.js';
import type { SharedMemory } from '../../src/host/memory.js';
import type { DatapathSteps } from './datapath.js';
import { buildUdp } from './packets.js';
import { INSIDE } from './test-gateway.js';

/** The racers of a burst race; more of them only wait for each other on few cores. */
export const RACERS = 2;
/** Each round begins a burst of conns. */
export const RACE_ROUNDS = 60;

/** Rounds that all racers have come to, counted by each of them. */
const ARRIVED = SCRATCH_LIST >>> 2;
/** What each racer's packets became: a u16 port per packet. */
const PORTS = SCRATCH_LIST + 64;
const PATIENCE_MS = 5_000;

/** What a racer needs of its thread. */
interface Racer {
  readonly worker: number;
  readonly shared: SharedMemory;
  readonly wasm: DatapathSteps;
  check(isRight: boolean, what: () => string): void;
}

/**
 * Begins the same conns as the other racers at the same time, round by round: all must end with the
 * same outside port for each, whoever was first.
 */
export function raceBurst({ worker, shared, wasm, check }: Racer): void {
  const view = new DataView(shared.memory.buffer);
  const ring = RINGS_BASE + worker * RING_SIZE;
  const ports = (racer: number, n: number) => PORTS + (racer * MAX_BURST + n) * 2;
  view.setBigInt64(CTX_BASE + worker * CTX_SIZE + CTX_NOW, 1_000_000_000n, true);
  for (let round = 0; round < RACE_ROUNDS; round++) {
    for (let n = 0; n < MAX_BURST; n++) {
      // A well-known source port is never kept, so that each racer draws another.
      const flow = { sport: 123, dport: 1000 + round * MAX_BURST + n };
      const packet = buildUdp({ src: '10.99.0.5', dst: '192.0.2.9', ...flow });
      const slot = ring + n * SLOT_SIZE;
      const pkt = ring + PKTS_OFFSET + n * PKT_SIZE;
      shared.bytes.fill(0, slot + SLOT_VNET, slot + SLOT_VNET + VNET_SIZE);
      shared.bytes.set(packet, slot + SLOT_PACKET);
      view.setUint32(pkt + PKT_LEN, packet.length, true);
      view.setUint16(pkt + PKT_IN_IFACE, INSIDE, true);
    }
    meet(shared, 3 * round + 1);
    wasm.burst(worker, 0, MAX_BURST);
    for (let n = 0; n < MAX_BURST; n++) {
      const verdict = view.getUint8(ring + PKTS_OFFSET + n * PKT_SIZE + PKT_VERDICT);
      check(verdict === VERDICT_FORWARD, () => `packet ${n} of round ${round} was dropped`);
      view.setUint16(ports(worker, n), view.getUint16(ring + n * SLOT_SIZE + SLOT_PACKET + 20));
    }
    meet(shared, 3 * round + 2);
    for (let n = 0; n < MAX_BURST; n++) {
      const [own, other] = [view.getUint16(ports(worker, n)), view.getUint16(ports(1 - worker, n))];
      check(own === other, () => `packet ${n} of round ${round} left from ${own} and ${other}`);
    }
    meet(shared, 3 * round + 3);
  }
}

/** Waits until all racers have come here `count` times; spins, so that they go on as one. */
function meet(shared: SharedMemory, count: number): void {
  Atomics.add(shared.u32, ARRIVED, 1);
  const end = performance.now() + PATIENCE_MS;
  while (Atomics.load(shared.u32, ARRIVED) < count * RACERS)
    if (performance.now() > end) throw new Error(`no other racer came to meeting ${count}`);
}
