import { revKey, type TestKey } from './conns.js';

/** Both keys of a conn. */
export interface KeyPair {
  readonly fwd: TestKey;
  readonly rev: TestKey;
}

const SERVER = 0x08080808;

/** Returns the keys of the `n`-th conn (below 2^16) of set `set`; no two sets share a key. */
export function stressConn(set: number, n: number): KeyPair {
  const fwd = { src: 0x0a000000 + set, dst: SERVER, srcId: n, dstId: 443 };
  return { fwd, rev: revKey(fwd, 0xac100000 + set, n) };
}
