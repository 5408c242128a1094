/** grcli-conntrack(1): idle connections are looked for once a second. */
const TICK_MS = 1000;

/** Stops the timer; resolves when a tick under way has ended. */
export type StopAgeing = () => Promise<void>;

/**
 * Runs `tick` once a second. One that comes while the one before still runs is left out: what it
 * would have found is found by the next. A failing tick is a bug and goes to `onBug`.
 */
export function startAgeing(
  tick: () => Promise<void>,
  onBug: (cause: unknown) => void,
): StopAgeing {
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    running ??= tick()
      .catch(onBug)
      .finally(() => {
        running = undefined;
      });
  }, TICK_MS);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await running;
  };
}
