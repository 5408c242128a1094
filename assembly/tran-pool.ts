// A tran pool holds the ports or identifiers of one (replacement address, protocol): a bitmap of
// 65536 ids, a bit set while its id is taken, and the count of those taken. A bit is taken and given
// back by one atomic operation, so no two conns ever share an id.
//
// USED is the gate, as in the conn pool: counted up before an id is looked for, down after one was
// given back. Whoever passed it finds a free id, if need be by counting through the bitmap.
//
// An id is kept when it can be (RFC 4787 section 4.2 and RFC 5382 section 7.1 leave that open,
// applications like it), and is otherwise drawn uniformly from all free ones, so that it cannot be
// guessed (RFC 6056 section 3.3.1). The draw takes any id of the range and rejects what is taken;
// in an almost full pool that would miss for long, so it then draws the rank of a free id instead.
import { random } from './io/sys';
import {
  TRAN_BITMAP_SIZE,
  TRAN_BITMAPS_BASE,
  TRAN_HEADER_SIZE,
  TRAN_HEADERS_BASE,
  TRAN_LOWEST,
  TRAN_USED,
} from './layout';

const ID_COUNT: u32 = 65536;
const DRAWS = 32;

/** Returns a tran id of `pool` in host order, `preferred` when that is free; 0 when none is left. */
export function tranTake(pool: u32, preferred: u32): u32 {
  const header = headerOf(pool);
  const lowest = load<u32>(header, TRAN_LOWEST);
  if (!countUp(header, ID_COUNT - lowest)) return 0;
  const bitmap = bitmapOf(pool);
  if (preferred >= lowest && takeBit(bitmap, preferred)) return preferred;
  for (let draw = 0; draw < DRAWS; draw++) {
    const bits = random();
    const low = bits & 0xffff;
    if (low >= lowest && takeBit(bitmap, low)) return low;
    const high = bits >> 16;
    if (high >= lowest && takeBit(bitmap, high)) return high;
  }
  while (true) {
    const id = drawByRank(bitmap, lowest);
    if (id !== 0 && takeBit(bitmap, id)) return id;
  }
}

/** Gives a tran id (host order) back to `pool`. */
export function tranRelease(pool: u32, id: u32): void {
  const bit = (<u32>1) << (id & 31);
  const former = atomic.and<u32>(wordOf(bitmapOf(pool), id), ~bit);
  assert((former & bit) !== 0);
  atomic.sub<u32>(headerOf(pool), 1, TRAN_USED);
}

function countUp(header: usize, total: u32): bool {
  let used = atomic.load<u32>(header, TRAN_USED);
  while (used < total) {
    const found = atomic.cmpxchg<u32>(header, used, used + 1, TRAN_USED);
    if (found === used) return true;
    used = found;
  }
  return false;
}

function takeBit(bitmap: usize, id: u32): bool {
  const word = wordOf(bitmap, id);
  const bit = (<u32>1) << (id & 31);
  // A look first: the atomic operation would take the line from other workers for nothing.
  return (atomic.load<u32>(word) & bit) === 0 && (atomic.or<u32>(word, bit) & bit) === 0;
}

/** Returns a free id, each with the same probability; 0 when others took them meanwhile. */
function drawByRank(bitmap: usize, lowest: u32): u32 {
  let free: u32 = 0;
  for (let first: u32 = 0; first < ID_COUNT; first += 32)
    free += popcnt<u32>(freeBits(bitmap, first, lowest));
  if (free === 0) return 0;
  let rank = randomBelow(free);
  for (let first: u32 = 0; first < ID_COUNT; first += 32) {
    let bits = freeBits(bitmap, first, lowest);
    const count = popcnt<u32>(bits);
    if (rank >= count) {
      rank -= count;
      continue;
    }
    for (; rank > 0; rank--) bits &= bits - 1;
    return first + ctz<u32>(bits);
  }
  return 0;
}

/** Returns a bit for each free id of first..first+31 that is not below `lowest`. */
function freeBits(bitmap: usize, first: u32, lowest: u32): u32 {
  if (first + 32 <= lowest) return 0;
  const free = ~atomic.load<u32>(wordOf(bitmap, first));
  return first >= lowest ? free : free & (~(<u32>0) << (lowest - first));
}

/** Returns a uniform number below `bound`: draws from the short last interval are rejected. */
function randomBelow(bound: u32): u32 {
  const rejected: u32 = (<u32>0 - bound) % bound;
  let bits = random();
  while (bits < rejected) bits = random();
  return bits % bound;
}

function headerOf(pool: u32): usize {
  return <usize>TRAN_HEADERS_BASE + <usize>pool * <usize>TRAN_HEADER_SIZE;
}

function bitmapOf(pool: u32): usize {
  return <usize>TRAN_BITMAPS_BASE + <usize>pool * <usize>TRAN_BITMAP_SIZE;
}

function wordOf(bitmap: usize, id: u32): usize {
  return bitmap + ((id >> 5) << 2);
}
