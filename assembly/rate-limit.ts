// The rate of ICMP errors, one limit for all workers (RFC 1812 section 4.3.2.8): a token bucket as
// the generic cell rate algorithm has it (ITU-T I.371). Its whole state is the theoretical arrival
// time: when the next error would be due if they came evenly. An error may come early, by as much
// as a burst allows. One compare-and-exchange takes a token; when it fails, another worker got one.
import { CTL_ICMP_TAT } from './layout';

/** 100 errors a second. */
const INTERVAL_NS: i64 = 10_000_000;
/** The first of a burst of 50 is due, the other 49 come early. */
const EARLY_NS: i64 = 49 * INTERVAL_NS;

/** Takes a token at time `now` (ns): false when there is none. */
export function takeIcmpToken(now: i64): bool {
  let due = atomic.load<i64>(CTL_ICMP_TAT);
  while (due - now <= EARLY_NS) {
    const found = atomic.cmpxchg<i64>(CTL_ICMP_TAT, due, max<i64>(due, now) + INTERVAL_NS);
    if (found === due) return true;
    due = found;
  }
  return false;
}
