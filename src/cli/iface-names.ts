import type { ApiClient } from '../api/client.js';
import { ApiError } from '../api/errors.js';
import { IFACE_GET, type Iface } from '../api/iface.js';

/** Id of no interface: a request with it looks up by name. */
const NO_IFACE = 0;

/** Returns the interface of a name. @throws {ApiError} ENODEV when there is none. */
export async function ifaceByName(api: ApiClient, name: string): Promise<Iface> {
  return api.call(IFACE_GET, { id: NO_IFACE, name });
}

/** Names of interfaces by their ids, asked for once each. */
export class IfaceNames {
  readonly #names = new Map<number, string>();

  /** Notes a name that is known already. */
  add(id: number, name: string): void {
    this.#names.set(id, name);
  }

  /**
   * Learns the names of `ids`, one request after the other: not every daemon answers a request that
   * comes before the answer to the one ahead of it. An interface that is gone in between has no name.
   */
  async learn(api: ApiClient, ids: Iterable<number>): Promise<void> {
    for (const id of new Set(ids)) {
      if (id === NO_IFACE) continue;
      const name = await nameOf(api, id);
      if (name !== undefined) this.#names.set(id, name);
    }
  }

  /** Returns the name of an interface, or its number where the name is not known. */
  get(id: number): string {
    return this.#names.get(id) ?? String(id);
  }
}

async function nameOf(api: ApiClient, id: number): Promise<string | undefined> {
  try {
    return (await api.call(IFACE_GET, { id, name: '' })).name;
  } catch (error) {
    if (error instanceof ApiError) return undefined;
    throw error;
  }
}
