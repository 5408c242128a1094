import type { ConnView } from './tcp-segment.js';

/**
 * Returns whether the tracker's view is the model's. A side's initial number gives way to its FIN's
 * end, and a picked-up side never had one.
 */
export function isSameView(found: ConnView | undefined, wanted: ConnView | undefined): boolean {
  if (found === undefined || wanted === undefined) return found === wanted;
  const { fwd, rev, ...rest } = wanted;
  const { fwd: foundFwd, rev: foundRev, ...foundRest } = found;
  return isSame(foundRest, rest) && isSameSide(foundFwd, fwd) && isSameSide(foundRev, rev);
}

function isSameSide(found: ConnView['fwd'], wanted: ConnView['fwd']): boolean {
  const hidesIsn = wanted.finEnd !== undefined || wanted.isn === undefined;
  return isSame(hidesIsn ? { ...found, isn: wanted.isn } : found, wanted);
}

function isSame<T extends object>(found: T, wanted: T): boolean {
  for (const field in wanted) if (found[field] !== wanted[field]) return false;
  return true;
}
