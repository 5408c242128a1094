import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ROUTE_F_BROADCAST, ROUTE_F_LOCAL, ROUTE_F_NAT } from '../../assembly/layout.js';
import { ControlError } from '../../src/api/errors.js';
import { addressOf, formatAddress } from '../../src/api/ipv4.js';
import {
  addAddress,
  addIface,
  addPolicy,
  addRoute,
  deleteAddress,
  deleteIface,
  EMPTY_NETWORK,
  type IfaceAddress,
  type Network,
  toTables,
} from '../../src/host/network.js';
import type { PolicyRecord } from '../../src/host/tables.js';

const test = suite('network');

const WAN = 2;
const LAN = 3;

function device(name: string) {
  return { name, driver: 'test', mtu: 1500, queues: [7], close: () => {} };
}

function ifaceOf(id: number, name: string) {
  return { id, name, isUp: true, devargs: '', device: device(name), serial: id };
}

function address(ifaceId: number, text: string): IfaceAddress {
  const [addr = '', length = ''] = text.split('/');
  return { ifaceId, addr: addressOf(addr), prefixLength: Number(length) };
}

function route(dest: string, via: string) {
  const { addr, prefixLength } = address(0, dest);
  return { network: addr, prefixLength, via: addressOf(via) };
}

function policy(subnet: string, replace: string, id = 1): PolicyRecord {
  const { addr, prefixLength } = address(0, subnet);
  const pools = { tcp: 0, udp: 1, icmp: 2 };
  return { id, ifaceId: WAN, network: addr, prefixLength, replace: addressOf(replace), pools };
}

/** A gateway with 172.16.0.1/24 on p0 and 10.99.0.1/24 on p1. */
function home(): Network {
  let network = addIface(addIface(EMPTY_NETWORK, ifaceOf(WAN, 'p0')), ifaceOf(LAN, 'p1'));
  network = addAddress(network, address(WAN, '172.16.0.1/24'));
  return addAddress(network, address(LAN, '10.99.0.1/24'));
}

function refusal(change: () => unknown): ControlError {
  try {
    change();
  } catch (cause) {
    if (cause instanceof ControlError) return cause;
    throw cause;
  }
  throw new Error('nothing was refused');
}

/** What is refused, with which code, and a part of what it says. */
const REFUSALS: readonly {
  name: string;
  change: (network: Network) => unknown;
  code: string;
  says: string;
}[] = [
  {
    name: 'an address on an unknown interface',
    change: (n) => addAddress(n, address(9, '10.0.0.1/24')),
    code: 'ENODEV',
    says: 'id 9',
  },
  {
    name: 'an address that another interface has',
    change: (n) => addAddress(n, address(LAN, '172.16.0.1/32')),
    code: 'EEXIST',
    says: 'p0',
  },
  {
    name: 'a subnet that another interface has',
    change: (n) => addAddress(n, address(WAN, '10.99.0.7/24')),
    code: 'EEXIST',
    says: '10.99.0.0/24 is a subnet of p1',
  },
  {
    name: "a subnet's own number as address",
    change: (n) => addAddress(n, address(WAN, '10.1.0.0/24')),
    code: 'EINVAL',
    says: '10.1.0.0/24',
  },
  {
    name: 'a broadcast address',
    change: (n) => addAddress(n, address(WAN, '10.1.0.255/24')),
    code: 'EINVAL',
    says: 'broadcast',
  },
  {
    name: 'a loopback address',
    change: (n) => addAddress(n, address(WAN, '127.0.0.1/8')),
    code: 'EINVAL',
    says: 'host can have',
  },
  {
    name: 'a multicast address',
    change: (n) => addAddress(n, address(WAN, '224.0.0.5/24')),
    code: 'EINVAL',
    says: 'host can have',
  },
  {
    name: 'a route via an address out of reach',
    change: (n) => addRoute(n, route('0.0.0.0/0', '192.168.0.1')),
    code: 'EHOSTUNREACH',
    says: '192.168.0.1',
  },
  {
    name: 'a route via the gateway itself',
    change: (n) => addRoute(n, route('0.0.0.0/0', '172.16.0.1')),
    code: 'EHOSTUNREACH',
    says: 'own address',
  },
  {
    name: 'a destination with host bits',
    change: (n) => addRoute(n, route('10.1.1.0/16', '172.16.0.2')),
    code: 'EINVAL',
    says: '10.1.0.0/16',
  },
  {
    name: 'a second route to one destination',
    change: (n) =>
      addRoute(addRoute(n, route('10.1.0.0/16', '172.16.0.2')), route('10.1.0.0/16', '172.16.0.3')),
    code: 'EEXIST',
    says: 'via 172.16.0.2',
  },
  {
    name: 'a static route to a connected subnet',
    change: (n) => addRoute(n, route('10.99.0.0/24', '172.16.0.2')),
    code: 'EEXIST',
    says: 'subnet of p1',
  },
  {
    name: 'a policy for a subnet with host bits',
    change: (n) => addPolicy(n, policy('10.99.0.5/24', '172.16.0.1')),
    code: 'EINVAL',
    says: '10.99.0.0/24',
  },
  {
    name: 'a policy that translates to a multicast address',
    change: (n) => addPolicy(n, policy('10.99.0.0/24', '224.0.0.1')),
    code: 'EINVAL',
    says: '224.0.0.1',
  },
  {
    name: 'a second policy for one subnet',
    change: (n) =>
      addPolicy(
        addPolicy(n, policy('10.99.0.0/24', '172.16.0.1')),
        policy('10.99.0.0/24', '172.16.0.9', 2),
      ),
    code: 'EEXIST',
    says: '172.16.0.1',
  },
  {
    name: 'deleting an address that is not there',
    change: (n) => deleteAddress(n, address(WAN, '172.16.0.2/24')),
    code: 'ENOENT',
    says: 'not an address of p0',
  },
  {
    name: 'deleting an interface that is not there',
    change: (n) => deleteIface(n, 9),
    code: 'ENODEV',
    says: 'id 9',
  },
];

for (const { name, change, code, says } of REFUSALS) {
  test(`${name} is refused with ${code}`, () => {
    const { code: found, message } = refusal(() => change(home()));
    assert.is(found, code);
    assert.ok(message.includes(says), message);
  });
}

test('what is there already leaves the configuration as it is', () => {
  const network = addPolicy(
    addRoute(home(), route('0.0.0.0/0', '172.16.0.2')),
    policy('10.99.0.0/24', '172.16.0.1'),
  );
  assert.is(addAddress(network, address(WAN, '172.16.0.1/24')), network);
  assert.is(addRoute(network, route('0.0.0.0/0', '172.16.0.2')), network);
  assert.is(addPolicy(network, policy('10.99.0.0/24', '172.16.0.1', 2)), network);
});

test('deleting an interface takes its addresses, policies and the routes through it along', () => {
  let network = addRoute(home(), route('0.0.0.0/0', '172.16.0.2'));
  network = addRoute(network, route('10.5.0.0/16', '10.99.0.2'));
  network = addPolicy(network, policy('10.99.0.0/24', '172.16.0.1'));
  const after = deleteIface(network, WAN);
  assert.equal(after.ifaces, [network.ifaces[1]]);
  assert.equal(after.addresses, [address(LAN, '10.99.0.1/24')]);
  assert.equal(after.policies, []);
  assert.equal(after.routes, [route('10.5.0.0/16', '10.99.0.2')]);
});

test('deleting an address takes the routes along that only it made reachable', () => {
  let network = addAddress(home(), address(WAN, '172.16.0.3/24'));
  network = addRoute(network, route('0.0.0.0/0', '172.16.0.2'));
  const once = deleteAddress(network, address(WAN, '172.16.0.1/24'));
  assert.is(once.routes.length, 1, 'the second address still reaches the next hop');
  assert.equal(deleteAddress(once, address(WAN, '172.16.0.3/24')).routes, []);
});

test('the datapath gets connected, broadcast, static, own and outside addresses as routes', () => {
  let network = addRoute(home(), route('0.0.0.0/0', '172.16.0.2'));
  network = addPolicy(network, policy('10.99.0.0/24', '172.16.0.1'));
  network = addPolicy(network, policy('10.98.0.0/24', '172.16.0.9', 2));
  const rows = toTables(network).routes.map(
    ({ network: addr, prefixLength, flags, ifaceId }) =>
      `${formatAddress(addr)}/${prefixLength} ${flags} ${ifaceId}`,
  );
  assert.equal(rows.sort(), [
    '0.0.0.0/0 0 2',
    `10.99.0.0/24 0 3`,
    `10.99.0.1/32 ${ROUTE_F_LOCAL} 3`,
    `10.99.0.255/32 ${ROUTE_F_BROADCAST} 3`,
    `172.16.0.0/24 0 2`,
    `172.16.0.1/32 ${ROUTE_F_LOCAL | ROUTE_F_NAT} 2`,
    `172.16.0.255/32 ${ROUTE_F_BROADCAST} 2`,
    `172.16.0.9/32 ${ROUTE_F_NAT} 2`,
  ]);
});

test.run();
