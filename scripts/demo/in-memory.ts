import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startDaemon } from '../../src/host/daemon.js';
import type { Log } from '../../src/host/log.js';
import { type PairPeer, pairOpener } from '../../src/tun/pair.js';
import { runCommand } from '../../tests/support/netns.js';
import { buildIcmpEcho, buildUdp } from '../../tests/support/packets.js';
import {
  type ParsedIpv4,
  type ParsedUdp,
  parseIcmp,
  parseUdp,
} from '../../tests/support/parse-packets.js';
import { check, heading, note, transcript } from './narrator.js';
import { transfer } from './tcp-by-hand.js';

const GRCLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const LAN = '10.99.0.99';
const WAN = '172.16.0.2';
const OUTSIDE = '172.16.0.1';
const COMPLAIN = (text: string) => process.stderr.write(`grout: ${text}\n`);
const QUIET: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: COMPLAIN,
  error: COMPLAIN,
};
const ANSWER_MS = 3000;
const MAX_RAISED = 65536;

/** The demonstration without any privilege: devices in memory, packets built by hand. */
export async function showInMemory(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'grout-demo-'));
  const socketPath = join(folder, 'grout.sock');
  const ends = new Map<string, PairPeer>();
  const daemon = await startDaemon({
    socketPath,
    workers: 1,
    maxConntracks: 1 << 20,
    io: 'poll',
    spinUs: 0,
    openTun: pairOpener((name, [end]) => {
      if (end !== undefined) ends.set(name, end);
    }),
    log: QUIET,
    onBug: (cause) => {
      throw cause;
    },
  });
  try {
    const grcli = async (words: string) => {
      const args = [GRCLI, '-s', socketPath, ...words.split(' ')];
      const { status, stdout, stderr } = await runCommand(process.execPath, args);
      if (status !== 0) throw new Error(`grcli ${words}: exit ${status}: ${stderr}`);
      transcript(`grcli ${words}`, stdout);
    };
    await show(ends, grcli);
  } finally {
    await daemon.close();
    for (const end of ends.values()) end.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function show(
  ends: ReadonlyMap<string, PairPeer>,
  grcli: (words: string) => Promise<void>,
): Promise<void> {
  heading('The gateway between two devices in memory');
  note(`   lan ${LAN} --- p1 10.99.0.1 [ grout ] ${OUTSIDE} p0 --- wan ${WAN}`);
  await grcli('interface add tun p0');
  await grcli('interface add tun p1');
  await grcli(`address add ${OUTSIDE}/24 iface p0`);
  await grcli('address add 10.99.0.1/24 iface p1');
  await grcli(`snat44 add interface p0 subnet 10.99.0.0/24 replace ${OUTSIDE}`);
  const [wan, lan] = [ends.get('p0'), ends.get('p1')];
  if (wan === undefined || lan === undefined) throw new Error('a device was not opened');

  heading('Ping');
  lan.send(buildIcmpEcho({ src: LAN, dst: WAN, type: 8 }, 77, 1));
  const request = parseIcmp(await next(wan));
  check(`the request leaves as ${request.src}`, request.src === OUTSIDE);
  const { id } = request.l4;
  wan.send(buildIcmpEcho({ src: WAN, dst: OUTSIDE, type: 0 }, id, 1));
  const reply = parseIcmp(await next(lan));
  check(`the reply comes back to ${reply.dst}`, reply.dst === LAN && reply.l4.id === 77);

  heading('UDP');
  lan.send(buildUdp({ src: LAN, dst: WAN, sport: 37778, dport: 1234 }, Buffer.from('hello')));
  const question = parseUdp(await next(wan));
  check(`the datagram leaves as ${flow(question)}`, question.src === OUTSIDE);
  const back = { src: WAN, dst: OUTSIDE, sport: 1234, dport: question.l4.sport };
  wan.send(buildUdp(back, Buffer.from('world')));
  const answer = parseUdp(await next(lan));
  check(
    `the answer comes back as ${flow(answer)}`,
    answer.dst === LAN && answer.l4.dport === 37778,
  );

  heading('A TCP transfer, and max is raised while it runs');
  const { sent, received, bytesBefore, bytesUntil } = await transfer({
    lan,
    wan,
    client: LAN,
    server: WAN,
    meanwhile: () => grcli(`conntrack config set max ${MAX_RAISED}`),
  });
  check(
    `it had ${bytesBefore} bytes before, ${bytesUntil} when max was raised, then went on`,
    bytesBefore < bytesUntil && bytesUntil < received.bytes,
  );
  note(`   sent     ${sent.bytes} bytes, sha256 ${sent.sha256}`);
  note(`   received ${received.bytes} bytes, sha256 ${received.sha256}`);
  check('every byte arrived', sent.bytes === received.bytes && sent.sha256 === received.sha256);

  heading('What is tracked');
  await grcli('conntrack show');
  await grcli('conntrack config show');
}

async function next(end: PairPeer): Promise<Uint8Array> {
  const received = await end.next(ANSWER_MS);
  if (received === undefined) throw new Error(`nothing arrived in ${ANSWER_MS} ms`);
  return received.packet;
}

function flow({ src, dst, l4 }: ParsedIpv4<ParsedUdp>): string {
  return `${src}:${l4.sport} -> ${dst}:${l4.dport}`;
}
