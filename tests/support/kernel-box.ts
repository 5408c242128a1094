import {
  assertArrived,
  CLIENT,
  CLIENT_PREFIX,
  type Ends,
  type Middlebox,
  numberOf,
  packetOf,
  SERVER,
  SERVER_PORT,
  SERVER_PREFIX,
  type Step,
} from './middlebox.js';
import { Netns } from './netns.js';
import type { Flow } from './tcp-segment.js';
import { Wire } from './wire.js';

/** Drops what the kernel's conntrack calls invalid, and nothing else. */
const RULES = `table ip referee {
  chain forward { type filter hook forward priority filter; ct state invalid drop; }
}`;
/** No pick-up in mid-stream, as is our default, and entries that outlive the test. */
const SETTINGS = `
  cd /proc/sys/net/netfilter
  echo 0 >nf_conntrack_tcp_loose
  for each in nf_conntrack_tcp_timeout_*; do echo 600 >$each; done`;
/** The kernel's own conntrack is one hop. */
const HOPS = 1;

/** The kernel of a namespace between two wires, with conntrack as its only rule. */
export class KernelBox implements Middlebox {
  readonly netns: Netns;
  readonly #wires: Readonly<Record<Flow, Wire>>;

  private constructor(netns: Netns, wires: Readonly<Record<Flow, Wire>>) {
    this.netns = netns;
    this.#wires = wires;
  }

  static async open(): Promise<KernelBox> {
    const netns = await Netns.create();
    const wires: Wire[] = [];
    try {
      const fwd = await Wire.lay(netns, CLIENT_PREFIX);
      wires.push(fwd);
      const rev = await Wire.lay(netns, SERVER_PREFIX);
      wires.push(rev);
      await netns.exec('nft', ['-f', '-'], { input: RULES });
      await netns.exec('sh', ['-c', SETTINGS]);
      return new KernelBox(netns, { fwd, rev });
    } catch (cause) {
      for (const wire of wires) wire.close();
      await netns.dispose();
      throw cause;
    }
  }

  /** Nothing is waited for: a packet is on the other wire when the write that sent it returns. */
  async pass(steps: readonly Step[]): Promise<boolean[]> {
    return steps.map((step, number) => {
      const ends = endsOf(step);
      this.#wires[step.flow].send(packetOf(step, number, ends));
      const exit = this.#wires[step.flow === 'fwd' ? 'rev' : 'fwd'];
      const packet = exit.receive();
      if (packet === undefined) return false;
      if (numberOf(packet) !== number) throw new Error(`nobody sent ${packet.toString('hex')}`);
      assertArrived(packet, step, ends, HOPS);
      return true;
    });
  }

  async close(): Promise<void> {
    for (const wire of Object.values(this.#wires)) wire.close();
    await this.netns.dispose();
  }
}

function endsOf({ port, flow }: Step): Ends {
  return flow === 'fwd'
    ? { src: CLIENT, sport: port, dst: SERVER, dport: SERVER_PORT }
    : { src: SERVER, sport: SERVER_PORT, dst: CLIENT, dport: port };
}
