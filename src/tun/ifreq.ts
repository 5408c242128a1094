// struct ifreq of linux/if.h: a name of 16 bytes, then a union, 40 bytes in all on 64-bit hosts. Its
// numbers are in the host's byte order, which WebAssembly's memory makes little-endian here anyway.

const NAME_SIZE = 16;
const IFREQ_SIZE = 40;

/** A request about one network device, and the kernel's answer to it. */
export class Ifreq {
  readonly bytes = new Uint8Array(IFREQ_SIZE);
  readonly #view = new DataView(this.bytes.buffer);

  /** @param name at most 15 bytes; the caller has checked it. */
  constructor(name: string) {
    new TextEncoder().encodeInto(name, this.bytes.subarray(0, NAME_SIZE - 1));
  }

  /** The device's name, as the kernel may have chosen it. */
  get name(): string {
    const end = this.bytes.indexOf(0);
    return new TextDecoder().decode(this.bytes.subarray(0, end));
  }

  /** `ifr_flags`: 16 bits. */
  get flags(): number {
    return this.#view.getUint16(NAME_SIZE, true);
  }

  set flags(flags: number) {
    this.#view.setUint16(NAME_SIZE, flags, true);
  }

  /** `ifr_mtu`, `ifr_qlen` and other plain ints. */
  get value(): number {
    return this.#view.getInt32(NAME_SIZE, true);
  }

  set value(value: number) {
    this.#view.setInt32(NAME_SIZE, value, true);
  }
}
