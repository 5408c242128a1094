import { FIGURES, type FigureName } from './figures.js';
import { GOALS, type Goal, reaches } from './goals.js';
import type { Machine } from './machine.js';
import type { Comparison } from './results.js';

/** Prints all figures, and then how ours stand to their goals. */
export function printTables(
  machine: Machine,
  comparisons: readonly Comparison[],
  ours: readonly string[],
): void {
  console.log(`${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}`);
  console.log(`Node ${machine.node}, commit ${machine.commit}\n`);
  printFigures(comparisons);
  console.log(
    '\nOurs and their goals; a ratio is the median of those in brackets, one per round.\n',
  );
  for (const goal of GOALS) printGoal(goal, comparisons, ours);
}

/** A row for each figure, a column for each candidate. */
function printFigures(comparisons: readonly Comparison[]): void {
  const candidates = [...new Set(comparisons.map(({ candidate }) => candidate))];
  const measures = [...new Set(comparisons.map(({ measure }) => measure))];
  const width = Math.max(...candidates.map(({ length }) => length), 8) + 1;
  console.log([' '.repeat(38), ...candidates.map((name) => name.padStart(width))].join(''));
  for (const measure of measures) {
    const { title, unit } = FIGURES[measure];
    const cells = candidates.map((candidate) => {
      const row = comparisons.find(
        (each) => each.measure === measure && each.candidate === candidate,
      );
      return (row === undefined ? '-' : shown(measure, row.value)).padStart(width);
    });
    console.log([`${title.padEnd(30)} ${unit.padEnd(7)}`, ...cells].join(''));
  }
}

function printGoal(goal: Goal, comparisons: readonly Comparison[], ours: readonly string[]): void {
  const { figure, reference, floor, isCeiling } = goal;
  const { title, unit } = FIGURES[figure];
  const sign = isCeiling ? '<=' : '>=';
  const than = reference === undefined ? unit : `x ${reference}`;
  console.log(`${title}: ${sign} ${floor} ${than}, aims at ${goal.goal}`);
  for (const candidate of ours) {
    const row = comparisons.find(
      (each) =>
        each.measure === figure &&
        each.candidate === candidate &&
        (reference === undefined || each.reference === reference),
    );
    if (row === undefined) continue;
    const value = reference === undefined ? row.value : (row.ratio ?? Number.NaN);
    const verdict = reaches(goal, value, goal.goal)
      ? 'goal'
      : reaches(goal, value, floor)
        ? 'floor'
        : 'missed';
    const rounds = row.ratios.map((ratio) => ratio.toFixed(2)).join(' ');
    const detail = reference === undefined ? '' : ` [${rounds}]`;
    const figures = reference === undefined ? shown(figure, value) : value.toFixed(2);
    console.log(`  ${candidate.padEnd(20)} ${figures.padStart(8)}  ${verdict.padEnd(6)}${detail}`);
  }
}

function shown(measure: FigureName, value: number): string {
  return value.toFixed(FIGURES[measure].digits);
}
