// Who runs in the race. All have the same two hosts with the same addresses, each in a namespace of
// its own, and the same task; the copy loop alone does not translate.
import { once } from 'node:events';
import {
  LAN_GATEWAY,
  LAN_HOST,
  LAN_NET,
  Lab,
  WAN_GATEWAY,
  WAN_HOST,
} from '../../tests/support/lab.js';
import { Netns } from '../../tests/support/netns.js';
import { buildNative } from './native.js';
import { type Opened, openAll, type Router } from './router.js';

/** Names of the references that ours are compared with. */
export const COPY_LOOP = 'copy-loop';
export const KERNEL = 'kernel';
export const SLIRP = 'slirp4netns';

const NOTHING = async () => undefined;
/** What slirp4netns's own manual recommends for speed. */
const SLIRP_MTU = 65520;
const START_TIMEOUT_MS = 5000;

/** Our gateway, its daemon started with `args`. */
export async function openOurs(name: string, args: readonly string[]): Promise<Router> {
  const lab = await Lab.open({ args });
  return {
    name,
    lan: lab.lan,
    wan: lab.wan,
    pid: lab.gateway.pid,
    forget: async () => {
      await lab.gateway.do('conntrack flush');
    },
    close: () => lab.close(),
  };
}

/** A loop in C that copies between two TUN devices; undefined where there is no compiler. */
export async function openCopyLoop(): Promise<Router | undefined> {
  const program = buildNative('copy-loop');
  if (program === undefined) return undefined;
  return openAll(async (opened) => {
    const [lan, wan, router] = await openNamespaces(opened);
    const loop = router.spawn(program, ['b0', 'b1']);
    opened.add(async () => {
      loop.kill('SIGKILL');
    });
    const { stdout, pid } = loop;
    if (stdout === null || pid === undefined) throw new Error(`${program} does not start`);
    await once(stdout, 'data', { signal: AbortSignal.timeout(START_TIMEOUT_MS) });
    for (const [device, host, address] of [
      ['b0', wan, WAN_HOST],
      ['b1', lan, LAN_HOST],
    ] as const) {
      await router.exec('ip', ['link', 'set', 'dev', device, 'netns', String(host.pid)]);
      await host.setAddress(device, `${address}/24`);
      await host.exec('ip', ['route', 'add', 'default', 'dev', device]);
    }
    return { name: COPY_LOOP, lan, wan, pid, forget: NOTHING, close: () => opened.close() };
  });
}

/** The kernel of a third namespace as a router over veth pairs, with nft masquerade. */
export function openKernel(): Promise<Router> {
  return openAll(async (opened) => {
    const [lan, wan, router] = await openNamespaces(opened);
    await link(router, wan, 'k0', WAN_GATEWAY, WAN_HOST);
    await link(router, lan, 'k1', LAN_GATEWAY, LAN_HOST);
    await lan.addRoute('default', LAN_GATEWAY);
    await wan.addRoute('default', WAN_GATEWAY);
    await router.exec('sh', ['-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward']);
    const rules = `table ip nat {
      chain postrouting {
        type nat hook postrouting priority srcnat;
        oifname "k0" ip saddr ${LAN_NET} masquerade
      }
    }`;
    await router.exec('nft', ['-f', '-'], { input: rules });
    return {
      name: KERNEL,
      lan,
      wan,
      pid: undefined,
      forget: NOTHING,
      close: () => opened.close(),
    };
  });
}

/** What containers without root have: a TCP/IP stack in a process, over the sockets of its host. */
export function openSlirp(): Promise<Router> {
  return openAll(async (opened) => {
    const [lan, wan, router] = await openNamespaces(opened);
    await link(router, wan, 's0', WAN_GATEWAY, WAN_HOST);
    // Its pings are sockets that the namespace must allow.
    await router.exec('sh', ['-c', 'echo 0 0 >/proc/sys/net/ipv4/ping_group_range']);
    const target = ['--netns-type=path', `/proc/${lan.pid}/ns/net`, 's1'];
    const slirp = router.spawn('slirp4netns', ['-c', `--mtu=${SLIRP_MTU}`, '-r', '1', ...target]);
    opened.add(async () => {
      slirp.kill('SIGKILL');
    });
    const { stdout, pid } = slirp;
    if (stdout === null || pid === undefined) throw new Error('slirp4netns does not start');
    await once(stdout, 'data', { signal: AbortSignal.timeout(START_TIMEOUT_MS) });
    return { name: SLIRP, lan, wan, pid, forget: NOTHING, close: () => opened.close() };
  });
}

/** Makes the namespaces of a race: the LAN, the outside world, and the router between them. */
async function openNamespaces(opened: Opened): Promise<[Netns, Netns, Netns]> {
  const create = async () => {
    const netns = await Netns.create();
    opened.add(() => netns.dispose());
    return netns;
  };
  return [await create(), await create(), await create()];
}

/** Lays a veth pair between the router and a host; both ends have the same name. */
async function link(
  router: Netns,
  host: Netns,
  name: string,
  routerAddress: string,
  hostAddress: string,
): Promise<void> {
  const words = `link add ${name} type veth peer name ${name} netns ${host.pid}`;
  await router.exec('ip', words.split(' '));
  await router.setAddress(name, `${routerAddress}/24`);
  await host.setAddress(name, `${hostAddress}/24`);
}
