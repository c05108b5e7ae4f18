/*
 * What packets that are only tried out (conntrack.rehearse) have changed, to be put back: rows of flows as they were before, and
 * flows that would have ended.
 */
import type { Namespace } from '../core/links.js';
import type { FlowNumber } from './flows.js';

export interface KeptFlow {
  row: Int32Array;
  mark: number;
  labels: number[];
  /** Packets and bytes of each direction. */
  counts: number[][];
}

export class Rehearsal {
  readonly kept = new Map<FlowNumber, KeptFlow>();
  /** Out of the hash table for as long. */
  readonly hidden = new Set<FlowNumber>();

  constructor(
    readonly namespace: Namespace,
    readonly stats: Float64Array,
    readonly isPressed: boolean,
  ) {}
}
