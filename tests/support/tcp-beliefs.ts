import type { KernelModel } from './kernel-model.js';
import type { KernelSide, KernelState } from './kernel-window.js';
import type { ConnView, SideView, State } from './tcp-segment.js';

/** What the model of the kernel knows of a connection. */
export type KernelView = KernelModel['view'];

/** The kernel's states, and which of ours say the same. */
const SAME_STATES: Readonly<Record<KernelState, readonly State[]>> = {
  SS: ['new'],
  S2: ['simsyn_sent'],
  SR: ['syn_recv'],
  ES: ['established'],
  FW: ['fin_sent', 'fin_recv'],
  CW: ['fin_wait', 'close_wait', 'fin_sent', 'fin_recv'],
  LA: ['closing', 'last_ack'],
  TW: ['time_wait'],
  CL: ['closed'],
};

/** Returns in words where the two know different things, empty when they know the same. */
export function differenceOf(ours: ConnView | undefined, kernel: KernelView): string {
  if (ours === undefined || kernel === undefined) {
    if (ours === undefined && kernel === undefined) return '';
    return ours === undefined ? 'only the kernel has an entry' : 'only we have an entry';
  }
  if (kernel.isTurned) return 'the kernel takes the server for the client';
  const words: string[] = [];
  if (!SAME_STATES[kernel.state].includes(ours.state))
    words.push(`state ${ours.state} and ${kernel.state}`);
  // Nothing is judged by the windows of what is closed until a SYN opens it again.
  if (ours.state === 'closed') return words.join(', ');
  for (const flow of ['fwd', 'rev'] as const)
    words.push(...sideDifferences(ours[flow], kernel[flow]).map((field) => `${flow} ${field}`));
  // Before the server is heard there is nothing that the client may fill.
  return words.filter((word) => ours.state !== 'new' || word !== 'fwd maxend').join(', ');
}

function sideDifferences(ours: SideView, kernel: KernelSide): string[] {
  const isHeard = kernel.maxwin !== 0;
  if (ours.heard !== isHeard) return [isHeard ? 'not heard by us' : 'heard by us only'];
  if (!isHeard) return [];
  const fields = ['end', 'maxend', 'maxwin', 'maxack'] as const;
  const words: string[] = fields.filter((field) => ours[field] !== kernel[field]);
  if (ours.sackOk !== kernel.sackOk) words.push('sack');
  return words;
}

/** Returns the state of the kernel that says the same as ours. */
export function kernelStateOf({ state, fwd, rev }: ConnView): KernelState {
  switch (state) {
    case 'fin_sent':
      return fwd.finAcked ? 'CW' : 'FW';
    case 'fin_recv':
      return rev.finAcked ? 'CW' : 'FW';
    case 'fin_wait':
    case 'close_wait':
      return 'CW';
    case 'new':
      return 'SS';
    case 'simsyn_sent':
      return 'S2';
    case 'syn_recv':
      return 'SR';
    case 'established':
      return 'ES';
    case 'closing':
    case 'last_ack':
      return 'LA';
    case 'time_wait':
      return 'TW';
    case 'closed':
      return 'CL';
  }
}
