import type { Machine } from './machine.js';

/** A measure over all rounds. */
export interface Summary {
  readonly name: string;
  readonly unit: string;
  readonly digits: number;
  readonly ours: number;
  readonly kernel: number;
  readonly ratio: number;
  /** Ours by the kernel's, round by round. */
  readonly ratios: readonly number[];
}

/** Prints medians and ratios for the reader. */
export function printTable(machine: Machine, summaries: readonly Summary[]): void {
  console.log(`${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}`);
  console.log(`Node ${machine.node}, commit ${machine.commit}\n`);
  row('', 'ours', 'kernel', '', 'ratio', 'per round');
  for (const { name, unit, digits, ours, kernel, ratio, ratios } of summaries) {
    row(
      name,
      figure(ours, digits),
      figure(kernel, digits),
      unit,
      figure(ratio, 2),
      ratios.map((each) => figure(each, 2)).join(' '),
    );
  }
  console.log(
    "\nMedians of interleaved rounds; the kernel routes in the hosts' own time, so its CPU",
  );
  console.log('cannot be told apart.');
}

function row(
  name: string,
  ours: string,
  kernel: string,
  unit: string,
  ratio: string,
  ratios: string,
): void {
  const cells = [name.padEnd(30), ours.padStart(8), kernel.padStart(8), unit.padEnd(7)];
  console.log([...cells, ratio.padStart(6), '', ratios].join(' ').trimEnd());
}

function figure(value: number, digits: number): string {
  return Number.isNaN(value) ? '-' : value.toFixed(digits);
}
