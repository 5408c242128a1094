/*
 * A daemon's API over a small fixed state: the one in which the golden exchanges were recorded.
 * Interfaces main=1 (vrf), p0=2 and p1=3 (ports), one TCP and one UDP conn, at most 32.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IP4_ADDR_ADD, IP4_ADDR_DEL, IP4_ADDR_LIST, IP6_ADDR_LIST } from '../../src/api/address.js';
import {
  CONNTRACK_CONF_GET,
  CONNTRACK_CONF_SET,
  CONNTRACK_FLUSH,
  CONNTRACK_LIST,
  type Conn,
} from '../../src/api/conntrack.js';
import { ControlError } from '../../src/api/errors.js';
import { IFACE_ADD, IFACE_GET, IFACE_LIST, type Iface } from '../../src/api/iface.js';
import { SNAT44_ADD, SNAT44_DEL, SNAT44_LIST } from '../../src/api/snat44.js';
import {
  type Handler,
  handlersOf,
  plainHandler,
  streamHandler,
} from '../../src/host/api-handler.js';
import { startApiServer } from '../../src/host/api-server.js';
import type { Log } from '../../src/host/log.js';

/** A server on a socket of its own, with what it logged. */
export interface ApiFixture {
  readonly path: string;
  readonly logged: readonly string[];
  close(): Promise<void>;
}

/** Returns a path in a folder of its own, and what removes that folder. */
export function temporaryPath(name: string): { path: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'grout-api-'));
  return {
    path: join(folder, name),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Returns a log that only remembers. */
export function memoryLog(): { log: Log; lines: string[] } {
  const lines: string[] = [];
  const at = (level: string) => (text: string) => void lines.push(`${level} ${text}`);
  return {
    lines,
    log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
  };
}

/** Starts a server with the recorded state and further handlers. */
export async function startFixture(...further: readonly Handler[]): Promise<ApiFixture> {
  const { path, remove } = temporaryPath('api.sock');
  const { log, lines } = memoryLog();
  const server = await startApiServer({
    path,
    log,
    handlers: handlersOf(...recordedHandlers(), ...further),
  });
  return {
    path,
    logged: lines,
    async close() {
      await server.close();
      remove();
    },
  };
}

/** The two conns as recorded. */
export const RECORDED_CONNS: readonly Conn[] = [
  conn(6, 40001, 46210, 0x1aef32bf518n, 0x6ecf5440),
  conn(17, 40002, 60123, 0x1af05be58a2n, 0x6ecf5500),
];

/** Interface p0 as recorded. */
export const RECORDED_PORT: Iface = {
  id: 2,
  type: 2,
  mode: 0,
  flags: 17,
  state: 5,
  mtu: 1500,
  vrfId: 1,
  domainId: 0,
  speedMbps: 10000,
  name: 'p0',
  description: '',
  info: {
    kind: 'port',
    rxQueues: 1,
    txQueues: 1,
    rxQueueSize: 32,
    txQueueSize: 32,
    mac: '36:7f:da:16:40:f2',
    devargs: 'net_tap0,iface=x-p0',
    driver: 'net_tap',
  },
};

function conn(
  proto: number,
  sport: number,
  tranId: number,
  lastUpdateNs: bigint,
  id: number,
): Conn {
  return {
    ifaceId: 2,
    af: 2,
    proto,
    fwd: { src: '10.99.0.99', dst: '172.16.0.2', sport, dport: 1234 },
    rev: { src: '172.16.0.2', dst: '172.16.0.1', sport: 1234, dport: tranId },
    lastUpdateNs,
    id,
    state: 4,
  };
}

function recordedHandlers(): Handler[] {
  const vrf: Iface = {
    ...RECORDED_PORT,
    id: 1,
    type: 1,
    name: 'main',
    info: {
      kind: 'vrf',
      ip4: { maxRoutes: 128, tbl8Count: 256 },
      ip6: { maxRoutes: 128, tbl8Count: 512 },
    },
  };
  const ifaces = [vrf, RECORDED_PORT, { ...RECORDED_PORT, id: 3, name: 'p1' }];
  return [
    streamHandler(CONNTRACK_LIST, () => RECORDED_CONNS),
    plainHandler(CONNTRACK_FLUSH, () => undefined),
    plainHandler(CONNTRACK_CONF_GET, () => ({
      max: 32,
      closedTimeoutSec: 5,
      newTimeoutSec: 5,
      establishedUdpTimeoutSec: 30,
      establishedTcpTimeoutSec: 300,
      halfCloseTimeoutSec: 120,
      timeWaitTimeoutSec: 30,
      tcpWindow: 0,
      tcpLoose: 0,
      earlyDrop: 0,
      adaptiveStart: 0,
      adaptiveEnd: 0,
      migratedPercent: undefined,
      used: 2,
      nowNs: undefined,
    })),
    plainHandler(CONNTRACK_CONF_SET, ({ max }) => {
      if (max !== 0) throw new ControlError('EBUSY', `max ${max} has to wait for a migration`);
    }),
    plainHandler(SNAT44_ADD, () => undefined),
    plainHandler(SNAT44_DEL, () => undefined),
    streamHandler(SNAT44_LIST, () => [
      { ifaceId: 2, subnet: { addr: '10.99.0.0', prefixLength: 24 }, replace: '172.16.0.1' },
    ]),
    plainHandler(IFACE_ADD, () => 4),
    plainHandler(IFACE_GET, ({ id, name }) => {
      const iface = ifaces.find((each) => (id === 0 ? each.name === name : each.id === id));
      if (iface === undefined) throw new ControlError('ENODEV', `no interface ${name || id}`);
      return iface;
    }),
    streamHandler(IFACE_LIST, () => ifaces),
    plainHandler(IP4_ADDR_ADD, () => undefined),
    plainHandler(IP4_ADDR_DEL, () => undefined),
    streamHandler(IP4_ADDR_LIST, () => [
      { ifaceId: 2, addr: '172.16.0.1', prefixLength: 24 },
      { ifaceId: 3, addr: '10.99.0.1', prefixLength: 24 },
    ]),
    streamHandler(IP6_ADDR_LIST, () => []),
  ];
}
