import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { le } from './support/fake-daemon.js';
import {
  CONNTRACK_CONF_GET,
  GATEWAY,
  gatewayWith,
  MAN_PAGE_CONFIG,
  NOW_NS,
} from './support/gateway.js';
import { runLine } from './support/run.js';

const SET = 'conntrack config set';

/**
 * Commands and the numbers that they send: max, closed, new, established UDP, established TCP, half
 * close, time wait; then the window's mode and the pick-up's, if they are sent at all.
 */
const COMMANDS: readonly (readonly [words: string, numbers: readonly number[], modes?: string])[] =
  [
    ['tcp-window off', [0, 0, 0, 0, 0, 0, 0], '0100'],
    ['tcp-window liberal', [0, 0, 0, 0, 0, 0, 0], '0200'],
    ['tcp-window strict', [0, 0, 0, 0, 0, 0, 0], '0300'],
    ['tcp-loose off', [0, 0, 0, 0, 0, 0, 0], '0001'],
    ['tcp-loose on', [0, 0, 0, 0, 0, 0, 0], '0002'],
    ['tcp-l of max 7 tcp-w s', [7, 0, 0, 0, 0, 0, 0], '0301'],
    // The values that the manual page documents, and those of RFC 5382, RFC 7857 and RFC 4787.
    ['profile grout', [0, 5, 5, 30, 300, 120, 30]],
    ['profile rfc', [0, 240, 240, 300, 7440, 240, 240]],
    ['p r', [0, 240, 240, 300, 7440, 240, 240]],
    ['profile rfc new-timeout 6 max 64', [64, 240, 6, 300, 7440, 240, 240]],
    ['new-timeout 6 max 64 profile rfc', [64, 240, 6, 300, 7440, 240, 240]],
    // 0 keeps the present value, also beside a profile.
    ['closed-timeout 0 profile rfc', [0, 0, 240, 300, 7440, 240, 240]],
    ['early-drop off', [0, 0, 0, 0, 0, 0, 0], '000001'],
    ['early-drop on tcp-loose off', [0, 0, 0, 0, 0, 0, 0], '000102'],
    ['adaptive 60 120', [0, 0, 0, 0, 0, 0, 0], '000000003c007800'],
    ['adaptive 0 100% max 9 early-drop on', [9, 0, 0, 0, 0, 0, 0], '0000020000006400'],
    ['tcp-loose on profile grout tcp-window off', [0, 5, 5, 30, 300, 120, 30], '0102'],
  ];

const test = suite('cli conntrack config');

for (const [words, numbers, modes] of COMMANDS) {
  test(`${words} sends its settings`, async () => {
    const { code, out, err, requests } = await runLine(`${SET} ${words}`, { answers: GATEWAY });
    const extension = modes === undefined ? '' : modes.padEnd(8, '0');
    const sent = numbers.map((value) => le(value, 4)).join('');
    assert.equal(requests, [`c0c00004 ${sent}${extension}`]);
    assert.equal({ code, out, err }, { code: 0, out: '', err: '' });
  });
}

const ANSWERS: readonly { window: string; loose: string; lines: string; json: object }[] = [
  {
    window: '01',
    loose: '02',
    lines: 'tcp-window off\ntcp-loose on\n',
    json: { 'tcp-window': 'off', 'tcp-loose': 'on' },
  },
  {
    window: '02',
    loose: '01',
    lines: 'tcp-window liberal\ntcp-loose off\n',
    json: { 'tcp-window': 'liberal', 'tcp-loose': 'off' },
  },
  // Of a daemon that knows more.
  {
    window: '04',
    loose: 'ff',
    lines: 'tcp-window ?\ntcp-loose ?\n',
    json: { 'tcp-window': '?', 'tcp-loose': '?' },
  },
  { window: '00', loose: '00', lines: '', json: {} },
];

const SETTINGS = `${MAN_PAGE_CONFIG.slice(0, 8 * 9)}${le(NOW_NS, 8)}`;

for (const { window, loose, lines, json } of ANSWERS) {
  test(`modes ${window} ${loose} are shown behind all else`, async () => {
    const payload = `${SETTINGS} ${window} ${loose} 000000000000`;
    const answers = gatewayWith([CONNTRACK_CONF_GET, { payload }]);
    const { out } = await runLine('conntrack config show', { answers });
    assert.ok(out.endsWith(`\ntime-wait-timeout 30\n${lines}`), out);
    const shown = JSON.parse((await runLine('-j conntrack config show', { answers })).out);
    const last = Object.entries(shown).slice(9);
    assert.equal(last, Object.entries(json));
  });
}

test('early drop and adaptive range follow the modes, progress comes last', async () => {
  const shown = async (extension: string) => {
    const answers = gatewayWith([CONNTRACK_CONF_GET, { payload: `${SETTINGS} ${extension}` }]);
    const { out } = await runLine('conntrack config show', { answers });
    const json = JSON.parse((await runLine('-j conntrack config show', { answers })).out);
    return {
      lines: out.split('\n').slice(9, -1),
      json: Object.fromEntries(Object.entries(json).slice(11)),
    };
  };
  assert.equal(await shown('03 01 02 00 3c00 7800'), {
    lines: ['tcp-loose off', 'adaptive 60 120', 'early-drop on'],
    json: { adaptive: '60 120', 'early-drop': 'on' },
  });
  assert.equal(await shown('03 01 01 2c 3c00 7800'), {
    lines: ['tcp-loose off', 'adaptive 60 120', 'early-drop off', 'migrating 43 %'],
    json: { adaptive: '60 120', 'early-drop': 'off', migrating_percent: 43 },
  });
});

for (const bytes of [32, 40, 47]) {
  test(`a daemon that answers ${bytes} bytes is shown without modes`, async () => {
    const payload = `${SETTINGS} 03 01 000000000000`.replaceAll(' ', '').slice(0, 2 * bytes);
    const answers = gatewayWith([CONNTRACK_CONF_GET, { payload }]);
    const { code, out } = await runLine('conntrack config show', { answers });
    assert.ok(out.endsWith('\ntime-wait-timeout 30\n'), out);
    assert.is(code, 0);
  });
}

test.run();
