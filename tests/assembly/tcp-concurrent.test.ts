import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as layout from '../../assembly/layout.js';
import { testDatapath } from '../support/datapath.js';
import { segmentBytes } from '../support/tcp-harness.js';
import type { Segment } from '../support/tcp-segment.js';
import type { TcpWorkerJob } from '../support/tcp-worker.js';

const test = suite('tcp concurrent');

const CONN = layout.POOL_BASE + layout.CONN_SIZE;
const TIMES = process.env['GROUT_LONG'] ? 10_000_000 : 1_000_000;
const WINDOW = 65535;

const HANG_MS = process.env['GROUT_LONG'] ? 300_000 : 40_000;

/** Probes one byte beyond the edge, each of which widens the server's window by one. */
const PROBE: Segment = { flags: 'A', seq: 1 + WINDOW, ack: 5001, win: WINDOW, len: 1 };
/** Acks that read that window and write it back. */
const REPLY: Segment = { flags: 'A', seq: 5001, ack: 1, win: WINDOW, len: 0 };

// Every module begins in code of the baseline compiler, which keeps less across calls than it may
// seem, and rarely contended code stays there. The flag holds for what is compiled after it.
test.before(() => setFlagsFromString('--liftoff-only'));
test.after(() => setFlagsFromString('--no-liftoff-only'));

test('two workers with one flow each lose nothing that the other wrote', async () => {
  const { shared, view, wasm, module } = testDatapath({ ceiling: 1 });
  const packet = (slot: number, segment: Segment) => {
    const ip = layout.RINGS_BASE + slot * layout.SLOT_SIZE + layout.SLOT_PACKET;
    const header = segmentBytes(segment);
    view.setUint16(ip + 2, 20 + header.length + segment.len);
    shared.bytes.set(header, ip + 20);
    return ip;
  };
  const say = (flow: number, segment: Segment) => {
    const ip = packet(0, segment);
    assert.is(wasm.tcpTrack(CONN, flow, ip, ip + 20, 1, 0n), 0);
  };
  Atomics.store(shared.u32, layout.CTL_TCP_WINDOW >>> 2, layout.TCP_WINDOW_STRICT);
  const syn = packet(0, { flags: 'S', seq: 0, ack: 0, win: WINDOW, len: 0 });
  wasm.tcpOpen(CONN, syn, syn + 20);
  say(layout.FLOW_REV, { flags: 'SA', seq: 5000, ack: 1, win: WINDOW, len: 0 });
  say(layout.FLOW_FWD, { flags: 'A', seq: 1, ack: 5001, win: WINDOW, len: 0 });

  const job = (flow: number, segment: Segment): TcpWorkerJob => ({
    memory: shared.memory,
    module,
    gate: layout.SCRATCH_LIST,
    threads: 2,
    conn: CONN,
    flow,
    ip: packet(flow, segment),
    times: TIMES,
  });
  const refused = await Promise.all([
    track(job(layout.FLOW_FWD, PROBE)),
    track(job(layout.FLOW_REV, REPLY)),
  ]);
  assert.equal(refused, [0, 0]);
  const maxWin = CONN + layout.TCP_MAXWIN + layout.FLOW_REV * layout.TCP_SIDE_U32;
  assert.is(view.getUint32(maxWin, true), WINDOW + TIMES);
  assert.is(view.getUint32(CONN + layout.CONN_LOCK, true), 0);
});

/** Returns how many segments the thread saw refused; rejects when the thread throws or hangs. */
async function track(workerData: TcpWorkerJob): Promise<unknown> {
  const worker = new Worker(new URL('../support/tcp-worker.js', import.meta.url), { workerData });
  try {
    const [refused] = await once(worker, 'message', { signal: AbortSignal.timeout(HANG_MS) });
    return refused;
  } finally {
    await worker.terminate();
  }
}

test.run();
