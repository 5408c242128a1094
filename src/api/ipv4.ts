import { ControlError } from './errors.js';

/** An IPv4 address with the length of its prefix, 0..32: a subnet, or an address within one. */
export interface Prefix {
  /** Dotted quad. */
  readonly addr: string;
  readonly prefixLength: number;
}

const OCTET = '(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])';
const QUAD = new RegExp(`^${OCTET}\\.${OCTET}\\.${OCTET}\\.${OCTET}$`);
const PREFIX = /^([^/]+)\/(3[0-2]|[12]?[0-9])$/;

/**
 * Returns the address that `text` spells as four decimal octets, in host order, or undefined.
 *
 * Leading zeros are refused, as some programs read them as octal (RFC 6943 section 3.1.1).
 */
export function parseAddress(text: string): number | undefined {
  const match = QUAD.exec(text);
  if (match === null) return undefined;
  return match.slice(1).reduce((value, octet) => value * 256 + Number(octet), 0);
}

/** Returns the dotted quad of an address in host order. */
export function formatAddress(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

/** Returns the prefix that `text` spells as ADDRESS/LENGTH, or undefined. Host bits are kept. */
export function parsePrefix(text: string): Prefix | undefined {
  const match = PREFIX.exec(text);
  const [, addr = '', length = ''] = match ?? [];
  if (parseAddress(addr) === undefined) return undefined;
  return { addr, prefixLength: Number(length) };
}

/** Returns ADDRESS/LENGTH. */
export function formatPrefix(prefix: Prefix): string {
  return `${prefix.addr}/${prefix.prefixLength}`;
}

/** Returns the netmask of a prefix length, 0..32, in host order. */
export function maskOf(prefixLength: number): number {
  // A shift by 32 is a shift by 0 in JavaScript.
  return prefixLength === 0 ? 0 : (0xffffffff << (32 - prefixLength)) >>> 0;
}

/** Returns the address of a dotted quad in host order. @throws {ControlError} EINVAL. */
export function addressOf(text: string): number {
  const value = parseAddress(text);
  if (value === undefined) throw new ControlError('EINVAL', `${text} is not an IPv4 address`);
  return value;
}

/** Returns the subnet that `prefix` lies in: its host bits cleared. @throws {ControlError} EINVAL. */
export function networkOf(prefix: Prefix): Prefix {
  const { prefixLength } = prefix;
  const network = (addressOf(prefix.addr) & maskOf(prefixLength)) >>> 0;
  return { addr: formatAddress(network), prefixLength };
}

/** Returns whether `prefix` has no host bits, so that it names a subnet. */
export function isNetwork(prefix: Prefix): boolean {
  return networkOf(prefix).addr === prefix.addr;
}
