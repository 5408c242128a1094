// The kernel's side of an io_uring, as the datapath sees it: queues in shared memory and a system call.
// It does what a test tells it, at moments when a real kernel seldom would. Shared memory is said to
// lie at address 0, so that addresses are offsets.
import {
  CTX_ADDRESS,
  CTX_BASE,
  CTX_STOP,
  CTX_URING,
  SLOT_VNET,
  URING_BASE,
  URING_CQ_ENTRIES,
  URING_CQ_HEAD,
  URING_CQ_TAIL,
  URING_CQES,
  URING_FD,
  URING_LIST_ENTRIES,
  URING_RINGS,
  URING_SQ_ENTRIES,
  URING_SQ_FLAGS,
  URING_SQ_HEAD,
  URING_SQ_TAIL,
  URING_SQE_SIZE,
  URING_SQES,
} from '../../assembly/layout.js';
import type { SharedMemory } from '../../src/host/memory.js';
import type { DatapathSystem } from '../../src/tun/sys.js';

const RING_FD = 77;
/** Where the words of the queues are, behind URING_RINGS. */
const SQ_HEAD = 0;
const SQ_TAIL = 64;
const SQ_FLAGS = 128;
const CQ_HEAD = 192;
const CQ_TAIL = 256;
const CQES = 512;
const OP_POLL_ADD = 6;
const OP_ASYNC_CANCEL = 14;
const OP_WRITE = 23;
const OP_READ_MULTISHOT = 49;
const SQE_F_SKIP_SUCCESS = 64;
const SQ_F_TASKRUN = 4;
const CQE_F_BUFFER = 1;
const CQE_F_MORE = 2;
const REGISTER_LIST = 22;
const UNREGISTER_LIST = 23;
const ENOBUFS = 105;
const ECANCELED = 125;

/** What a call of enter() does. */
export interface Step {
  /** How many submissions it takes at the most; all unless told. */
  readonly take?: number;
  /** A negative errno; how many were taken unless told. */
  readonly result?: number;
}

/** A write that the datapath asked for. */
export interface FakeWrite {
  readonly fd: number;
  readonly bytes: Buffer;
}

/** A read that goes on. */
interface FakeRead {
  readonly fd: number;
  readonly data: bigint;
  readonly group: number;
}

/** A list of buffers that was registered. */
interface BufferList {
  readonly address: number;
  head: number;
}

export class FakeUring {
  readonly writes: FakeWrite[] = [];
  readonly reads = new Map<number, FakeRead>();
  readonly blocking: number[] = [];
  readonly system: Partial<DatapathSystem>;
  /** Called first in each enter(), with its number from 0 on and how many completions it waits for. */
  onEnter: (call: number, wait: number) => Step | undefined = () => undefined;
  /** Result of a write: its bytes, or a negative errno. */
  resultOf: (write: FakeWrite) => number = ({ bytes }) => bytes.length;
  readonly #lists = new Map<number, BufferList>();
  #view: DataView = new DataView(new ArrayBuffer(0));
  #bytes: Uint8Array = new Uint8Array();
  #calls = 0;
  #ticks = 0;
  readonly #alarms = new Map<number, () => void>();

  constructor() {
    this.system = {
      enter: (ring, count, wait) => this.#enter(ring, count, wait),
      register: (_ring, operation, offset) => this.#register(operation, offset >>> 0),
      setBlocking: (fd) => {
        this.blocking.push(fd);
        return 0;
      },
      read: () => 8, // the eventfd
      clock: (offset) => this.#tick(offset >>> 0),
    };
  }

  /** Makes this the ring of worker 0. */
  attach({ memory, bytes }: SharedMemory): void {
    this.#view = new DataView(memory.buffer);
    this.#bytes = bytes;
    const words = URING_BASE + URING_RINGS;
    const set = (at: number, value: number) => this.#view.setUint32(URING_BASE + at, value, true);
    set(URING_FD, RING_FD);
    set(URING_SQ_HEAD, words + SQ_HEAD);
    set(URING_SQ_TAIL, words + SQ_TAIL);
    set(URING_SQ_FLAGS, words + SQ_FLAGS);
    set(URING_CQ_HEAD, words + CQ_HEAD);
    set(URING_CQ_TAIL, words + CQ_TAIL);
    set(URING_CQES, words + CQES);
    this.#view.setBigUint64(CTX_BASE + CTX_ADDRESS, 0n, true);
    this.#view.setUint32(CTX_BASE + CTX_URING, URING_BASE, true);
  }

  /** Has the worker leave its loop. */
  stop(): void {
    this.#view.setUint32(CTX_BASE + CTX_STOP, 1, true);
  }

  /** Calls `then` at the `ticks`-th look at the clock from now on; it goes on by 1 us with each. */
  onTick(ticks: number, then: () => void): void {
    this.#alarms.set(this.#ticks + ticks, then);
  }

  /** Says whether an enter() would bring completions. */
  setWork(isThere: boolean): void {
    this.#view.setUint32(URING_BASE + URING_RINGS + SQ_FLAGS, isThere ? SQ_F_TASKRUN : 0, true);
  }

  /** Returns how many buffers an interface's read has left. */
  room(iface: number): number {
    const list = this.#lists.get(iface);
    if (list === undefined) return 0;
    return (this.#view.getUint16(list.address + 14, true) - list.head) & 0xffff;
  }

  /** Completes a read with these bytes; it ends for lack of buffers when there are none. */
  deliver(iface: number, bytes: Uint8Array): boolean {
    const [read, list] = [this.reads.get(iface), this.#lists.get(iface)];
    if (read === undefined || list === undefined) return false;
    if (this.room(iface) === 0) {
      this.failRead(iface, ENOBUFS);
      return false;
    }
    const buffer = list.address + (list.head & (URING_LIST_ENTRIES - 1)) * 16;
    list.head = (list.head + 1) & 0xffff;
    const address = Number(this.#view.getBigUint64(buffer, true));
    if (bytes.length > this.#view.getUint32(buffer + 8, true)) throw new Error('no room');
    if (address % 16 !== SLOT_VNET) throw new Error(`buffer at ${address} is not in a slot`);
    this.#bytes.set(bytes, address);
    const id = this.#view.getUint16(buffer + 12, true);
    this.#complete(read.data, bytes.length, (id << 16) | CQE_F_BUFFER | CQE_F_MORE);
    return true;
  }

  /** Ends a read with an errno. */
  failRead(iface: number, errno: number): void {
    const read = this.reads.get(iface);
    if (read === undefined) throw new Error(`nothing reads interface ${iface}`);
    this.reads.delete(iface);
    this.#complete(read.data, -errno, 0);
  }

  #enter(ring: number, count: number, wait: number): number {
    if (ring !== RING_FD) throw new Error(`no ring ${ring}`);
    const step = this.onEnter(this.#calls++, wait) ?? {};
    const words = URING_BASE + URING_RINGS;
    let head = this.#view.getUint32(words + SQ_HEAD, true);
    const tail = this.#view.getUint32(words + SQ_TAIL, true);
    if (count !== (tail - head) >>> 0) throw new Error(`${count} of ${tail - head} submissions`);
    if (count > URING_SQ_ENTRIES) throw new Error('submissions were overwritten');
    let taken = 0;
    for (; head !== tail && taken < (step.take ?? count); taken++) {
      this.#take(URING_BASE + URING_SQES + (head & (URING_SQ_ENTRIES - 1)) * URING_SQE_SIZE);
      head = (head + 1) >>> 0;
    }
    this.#view.setUint32(words + SQ_HEAD, head, true);
    return step.result ?? taken;
  }

  #tick(offset: number): void {
    this.#alarms.get(++this.#ticks)?.();
    this.#view.setBigInt64(offset, 1000n, true);
    this.#view.setBigInt64(offset + 8, BigInt(this.#ticks * 1000), true);
  }

  #take(sqe: number): void {
    const view = this.#view;
    const fd = view.getInt32(sqe + 4, true);
    const data = view.getBigUint64(sqe + 32, true);
    const group = view.getUint16(sqe + 40, true);
    const operation = view.getUint8(sqe);
    if (operation === OP_READ_MULTISHOT) this.reads.set(group, { fd, data, group });
    else if (operation === OP_ASYNC_CANCEL) this.#cancel(view.getBigUint64(sqe + 16, true), data);
    else if (operation === OP_WRITE) {
      const address = Number(view.getBigUint64(sqe + 16, true));
      const length = view.getUint32(sqe + 24, true);
      const write = { fd, bytes: Buffer.from(this.#bytes.slice(address, address + length)) };
      this.writes.push(write);
      const result = this.resultOf(write);
      const isSilent = (view.getUint8(sqe + 1) & SQE_F_SKIP_SUCCESS) !== 0;
      if (result < 0 || !isSilent) this.#complete(data, result, 0);
    } else if (operation !== OP_POLL_ADD) throw new Error(`operation ${operation}`);
  }

  #cancel(target: bigint, data: bigint): void {
    for (const [iface, read] of this.reads)
      if (read.data === target) {
        this.failRead(iface, ECANCELED);
        this.#complete(data, 0, 0);
        return;
      }
    this.#complete(data, -2, 0);
  }

  #register(operation: number, offset: number): number {
    const address = Number(this.#view.getBigUint64(offset, true));
    const group = this.#view.getUint16(offset + 12, true);
    if (operation === REGISTER_LIST && address % 4096 === 0 && !this.#lists.has(group))
      this.#lists.set(group, { address, head: 0 });
    else if (operation !== UNREGISTER_LIST || !this.#lists.delete(group)) return -22;
    return 0;
  }

  #complete(data: bigint, result: number, flags: number): void {
    const words = URING_BASE + URING_RINGS;
    const tail = this.#view.getUint32(words + CQ_TAIL, true);
    const head = this.#view.getUint32(words + CQ_HEAD, true);
    if ((tail - head) >>> 0 >= URING_CQ_ENTRIES) throw new Error('completions overflow');
    const cqe = words + CQES + (tail & (URING_CQ_ENTRIES - 1)) * 16;
    this.#view.setBigUint64(cqe, data, true);
    this.#view.setInt32(cqe + 8, result, true);
    this.#view.setUint32(cqe + 12, flags, true);
    this.#view.setUint32(words + CQ_TAIL, (tail + 1) >>> 0, true);
  }
}
