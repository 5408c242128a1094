import { setTimeout as delay } from 'node:timers/promises';
import { Gateway } from './gateway.js';
import { Netns } from './netns.js';
import { Peer } from './peer.js';

/** Addresses of the man page's example, which every lab has. */
export const LAN_HOST = '10.99.0.99';
export const LAN_GATEWAY = '10.99.0.1';
export const WAN_HOST = '172.16.0.2';
export const WAN_GATEWAY = '172.16.0.1';
export const LAN_NET = '10.99.0.0/24';

export interface LabOptions {
  /** More arguments of the daemon. */
  readonly args?: readonly string[];
  /** Whether the LAN is translated to the gateway's outside address; true unless told. */
  readonly hasPolicy?: boolean;
}

/**
 * Two hosts and a gateway between them, each in its own network namespace:
 *
 *     lan 10.99.0.99 --- p1 10.99.0.1 [gateway] 172.16.0.1 p0 --- wan 172.16.0.2
 *
 * The wan host has no route to the LAN but through the gateway's device, as on a real link it would
 * see a private source that leaks.
 */
export class Lab {
  readonly #closers: (() => Promise<void>)[] = [];
  readonly lan: Netns;
  readonly wan: Netns;
  readonly router: Netns;
  readonly gateway: Gateway;
  readonly lanHost: Peer;
  readonly wanHost: Peer;

  private constructor(lan: Netns, wan: Netns, router: Netns, gateway: Gateway) {
    this.lan = lan;
    this.wan = wan;
    this.router = router;
    this.gateway = gateway;
    this.lanHost = new Peer(lan);
    this.wanHost = new Peer(wan);
  }

  static async open({ args = [], hasPolicy = true }: LabOptions = {}): Promise<Lab> {
    const closers: (() => Promise<void>)[] = [];
    try {
      const [lan, wan, router] = await Promise.all([
        Netns.create(),
        Netns.create(),
        Netns.create(),
      ]);
      for (const netns of [lan, wan, router]) closers.push(() => netns.dispose());
      const gateway = await Gateway.start(router, args);
      closers.push(() => gateway.close());
      const lab = new Lab(lan, wan, router, gateway);
      closers.push(
        () => lab.lanHost.close(),
        () => lab.wanHost.close(),
      );
      lab.#closers.push(...closers);
      await gateway.connect('p0', wan, `${WAN_HOST}/24`, `${WAN_GATEWAY}/24`);
      await gateway.connect('p1', lan, `${LAN_HOST}/24`, `${LAN_GATEWAY}/24`);
      await lan.addRoute('default', LAN_GATEWAY);
      await wan.addRoute('default', WAN_GATEWAY);
      if (hasPolicy)
        await gateway.do(`snat44 add interface p0 subnet ${LAN_NET} replace ${WAN_GATEWAY}`);
      return lab;
    } catch (cause) {
      await closeAll(closers);
      throw cause;
    }
  }

  /** Removes everything. Idempotent. */
  async close(): Promise<void> {
    await closeAll(this.#closers);
  }
}

async function closeAll(closers: (() => Promise<void>)[]): Promise<void> {
  for (let close = closers.pop(); close !== undefined; close = closers.pop()) await close();
}

/**
 * Polls until `probe` returns something other than undefined or false, and returns it.
 *
 * @throws {Error} naming `what` when the time is over.
 */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined | false>,
  timeoutMs = 10_000,
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const found = await probe();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > endMs) throw new Error(`in ${timeoutMs} ms there was no ${what}`);
    await delay(20);
  }
}
