import { MAX_IFACES } from '../../assembly/layout.js';
import { ControlError } from '../api/errors.js';
import type { OpenTun } from '../tun/device.js';
import type { ConnFilter, ConnTable } from './conn-table.js';
import type { Log } from './log.js';
import {
  addAddress,
  addIface,
  addPolicy,
  addRoute,
  deleteAddress,
  deleteIface,
  deletePolicy,
  deleteRoute,
  EMPTY_NETWORK,
  findIface,
  findPolicy,
  formatPrefix,
  type Iface,
  type IfaceAddress,
  type Network,
  type StaticRoute,
  toTables,
  VRF_ID,
} from './network.js';
import type { PolicyRecord, Tables } from './tables.js';
import type { TranPools } from './tran-pools.js';

/** A policy before it has an id and pools. */
export type PolicyRequest = Omit<PolicyRecord, 'id' | 'pools'>;

/** An interface before it has an id and a device. */
export interface IfaceRequest {
  readonly name: string;
  readonly isUp: boolean;
  /** 68..65535, or 0 for the device's own. */
  readonly mtu: number;
  /** `net_tapN,iface=DEV`; N may be left out. */
  readonly devargs: string;
}

interface GatewayParts {
  readonly tables: Tables;
  readonly table: ConnTable;
  readonly pools: TranPools;
  readonly openTun: OpenTun;
  readonly queueCount: number;
  /** Wakes the workers, so that they take new tables up. */
  readonly wake: () => void;
  /** Makes an interface id ready for a new device: nothing of its last holder is left. */
  readonly prepareIface: (id: number) => void;
  /** Resolves when no worker has to do with a device any more that the tables no longer have. */
  readonly waitForRelease: (iface: Iface) => Promise<void>;
  readonly log: Log;
}

const DEFAULT_MTU = 1500;
const DEVARGS = /^net_tap(\d*),iface=([^\s/,]{1,15})$/;

/**
 * The gateway's configuration at run time. Changes are made one at a time, each in this order:
 * compute the new configuration (refusals happen here), publish it to the workers, wait for a grace
 * period, and only then remove the conns that hung on what is gone and free it - before, a worker
 * could still have made more of them.
 */
export class Gateway {
  readonly #parts: GatewayParts;
  #network: Network = EMPTY_NETWORK;
  #nextPolicyId = 1;
  #nextSerial = 1;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: GatewayParts) {
    this.#parts = parts;
  }

  /** The configuration in force. */
  get network(): Network {
    return this.#network;
  }

  /** Opens a TUN device and adds it as an interface; resolves with its id, the lowest free one. */
  addIface(request: IfaceRequest): Promise<number> {
    return this.#inTurn(async () => {
      const id = this.#freeIfaceId(request.name);
      const { name, number } = parseDevargs(request.devargs);
      const device = this.#parts.openTun({
        name,
        mtu: request.mtu || DEFAULT_MTU,
        queueCount: this.#parts.queueCount,
      });
      const devargs = `net_tap${number ?? id},iface=${device.name}`;
      const { name: ifaceName, isUp } = request;
      this.#parts.prepareIface(id);
      try {
        const serial = this.#nextSerial++;
        const iface = { id, name: ifaceName, isUp, devargs, device, serial };
        await this.#apply(addIface(this.#network, iface));
      } catch (cause) {
        device.close();
        throw cause;
      }
      this.#parts.log.info(`interface ${ifaceName}: ${device.driver} ${device.name}, id ${id}`);
      return id;
    });
  }

  /** Removes an interface with its addresses, routes, policies, conns and its device. */
  deleteIface(id: number): Promise<void> {
    return this.#inTurn(async () => {
      if (id === VRF_ID) throw new ControlError('EBUSY', 'the vrf main cannot be deleted');
      const iface = findIface(this.#network, id);
      const gone = this.#network.policies.filter(({ ifaceId }) => ifaceId === id);
      await this.#apply(deleteIface(this.#network, id));
      await this.#purge(`interface ${iface.name} deleted`, { ifaceId: id });
      for (const { replace } of gone) this.#parts.pools.release(replace);
      await this.#parts.waitForRelease(iface);
      iface.device.close();
    });
  }

  /** Adds an address; one that is there already is refused with EEXIST unless `existOk`. */
  addAddress(address: IfaceAddress, existOk: boolean): Promise<void> {
    return this.#inTurn(async () => {
      const isNew = await this.#apply(addAddress(this.#network, address));
      const text = formatPrefix(address.addr, address.prefixLength);
      if (!isNew) checkExistOk(existOk, `address ${text}`);
    });
  }

  /** Removes an address and the conns that are translated to it. */
  deleteAddress(address: IfaceAddress): Promise<void> {
    return this.#inTurn(async () => {
      await this.#apply(deleteAddress(this.#network, address));
      const text = formatPrefix(address.addr, address.prefixLength);
      await this.#purge(`address ${text} deleted`, { addr: address.addr });
    });
  }

  /** Adds a static route; one that is there already is refused with EEXIST unless `existOk`. */
  addRoute(route: StaticRoute, existOk: boolean): Promise<void> {
    return this.#inTurn(async () => {
      const isNew = await this.#apply(addRoute(this.#network, route));
      const text = formatPrefix(route.network, route.prefixLength);
      if (!isNew) checkExistOk(existOk, `route to ${text}`);
    });
  }

  /** Removes a static route. */
  deleteRoute(dest: number, prefixLength: number): Promise<void> {
    return this.#inTurn(async () => {
      await this.#apply(deleteRoute(this.#network, dest, prefixLength));
    });
  }

  /** Adds an snat policy; one that is there already is refused with EEXIST unless `existOk`. */
  addPolicy(request: PolicyRequest, existOk: boolean): Promise<void> {
    return this.#inTurn(async () => {
      const pools = this.#parts.pools.acquire(request.replace);
      let isNew = false;
      try {
        const policy = { ...request, id: this.#nextPolicyId, pools };
        isNew = await this.#apply(addPolicy(this.#network, policy));
      } finally {
        // A policy that was there already holds its pools since then.
        if (!isNew) this.#parts.pools.release(request.replace);
      }
      if (isNew) this.#nextPolicyId++;
      else checkExistOk(existOk, 'this policy');
    });
  }

  /** Removes a policy and its conns. @throws {ControlError} ENODEV, ENOENT. */
  deletePolicy(request: PolicyRequest): Promise<void> {
    return this.#inTurn(async () => {
      const iface = findIface(this.#network, request.ifaceId);
      const policy = findPolicy(this.#network, request);
      const subnet = formatPrefix(request.network, request.prefixLength);
      if (policy === undefined || policy.replace !== request.replace)
        throw new ControlError('ENOENT', `${iface.name} has no such policy for ${subnet}`);
      await this.#apply(deletePolicy(this.#network, policy.id));
      await this.#purge(`snat44 ${iface.name} ${subnet} deleted`, { policyId: policy.id });
      this.#parts.pools.release(policy.replace);
    });
  }

  /** Closes all devices; for the end, when no worker runs any more. */
  close(): void {
    for (const { device } of this.#network.ifaces) device.close();
    this.#network = EMPTY_NETWORK;
  }

  /** Publishes a configuration; resolves with false when it is the one in force already. */
  async #apply(network: Network): Promise<boolean> {
    if (network === this.#network) return false;
    await this.#parts.tables.publish(toTables(network), this.#parts.wake);
    this.#network = network;
    return true;
  }

  async #purge(why: string, filter: ConnFilter): Promise<void> {
    const count = await this.#parts.table.remove(filter);
    this.#parts.log.info(`${why}, ${count} conns removed`);
  }

  #freeIfaceId(name: string): number {
    if (!/^[^\s/]{1,15}$/.test(name))
      throw new ControlError(
        'EINVAL',
        `interface name "${name}" is not 1..15 characters without / or space`,
      );
    if (name === 'main' || this.#network.ifaces.some((iface) => iface.name === name))
      throw new ControlError('EEXIST', `there is an interface ${name}`);
    const taken = new Set(this.#network.ifaces.map(({ id }) => id));
    for (let id = VRF_ID + 1; id < MAX_IFACES; id++) if (!taken.has(id)) return id;
    throw new ControlError('ENOSPC', `all ${MAX_IFACES - 2} interfaces are in use`);
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(step);
    // The next change waits for this one, however it ends; its caller sees the failure.
    this.#turn = done.catch(() => undefined);
    return done;
  }
}

function checkExistOk(existOk: boolean, what: string): void {
  if (!existOk) throw new ControlError('EEXIST', `${what} is there already`);
}

function parseDevargs(devargs: string): { name: string; number: string | undefined } {
  const match = DEVARGS.exec(devargs);
  const [, number, name] = match ?? [];
  if (name === undefined)
    throw new ControlError('EINVAL', `devargs "${devargs}" is not net_tapN,iface=DEV`);
  return { name, number: number || undefined };
}
