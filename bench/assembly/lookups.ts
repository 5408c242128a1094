// Lookups of keys that lie in memory one after the other. A batch goes the way of a burst: the keys
// are copied into the ring's descriptors, as classification writes them, and found by its passes.
import { readIndex } from '../../assembly/conn-index';
import { hashKey } from '../../assembly/conn-key';
import { contextOf } from '../../assembly/io/context';
import { ringOf } from '../../assembly/io/receive';
import {
  KEY_SIZE,
  PATH_FWD,
  PKT_ENTRY,
  PKT_KEY,
  PKT_PATH,
  PKT_SIZE,
  PKTS_OFFSET,
} from '../../assembly/layout';
import { lookUpBurst } from '../../assembly/lookup';

/** Returns the sum of the hashes of `count` keys. */
export function hashStream(keys: usize, count: u32): u32 {
  const header = readIndex();
  const end = keys + <usize>count * <usize>KEY_SIZE;
  let sum: u32 = 0;
  for (let key = keys; key < end; key += KEY_SIZE) sum += hashKey(header, key);
  return sum;
}

/** Looks `count` keys up, `batch` at a time (both even, or `batch` 1); returns how many were found. */
export function lookUpStream(keys: usize, count: u32, batch: u32): u32 {
  const pkts = ringOf(0) + PKTS_OFFSET;
  const context = contextOf(0);
  const header = readIndex();
  let found: u32 = 0;
  for (let done: u32 = 0; done < count; done += batch) {
    const size = min(batch, count - done);
    const end = pkts + <usize>size * <usize>PKT_SIZE;
    let key = keys + <usize>done * <usize>KEY_SIZE;
    let path = PATH_FWD + (done & 1);
    for (let pkt = pkts; pkt < end; pkt += PKT_SIZE, key += KEY_SIZE, path ^= 1) {
      v128.store(pkt, v128.load(key), PKT_KEY);
      store<u8>(pkt, path, PKT_PATH);
    }
    lookUpBurst(pkts, end, header, context);
    found += countFound(pkts, end);
  }
  return found;
}

/** Returns how many of the descriptors have an entry. */
function countFound(pkts: usize, end: usize): u32 {
  let found: u32 = 0;
  for (let pkt = pkts; pkt < end; pkt += PKT_SIZE) found += <u32>(load<u32>(pkt, PKT_ENTRY) !== 0);
  return found;
}
