/** Percent of `max` whose crossing is told. */
const LEVELS: readonly number[] = [80, 90, 100];
/** A level is told again only after the use fell this many points below it. */
const HYSTERESIS = 5;

/** Tells when the conn table fills up, each level once until it was left for good. */
export class TablePressure {
  /** The level last told and not left since, 0 for none. */
  #level = 0;

  /** Returns what is to be said about the use of the table now, undefined for nothing new. */
  observe(used: number, max: number): string | undefined {
    const percent = (100 * used) / max;
    const reached = LEVELS.findLast((level) => percent >= level) ?? 0;
    if (reached > this.#level) {
      this.#level = reached;
      return `conn table: ${reached} % reached, ${used} of ${max} in use`;
    }
    if (percent < this.#level - HYSTERESIS)
      this.#level =
        LEVELS.findLast((level) => percent >= level - HYSTERESIS && level < this.#level) ?? 0;
    return undefined;
  }
}
