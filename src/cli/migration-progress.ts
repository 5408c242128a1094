import { setTimeout } from 'node:timers/promises';
import type { ApiClient } from '../api/client.js';
import { CONNTRACK_CONF_GET } from '../api/conntrack.js';
import { ApiError, ConnectionError } from '../api/errors.js';
import type { CliContext } from './context.js';
import type { Write } from './output.js';

/** Nothing is shown of what takes no longer. */
const QUIET_MS = 500;
const POLL_MS = 200;
/** Back to the start of the terminal's line, and the line is empty (ECMA-48 EL). */
const CLEAR_LINE = '\r\x1b[K';

/**
 * Runs an action that may migrate all connections. If that takes long and there is a terminal, a
 * line there tells how far it is, asked for over a second conversation, and is gone afterwards.
 */
export async function withProgress(
  context: CliContext,
  action: () => Promise<void>,
): Promise<void> {
  const { terminal } = context;
  if (terminal === undefined) return action();
  const end = new AbortController();
  const shown = showProgress(() => context.connectAgain(), terminal, end.signal);
  try {
    await action();
  } finally {
    end.abort();
    await shown;
  }
}

async function showProgress(
  connect: () => Promise<ApiClient>,
  terminal: Write,
  end: AbortSignal,
): Promise<void> {
  if (await isOverAfter(QUIET_MS, end)) return;
  try {
    const api = await connect();
    try {
      await pollProgress(api, terminal, end);
    } finally {
      api.close();
      await terminal(CLEAR_LINE);
    }
  } catch (error) {
    // Progress is a courtesy: whether the action worked, its own conversation tells.
    if (!(error instanceof ApiError) && !(error instanceof ConnectionError)) throw error;
  }
}

async function pollProgress(api: ApiClient, terminal: Write, end: AbortSignal): Promise<void> {
  do {
    const { migratedPercent } = await api.call(CONNTRACK_CONF_GET, {});
    if (migratedPercent !== undefined)
      await terminal(`${CLEAR_LINE}migrating ${migratedPercent} %`);
  } while (!(await isOverAfter(POLL_MS, end)));
}

/** Resolves after a time with whether the end came meanwhile, which cuts the time short. */
async function isOverAfter(ms: number, end: AbortSignal): Promise<boolean> {
  const cut = new Promise<boolean>((resolve) => {
    if (end.aborted) resolve(true);
    end.addEventListener('abort', () => resolve(true), { once: true });
  });
  return Promise.race([cut, setTimeout(ms, false, { ref: false })]);
}
