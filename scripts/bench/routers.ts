import { readFileSync } from 'node:fs';
import {
  LAN_GATEWAY,
  LAN_HOST,
  LAN_NET,
  Lab,
  WAN_GATEWAY,
  WAN_HOST,
} from '../../tests/support/lab.js';
import { Netns } from '../../tests/support/netns.js';

/** A router with a host on each side. */
export interface Router {
  readonly lan: Netns;
  readonly wan: Netns;
  /** CPU time that the router itself has taken so far, in seconds; the kernel's cannot be told. */
  cpuSec(): number;
  close(): Promise<void>;
}

/** USER_HZ, the unit of times in /proc: 100 on every Linux. */
const TICKS_PER_SEC = 100;

/** Our gateway. */
export async function openOurs(): Promise<Router> {
  const lab = await Lab.open();
  return {
    lan: lab.lan,
    wan: lab.wan,
    cpuSec: () => cpuSec(lab.gateway.pid),
    close: () => lab.close(),
  };
}

/** The kernel as a router in a third namespace, over veth pairs, with nft masquerade. */
export async function openKernel(): Promise<Router> {
  const opened: Netns[] = [];
  const create = async () => {
    const netns = await Netns.create();
    opened.push(netns);
    return netns;
  };
  const close = async () => {
    for (const netns of opened.reverse()) await netns.dispose();
  };
  try {
    const [lan, wan, router] = [await create(), await create(), await create()];
    for (const [name, host, address, ownAddress] of [
      ['k0', wan, `${WAN_HOST}/24`, `${WAN_GATEWAY}/24`],
      ['k1', lan, `${LAN_HOST}/24`, `${LAN_GATEWAY}/24`],
    ] as const) {
      const words = `link add ${name} type veth peer name ${name} netns ${host.pid}`;
      await router.exec('ip', words.split(' '));
      await router.setAddress(name, ownAddress);
      await host.setAddress(name, address);
    }
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
    return { lan, wan, cpuSec: () => Number.NaN, close };
  } catch (cause) {
    await close();
    throw cause;
  }
}

/** User and system time of all threads of a process: fields 14 and 15 of its stat, proc(5). */
function cpuSec(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is a name in parentheses, which may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SEC;
}
