import { RINGS_BASE } from '../../assembly/layout.js';
import { testDatapath } from './datapath.js';

/** Steps of the packet path, exported for tests. Addresses are offsets into the memory. */
export interface PacketSteps {
  sumBytes(start: number, length: number): number;
  checksum(start: number, length: number): number;
  delta16(before: number, after: number): number;
  delta32(before: number, after: number): number;
  fixChecksum(check: number, delta: number): number;
  fixPartial(sum: number, delta: number): number;
  takeIcmpToken(nowNs: bigint): number;
  routeLookup(snapshot: number, addr: number): number;
  ipv4Check(ip: number, length: number): number;
  ipv4HeaderLength(ip: number): number;
  ipv4TotalLength(ip: number): number;
  ipv4IsDf(ip: number): number;
  ipv4IsFragment(ip: number): number;
  ipv4IsLaterFragment(ip: number): number;
  ipv4Ttl(ip: number): number;
  ipv4Proto(ip: number): number;
  ipv4SrcBe(ip: number): number;
  ipv4DstBe(ip: number): number;
  ipv4SetTtl(ip: number, ttl: number): void;
  ipv4SetSrcBe(ip: number, srcBe: number): number;
  ipv4SetDstBe(ip: number, dstBe: number): number;
  ipv4SwapAddresses(ip: number): void;
  ipv4Write(
    ip: number,
    tos: number,
    totalLength: number,
    ttl: number,
    proto: number,
    srcBe: number,
    dstBe: number,
  ): void;
  udpCheck(udp: number, available: number, isFragment: number): number;
  udpLength(udp: number): number;
  udpFixChecksum(udp: number, delta: number): void;
  udpFixPartial(udp: number, delta: number): void;
  udpCompleteChecksum(udp: number, length: number): void;
  icmpCheck(available: number): number;
  icmpType(icmp: number): number;
  icmpIsQuery(type: number): number;
  icmpIdBe(icmp: number): number;
  icmpSetIdBe(icmp: number, idBe: number): void;
  icmpAnswerEcho(icmp: number): void;
  icmpWriteError(icmp: number, type: number, code: number, rest: number, length: number): void;
}

/** Where the tests put their bytes: a ring that no worker uses. */
const BENCH = RINGS_BASE;
const DIRT = 0xa5;

/** The steps, and a bench of memory to lay packets on. */
export interface PacketBench {
  readonly wasm: PacketSteps;
  readonly view: DataView;
  readonly memory: WebAssembly.Memory;
  /** Lays bytes on a dirty bench, and returns their address. */
  lay(bytes: Uint8Array): number;
  /** Returns a copy of `length` bytes of the bench. */
  take(length: number): Buffer;
}

/** Returns the steps of the build that GROUT_WASM names. */
export function packetBench(): PacketBench {
  const { shared, view, wasm } = testDatapath({ ceiling: 1 });
  return {
    // The module exports these too; asc checked their types.
    wasm: wasm as unknown as PacketSteps,
    view,
    memory: shared.memory,
    lay(bytes) {
      shared.bytes.fill(DIRT, BENCH, BENCH + bytes.length + 64);
      shared.bytes.set(bytes, BENCH);
      return BENCH;
    },
    take: (length) => Buffer.from(shared.bytes.slice(BENCH, BENCH + length)),
  };
}

/** Returns a number as it lies in a packet, read by a little-endian machine. */
export function be16(value: number): number {
  return ((value << 8) | (value >> 8)) & 0xffff;
}
