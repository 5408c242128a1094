/*
 * The fields of the API's structures.
 *
 * Structures are those of a C compiler on a little-endian machine: integers are little-endian and
 * aligned, padding is zero, texts are NUL-padded arrays of fixed size. Only IPv4 addresses, ports
 * and identifiers are in network order. Every writer expects a buffer filled with zeros.
 */

import { ControlError } from './errors.js';
import { addressOf, formatAddress, type Prefix } from './ipv4.js';

/** Address family of IPv4 as Linux numbers it. */
export const AF_INET = 2;
/** Hardware address of what has none. */
export const NO_MAC = '00:00:00:00:00:00';

/** Returns the text of a NUL-padded array; one without a NUL is taken whole. */
export function readText(from: Buffer, offset: number, size: number): string {
  const nul = from.indexOf(0, offset);
  const end = nul === -1 ? offset + size : Math.min(nul, offset + size);
  return from.toString('utf8', offset, end);
}

/**
 * Writes `text` to an array of `size` bytes, of which the last stays NUL.
 *
 * @throws {ControlError} ENAMETOOLONG when it has no room, EINVAL when it contains a NUL.
 */
export function writeText(to: Buffer, offset: number, size: number, text: string): void {
  if (text.includes('\0'))
    throw new ControlError('EINVAL', `${JSON.stringify(text)} contains a NUL byte`);
  const length = Buffer.byteLength(text);
  if (length >= size)
    throw new ControlError(
      'ENAMETOOLONG',
      `${text} has ${length} bytes, at most ${size - 1} are possible`,
    );
  to.write(text, offset, 'utf8');
}

/** Returns the dotted quad of an address in network order. */
export function readAddress(from: Buffer, offset: number): string {
  return formatAddress(from.readUInt32BE(offset));
}

/** Writes a dotted quad in network order. @throws {ControlError} EINVAL. */
export function writeAddress(to: Buffer, offset: number, addr: string): void {
  to.writeUInt32BE(addressOf(addr), offset);
}

/**
 * Returns a prefix: be32 address, u8 length.
 *
 * @throws {ControlError} EINVAL when the length exceeds 32.
 */
export function readPrefix(from: Buffer, offset: number): Prefix {
  const prefixLength = checkPrefixLength(from.readUInt8(offset + 4));
  return { addr: readAddress(from, offset), prefixLength };
}

/** Writes a prefix: be32 address, u8 length. @throws {ControlError} EINVAL. */
export function writePrefix(to: Buffer, offset: number, prefix: Prefix): void {
  writeAddress(to, offset, prefix.addr);
  to.writeUInt8(checkPrefixLength(prefix.prefixLength), offset + 4);
}

/** Returns a MAC address of 6 bytes in its usual spelling, as in 02:00:5e:10:00:01. */
export function readMac(from: Buffer, offset: number): string {
  const octets = from.subarray(offset, offset + 6);
  return Array.from(octets, (octet) => octet.toString(16).padStart(2, '0')).join(':');
}

/** Writes a MAC address. @throws {ControlError} EINVAL. */
export function writeMac(to: Buffer, offset: number, mac: string): void {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac))
    throw new ControlError('EINVAL', `${mac} is not a MAC address`);
  to.write(mac.replaceAll(':', ''), offset, 'hex');
}

function checkPrefixLength(prefixLength: number): number {
  if (!Number.isInteger(prefixLength) || prefixLength < 0 || prefixLength > 32)
    throw new ControlError('EINVAL', `prefix length ${prefixLength} is not in 0..32`);
  return prefixLength;
}
