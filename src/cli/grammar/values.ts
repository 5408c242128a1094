import type { Prefix } from '../../api/ipv4.js';
import { formatPrefix, isNetwork, networkOf, parseAddress, parsePrefix } from '../../api/ipv4.js';
import { UsageError } from '../failure.js';
import { alternatives, expand } from './prefix.js';

/** A kind of word that carries a value: how help calls it, what is expected, how it is read. */
export interface Value<T> {
  readonly placeholder: string;
  /** How many words it takes, 1 unless told; `parse` gets them with blanks between. */
  readonly wordCount?: number;
  /** Completes the sentence "a value is missing, expected ...". */
  readonly expected: string;
  /** What the word can be: words that are always the same, or what the daemon has at the time. */
  readonly offers?: readonly string[] | Live;
  /**
   * Returns what `text` means as the value of `name`.
   *
   * @throws {UsageError} naming `name`, what was found and what is expected.
   */
  parse(name: string, text: string): T;
}

/** What the daemon has of which a word can be one. */
export type Live = 'interfaces';

/** Bytes of an interface's name: those of the kernel without their NUL. */
const NAME_MAX_BYTES = 15;
const DEVARGS_MAX_BYTES = 127;
const PATTERN_MAX_BYTES = 63;

/** Returns the kind of decimal numbers from `min` to `max`. */
export function integer(min: number, max: number): Value<number> {
  const expected = `${min}..${max}`;
  return {
    placeholder: 'N',
    expected,
    parse(name, text) {
      // Digits alone: what Number() reads besides (signs, hex, exponents, blanks) is refused.
      const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
      if (value >= min && value <= max) return value;
      throw new UsageError(`${name} ${quote(text)} is not in ${expected}`);
    },
  };
}

/** Two percentages, the first below the second: a range in which something happens by degrees. */
export const PERCENT_RANGE: Value<{ readonly start: number; readonly end: number }> = {
  placeholder: 'START END',
  wordCount: 2,
  expected: 'two percentages START END',
  parse(name, text) {
    const [start = '', end = '', ...others] = text.split(' ');
    if (others.length > 0) throw new UsageError(`${name} ${quote(text)} is not ${this.expected}`);
    const range = { start: parsePercent(name, start), end: parsePercent(name, end) };
    // 0 keeps the present value, which is only known to whoever has it.
    if (range.start === 0 || range.end === 0 || range.start < range.end) return range;
    throw new UsageError(`${name} ${text}: the start is not below the end`);
  },
};

function parsePercent(name: string, text: string): number {
  return integer(0, 0xffff).parse(name, text.replace(/%$/, ''));
}

/** Returns the kind of words out of `choices`, each of which may be abbreviated to a unique prefix. */
export function choice<C extends string>(...choices: readonly C[]): Value<C> {
  const expected = alternatives(choices);
  return {
    placeholder: choices.join('|'),
    expected,
    offers: choices,
    parse(name, text) {
      const matches = expand(text, choices);
      const only = choices.find((each) => each === matches[0]);
      if (matches.length === 1 && only !== undefined) return only;
      throw new UsageError(`${name} ${quote(text)} is not ${expected}`);
    },
  };
}

/** An IPv4 address: four decimal octets. */
export const ADDRESS: Value<string> = {
  placeholder: 'IP',
  expected: 'an IPv4 address',
  parse(name, text) {
    if (parseAddress(text) !== undefined) return text;
    throw new UsageError(`${name} ${quote(text)} is not an IPv4 address`);
  },
};

/** An address with the length of its subnet: host bits are welcome. */
export const ADDRESS_IN_SUBNET: Value<Prefix> = {
  placeholder: 'IP/LEN',
  expected: 'an IPv4 address and its prefix length (IP/LEN)',
  parse(name, text) {
    const prefix = parsePrefix(text);
    if (prefix !== undefined) return prefix;
    if (parseAddress(text) !== undefined)
      throw new UsageError(`${name} ${text} has no prefix length, expected IP/LEN`);
    throw new UsageError(`${name} ${quote(text)} is not IP/LEN with LEN in 0..32`);
  },
};

/** A subnet: host bits are refused, as they are either a slip in the address or in the length. */
export const SUBNET: Value<Prefix> = {
  placeholder: 'NET/LEN',
  expected: 'an IPv4 subnet (NET/LEN)',
  parse(name, text) {
    const prefix = parsePrefix(text);
    if (prefix === undefined) {
      const found =
        parseAddress(text) === undefined
          ? `${quote(text)} is not NET/LEN with LEN in 0..32`
          : `${text} has no prefix length, expected NET/LEN`;
      throw new UsageError(`${name} ${found}`);
    }
    if (!isNetwork(prefix))
      throw new UsageError(
        `${name} ${text} has host bits set, the network is ${formatPrefix(networkOf(prefix))}`,
      );
    return prefix;
  },
};

/** Where a route leads: a subnet, or `default` for everything. */
export const DESTINATION: Value<Prefix> = {
  placeholder: 'DEST',
  expected: 'an IPv4 subnet (NET/LEN) or default',
  offers: ['default'],
  parse(name, text) {
    return text === 'default' ? { addr: '0.0.0.0', prefixLength: 0 } : SUBNET.parse(name, text);
  },
};

/** A name for an interface, or that of a network device: what the kernel takes for one. */
export const NEW_NAME: Value<string> = {
  placeholder: 'NAME',
  expected: `a name of 1..${NAME_MAX_BYTES} bytes`,
  parse(name, text) {
    const found = quote(text);
    const length = Buffer.byteLength(text);
    if (length < 1 || length > NAME_MAX_BYTES)
      throw new UsageError(
        `${name} ${found} has ${length} bytes, expected a name of 1..${NAME_MAX_BYTES} bytes`,
      );
    if (text === '.' || text === '..' || !isPrintable(text) || text.includes('/'))
      throw new UsageError(`${name} ${found} is not a name: no "/" and no white space is possible`);
    return text;
  },
};

/** The name of an interface that there is. */
export const IFACE_NAME: Value<string> = { ...NEW_NAME, offers: 'interfaces' };

/** What a port is made of, in the daemon's own language. */
export const DEVARGS: Value<string> = boundedText('DEVARGS', DEVARGS_MAX_BYTES);

/** A glob over the names of counters. */
export const PATTERN: Value<string> = boundedText('PATTERN', PATTERN_MAX_BYTES);

/** Returns `text` as messages quote it: bare where it is visible as it is. */
export function quote(text: string): string {
  return /^[!-~]+$/.test(text) ? text : JSON.stringify(text);
}

function boundedText(placeholder: string, maxBytes: number): Value<string> {
  const expected = `1..${maxBytes} bytes without white space`;
  return {
    placeholder,
    expected,
    parse(name, text) {
      const length = Buffer.byteLength(text);
      if (length >= 1 && length <= maxBytes && isPrintable(text)) return text;
      throw new UsageError(`${name} ${quote(text)} is not ${expected}`);
    },
  };
}

/** Returns whether `text` has neither white space nor control characters. */
function isPrintable(text: string): boolean {
  return !/[\s\p{Cc}]/u.test(text);
}
