/* Flows as rules ask about them, by conntrack's rows. */
import type { Conntrack } from '../conntrack/conntrack.js';
import { Flow, KindFlag, Status, zoneOf } from '../conntrack/flows.js';
import type { Packet } from '../core/packet.js';
import { AccountWord, type ConntrackParts, TupleWord } from './parts.js';

export class FlowView implements ConntrackParts {
  constructor(private readonly conntrack: Conntrack) {}

  status(flow: number): number {
    return this.conntrack.status(flow);
  }

  protocol(flow: number): number {
    return this.conntrack.protocolOf(flow);
  }

  state(flow: number): number {
    return this.conntrack.word(flow, Flow.STATE) & Flow.STATE_MASK;
  }

  tuple(flow: number, direction: number, into: Int32Array): void {
    const { conntrack } = this;
    const store = conntrack.storeOf(flow);
    const { words, addressWords } = store;
    const at = store.tuple(conntrack.at(flow), direction);
    for (let i = 0; i < 4; i++) {
      into[TupleWord.SOURCE + i] = i < addressWords ? words[at + i] : 0;
      into[TupleWord.DESTINATION + i] = i < addressWords ? words[at + addressWords + i] : 0;
    }
    into[TupleWord.PORTS] = words[at + 2 * addressWords];
  }

  zone(flow: number, direction: number): number {
    const { conntrack } = this;
    return zoneOf(conntrack.word(flow, Flow.STATUS), conntrack.word(flow, Flow.KIND), direction);
  }

  /** ms; of a flow whose first packet is still on its way: none. */
  expiresIn(flow: number, now: number): number {
    if ((this.conntrack.status(flow) & Status.CONFIRMED) === 0) return 0;
    return (this.conntrack.word(flow, Flow.EXPIRES) - now) | 0;
  }

  isAlive(flow: number, now: number): boolean {
    return this.conntrack.isFlow(flow) && ((this.conntrack.word(flow, Flow.EXPIRES) - now) | 0) > 0;
  }

  mark(flow: number): number {
    return this.conntrack.extensions.mark(flow);
  }

  setMark(flow: number, mark: number): void {
    this.conntrack.setMark(flow, mark);
  }

  hasLabel(flow: number, bit: number): boolean {
    return ((this.conntrack.extensions.label(flow, bit >>> 5) >>> (bit & 31)) & 1) !== 0;
  }

  setLabel(flow: number, bit: number): boolean {
    const { conntrack } = this;
    conntrack.setLabel(flow, bit >>> 5, conntrack.extensions.label(flow, bit >>> 5) | (1 << (bit & 31)));
    return true;
  }

  account(flow: number, into: Float64Array): boolean {
    const { conntrack } = this;
    if ((conntrack.word(flow, Flow.KIND) & KindFlag.HAS_ACCOUNT) === 0) return false;
    into[AccountWord.ORIGINAL_PACKETS] = conntrack.extensions.packets(flow, 0);
    into[AccountWord.ORIGINAL_BYTES] = conntrack.extensions.bytes(flow, 0);
    into[AccountWord.REPLY_PACKETS] = conntrack.extensions.packets(flow, 1);
    into[AccountWord.REPLY_BYTES] = conntrack.extensions.bytes(flow, 1);
    return true;
  }

  master(flow: number): number {
    return this.conntrack.extensions.master(flow);
  }

  close(flow: number, now: number): void {
    this.conntrack.close(flow, now);
  }

  flowLike(packet: Packet): number {
    return this.conntrack.flowLike(packet);
  }

  helper(flow: number): number {
    return this.conntrack.extensions.helper(flow);
  }
}
