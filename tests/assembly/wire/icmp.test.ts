import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DROP_L4_HEADER, REASON_NONE } from '../../../assembly/layout.js';
import { be16, packetBench } from '../../support/packet-steps.js';
import { buildIcmpEcho, buildIcmpError } from '../../support/packets.js';

/** An echo request with identifier 0x0102, sequence 3 and 8 bytes of payload, summed by hand. */
const REQUEST = Buffer.from('08005050010200035465737470696e67', 'hex');
const ENDS = { src: '10.99.0.5', dst: '192.0.2.9' };
const PAYLOAD = Buffer.from('Testping');

const bench = packetBench();
const { wasm } = bench;
const test = suite('wire/icmp');

test('takes a header apart', () => {
  const icmp = bench.lay(REQUEST);
  assert.is(wasm.icmpCheck(REQUEST.length), REASON_NONE);
  assert.is(wasm.icmpType(icmp), 8);
  assert.is(wasm.icmpIdBe(icmp), be16(0x0102));
});

test('takes no header that is not all there', () => {
  for (let available = 0; available < 8; available++)
    assert.is(wasm.icmpCheck(available), DROP_L4_HEADER, `${available} bytes`);
  assert.is(wasm.icmpCheck(8), REASON_NONE);
});

test('knows queries and their answers from all other types', () => {
  const queries = [0, 8, 9, 10, 13, 14, 15, 16, 17, 18];
  for (let type = 0; type < 256; type++)
    assert.is(wasm.icmpIsQuery(type), queries.includes(type) ? 1 : 0, `type ${type}`);
});

test('another identifier leaves the checksum right, whatever it is', () => {
  for (let id = 0; id <= 0xffff; id += 251) {
    const icmp = bench.lay(REQUEST);
    wasm.icmpSetIdBe(icmp, be16(id));
    const wanted = buildIcmpEcho({ ...ENDS, type: 8 }, id, 3, PAYLOAD).subarray(20);
    assert.equal(bench.take(REQUEST.length), wanted, `identifier ${id}`);
  }
});

test('a request becomes its reply', () => {
  wasm.icmpAnswerEcho(bench.lay(REQUEST));
  const wanted = buildIcmpEcho({ ...ENDS, type: 0 }, 0x0102, 3, PAYLOAD).subarray(20);
  assert.equal(bench.take(REQUEST.length), wanted);
});

test('writes the header of an error before what it quotes', () => {
  const quoted = Buffer.from('quoted, of odd length');
  const icmp = bench.lay(Buffer.concat([Buffer.alloc(8, 0xa5), quoted]));
  wasm.icmpWriteError(icmp, 3, 4, 1400, 8 + quoted.length);
  const wanted = buildIcmpError({ ...ENDS, type: 3, code: 4, rest: 1400 }, quoted).subarray(20);
  assert.equal(bench.take(8 + quoted.length), wanted);
});

test.run();
