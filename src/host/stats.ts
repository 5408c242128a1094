import {
  COUNT_BURSTS,
  COUNT_CONNS_CREATED,
  COUNT_CONNS_DROPPED_EARLY,
  COUNT_END,
  COUNT_FORWARDED,
  COUNT_ICMP_LIMITED,
  COUNT_ICMP_SENT,
  COUNT_LOCAL,
  COUNTERS_BASE,
  COUNTERS_IFACES,
  COUNTERS_SIZE,
  IFACE_COUNTERS_SIZE,
  IFACE_RX_BYTES,
  IFACE_RX_DROPS,
  IFACE_RX_PACKETS,
  IFACE_TX_BYTES,
  IFACE_TX_ERRORS,
  IFACE_TX_PACKETS,
  MAX_IFACES,
  MAX_WORKERS,
  TCP_IGNORED_FIRST,
} from '../../assembly/layout.js';
import type { SharedMemory } from './memory.js';
import { REASON_NAMES } from './reasons.js';

const COUNT_NAMES: Readonly<Record<number, string>> = {
  [COUNT_FORWARDED]: 'forwarded',
  [COUNT_LOCAL]: 'answered',
  [COUNT_BURSTS]: 'bursts',
  [COUNT_CONNS_CREATED]: 'conns_created',
  [COUNT_ICMP_SENT]: 'icmp_errors_sent',
  [COUNT_CONNS_DROPPED_EARLY]: 'conns_dropped_early',
  [COUNT_ICMP_LIMITED]: 'icmp_errors_limited',
};

/** A named sum over all workers since the last reset. */
export interface Counter {
  readonly name: string;
  readonly count: bigint;
}

/** Packets and bytes of an interface, summed over all workers since the last reset. */
export interface IfaceCounters {
  readonly rxPackets: bigint;
  readonly rxBytes: bigint;
  readonly rxDrops: bigint;
  readonly txPackets: bigint;
  readonly txBytes: bigint;
  readonly txErrors: bigint;
}

/**
 * Sums of the workers' counters. Workers alone write those, with plain stores, so a reset does not
 * touch them: it remembers where they stood.
 */
export class Stats {
  readonly #words: BigUint64Array;
  readonly #base = new BigUint64Array(COUNTERS_SIZE / 8);

  constructor(shared: SharedMemory) {
    this.#words = shared.u64;
  }

  /** Returns every counter, in the order of the layout: reasons first. */
  counters(): Counter[] {
    const counters: Counter[] = [];
    for (let number = 1; number < COUNT_END; number++) {
      const name = COUNT_NAMES[number] ?? reasonCounter(number);
      if (name !== undefined) counters.push({ name, count: this.#since(number) });
    }
    return counters;
  }

  /** Returns the counters of the interface with this id. */
  iface(id: number): IfaceCounters {
    const at = (field: number) =>
      this.#since((COUNTERS_IFACES + id * IFACE_COUNTERS_SIZE + field) / 8);
    return {
      rxPackets: at(IFACE_RX_PACKETS),
      rxBytes: at(IFACE_RX_BYTES),
      rxDrops: at(IFACE_RX_DROPS),
      txPackets: at(IFACE_TX_PACKETS),
      txBytes: at(IFACE_TX_BYTES),
      txErrors: at(IFACE_TX_ERRORS),
    };
  }

  /** Starts all counts at 0 again. */
  reset(): void {
    for (let word = 0; word < this.#base.length; word++) this.#base[word] = this.#sum(word);
  }

  /** Starts the counts of one interface at 0 again, for when its id is given to another. */
  resetIface(id: number): void {
    if (id >= MAX_IFACES) throw new Error(`interface id ${id} is out of range`);
    const first = (COUNTERS_IFACES + id * IFACE_COUNTERS_SIZE) / 8;
    for (let word = first; word < first + IFACE_COUNTERS_SIZE / 8; word++)
      this.#base[word] = this.#sum(word);
  }

  #since(word: number): bigint {
    return this.#sum(word) - (this.#base[word] ?? 0n);
  }

  #sum(word: number): bigint {
    let sum = 0n;
    for (let worker = 0; worker < MAX_WORKERS; worker++)
      sum += this.#words[(COUNTERS_BASE + worker * COUNTERS_SIZE) / 8 + word] ?? 0n;
    return sum;
  }
}

function reasonCounter(number: number): string | undefined {
  const name = REASON_NAMES[number];
  if (name === undefined) return undefined;
  const isIgnored = number >= TCP_IGNORED_FIRST;
  return isIgnored ? name : `drop_${name}`;
}
