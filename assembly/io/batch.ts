// What both loops do with a batch, however it was read: decide it and send it.
import { burst } from '../burst';
import { CTX_BURST } from '../layout';
import { takeTime } from './context';
import { transmit } from './transmit';

/** Decides and sends the packets in `count` slots from `first` on, at most MAX_BURST. */
export function runBatch(worker: u32, context: usize, first: u32, count: u32): void {
  // For the record of a crash: how many packets were being decided, and where.
  store<u32>(context, (first << 16) | count, CTX_BURST);
  takeTime(context);
  burst(worker, first, count);
  transmit(worker, first, count);
  store<u32>(context, 0, CTX_BURST);
}
