import { ROUTE_F_BROADCAST, ROUTE_F_LOCAL, ROUTE_F_NAT } from '../../assembly/layout.js';
import { ControlError } from '../api/errors.js';
import { formatAddress, maskOf } from '../api/ipv4.js';
import type { TunDevice } from '../tun/device.js';
import type { RouteRecord } from './route-trie.js';
import type { PolicyRecord, TablesInput } from './tables.js';

// The configuration of the gateway as one immutable value, and the changes to it as functions from
// value to value: a change that is refused has changed nothing. Addresses are u32 in host order.

/** Id of the vrf `main`, the one routing table. */
export const VRF_ID = 1;

/** An interface with its TUN device. */
export interface Iface {
  readonly id: number;
  readonly name: string;
  readonly isUp: boolean;
  readonly devargs: string;
  readonly device: TunDevice;
  /** Tells the device from all others that were ever opened. */
  readonly serial: number;
}

/** An address of the gateway on an interface; its subnet is reached through that interface. */
export interface IfaceAddress {
  readonly ifaceId: number;
  readonly addr: number;
  readonly prefixLength: number;
}

/** A static route. Its `via` always lies in a subnet of the gateway's. */
export interface StaticRoute {
  readonly network: number;
  readonly prefixLength: number;
  readonly via: number;
}

/** All that is configured. */
export interface Network {
  readonly ifaces: readonly Iface[];
  readonly addresses: readonly IfaceAddress[];
  readonly routes: readonly StaticRoute[];
  readonly policies: readonly PolicyRecord[];
}

/** A gateway without interfaces. */
export const EMPTY_NETWORK: Network = { ifaces: [], addresses: [], routes: [], policies: [] };

/** Returns `addr/length` in the usual notation. */
export function formatPrefix(addr: number, prefixLength: number): string {
  return `${formatAddress(addr)}/${prefixLength}`;
}

/** Returns the interface. @throws {ControlError} ENODEV when there is none with this id. */
export function findIface(network: Network, id: number): Iface {
  const iface = network.ifaces.find((candidate) => candidate.id === id);
  if (iface === undefined) throw new ControlError('ENODEV', `there is no interface with id ${id}`);
  return iface;
}

/** Adds an interface. @throws {ControlError} EEXIST when its name is taken. */
export function addIface(network: Network, iface: Iface): Network {
  return { ...network, ifaces: [...network.ifaces, iface] };
}

/** Removes an interface and what hangs on it: its addresses, policies and the routes through it. */
export function deleteIface(network: Network, id: number): Network {
  findIface(network, id);
  const stays = ({ ifaceId }: { ifaceId: number }) => ifaceId !== id;
  return dropUnreachable({
    ifaces: network.ifaces.filter((iface) => iface.id !== id),
    addresses: network.addresses.filter(stays),
    policies: network.policies.filter(stays),
    routes: network.routes,
  });
}

/**
 * Adds an address and the route to its subnet; unchanged when it is there already.
 *
 * @throws {ControlError} ENODEV, EINVAL when no host can have it, EEXIST when the address or its
 * subnet is on another interface.
 */
export function addAddress(network: Network, added: IfaceAddress): Network {
  const { ifaceId, addr, prefixLength } = added;
  findIface(network, ifaceId);
  const text = formatPrefix(addr, prefixLength);
  checkHostAddress(text, addr, prefixLength);
  for (const known of network.addresses) {
    if (known.addr === addr) {
      if (known.ifaceId === ifaceId && known.prefixLength === prefixLength) return network;
      const where = formatPrefix(known.addr, known.prefixLength);
      throw new ControlError('EEXIST', `${where} is an address of ${nameOf(network, known)}`);
    }
    if (known.ifaceId !== ifaceId && isSameNetwork(known, added)) {
      const subnet = formatPrefix(networkOf(added), prefixLength);
      throw new ControlError('EEXIST', `${subnet} is a subnet of ${nameOf(network, known)}`);
    }
  }
  return { ...network, addresses: [...network.addresses, added] };
}

/** Removes an address, its subnet's route and the routes that only it made reachable. */
export function deleteAddress(network: Network, gone: IfaceAddress): Network {
  const iface = findIface(network, gone.ifaceId);
  const addresses = network.addresses.filter((known) => !isSameAddress(known, gone));
  if (addresses.length === network.addresses.length) {
    const text = formatPrefix(gone.addr, gone.prefixLength);
    throw new ControlError('ENOENT', `${text} is not an address of ${iface.name}`);
  }
  return dropUnreachable({ ...network, addresses });
}

/**
 * Adds a static route; unchanged when it is there already.
 *
 * @throws {ControlError} EINVAL for host bits, EHOSTUNREACH when `via` is in no subnet of the
 * gateway's or its own address, EEXIST when the destination has another route.
 */
export function addRoute(network: Network, added: StaticRoute): Network {
  const dest = formatPrefix(added.network, added.prefixLength);
  checkNetwork('destination', added.network, added.prefixLength);
  const via = formatAddress(added.via);
  if (resolve(network, added.via) === undefined)
    throw new ControlError('EHOSTUNREACH', `via ${via} is in none of the gateway's subnets`);
  if (network.addresses.some(({ addr }) => addr === added.via))
    throw new ControlError('EHOSTUNREACH', `via ${via} is the gateway's own address`);
  const isSame = (route: StaticRoute) =>
    route.network === added.network && route.prefixLength === added.prefixLength;
  const known = network.routes.find(isSame);
  if (known?.via === added.via) return network;
  if (known !== undefined)
    throw new ControlError('EEXIST', `${dest} has a route via ${formatAddress(known.via)}`);
  const connected = network.addresses.find(
    (address) =>
      networkOf(address) === added.network && address.prefixLength === added.prefixLength,
  );
  if (connected !== undefined)
    throw new ControlError('EEXIST', `${dest} is a subnet of ${nameOf(network, connected)}`);
  return { ...network, routes: [...network.routes, added] };
}

/** Removes a static route. @throws {ControlError} ENOENT when there is none to this destination. */
export function deleteRoute(network: Network, dest: number, prefixLength: number): Network {
  const routes = network.routes.filter(
    (route) => route.network !== dest || route.prefixLength !== prefixLength,
  );
  if (routes.length === network.routes.length)
    throw new ControlError('ENOENT', `no static route to ${formatPrefix(dest, prefixLength)}`);
  return { ...network, routes };
}

/**
 * Adds an snat policy; unchanged when it is there already.
 *
 * @throws {ControlError} ENODEV, EINVAL for host bits or an address no host can have, EEXIST when
 * the interface translates the subnet to another address.
 */
export function addPolicy(network: Network, added: PolicyRecord): Network {
  const iface = findIface(network, added.ifaceId);
  checkNetwork('subnet', added.network, added.prefixLength);
  checkHostAddress(`replace ${formatAddress(added.replace)}`, added.replace, 32);
  const known = findPolicy(network, added);
  if (known?.replace === added.replace) return network;
  if (known !== undefined) {
    const subnet = formatPrefix(known.network, known.prefixLength);
    const replace = formatAddress(known.replace);
    throw new ControlError('EEXIST', `${iface.name} translates ${subnet} to ${replace}`);
  }
  return { ...network, policies: [...network.policies, added] };
}

/** Returns the policy of an interface for exactly this subnet. */
export function findPolicy(
  network: Network,
  sought: Pick<PolicyRecord, 'ifaceId' | 'network' | 'prefixLength'>,
): PolicyRecord | undefined {
  return network.policies.find(
    (policy) =>
      policy.ifaceId === sought.ifaceId &&
      policy.network === sought.network &&
      policy.prefixLength === sought.prefixLength,
  );
}

/** Removes the policy with this id. */
export function deletePolicy(network: Network, id: number): Network {
  return { ...network, policies: network.policies.filter((policy) => policy.id !== id) };
}

/** Returns the address whose subnet contains `via`, the longest prefix first. */
export function resolve(network: Network, via: number): IfaceAddress | undefined {
  return network.addresses
    .filter(({ addr, prefixLength }) => ((addr ^ via) & maskOf(prefixLength)) === 0)
    .sort((a, b) => b.prefixLength - a.prefixLength)[0];
}

/** Returns the network of an address, as u32 in host order. */
export function networkOf({ addr, prefixLength }: Omit<IfaceAddress, 'ifaceId'>): number {
  return (addr & maskOf(prefixLength)) >>> 0;
}

/** Returns the configuration as the datapath looks it up. */
export function toTables(network: Network): TablesInput {
  return {
    ifaces: network.ifaces.map(({ id, isUp, device, serial }) => ({
      id,
      isUp,
      serial,
      mtu: device.mtu,
      addr: network.addresses.find(({ ifaceId }) => ifaceId === id)?.addr ?? 0,
      queues: device.queues,
    })),
    policies: network.policies,
    routes: [...connectedRoutes(network), ...staticRoutes(network), ...ownAddresses(network)],
  };
}

function connectedRoutes({ addresses }: Network): RouteRecord[] {
  return addresses.flatMap((address) => {
    const { ifaceId, addr, prefixLength } = address;
    const subnet = { network: networkOf(address), prefixLength, flags: 0, ifaceId };
    // RFC 3021: a /31 has no broadcast address.
    if (prefixLength > 30) return [subnet];
    const broadcast = (addr | ~maskOf(prefixLength)) >>> 0;
    return [subnet, { network: broadcast, prefixLength: 32, flags: ROUTE_F_BROADCAST, ifaceId }];
  });
}

function staticRoutes(network: Network): RouteRecord[] {
  return network.routes.flatMap((route) => {
    const hop = resolve(network, route.via);
    return hop === undefined ? [] : [{ ...route, flags: 0, ifaceId: hop.ifaceId }];
  });
}

/** One /32 for each address that is the gateway's own, or that policies translate to, or both. */
function ownAddresses({ addresses, policies }: Network): RouteRecord[] {
  const own = new Map<number, RouteRecord>();
  const mark = (addr: number, flag: number, ifaceId: number) => {
    const flags = (own.get(addr)?.flags ?? 0) | flag;
    own.set(addr, { network: addr, prefixLength: 32, flags, ifaceId });
  };
  for (const { replace, ifaceId } of policies) mark(replace, ROUTE_F_NAT, ifaceId);
  for (const { addr, ifaceId } of addresses) mark(addr, ROUTE_F_LOCAL, ifaceId);
  return [...own.values()];
}

function dropUnreachable(network: Network): Network {
  const routes = network.routes.filter(({ via }) => resolve(network, via) !== undefined);
  return { ...network, routes };
}

function isSameAddress(a: IfaceAddress, b: IfaceAddress): boolean {
  return a.ifaceId === b.ifaceId && a.addr === b.addr && a.prefixLength === b.prefixLength;
}

function isSameNetwork(a: IfaceAddress, b: IfaceAddress): boolean {
  return a.prefixLength === b.prefixLength && networkOf(a) === networkOf(b);
}

function nameOf(network: Network, { ifaceId }: IfaceAddress): string {
  return findIface(network, ifaceId).name;
}

function checkNetwork(what: string, addr: number, prefixLength: number): void {
  const network = (addr & maskOf(prefixLength)) >>> 0;
  if (prefixLength > 32)
    throw new ControlError('EINVAL', `${what} prefix length ${prefixLength} is not in 0..32`);
  if (network === addr) return;
  const [found, meant] = [formatPrefix(addr, prefixLength), formatPrefix(network, prefixLength)];
  throw new ControlError('EINVAL', `${what} ${found} has host bits set, its network is ${meant}`);
}

/** RFC 1122 section 3.2.1.3: what a host's address may not be. */
function checkHostAddress(text: string, addr: number, prefixLength: number): void {
  if (prefixLength < 1 || prefixLength > 32)
    throw new ControlError('EINVAL', `${text}: prefix length is not in 1..32`);
  const top = addr >>> 24;
  if (top === 0 || top === 127 || top >= 224)
    throw new ControlError('EINVAL', `${text} is not an address that a host can have`);
  const hostBits = (addr & ~maskOf(prefixLength)) >>> 0;
  const isEdge = hostBits === 0 || hostBits === ~maskOf(prefixLength) >>> 0;
  if (prefixLength <= 30 && isEdge)
    throw new ControlError('EINVAL', `${text} is the network's or its broadcast address`);
}
