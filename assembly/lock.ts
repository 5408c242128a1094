// Locks are words that hold their owner's number, 0 while free, so that a dead worker's locks can
// be told from the others and released. They are held for a few hundred nanoseconds. Who finds one
// taken spins on plain loads; after SPINS of them the holder was most likely preempted, and the
// waiter sleeps for PAUSE_MS to lend it the core. Nobody is notified: an unlock stays one store.
//
// It sleeps in a poll of no descriptors, not in memory.atomic.wait32: code of V8's baseline compiler
// (Liftoff, seen in Node 20.20.2) finds locals zeroed after that instruction, the lock's address
// among them. An imported function is never inlined, and what lives across its call is kept.
//
// Workers wait for as long as it takes, because the control plane releases what a dead worker held.
// The control plane itself must not: it would wait for what only it can release. It gives up after
// PATIENCE pauses, and its caller leaves the conn for the next pass.
import { poll } from './io/sys';
import { OWNER_CONTROL } from './layout';

const SPINS: u32 = 1000;
const PAUSE_MS: i32 = 1;
const PATIENCE: u32 = 200;

/** Takes the u32 lock at `word`; false only for the control plane, when its patience ended. */
export function lockU32(word: usize, owner: u32): bool {
  for (let tries: u32 = 0; atomic.cmpxchg<u32>(word, 0, owner) !== 0; tries++) {
    while (load<u32>(word) !== 0 && tries % SPINS !== SPINS - 1) tries++;
    if (load<u32>(word) !== 0 && !pause(tries, owner)) return false;
  }
  return true;
}

/** Takes the u16 lock at `word`; false only for the control plane, when its patience ended. */
export function lockU16(word: usize, owner: u32): bool {
  for (let tries: u32 = 0; atomic.cmpxchg<u16>(word, 0, <u16>owner) !== 0; tries++) {
    while (load<u16>(word) !== 0 && tries % SPINS !== SPINS - 1) tries++;
    if (load<u16>(word) !== 0 && !pause(tries, owner)) return false;
  }
  return true;
}

function pause(tries: u32, owner: u32): bool {
  if (owner === <u32>OWNER_CONTROL && tries >= SPINS * PATIENCE) return false;
  poll(0, 0, PAUSE_MS);
  return true;
}
