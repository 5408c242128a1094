// Is there one order in which two threads may have done what they did? Each thread's own operations
// keep their order, and an operation that ended before another began comes first (linearizability,
// Herlihy and Wing 1990). The search goes through the orders that are left, and gives one up as soon as
// an operation has another outcome than the model's.

/** One operation: its thread's outcome, and a clock that both threads share before and after it. */
export interface Operation<Step> {
  readonly step: Step;
  readonly began: number;
  readonly ended: number;
}

/** What may happen in one thread; states are never changed, but followed by others. */
export interface Specification<State, Step> {
  /** Returns the state after `step`, or undefined when its outcome is not what it would be. */
  next(state: State, step: Step): State | undefined;
  /** Whether nothing is left to explain. */
  isFinal(state: State): boolean;
  /** Two states with the same key have the same future. */
  key(state: State): string;
}

/** Returns whether an order explains both histories, and how many states the search saw. */
export function linearize<State, Step>(
  left: readonly Operation<Step>[],
  right: readonly Operation<Step>[],
  start: State,
  specification: Specification<State, Step>,
): { readonly isExplained: boolean; readonly seen: number } {
  const dead = new Set<string>();
  const stack: [number, number, State][] = [[0, 0, start]];
  let seen = 0;
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const [i, j, state] = top;
    const a = left[i];
    const b = right[j];
    if (a === undefined && b === undefined) {
      if (specification.isFinal(state)) return { isExplained: true, seen };
      continue;
    }
    seen++;
    const mayRight = b !== undefined && (a === undefined || a.ended >= b.began);
    const mayLeft = a !== undefined && (b === undefined || b.ended >= a.began);
    if (mayLeft && mayRight) {
      // Many orders lead to the same place.
      const key = `${i} ${j} ${specification.key(state)}`;
      if (dead.has(key)) continue;
      dead.add(key);
    }
    const afterRight = mayRight ? specification.next(state, b.step) : undefined;
    if (afterRight !== undefined) stack.push([i, j + 1, afterRight]);
    const afterLeft = mayLeft ? specification.next(state, a.step) : undefined;
    if (afterLeft !== undefined) stack.push([i + 1, j, afterLeft]);
  }
  return { isExplained: false, seen };
}
