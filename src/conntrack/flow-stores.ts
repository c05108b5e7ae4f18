/*
 * Flows of both families under one kind of number: whose row it is, and what stands in it (flows.ts has the layout).
 *
 * Who may call: the engine's worker alone.
 */
import type { Namespace } from '../core/links.js';
import { Direction, Flow, type FlowNumber, Flows } from './flows.js';
import type { Tuple } from './tuple.js';

/** Index of what there is for each family. */
export function familyOf(flow: FlowNumber): 0 | 1 {
  return (flow & Flow.IPV6_BIT) === 0 ? 0 : 1;
}

export class FlowStores {
  /** By Family. */
  readonly flows: readonly [Flows, Flows];

  /** `capacity`: rows reserved for each family. */
  constructor(capacity: number) {
    this.flows = [new Flows(false, capacity), new Flows(true, capacity)];
  }

  /** The store of a flow. */
  storeOf(flow: FlowNumber): Flows {
    return (flow & Flow.IPV6_BIT) === 0 ? this.flows[0] : this.flows[1];
  }

  /** Words of the store of a flow, and where its row starts in them. */
  wordsOf(flow: FlowNumber): Int32Array {
    return this.storeOf(flow).words;
  }

  at(flow: FlowNumber): number {
    return Math.imul(flow & Flow.NUMBER_MASK, (flow & Flow.IPV6_BIT) === 0 ? Flow.WORDS4 : Flow.WORDS6);
  }

  word(flow: FlowNumber, word: number): number {
    return this.wordsOf(flow)[this.at(flow) + word];
  }

  /** Status bits, without the zone. */
  status(flow: FlowNumber): number {
    return this.word(flow, Flow.STATUS) & Flow.STATUS_MASK;
  }

  addStatus(flow: FlowNumber, bits: number): void {
    this.wordsOf(flow)[this.at(flow) + Flow.STATUS] |= bits;
  }

  protocolOf(flow: FlowNumber): number {
    return this.word(flow, Flow.KIND) & 0xff;
  }

  namespaceOf(flow: FlowNumber): Namespace {
    return (this.word(flow, Flow.KIND) >>> Flow.NAMESPACE_SHIFT) & Flow.NAMESPACE_MASK;
  }

  /** Whether a number is a flow's: it may be pending, or over and under way. */
  isFlow(flow: FlowNumber): boolean {
    return flow > 0 && this.word(flow, Flow.KIND) !== 0;
  }

  /** Copies a tuple of a flow. */
  readTuple(flow: FlowNumber, direction: Direction, out: Tuple): void {
    const store = this.storeOf(flow);
    const from = store.tuple(this.at(flow), direction);
    out.isIpv6 = store.isIpv6;
    out.protocol = this.protocolOf(flow);
    for (let i = 0; i < store.tupleWords; i++) out.words[i] = store.words[from + i];
  }

  /** Sets a tuple of a flow that is not in the hash table. */
  writeTuple(flow: FlowNumber, direction: Direction, tuple: Tuple): void {
    const store = this.storeOf(flow);
    const to = store.tuple(this.at(flow), direction);
    for (let i = 0; i < store.tupleWords; i++) store.words[to + i] = tuple.words[i];
  }
}

/** Writes the tuples of the row at `at`: a packet's, and its inverse, whose ports are `answer`. */
export function writeTuples(store: Flows, at: number, tuple: Tuple, answer: number): void {
  const { words, addressWords } = store;
  const original = store.tuple(at, Direction.ORIGINAL);
  const reply = store.tuple(at, Direction.REPLY);
  for (let i = 0; i < addressWords; i++) {
    words[original + i] = tuple.words[i];
    words[original + addressWords + i] = tuple.words[addressWords + i];
    words[reply + i] = tuple.words[addressWords + i];
    words[reply + addressWords + i] = tuple.words[i];
  }
  words[original + 2 * addressWords] = tuple.ports;
  words[reply + 2 * addressWords] = answer;
}
