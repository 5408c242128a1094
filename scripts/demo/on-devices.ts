import { setTimeout as delay } from 'node:timers/promises';
import type { Gateway } from '../../tests/support/gateway.js';
import { LAN_HOST, LAN_NET, Lab, WAN_GATEWAY, WAN_HOST } from '../../tests/support/lab.js';
import { runCommand } from '../../tests/support/netns.js';
import { check, heading, note, transcript } from './narrator.js';

const TCP_PORT = 1234;
const UDP_PORT = 1234;
const SINK_PORT = 5001;
const MAXIMA = [65536, 262144];
/** How long the transfer runs before, between and after the changes of max. */
const TRANSFER_MS = 400;

/** The demonstration on real TUN devices, real sockets and real namespaces. */
export async function showOnDevices(): Promise<void> {
  heading('Two hosts in network namespaces, the gateway between them');
  const lab = await Lab.open({ hasPolicy: false });
  try {
    note(`   lan ${LAN_HOST} --- p1 10.99.0.1 [ grout ] ${WAN_GATEWAY} p0 --- wan ${WAN_HOST}`);
    await run(lab.gateway, 'interface show');
    await run(lab.gateway, `snat44 add interface p0 subnet ${LAN_NET} replace ${WAN_GATEWAY}`);
    await showPing(lab);
    await showTcp(lab);
    await showUdp(lab);
    heading('What is tracked');
    await run(lab.gateway, 'conntrack show');
    await run(lab.gateway, 'conntrack config show');
    await showMigration(lab);
  } finally {
    await lab.close();
  }
}

async function showPing(lab: Lab): Promise<void> {
  heading(`Ping from the LAN to ${WAN_HOST}`);
  if ((await runCommand('ping', ['-V'])).status !== 0) {
    note('   left out: the command ping (package iputils-ping) is not installed');
    return;
  }
  const { stdout } = await lab.lan.exec('ping', ['-c', '3', '-i', '0.2', '-W', '2', WAN_HOST]);
  transcript(`ping -c 3 ${WAN_HOST}`, stdout);
}

async function showTcp(lab: Lab): Promise<void> {
  heading('TCP both ways, through the translation');
  const listener = await lab.wanHost.call('tcpListen', TCP_PORT);
  const client = await lab.lanHost.call('tcpConnect', WAN_HOST, TCP_PORT);
  const server = await lab.wanHost.call('tcpAccept', listener);
  note(`   the client is ${LAN_HOST}:${client.localPort}`);
  check(
    `the server sees ${server.remoteAddress}:${server.remotePort}`,
    server.remoteAddress === WAN_GATEWAY,
  );
  await lab.lanHost.call('tcpSend', client.id, 'hello');
  check('the request arrives', (await lab.wanHost.call('tcpReceive', server.id, 5)) === 'hello');
  await lab.wanHost.call('tcpSend', server.id, 'world');
  check('the answer arrives', (await lab.lanHost.call('tcpReceive', client.id, 5)) === 'world');
}

async function showUdp(lab: Lab): Promise<void> {
  heading('UDP both ways');
  const server = await lab.wanHost.call('udpBind', UDP_PORT);
  const client = await lab.lanHost.call('udpBind', 0);
  await lab.lanHost.call('udpSend', client.id, WAN_HOST, UDP_PORT, 'hello');
  const arrival = await lab.wanHost.call('udpReceive', server.id);
  check(`the server sees ${arrival?.address}:${arrival?.port}`, arrival?.address === WAN_GATEWAY);
  await lab.wanHost.call('udpSend', server.id, WAN_GATEWAY, arrival?.port ?? 0, 'world');
  const answer = await lab.lanHost.call('udpReceive', client.id);
  check('the answer arrives', answer?.text === 'world');
}

async function showMigration(lab: Lab): Promise<void> {
  heading('Raising max while a TCP transfer runs');
  const sink = await lab.wanHost.call('sinkOpen', SINK_PORT);
  const { id } = await lab.lanHost.call('tcpConnect', WAN_HOST, SINK_PORT);
  await lab.lanHost.call('pumpStart', id);
  await delay(TRANSFER_MS);
  for (const max of MAXIMA) {
    const before = await lab.wanHost.call('sinkProgress', sink);
    await run(lab.gateway, `conntrack config set max ${max}`);
    await delay(TRANSFER_MS);
    const after = await lab.wanHost.call('sinkProgress', sink);
    check(`the transfer went from ${megabytes(before)} to ${megabytes(after)}`, after > before);
  }
  const sent = await lab.lanHost.call('pumpStop', id);
  const received = await lab.wanHost.call('sinkResult', sink);
  note(`   sent     ${sent.bytes} bytes, sha256 ${sent.sha256}`);
  note(`   received ${received.bytes} bytes, sha256 ${received.sha256}`);
  check('every byte arrived', sent.bytes === received.bytes && sent.sha256 === received.sha256);
  await run(lab.gateway, 'conntrack config show');
}

async function run(gateway: Gateway, words: string): Promise<void> {
  transcript(`grcli ${words}`, await gateway.do(words));
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
