import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CONNTRACK_CONF_GET, CONNTRACK_CONF_SET } from '../../src/api/conntrack.js';
import { ControlError } from '../../src/api/errors.js';
import { hex } from '../support/raw-client.js';

const test = suite('api conntrack');

const NUMBERS = '07000000 01000000 02000000 03000000 04000000 05000000 06000000';
const CONFIG = {
  max: 7,
  closedTimeoutSec: 1,
  newTimeoutSec: 2,
  establishedUdpTimeoutSec: 3,
  establishedTcpTimeoutSec: 4,
  halfCloseTimeoutSec: 5,
  timeWaitTimeoutSec: 6,
  tcpWindow: 0,
  tcpLoose: 0,
  earlyDrop: 0,
  adaptiveStart: 0,
  adaptiveEnd: 0,
};

for (const tail of ['', '03', '0302', '030200'])
  test(`CONNTRACK_CONF_SET of ${28 + tail.length / 2} bytes keeps the modes`, () => {
    assert.equal(CONNTRACK_CONF_SET.decodeRequest(hex(`${NUMBERS} ${tail}`)), CONFIG);
  });

test('the modes lie behind the seven numbers of CONNTRACK_CONF_SET', () => {
  const bytes = `${NUMBERS} 0302 0000`;
  const change = { ...CONFIG, tcpWindow: 3, tcpLoose: 2 };
  assert.equal(CONNTRACK_CONF_SET.decodeRequest(hex(bytes)), change);
  assert.equal(CONNTRACK_CONF_SET.encodeRequest(change), hex(bytes));
  assert.equal(CONNTRACK_CONF_SET.encodeRequest(CONFIG), hex(NUMBERS));
});

test('what follows is whether conns are dropped early, and the adaptive range', () => {
  const early = { ...CONFIG, tcpLoose: 1, earlyDrop: 2 };
  assert.equal(CONNTRACK_CONF_SET.encodeRequest(early), hex(`${NUMBERS} 000102 00`));
  assert.equal(CONNTRACK_CONF_SET.decodeRequest(hex(`${NUMBERS} 000102 00`)), early);
  const adaptive = { ...CONFIG, earlyDrop: 1, adaptiveStart: 60, adaptiveEnd: 300 };
  const bytes = hex(`${NUMBERS} 000001 00 3c00 2c01`);
  assert.equal(CONNTRACK_CONF_SET.encodeRequest(adaptive), bytes);
  assert.equal(CONNTRACK_CONF_SET.decodeRequest(bytes), adaptive);
  const cut = CONNTRACK_CONF_SET.decodeRequest(bytes.subarray(0, 35));
  assert.equal(cut, { ...CONFIG, earlyDrop: 1 }, 'half a range is none');
});

const REFUSED: readonly (readonly [modes: string, says: string])[] = [
  ['0400', 'tcp-window 4 is not 0 (keep), 1 (off), 2 (liberal) or 3 (strict)'],
  ['ff01', 'tcp-window 255 is not 0 (keep), 1 (off), 2 (liberal) or 3 (strict)'],
  ['000003', 'early-drop 3 is not 0 (keep), 1 (off) or 2 (on)'],
  ['0003', 'tcp-loose 3 is not 0 (keep), 1 (off) or 2 (on)'],
];

for (const [modes, says] of REFUSED)
  test(`modes ${modes} are refused by naming what is allowed`, () => {
    try {
      CONNTRACK_CONF_SET.decodeRequest(hex(`${NUMBERS} ${modes} 0000`));
    } catch (error) {
      assert.ok(error instanceof ControlError);
      return assert.equal([error.code, error.message], ['EINVAL', says]);
    }
    assert.unreachable('nothing was refused');
  });

test('the modes lie behind the clock of CONNTRACK_CONF_GET, and may be missing with it', () => {
  const [use, clock] = ['08000000', '0900000000000000'];
  const upstream = { ...CONFIG, used: 8, nowNs: undefined, migratedPercent: undefined };
  assert.equal(CONNTRACK_CONF_GET.decodeResponse(hex(`${NUMBERS} ${use}`)), upstream);
  assert.equal(CONNTRACK_CONF_GET.encodeResponse(upstream), hex(`${NUMBERS} ${use}`));
  const clocked = { ...upstream, nowNs: 9n };
  assert.equal(CONNTRACK_CONF_GET.decodeResponse(hex(`${NUMBERS} ${use} ${clock}`)), clocked);
  const ours = { ...clocked, tcpWindow: 2, tcpLoose: 1 };
  const bytes = `${NUMBERS} ${use} ${clock} 0201 000000000000`;
  assert.equal(CONNTRACK_CONF_GET.decodeResponse(hex(bytes)), ours);
  assert.equal(CONNTRACK_CONF_GET.encodeResponse(ours), hex(bytes));
});

test('early drop, progress and adaptive range lie behind the modes of CONNTRACK_CONF_GET', () => {
  const told = { ...CONFIG, used: 8, nowNs: 9n, tcpWindow: 3, tcpLoose: 1, earlyDrop: 2 };
  const adaptive = { adaptiveStart: 60, adaptiveEnd: 120 };
  const head = `${NUMBERS} 08000000 0900000000000000 030102`;
  for (const [byte, migratedPercent] of [
    ['00', undefined],
    ['01', 0],
    ['2c', 43],
    ['65', 100],
  ] as const) {
    const status = { ...told, ...adaptive, migratedPercent };
    assert.equal(CONNTRACK_CONF_GET.encodeResponse(status), hex(`${head} ${byte} 3c007800`));
    assert.equal(CONNTRACK_CONF_GET.decodeResponse(hex(`${head} ${byte} 3c007800`)), status);
  }
});

test.run();
