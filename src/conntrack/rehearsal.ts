/*
 * What packets that are only tried out (conntrack.rehearse) change, to be put back: rows of flows as they were before, flows that would have
 * ended, a namespace's statistics. In a rehearsal a flow that ends is only out of sight.
 */
import type { Namespace } from '../core/links.js';
import type { Conntrack } from './conntrack.js';
import { Flow, type FlowNumber, KindFlag } from './flows.js';
import { CtStat } from './stats.js';

interface KeptFlow {
  row: Int32Array;
  mark: number;
  labels: number[];
  /** Packets and bytes of each direction. */
  counts: number[][];
}

export class Rehearsal {
  private readonly kept = new Map<FlowNumber, KeptFlow>();
  /** Out of the hash table for as long. */
  private readonly hidden = new Set<FlowNumber>();
  private readonly stats: Float64Array;
  private readonly isPressed: boolean;

  constructor(
    private readonly conntrack: Conntrack,
    private readonly namespace: Namespace,
  ) {
    const row = namespace << CtStat.SHIFT;
    this.stats = conntrack.stats.slice(row, row + (1 << CtStat.SHIFT));
    this.isPressed = conntrack.sweep.isPressed;
  }

  /** A packet is about to change a flow that was there before. */
  keep(flow: FlowNumber): void {
    if (this.kept.has(flow)) return;
    const { conntrack } = this;
    const { extensions } = conntrack;
    const store = conntrack.storeOf(flow);
    const at = conntrack.at(flow);
    this.kept.set(flow, {
      row: store.words.slice(at, at + store.width),
      mark: extensions.mark(flow),
      labels: [0, 1, 2, 3].map((word) => extensions.label(flow, word)),
      counts: [0, 1].map((direction) => [extensions.packets(flow, direction), extensions.bytes(flow, direction)]),
    });
  }

  /** A flow is to end. False: it was not there before, and may. */
  hides(flow: FlowNumber): boolean {
    if (this.hidden.has(flow)) return true;
    if ((this.conntrack.word(flow, Flow.KIND) & KindFlag.HASHED) === 0) return false;
    this.keep(flow);
    this.conntrack.unhash(flow);
    this.hidden.add(flow);
    return true;
  }

  /** Everything is as it was. */
  putBack(): void {
    this.conntrack.sweep.isPressed = this.isPressed;
    this.conntrack.stats.set(this.stats, this.namespace << CtStat.SHIFT);
    for (const [flow, was] of this.kept) this.putBackFlow(flow, was);
  }

  private putBackFlow(flow: FlowNumber, was: KeptFlow): void {
    const { conntrack } = this;
    const { extensions } = conntrack;
    was.counts.forEach(([packets, bytes], direction) => {
      const more = extensions.packets(flow, direction) - packets;
      if (more !== 0) extensions.addAccount(flow, direction, -more, bytes - extensions.bytes(flow, direction));
    });
    if (extensions.mark(flow) !== was.mark) extensions.setMark(flow, was.mark);
    was.labels.forEach((bits, word) => {
      if (extensions.label(flow, word) !== bits) extensions.setLabel(flow, word, bits);
    });
    conntrack.wordsOf(flow).set(was.row, conntrack.at(flow));
    if (this.hidden.has(flow)) conntrack.hash(flow);
  }
}
