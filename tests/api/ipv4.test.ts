import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ControlError } from '../../src/api/errors.js';
import {
  addressOf,
  formatAddress,
  formatPrefix,
  isNetwork,
  maskOf,
  networkOf,
  parseAddress,
  parsePrefix,
} from '../../src/api/ipv4.js';

const test = suite('ipv4 addresses and prefixes');

const ADDRESSES: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 0],
  ['10.99.0.1', 0x0a630001],
  ['127.255.255.255', 0x7fffffff],
  ['128.0.0.0', 0x80000000],
  ['172.16.0.1', 0xac100001],
  ['255.255.255.255', 0xffffffff],
];

for (const [text, value] of ADDRESSES) {
  test(`${text} is parsed and spelt`, () => {
    assert.is(parseAddress(text), value);
    assert.is(formatAddress(value), text);
  });
}

const NO_ADDRESSES = [
  '',
  '10',
  '10.0.0',
  '10.0.0.0.0',
  '10.0.0.256',
  '10.0.0.01',
  '010.0.0.1',
  '0x0a.0.0.1',
  '10.0.0.-1',
  '10.0.0.+1',
  '10.0.0.1 ',
  ' 10.0.0.1',
  '10.0.0.1\n',
  '10.0.0.',
  '.10.0.0',
  '10,0,0,1',
  '1e1.0.0.1',
  '::1',
  '10.0.0.1/24',
  '10.0.0.١',
];

for (const text of NO_ADDRESSES) {
  test(`${JSON.stringify(text)} is no address`, () => {
    assert.is(parseAddress(text), undefined);
    assert.throws(
      () => addressOf(text),
      (error: unknown) => {
        return error instanceof ControlError && error.code === 'EINVAL';
      },
    );
  });
}

for (const text of ['0.0.0.0/0', '10.99.0.0/24', '10.99.0.7/24', '1.2.3.4/32', '128.0.0.0/1']) {
  test(`${text} is a prefix`, () => {
    const prefix = parsePrefix(text);
    assert.ok(prefix);
    assert.is(formatPrefix(prefix), text);
  });
}

const NO_PREFIXES = ['', '/', '10.0.0.0', '10.0.0.0/', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/08'];
NO_PREFIXES.push('10.0.0.0/255.0.0.0', '10.0.0/8', '/8', '10.0.0.0/8/8', '10.0.0.0/8 ', 'x/8');

for (const text of NO_PREFIXES) {
  test(`${JSON.stringify(text)} is no prefix`, () => {
    assert.is(parsePrefix(text), undefined);
  });
}

test('a mask has as many leading ones as the prefix is long', () => {
  for (let length = 0; length <= 32; length++) {
    const ones = `${'1'.repeat(length)}${'0'.repeat(32 - length)}`;
    assert.is(maskOf(length), Number.parseInt(ones, 2), `/${length}`);
  }
});

test('a network is a prefix without its host bits', () => {
  const network = (text: string) => networkOf(parsePrefix(text) ?? { addr: '', prefixLength: 0 });
  assert.equal(network('10.99.7.9/16'), { addr: '10.99.0.0', prefixLength: 16 });
  assert.equal(network('255.255.255.255/0'), { addr: '0.0.0.0', prefixLength: 0 });
  assert.equal(network('192.168.1.255/25'), { addr: '192.168.1.128', prefixLength: 25 });
  assert.ok(isNetwork({ addr: '10.99.0.0', prefixLength: 16 }));
  assert.not(isNetwork({ addr: '10.99.0.1', prefixLength: 16 }));
  assert.ok(isNetwork({ addr: '10.99.0.1', prefixLength: 32 }));
});

test.run();
