import { type Answer, type Answers, DONE, le, text } from './fake-daemon.js';

/** Message numbers of the API. */
export const CONNTRACK_LIST = 0xc0c00001;
export const CONNTRACK_FLUSH = 0xc0c00002;
export const CONNTRACK_CONF_GET = 0xc0c00003;
export const CONNTRACK_CONF_SET = 0xc0c00004;
const SNAT44_ADD = 0x0bad0004;
const SNAT44_DEL = 0x0bad0005;
export const SNAT44_LIST = 0x0bad0006;
export const IFACE_ADD = 0xacdc0001;
const IFACE_DEL = 0xacdc0002;
export const IFACE_GET = 0xacdc0003;
export const IFACE_LIST = 0xacdc0004;
export const IFACE_STATS_GET = 0xacdc0006;
export const STATS_GET = 0xacdc000b;
const STATS_RESET = 0xacdc000c;
const IP4_ROUTE_ADD = 0xf00d0001;
const IP4_ROUTE_DEL = 0xf00d0002;
export const IP4_ROUTE_LIST = 0xf00d0004;
const IP4_ADDR_ADD = 0xf00d0005;
const IP4_ADDR_DEL = 0xf00d0006;
export const IP4_ADDR_LIST = 0xf00d0007;
export const ERROR_GET = 0x6a5c0001;

const ENODEV = 19;
const SEC = 1_000_000_000n;

/** The daemon's clock. */
export const NOW_NS = 1852n * SEC;

/** The two connections of the manual page: closed TCP and established UDP, both of p0 (2). */
export const MAN_PAGE_CONNS = [
  `0200 02 06  0a630063 ac100002 da14 04d2  ac100002 ac100001 04d2 537d  34560000
   ${le(NOW_NS - SEC / 2n, 8)} 40feae5c 00000000`,
  `0200 02 11  0a630063 ac100002 9392 04d2  ac100002 ac100001 04d2 6e69  34560000
   ${le(NOW_NS - 999_999_999n, 8)} 00ffae5c 04000000`,
].map((hex) => hex.replace(/\s/g, ''));

/** The manual page's settings with the 2 in use, then the daemon's clock, strict and not loose. */
export const MAN_PAGE_CONFIG = `00040000 02000000 05000000 1e000000 2c010000 78000000 1e000000 02000000 ${le(NOW_NS, 8)} 03 01 000000000000`;

/** p0 as an upstream daemon tells of it. */
export const P0 = port(2, 'p0', 'net_tap0,iface=x-p0', '367fda1640f2', 0x11);
/** p1 as a TUN device: without an address of the link layer. */
export const P1 = port(3, 'p1', 'net_tap1,iface=x-p1', '000000000000', 0x01);
/** The vrf `main`. */
export const MAIN =
  `0100 01 00 0100 0100 0000 0100 0000 0000 ffffffff ${text('main', 16)}` +
  `${text('', 256)} ${'00'.repeat(24)}`;

/** Answers of a gateway with the interfaces main (1), p0 (2) and p1 (3) and nothing else. */
export const GATEWAY: Answers = new Map<number, Answer>([
  [
    IFACE_GET,
    (payload) => {
      const found = IFACES.find(
        ({ id, name }) => payload.startsWith(le(id, 2)) || payload === `0000${text(name, 16)}`,
      );
      return found === undefined ? { status: ENODEV } : { payload: found.bytes };
    },
  ],
  [IFACE_LIST, { items: [MAIN, P0, P1] }],
  [IFACE_ADD, { payload: '0400' }],
  [CONNTRACK_LIST, { items: [] }],
  [CONNTRACK_CONF_GET, { payload: MAN_PAGE_CONFIG }],
  ...[
    CONNTRACK_FLUSH,
    CONNTRACK_CONF_SET,
    SNAT44_ADD,
    SNAT44_DEL,
    IFACE_DEL,
    IP4_ADDR_ADD,
    IP4_ADDR_DEL,
    IP4_ROUTE_ADD,
    IP4_ROUTE_DEL,
    STATS_RESET,
  ].map((type) => [type, DONE] as const),
]);

const IFACES = [
  { id: 1, name: 'main', bytes: MAIN },
  { id: 2, name: 'p0', bytes: P0 },
  { id: 3, name: 'p1', bytes: P1 },
];

/** Returns the gateway's answers with others in their place. */
export function gatewayWith(...answers: readonly (readonly [number, Answer])[]): Answers {
  return new Map([...GATEWAY, ...answers]);
}

function port(id: number, name: string, devargs: string, mac: string, flags: number): string {
  return [
    `${le(id, 2)} 02 00 ${le(flags, 2)} 0500 dc05 0100 0000 0000 10270000`,
    text(name, 16) + text('', 256),
    `0100 0100 2000 2000 ${mac} ${text(devargs, 128)} ${text('net_tap', 32)}`,
  ].join(' ');
}
