/*
 * What user space asks of conntrack (nf_conntrack_netlink.c of Linux): listings, flows made, changed and ended by hand. No netlink here: rows as in
 * flow-row.ts, which control's commands call for.
 *
 * Who may call: the engine's worker, between packets.
 */
import type { Namespace } from '../core/links.js';
import type { Conntrack } from './conntrack.js';
import { FlowRow, writeDouble } from './flow-row.js';
import { Direction, Flow, type FlowNumber, type Flows, KindFlag, Status } from './flows.js';
import { templateOf } from './template.js';
import { Transport, Tuple } from './tuple.js';

/** Where an SCTP flow has its two tags (sctp.ts). */
const SCTP_TAG = 1;

export class Ctnetlink {
  /** Rows that the last `page` has written. */
  pageRows = 0;
  private readonly $original = new Tuple();
  private readonly $reply = new Tuple();

  constructor(private readonly conntrack: Conntrack) {}

  /**
   * Writes rows (FlowRow) of a namespace's flows behind `cursor` (0 to begin) to `out`, as many as it holds, looking at no more than
   * `budget` rows. Sets `pageRows`; answers the cursor for the next call; 0: that was all.
   */
  page(namespace: Namespace, cursor: number, budget: number, now: number, out: Int32Array): number {
    const store = this.conntrack.storeOf(cursor);
    const room = Math.floor(out.length / FlowRow.WORDS);
    const from = (cursor & Flow.NUMBER_MASK) + 1;
    const to = Math.min(store.end, from + budget);
    this.pageRows = 0;
    for (let index = from; index < to; index++) {
      if (!isOf(store, index, namespace)) continue;
      if (((store.words[index * store.width + Flow.EXPIRES] - now) | 0) <= 0) continue;
      if (this.pageRows === room) return (index - 1) | store.bit;
      this.write(index | store.bit, now, out, this.pageRows++ * FlowRow.WORDS, 0);
    }
    return nextCursor(store, to);
  }

  /** Writes a flow's row. */
  write(flow: FlowNumber, now: number, out: Int32Array, to: number, events = 0): void {
    const { extensions } = this.conntrack;
    const store = this.conntrack.storeOf(flow);
    const at = this.conntrack.at(flow);
    out[to + FlowRow.NUMBER] = flow;
    out[to + FlowRow.STATUS] = store.words[at + Flow.STATUS];
    out[to + FlowRow.KIND] = store.words[at + Flow.KIND];
    out[to + FlowRow.STATE] = store.words[at + Flow.STATE] & Flow.STATE_MASK;
    out[to + FlowRow.LEFT] = (store.words[at + Flow.EXPIRES] - now) | 0;
    out[to + FlowRow.MARK] = extensions.mark(flow);
    out[to + FlowRow.AT] = now;
    out[to + FlowRow.START] = extensions.start(flow);
    out[to + FlowRow.HELPER] = extensions.helper(flow);
    out[to + FlowRow.EVENTS] = events;
    for (let i = 0; i < 4; i++) out[to + FlowRow.LABELS + i] = extensions.label(flow, i);
    const isSctp = (store.words[at + Flow.KIND] & 0xff) === Transport.SCTP;
    for (let i = 0; i < 2; i++) out[to + FlowRow.TAG + i] = isSctp ? store.words[at + SCTP_TAG + i] : 0;
    for (let direction = 0; direction < 2; direction++) this.writeDirection(flow, store, at, direction, out, to);
  }

  private writeDirection(flow: number, store: Flows, at: number, direction: number, out: Int32Array, to: number): void {
    const { extensions } = this.conntrack;
    const from = store.tuple(at, direction);
    const start = to + (direction === Direction.ORIGINAL ? FlowRow.ORIGINAL : FlowRow.REPLY);
    for (let i = 0; i < 9; i++) out[start + i] = 0;
    for (let i = 0; i < store.addressWords; i++) {
      out[start + i] = store.words[from + i];
      out[start + 4 + i] = store.words[from + store.addressWords + i];
    }
    out[start + 8] = store.words[from + 2 * store.addressWords];
    const counters = to + (direction === Direction.ORIGINAL ? FlowRow.PACKETS : FlowRow.PACKETS_REPLY);
    writeDouble(out, counters, extensions.packets(flow, direction));
    writeDouble(out, counters + 2, extensions.bytes(flow, direction));
  }

  /**
   * Makes a flow by hand (conntrack -I) from a row (FlowRow): its tuples, KIND (protocol, namespace, zone's directions), STATUS (and zone), STATE,
   * LEFT, MARK, LABELS, HELPER; of NUMBER the IPV6_BIT. Answers its number; 0: a tuple of it is taken, -1: there is no room.
   */
  create(row: Int32Array, now: number): FlowNumber {
    const isIpv6 = (row[FlowRow.NUMBER] & Flow.IPV6_BIT) !== 0;
    const kind = row[FlowRow.KIND];
    const namespace = (kind >>> Flow.NAMESPACE_SHIFT) & Flow.NAMESPACE_MASK;
    readRowTuple(row, FlowRow.ORIGINAL, isIpv6, kind & 0xff, this.$original);
    readRowTuple(row, FlowRow.REPLY, isIpv6, kind & 0xff, this.$reply);
    const template = templateOf(row[FlowRow.STATUS] >>> Flow.ZONE_SHIFT, kind);
    const flow = this.conntrack.reserve(namespace, this.$original, this.$reply, template, now);
    if (flow <= 0) return flow;
    this.fill(flow, row, now);
    this.conntrack.insert(flow);
    return flow;
  }

  /** Fills in a fresh row from one of control's, whose tuples are in $original and $reply. */
  private fill(flow: FlowNumber, row: Int32Array, now: number): void {
    const { conntrack } = this;
    const { extensions } = conntrack;
    const words = conntrack.wordsOf(flow);
    const at = conntrack.at(flow);
    const kept = Status.SEEN_REPLY | Status.ASSURED | Status.FIXED_TIMEOUT | Status.NAT_MASK | Status.NAT_DONE_MASK;
    words[at + Flow.STATUS] = (row[FlowRow.STATUS] & (kept | ~Flow.STATUS_MASK)) | Status.CONFIRMED;
    words[at + Flow.EXPIRES] = (now + row[FlowRow.LEFT]) | 0;
    conntrack.writeTuple(flow, Direction.ORIGINAL, this.$original);
    conntrack.writeTuple(flow, Direction.REPLY, this.$reply);
    if (row[FlowRow.MARK] !== 0) extensions.setMark(flow, row[FlowRow.MARK]);
    for (let i = 0; i < 4; i++) {
      const bits = row[FlowRow.LABELS + i];
      if (bits !== 0) extensions.setLabel(flow, i, bits);
    }
    extensions.setHelper(flow, row[FlowRow.HELPER]);
    const protocol = conntrack.protocolOf(flow);
    conntrack.trackers[protocol].adopt?.(words, at, row[FlowRow.STATE] & Flow.STATE_MASK);
    if (protocol === Transport.SCTP) words.set(row.subarray(FlowRow.TAG, FlowRow.TAG + 2), at + SCTP_TAG);
  }

  /** The flow expires in `ms` from now. */
  setTimeout(flow: FlowNumber, ms: number, now: number): void {
    this.conntrack.wordsOf(flow)[this.conntrack.at(flow) + Flow.EXPIRES] = (now + ms) | 0;
  }

  /** Status bits that may be set by hand are set; none is taken away. */
  setStatus(flow: FlowNumber, bits: number): void {
    this.conntrack.addStatus(flow, bits & (Status.SEEN_REPLY | Status.ASSURED | Status.FIXED_TIMEOUT));
  }

  /**
   * Ends the flows of a namespace, looking at no more than `budget` rows behind `cursor` (0 to begin). Answers the cursor for the next call; 0: done.
   */
  flush(namespace: Namespace, cursor: number, budget: number, now: number): number {
    const store = this.conntrack.storeOf(cursor);
    const from = (cursor & Flow.NUMBER_MASK) + 1;
    const to = Math.min(store.end, from + budget);
    for (let index = from; index < to; index++) {
      if (isOf(store, index, namespace)) this.conntrack.delete(index | store.bit, now);
    }
    return nextCursor(store, to);
  }
}

function isOf(store: Flows, index: number, namespace: Namespace): boolean {
  const kind = store.words[index * store.width + Flow.KIND];
  const isOfNamespace = ((kind >>> Flow.NAMESPACE_SHIFT) & Flow.NAMESPACE_MASK) === namespace;
  return isOfNamespace && (kind & KindFlag.HASHED) !== 0;
}

/** Where the next page begins: rows from `to` on, then those of IPv6; 0: there are no more. */
function nextCursor(store: Flows, to: number): number {
  if (to < store.end) return (to - 1) | store.bit;
  return store.isIpv6 ? 0 : Flow.IPV6_BIT;
}

function readRowTuple(row: Int32Array, at: number, isIpv6: boolean, protocol: number, out: Tuple): void {
  out.isIpv6 = isIpv6;
  out.protocol = protocol;
  const { addressWords } = out;
  for (let i = 0; i < addressWords; i++) {
    out.words[i] = row[at + i];
    out.words[addressWords + i] = row[at + 4 + i];
  }
  out.ports = row[at + 8];
}
