import {
  CTL_EARLY_DROP,
  CTL_POOL_MAX,
  CTL_TCP_LOOSE,
  CTL_TCP_WINDOW,
  CTL_TIMEOUTS,
  PROTO_TCP,
  PROTO_UDP,
  STATE_COUNT,
  TCP_WINDOW_LIBERAL,
  TCP_WINDOW_OFF,
  TCP_WINDOW_STRICT,
  TIMEOUTS_ROW,
} from '../../assembly/layout.js';
import {
  type ConntrackConfig,
  EARLY_DROP_MODES,
  TCP_LOOSE_MODES,
  TCP_WINDOW_MODES,
} from '../api/conntrack.js';
import { ControlError } from '../api/errors.js';
import type { ConnTable } from './conn-table.js';
import type { SharedMemory } from './memory.js';
import type { ConnIndex } from './migration.js';
import { timeoutSetting } from './timeouts.js';

/** The defaults of grcli-conntrack(1), and a tracker that drops what it does not believe. */
export const DEFAULT_CONFIG: ConntrackConfig = {
  max: 16384,
  closedTimeoutSec: 5,
  newTimeoutSec: 5,
  establishedUdpTimeoutSec: 30,
  establishedTcpTimeoutSec: 300,
  halfCloseTimeoutSec: 120,
  timeWaitTimeoutSec: 30,
  tcpWindow: TCP_WINDOW_MODES.indexOf('strict'),
  tcpLoose: TCP_LOOSE_MODES.indexOf('off'),
  earlyDrop: EARLY_DROP_MODES.indexOf('on'),
  adaptiveStart: 60,
  adaptiveEnd: 120,
};

/** The datapath's numbers of the window test's modes. */
const WINDOW_WORDS: Readonly<Record<string, number>> = {
  off: TCP_WINDOW_OFF,
  liberal: TCP_WINDOW_LIBERAL,
  strict: TCP_WINDOW_STRICT,
};

const NS_PER_SEC = 1_000_000_000n;

interface ConntrackParts {
  readonly shared: SharedMemory;
  readonly table: ConnTable;
  readonly index: ConnIndex;
  /** The daemon's ceiling for `max` (`--max-conntracks`). */
  readonly ceiling: number;
  readonly config: ConntrackConfig;
}

/** The configuration of connection tracking, and what changing it sets in motion. */
export class Conntrack {
  readonly #shared: SharedMemory;
  readonly #table: ConnTable;
  readonly #index: ConnIndex;
  readonly #ceiling: number;
  #config: ConntrackConfig;

  constructor({ shared, table, index, ceiling, config }: ConntrackParts) {
    this.#shared = shared;
    this.#table = table;
    this.#index = index;
    this.#ceiling = ceiling;
    this.#config = config;
    this.#publishMax(config.max);
    this.#publishTimeouts();
    this.#publishModes();
  }

  get config(): ConntrackConfig {
    return this.#config;
  }

  /** How far the migration to another `max` is, 0..100; undefined while none runs. */
  get migratedPercent(): number | undefined {
    return this.#index.migratedPercent;
  }

  /**
   * The share of every time-out, 0 to 1, that is left out now: none until `adaptiveStart` percent
   * of `max` are in use, all from `adaptiveEnd` percent on, and in proportion between them.
   */
  get timeoutShrink(): number {
    const { max, adaptiveStart, adaptiveEnd } = this.#config;
    const usedPercent = (100 * this.#table.used) / max;
    const share = (usedPercent - adaptiveStart) / (adaptiveEnd - adaptiveStart);
    return Math.min(Math.max(share, 0), 1);
  }

  /**
   * Applies the settings of `change` that are not 0, all or none; resolves when a new `max` is in
   * force, after the migration that it takes.
   *
   * @throws {ControlError} EINVAL when `max` is above the ceiling or the adaptive range is none, ENOSPC when it is below the
   * conns in use, EBUSY while another migration runs.
   */
  async set(change: ConntrackConfig): Promise<void> {
    checkAdaptive(keepZeros(this.#config, change));
    if (change.max !== 0 && change.max !== this.#config.max) await this.#resize(change.max);
    // The configuration is read again here: another client may have set others meanwhile.
    this.#config = keepZeros(this.#config, change);
    this.#publishTimeouts();
    this.#publishModes();
  }

  async #resize(max: number): Promise<void> {
    const before = this.#config.max;
    if (max > this.#ceiling)
      throw new ControlError('EINVAL', `max ${max} is above the daemon's ceiling ${this.#ceiling}`);
    if (this.#index.isMigrating)
      throw new ControlError('EBUSY', `max ${max} has to wait: a migration is running`);
    // A smaller limit is in force before the migration starts, so that what is copied fits; a
    // larger one afterwards, when the index has the room.
    if (max < before) this.#publishMax(max);
    const { used } = this.#table;
    if (used > max) {
      this.#publishMax(before);
      throw new ControlError('ENOSPC', `max ${max} is below the ${used} connections in use`);
    }
    try {
      await this.#index.migrate(max);
    } catch (cause) {
      this.#publishMax(before);
      throw cause;
    }
    this.#publishMax(max);
    this.#config = { ...this.#config, max };
  }

  #publishMax(max: number): void {
    Atomics.store(this.#shared.u32, CTL_POOL_MAX >>> 2, max);
  }

  /** Tells the workers how to judge TCP, and what to do when the table is full. */
  #publishModes(): void {
    const { tcpWindow, tcpLoose, earlyDrop } = this.#config;
    const windowWord = WINDOW_WORDS[TCP_WINDOW_MODES[tcpWindow] ?? ''];
    if (windowWord === undefined) throw new Error(`there is no tcp-window ${tcpWindow}`);
    Atomics.store(this.#shared.u32, CTL_TCP_WINDOW >>> 2, windowWord);
    Atomics.store(
      this.#shared.u32,
      CTL_TCP_LOOSE >>> 2,
      TCP_LOOSE_MODES[tcpLoose] === 'on' ? 1 : 0,
    );
    Atomics.store(
      this.#shared.u32,
      CTL_EARLY_DROP >>> 2,
      EARLY_DROP_MODES[earlyDrop] === 'on' ? 1 : 0,
    );
  }

  /** Fills the ageing scan's table: one row for TCP, one for UDP and ICMP. */
  #publishTimeouts(): void {
    for (const [row, proto] of [PROTO_TCP, PROTO_UDP].entries()) {
      const words = (CTL_TIMEOUTS + row * TIMEOUTS_ROW) >>> 3;
      for (let state = 0; state < STATE_COUNT; state++)
        this.#shared.i64[words + state] =
          BigInt(this.#config[timeoutSetting(proto, state)]) * NS_PER_SEC;
    }
  }
}

function checkAdaptive({ adaptiveStart, adaptiveEnd }: ConntrackConfig): void {
  if (adaptiveStart >= adaptiveEnd)
    throw new ControlError(
      'EINVAL',
      `adaptive ${adaptiveStart} ${adaptiveEnd}: the start is not below the end`,
    );
}

/** Returns `before` with the settings of `change` that are not 0: zero means "keep". */
function keepZeros(before: ConntrackConfig, change: ConntrackConfig): ConntrackConfig {
  return {
    max: change.max || before.max,
    closedTimeoutSec: change.closedTimeoutSec || before.closedTimeoutSec,
    newTimeoutSec: change.newTimeoutSec || before.newTimeoutSec,
    establishedUdpTimeoutSec: change.establishedUdpTimeoutSec || before.establishedUdpTimeoutSec,
    establishedTcpTimeoutSec: change.establishedTcpTimeoutSec || before.establishedTcpTimeoutSec,
    halfCloseTimeoutSec: change.halfCloseTimeoutSec || before.halfCloseTimeoutSec,
    timeWaitTimeoutSec: change.timeWaitTimeoutSec || before.timeWaitTimeoutSec,
    tcpWindow: change.tcpWindow || before.tcpWindow,
    tcpLoose: change.tcpLoose || before.tcpLoose,
    earlyDrop: change.earlyDrop || before.earlyDrop,
    adaptiveStart: change.adaptiveStart || before.adaptiveStart,
    adaptiveEnd: change.adaptiveEnd || before.adaptiveEnd,
  };
}
