// Has two middleboxes and the tracker itself judge the same conversations, packet by packet.

import { KernelModel } from './kernel-model.js';
import type { KernelDecision } from './kernel-window.js';
import type { Middlebox } from './middlebox.js';
import { MAX_STEPS } from './middlebox.js';
import { type KernelView, kernelStateOf } from './tcp-beliefs.js';
import { TcpHarness } from './tcp-harness.js';
import type { ConnView, Flow, Segment, State, Verdict } from './tcp-segment.js';
import type { Said } from './tcp-talkers.js';

/** One segment that was judged: by our tracker, our running gateway, and the kernel. */
export interface Judged {
  readonly flow: Flow;
  readonly segment: Segment;
  /** What our tracker knew before; undefined while there is no entry. */
  readonly before: ConnView | undefined;
  readonly verdict: Verdict;
  /** As the tracker returned it, 0 for pass. */
  readonly reason: number;
  readonly state: State | '-';
  /** What our model of the kernel says. */
  readonly kernel: KernelDecision;
  readonly kernelBefore: KernelView;
  /** What it would say if it knew what we do; undefined while we have no entry. */
  readonly kernelAsUs: KernelDecision | undefined;
  readonly after: ConnView | undefined;
  readonly kernelAfter: KernelView;
  readonly isForwardedByUs: boolean;
  readonly isForwardedByKernel: boolean;
}

/** Judges conversations, each as a connection of its own. */
export class Referee {
  readonly #ours: Middlebox;
  readonly #kernel: Middlebox;
  readonly #harness = new TcpHarness();
  #port: number;

  constructor(ours: Middlebox, kernel: Middlebox, firstPort: number) {
    this.#ours = ours;
    this.#kernel = kernel;
    this.#port = firstPort;
  }

  /** Judges all `talks`, many at a time; resolves with what became of each segment of each. */
  async judge(talks: readonly (readonly Said[])[]): Promise<Judged[][]> {
    const judged: Judged[][] = [];
    for (let at = 0; at < talks.length; at += MAX_STEPS)
      judged.push(...(await this.#judgeTogether(talks.slice(at, at + MAX_STEPS))));
    return judged;
  }

  async #judgeTogether(talks: readonly (readonly Said[])[]): Promise<Judged[][]> {
    const ports = talks.map(() => this.#port++);
    const judged = talks.map((talk) => this.#judgeByTracker(talk));
    const longest = Math.max(...talks.map(({ length }) => length));
    for (let at = 0; at < longest; at++) {
      const active = [...talks.keys()].filter((number) => talks[number]?.[at] !== undefined);
      const steps = active.flatMap((number) => {
        const [said, port] = [talks[number]?.[at], ports[number]];
        return said === undefined || port === undefined
          ? []
          : [{ port, flow: said[0], segment: said[1] }];
      });
      const ours = await this.#ours.pass(steps);
      const kernels = await this.#kernel.pass(steps);
      for (const [place, number] of active.entries()) {
        const one = judged[number]?.[at];
        if (one === undefined) continue;
        one.isForwardedByUs = ours[place] === true;
        one.isForwardedByKernel = kernels[place] === true;
      }
    }
    return judged;
  }

  #judgeByTracker(talk: readonly Said[]): Mutable<Judged>[] {
    this.#harness.reset('strict', false);
    const model = new KernelModel();
    return talk.map(([flow, segment]) => {
      const before = this.#harness.view;
      const kernelBefore = model.view;
      const kernelAsUs = before && model.sendAs(before, kernelStateOf(before), flow, segment);
      const kernel = model.send(flow, segment);
      const decision = this.#harness.send(flow, segment);
      return {
        flow,
        segment,
        before,
        kernel,
        kernelBefore,
        kernelAsUs,
        after: this.#harness.view,
        kernelAfter: model.view,
        ...decision,
        isForwardedByUs: false,
        isForwardedByKernel: false,
      };
    });
  }
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
