// The ports of an io_uring: which device each reads, and the slots that it reads into.
//
// The worker's slots are shared out among the ports, so that a flood from one takes nothing from the
// others. Of its slots a port lends the kernel half at the most, in order; while their packets are
// decided and written, the other half is lent. Packets that were read one after the other thus lie
// in slots one after the other, and make one burst.
//
// Of large packets fewer are lent, and those slots used in turn, so that what is read is still in
// cache when it is written.
//
// A change of devices begins anew: all reads are cancelled and all slots shared out again. Devices are
// told apart by their serials, as a new one may have the interface and the descriptor of a former.
import {
  CTL_SNAPSHOT,
  IFACE_SERIAL,
  MAX_PACKET,
  PORT_ARMED,
  PORT_BYTES,
  PORT_CANCELLED,
  PORT_DEAD,
  PORT_FD,
  PORT_FIRST,
  PORT_IDLE,
  PORT_LENT,
  PORT_NEXT,
  PORT_SERIAL,
  PORT_SIZE,
  PORT_SLOTS,
  PORT_STATE,
  PORT_TAIL,
  SLOT_COUNT,
  SLOT_FREE,
  SLOT_LENT,
  SLOT_SIZE,
  SLOT_VNET,
  SNAP_PORT_COUNT,
  SNAP_PORTS,
  URING_BUF_REG,
  URING_FD,
  URING_LIST_ENTRIES,
  URING_LIST_SIZE,
  URING_LISTS,
  URING_PORT_COUNT,
  URING_PORT_IDS,
  URING_PORTS,
  URING_SLOTS,
  VNET_SIZE,
} from '../layout';
import { ifaceOf } from '../route';
import { addressOf, contextOf, queueOf, setHeld } from './context';
import { BURST_BYTES, ringOf } from './receive';
import { register, setBlocking } from './sys';
import { queueCancel, queueRead, setSlot, slotState } from './uring-queue';

const IORING_REGISTER_PBUF_RING: u32 = 22;
const IORING_UNREGISTER_PBUF_RING: u32 = 23;
// struct io_uring_buf_reg.
const REG_ADDRESS = 0;
const REG_ENTRIES = 8;
const REG_GROUP = 12;
const REG_SIZE: usize = 40;
// struct io_uring_buf; the tail of the list lies in the first one's unused bytes.
const BUF_ADDRESS = 0;
const BUF_LENGTH = 8;
const BUF_ID = 12;
const BUF_SIZE: usize = 16;
const LIST_TAIL = 14;

/** Returns the record of an interface's port. */
export function portOf(ring: usize, iface: u32): usize {
  return ring + <usize>URING_PORTS + <usize>iface * <usize>PORT_SIZE;
}

/** Returns how many ports are open. */
export function portCount(ring: usize): u32 {
  return load<u32>(ring, URING_PORT_COUNT);
}

/** Returns the interface of the n-th open port. */
export function portIface(ring: usize, n: u32): u32 {
  return load<u8>(ring + <usize>n, URING_PORT_IDS);
}

/** Returns whether the open ports are those of the present tables. */
export function isUpToDate(ring: usize, worker: u32): bool {
  const snapshot = <usize>atomic.load<u32>(CTL_SNAPSHOT);
  let wanted: u32 = 0;
  for (let n: u32 = 0; n < load<u32>(snapshot, SNAP_PORT_COUNT); ++n) {
    const iface = <u32>load<u8>(snapshot + n, SNAP_PORTS);
    if (queueOf(snapshot, worker, iface) < 0) continue;
    wanted += 1;
    if (load<u32>(portOf(ring, iface), PORT_SERIAL) !== serialOf(snapshot, iface)) return false;
  }
  return portCount(ring) === wanted;
}

/** Queues the end of all reads; returns whether any is still under way. */
export function cancelReads(ring: usize): bool {
  let isBusy = false;
  for (let n: u32 = 0; n < portCount(ring); ++n) {
    const iface = portIface(ring, n);
    const port = portOf(ring, iface);
    if (load<u8>(port, PORT_STATE) === <u8>PORT_ARMED) {
      queueCancel(ring, iface, load<u32>(port, PORT_SERIAL));
      store<u8>(port, PORT_CANCELLED, PORT_STATE);
    }
    if (load<u8>(port, PORT_STATE) === <u8>PORT_CANCELLED) isBusy = true;
  }
  return isBusy;
}

/** Closes all ports. No read may be under way. */
export function closePorts(ring: usize, worker: u32): void {
  const context = contextOf(worker);
  for (let n: u32 = 0; n < portCount(ring); ++n) {
    const iface = portIface(ring, n);
    changeList(ring, context, iface, IORING_UNREGISTER_PBUF_RING);
    memory.fill(portOf(ring, iface), 0, PORT_SIZE);
    setHeld(context, iface, 0);
  }
  store<u32>(ring, 0, URING_PORT_COUNT);
  memory.fill(ring + <usize>URING_SLOTS, <u8>SLOT_FREE, SLOT_COUNT);
}

/** Opens the ports of the present tables and shares all slots out among them. None may be open. */
export function openPorts(ring: usize, worker: u32): void {
  const snapshot = <usize>atomic.load<u32>(CTL_SNAPSHOT);
  const wanted = load<u32>(snapshot, SNAP_PORT_COUNT);
  for (let n: u32 = 0; n < wanted; ++n) {
    const iface = <u32>load<u8>(snapshot + n, SNAP_PORTS);
    const fd = queueOf(snapshot, worker, iface);
    if (fd < 0) continue;
    const share = min<u32>(SLOT_COUNT / wanted, URING_LIST_ENTRIES);
    openPort(ring, worker, iface, fd, serialOf(snapshot, iface), n * share, share);
  }
}

/** Opens a port on `slots` slots from `first` on. */
export function openPort(
  ring: usize,
  worker: u32,
  iface: u32,
  fd: i32,
  serial: u32,
  first: u32,
  slots: u32,
): void {
  const port = portOf(ring, iface);
  store<u32>(port, serial, PORT_SERIAL);
  store<i32>(port, fd, PORT_FD);
  store<u16>(port, <u16>first, PORT_FIRST);
  store<u16>(port, <u16>slots, PORT_SLOTS);
  memory.fill(listOf(ring, iface), 0, URING_LIST_SIZE);
  changeList(ring, contextOf(worker), iface, IORING_REGISTER_PBUF_RING);
  // A read that need not wait ends at once where there is nothing, and would never be armed.
  setBlocking(fd, true);
  setHeld(contextOf(worker), iface, serial);
  const count = portCount(ring);
  store<u8>(ring + <usize>count, <u8>iface, URING_PORT_IDS);
  store<u32>(ring, count + 1, URING_PORT_COUNT);
}

/**
 * Lends each port slots, and begins to read where that had ended.
 *
 * There is always a slot to lend: a burst was read only after the writes of the one before, which
 * were queued before that read, had been taken.
 */
export function serveReads(ring: usize, worker: u32): void {
  for (let n: u32 = 0; n < portCount(ring); ++n) {
    const iface = portIface(ring, n);
    const port = portOf(ring, iface);
    if (load<u8>(port, PORT_STATE) === <u8>PORT_DEAD) continue;
    lend(ring, worker, iface);
    if (load<u8>(port, PORT_STATE) === <u8>PORT_IDLE) beginReads(ring, iface);
  }
}

/** Gives ports whose reads failed for good another chance. */
export function reviveReads(ring: usize): void {
  for (let n: u32 = 0; n < portCount(ring); ++n) {
    const port = portOf(ring, portIface(ring, n));
    if (load<u8>(port, PORT_STATE) === <u8>PORT_DEAD) store<u8>(port, PORT_IDLE, PORT_STATE);
  }
}

/** Notes that the reads of a port have ended. */
export function endReads(port: usize, isForGood: bool): void {
  store<u8>(port, <u8>(isForGood ? PORT_DEAD : PORT_IDLE), PORT_STATE);
}

/** Notes that the kernel filled a slot of a port with `bytes`. */
export function takeSlot(port: usize, bytes: u32): void {
  store<u16>(port, load<u16>(port, PORT_LENT) - 1, PORT_LENT);
  const average = load<u32>(port, PORT_BYTES);
  store<u32>(port, average - (average >> 3) + (bytes >> 3), PORT_BYTES);
}

function serialOf(snapshot: usize, iface: u32): u32 {
  return load<u32>(ifaceOf(snapshot, iface), IFACE_SERIAL);
}

function beginReads(ring: usize, iface: u32): void {
  const port = portOf(ring, iface);
  queueRead(ring, load<i32>(port, PORT_FD), iface, load<u32>(port, PORT_SERIAL));
  store<u8>(port, PORT_ARMED, PORT_STATE);
}

/** Has the kernel know the list of a port's buffers, or forget it. */
function changeList(ring: usize, context: usize, iface: u32, operation: u32): void {
  const argument = ring + <usize>URING_BUF_REG;
  memory.fill(argument, 0, REG_SIZE);
  store<u64>(argument, addressOf(context, listOf(ring, iface)), REG_ADDRESS);
  store<u32>(argument, URING_LIST_ENTRIES, REG_ENTRIES);
  store<u16>(argument, <u16>iface, REG_GROUP);
  if (register(load<i32>(ring, URING_FD), operation, argument, 1) < 0) unreachable();
}

function listOf(ring: usize, iface: u32): usize {
  return ring + <usize>URING_LISTS + <usize>iface * <usize>URING_LIST_SIZE;
}

/** Lends a port its next free slots, as many as are worth it. */
function lend(ring: usize, worker: u32, iface: u32): void {
  const port = portOf(ring, iface);
  const slots: u32 = load<u16>(port, PORT_SLOTS);
  const most = max<u32>(1, min<u32>(slots >> 1, BURST_BYTES / (load<u32>(port, PORT_BYTES) + 1)));
  const span = min<u32>(slots, most << 1);
  const first: u32 = load<u16>(port, PORT_FIRST);
  const list = listOf(ring, iface);
  let next: u32 = load<u16>(port, PORT_NEXT);
  let lent: u32 = load<u16>(port, PORT_LENT);
  let tail: u32 = load<u16>(port, PORT_TAIL);
  while (lent < most) {
    if (next >= span) next = 0;
    const slot = first + next;
    if (slotState(ring, slot) !== SLOT_FREE) break;
    setSlot(ring, slot, SLOT_LENT);
    const buf = list + <usize>(tail & (URING_LIST_ENTRIES - 1)) * BUF_SIZE;
    const offset = ringOf(worker) + <usize>slot * <usize>SLOT_SIZE + <usize>SLOT_VNET;
    store<u64>(buf, addressOf(contextOf(worker), offset), BUF_ADDRESS);
    store<u32>(buf, VNET_SIZE + MAX_PACKET, BUF_LENGTH);
    store<u16>(buf, <u16>slot, BUF_ID);
    tail += 1;
    lent += 1;
    next += 1;
  }
  store<u16>(port, <u16>next, PORT_NEXT);
  store<u16>(port, <u16>lent, PORT_LENT);
  store<u16>(port, <u16>tail, PORT_TAIL);
  atomic.store<u16>(list, <u16>tail, LIST_TAIL);
}
