import { CTL_SPIN_NS } from '../../assembly/layout.js';
import type { OpenTun } from '../tun/device.js';
import { createSystem, rawClockNs } from '../tun/sys.js';
import { type StopAgeing, startAgeing } from './ageing.js';
import { handlersOf } from './api-handler.js';
import { type ApiServer, startApiServer } from './api-server.js';
import { ConnTable } from './conn-table.js';
import { Conntrack, DEFAULT_CONFIG } from './conntrack.js';
import { compileDatapath, instantiateDatapath } from './datapath.js';
import { startReclaiming } from './early-drop.js';
import { Gateway } from './gateway.js';
import { GoneDevices } from './gone-devices.js';
import { addressHandlers } from './handlers/address.js';
import { conntrackHandlers } from './handlers/conntrack.js';
import { ifaceHandlers } from './handlers/iface.js';
import { invalidPacketHandlers } from './handlers/invalid-packet.js';
import { routeHandlers } from './handlers/route.js';
import { snat44Handlers } from './handlers/snat44.js';
import { statsHandlers } from './handlers/stats.js';
import { HeldDevices } from './held-devices.js';
import { InvalidPackets } from './invalid-packets.js';
import { chooseIo, type IoWish } from './io.js';
import type { Log } from './log.js';
import { createMemory } from './memory.js';
import { ConnIndex } from './migration.js';
import { Qsbr } from './qsbr.js';
import { Stats } from './stats.js';
import { TablePressure } from './table-pressure.js';
import { Tables } from './tables.js';
import { TranPools } from './tran-pools.js';
import { startWorkerPool, type WorkerPool } from './worker-pool.js';

export interface DaemonOptions {
  /** Path of the API's UNIX socket. */
  readonly socketPath: string;
  /** Datapath workers, 1..MAX_WORKERS. */
  readonly workers: number;
  /** Ceiling for `conntrack config set max`, 1..16 Mi. */
  readonly maxConntracks: number;
  /** How the workers move packets. */
  readonly io: IoWish;
  /** How long a worker looks for packets before it sleeps, 0..1000000 microseconds. */
  readonly spinUs: number;
  /** How interfaces get their devices. */
  readonly openTun: OpenTun;
  readonly log: Log;
  /** Called when something failed that cannot fail: the daemon's state is not to be trusted. */
  readonly onBug: (cause: unknown) => void;
}

/** A running gateway. */
export interface Daemon {
  /** Stops in the reverse order of starting; the devices and the socket are gone. Idempotent. */
  close(): Promise<void>;
}

/**
 * Starts the gateway: memory, workers, ageing, and the API last, so that whoever can connect finds
 * everything working.
 *
 * @throws {ControlError} EINVAL, ENOMEM, EADDRINUSE when the socket is another daemon's.
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const closers: (() => void | Promise<void>)[] = [];
  const close = async () => {
    for (let closer = closers.pop(); closer !== undefined; closer = closers.pop()) await closer();
  };
  try {
    await start(options, closers);
  } catch (cause) {
    await close();
    throw cause;
  }
  return { close };
}

async function start(
  { socketPath, workers: workerCount, maxConntracks, openTun, log, onBug, ...rest }: DaemonOptions,
  closers: (() => void | Promise<void>)[],
): Promise<void> {
  const shared = createMemory(maxConntracks);
  const module = compileDatapath();
  const datapath = instantiateDatapath(module, shared, createSystem(shared.memory));
  const max = Math.min(DEFAULT_CONFIG.max, maxConntracks);
  const qsbr = new Qsbr(shared);
  const table = new ConnTable(shared, datapath, qsbr);
  const index = new ConnIndex(shared, datapath, qsbr, max);
  const conntrack = new Conntrack({
    shared,
    table,
    index,
    ceiling: maxConntracks,
    config: { ...DEFAULT_CONFIG, max },
  });
  const stats = new Stats(shared);
  const gone = new GoneDevices(shared);
  const held = new HeldDevices(shared);
  const tables = new Tables(shared, qsbr);

  const io = chooseIo(rest.io, shared, datapath, log);
  Atomics.store(shared.u32, CTL_SPIN_NS >>> 2, rest.spinUs * 1000);
  const pool: WorkerPool = startWorkerPool({
    shared,
    module,
    count: workerCount,
    io,
    log,
    onCrash: (worker) => table.recover(worker),
  });
  const gateway = new Gateway({
    tables,
    table,
    pools: new TranPools(shared),
    openTun,
    queueCount: workerCount,
    wake: () => pool.wake(),
    prepareIface: (id) => {
      gone.forget(id);
      stats.resetIface(id);
    },
    waitForRelease: async ({ id, name, serial }) => {
      if (!(await held.waitForRelease(id, serial)))
        log.warn(`interface ${name}: its device is still being read, and is closed nevertheless`);
    },
    log,
  });
  // The devices close after the workers that read them.
  closers.push(() => gateway.close());
  closers.push(() => pool.close());

  closers.push(startReclaiming(shared, table, onBug));
  const pressure = new TablePressure();
  const stopAgeing: StopAgeing = startAgeing(async () => {
    const warning = pressure.observe(table.used, conntrack.config.max);
    if (warning !== undefined) log.warn(warning);
    const count = await table.age(rawClockNs(), conntrack.timeoutShrink);
    if (count > 0) log.debug(`ageing: ${count} conns expired`);
    reportGone(gateway, gone, log);
  }, onBug);
  closers.push(stopAgeing);

  const handlers = handlersOf(
    ...conntrackHandlers(conntrack, table, rawClockNs, log),
    ...snat44Handlers(gateway),
    ...ifaceHandlers(gateway, (id) => gone.isGone(id)),
    ...addressHandlers(gateway),
    ...routeHandlers(gateway),
    ...statsHandlers(gateway, stats),
    ...invalidPacketHandlers(new InvalidPackets(shared)),
  );
  const server: ApiServer = await startApiServer({ path: socketPath, handlers, log });
  closers.push(() => server.close());
  log.info(
    `listening on ${socketPath}, ${workerCount} workers by ${io}, max ${max} of ${maxConntracks}`,
  );
}

function reportGone({ network }: Gateway, gone: GoneDevices, log: Log): void {
  for (const id of gone.takeNews(network.ifaces.map((iface) => iface.id))) {
    const iface = network.ifaces.find((candidate) => candidate.id === id);
    if (iface !== undefined)
      log.warn(`interface ${iface.name}: device ${iface.device.name} is gone`);
  }
}
