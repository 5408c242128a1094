import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, LAN_HOST, Lab, WAN_HOST } from '../support/lab.js';

const PORT = 4040;

/** An invalid packet in JSON, as far as it is looked at. */
interface Shown {
  readonly iface: string;
  readonly src: string;
  readonly dst: string;
  readonly dport: number;
  readonly age: number;
  readonly reason: string;
  readonly why: string;
  readonly forwarded: boolean;
}

const test = suite<{ lab: Lab }>('invalid packets');

test.before(async (context) => {
  context.lab = await Lab.open();
});

test.after(async ({ lab }) => {
  await lab.close();
});

async function invalid({ gateway }: Lab): Promise<Shown[]> {
  const { status, stdout, stderr } = await gateway.cli('conntrack invalid show', ['-j']);
  assert.is(status, 0, stderr);
  const shown: Shown[] = JSON.parse(stdout);
  return shown.filter(({ dport }) => dport === PORT);
}

test('without invalid packets nothing is shown', async ({ lab }) => {
  assert.is(await lab.gateway.do('conntrack invalid'), '');
  assert.equal(await invalid(lab), []);
});

test('a forgotten connection is refused, explained, and picked up once tcp-loose is on', async ({
  lab,
}) => {
  const listener = await lab.wanHost.call('tcpListen', PORT);
  const client = await lab.lanHost.call('tcpConnect', WAN_HOST, PORT);
  const server = await lab.wanHost.call('tcpAccept', listener);
  await lab.gateway.do('conntrack flush');
  await lab.lanHost.call('tcpSend', client.id, 'after the flush');
  const [first] = await eventually('record', async () => {
    const shown = await invalid(lab);
    return shown.length > 0 && shown;
  });
  assert.equal([first?.iface, first?.src, first?.dst], ['p1', LAN_HOST, WAN_HOST]);
  assert.equal([first?.reason, first?.forwarded], ['tcp_no_conn', false]);
  assert.is(first?.why, 'it belongs to no connection, and tcp-loose is off');
  assert.ok((first?.age ?? 99) <= 2);
  const table = await lab.gateway.do('conntrack invalid show');
  assert.match(
    table,
    /^ *AGE {2}IFACE {2}FLOW {2}SRC {9}DST {9}SPORT {2}DPORT {2}FLAGS {2}STATE {2}REASON\n/,
  );
  assert.match(table, / p1 +fwd .* PA +- +tcp_no_conn: it belongs to no connection/);

  // Client and server repeat what was lost until it passes.
  await lab.gateway.do('conntrack config set tcp-loose on');
  assert.match(await lab.gateway.do('conntrack config show'), /\ntcp-loose on\n/);
  assert.is(await lab.wanHost.call('tcpReceive', server.id, 15, 20_000), 'after the flush');
  await lab.wanHost.call('tcpSend', server.id, 'answer');
  assert.is(await lab.lanHost.call('tcpReceive', client.id, 6), 'answer');
});

test.run();
