import { COPY_LOOP, KERNEL, SLIRP } from './candidates.js';
import { FIGURES, type FigureName, type Found } from './figures.js';
import { RECORDED, RECORDED_FIGURES } from './goals.js';

/** A figure of a candidate over all rounds, beside that of a reference. */
export interface Row {
  readonly measure: FigureName;
  readonly candidate: string;
  /** Median of the rounds. */
  readonly value: number;
  readonly unit: string;
  /** Null where a comparison makes no sense. */
  readonly reference: string | null;
  /** Median of the rounds' ratios, value by reference. */
  readonly ratio: number | null;
}

/** A row with the ratio of each round. */
export interface Comparison extends Row {
  readonly ratios: readonly number[];
}

/** Lost packets have no reference: nobody may lose any. */
const INCOMPARABLE: ReadonlySet<FigureName> = new Set(['loss-at-0.8']);
const REFERENCES = [COPY_LOOP, KERNEL, SLIRP, RECORDED];

/** All figures of the race, by candidate and round. */
export class Results {
  readonly #rounds = new Map<string, Found[]>();

  /** Adds what one trial found in a round, counted from 0. */
  add(candidate: string, round: number, found: Found): void {
    const rounds = this.#rounds.get(candidate) ?? [];
    this.#rounds.set(candidate, rounds);
    rounds[round] = { ...rounds[round], ...found };
  }

  /** Returns each figure of each candidate beside each reference that has it. */
  comparisons(): Comparison[] {
    const measures = Object.keys(FIGURES) as FigureName[]; // those of the literal above
    return measures.flatMap((measure) =>
      [...this.#rounds.keys()].flatMap((candidate) => this.#compare(measure, candidate)),
    );
  }

  #compare(measure: FigureName, candidate: string): Comparison[] {
    const values = this.#values(measure, candidate);
    if (values === undefined) return [];
    const row = { measure, candidate, value: median(values), unit: FIGURES[measure].unit };
    const references = INCOMPARABLE.has(measure)
      ? []
      : REFERENCES.filter((name) => this.#values(measure, name) !== undefined);
    if (references.length === 0) return [{ ...row, reference: null, ratio: null, ratios: [] }];
    return references.map((reference) => {
      const others = this.#values(measure, reference) ?? [];
      const ratios = values.map((value, round) => value / (others[round] ?? Number.NaN));
      return { ...row, reference, ratio: median(ratios), ratios };
    });
  }

  /** Returns a figure of each round, or undefined if it was not measured in all of them. */
  #values(measure: FigureName, candidate: string): number[] | undefined {
    const recorded = RECORDED_FIGURES[measure];
    const roundCount = Math.max(...[...this.#rounds.values()].map(({ length }) => length));
    if (candidate === RECORDED)
      return recorded === undefined ? undefined : Array(roundCount).fill(recorded);
    const values = (this.#rounds.get(candidate) ?? []).map((found) => found[measure]);
    const known = values.filter((value) => value !== undefined);
    return known.length === roundCount ? known : undefined;
  }
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
