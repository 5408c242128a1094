import { COPY_LOOP, KERNEL, SLIRP } from './candidates.js';
import type { FigureName } from './figures.js';

/** What ours must reach in a figure, and what it aims at. */
export interface Goal {
  readonly figure: FigureName;
  /** Who it is measured against; undefined for a bound on the figure itself. */
  readonly reference: string | undefined;
  readonly floor: number;
  readonly goal: number;
  /** Whether less is better. */
  readonly isCeiling: boolean;
}

/** grout 0.17 over its tap driver, as once recorded on another machine: not measured here. */
export const RECORDED = 'grout-recorded';
/** The best of what was recorded: 1.5-2.4 Gbit/s, 141-253 kpps. */
export const RECORDED_FIGURES: Partial<Record<FigureName, number>> = {
  'tcp-1': 2.4,
  'udp-64': 253,
};

export const GOALS: readonly Goal[] = [
  atLeast('tcp-1', COPY_LOOP, 0.95, 1.05),
  atLeast('tcp-4', COPY_LOOP, 0.95, 1.1),
  atLeast('tcp-4-reverse', COPY_LOOP, 0.95, 1.1),
  atLeast('tcp-1', KERNEL, 0.75, 0.9),
  atLeast('udp-64', COPY_LOOP, 0.9, 1.4),
  atLeast('udp-1400', COPY_LOOP, 0.9, 1.4),
  atMost('cpu-per-gb', COPY_LOOP, 1.15, 0.9),
  atMost('ping', COPY_LOOP, 1.15, 1),
  atMost('loss-at-0.8', undefined, 0, 0),
  atLeast('tcp-1', SLIRP, 2, 3),
  atLeast('udp-64', SLIRP, 1.8, 3),
  atLeast('tcp-1', RECORDED, 4, 5),
  atLeast('udp-64', RECORDED, 2, 3),
  atLeast('connections', KERNEL, 0.5, 0.9),
  atMost('loaded-rtt-50', undefined, 5000, 1000),
];

/** Returns whether a value is as good as `bound`. */
export function reaches({ isCeiling }: Goal, value: number, bound: number): boolean {
  return isCeiling ? value <= bound : value >= bound;
}

function atLeast(figure: FigureName, reference: string, floor: number, goal: number): Goal {
  return { figure, reference, floor, goal, isCeiling: false };
}

function atMost(
  figure: FigureName,
  reference: string | undefined,
  floor: number,
  goal: number,
): Goal {
  return { figure, reference, floor, goal, isCeiling: true };
}
