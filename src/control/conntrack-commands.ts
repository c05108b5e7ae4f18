/*
 * Flows by command (`conntrack`, ctnetlink): what the control plane calls on the engine's thread, in rows of conntrack/flow-row.ts.
 *
 * A row names its flow: its number is used again when the flow is over, so whoever changes or deletes one compares tuples first. No call looks
 * at more than BUDGET rows of the table or writes more than PAGE; the rest comes with the next call.
 */
import type { Conntrack } from '../conntrack/conntrack.js';
import { Expect } from '../conntrack/expectations.js';
import { FlowRow } from '../conntrack/flow-row.js';
import { Direction, Flow, type FlowNumber, KindFlag, Status } from '../conntrack/flows.js';
import { CtSetting } from '../conntrack/settings.js';
import { CtStat } from '../conntrack/stats.js';
import { Template } from '../conntrack/template.js';
import { CtEvent } from '../conntrack/tracker.js';
import { Transport, Tuple } from '../conntrack/tuple.js';
import type { Namespace } from '../core/links.js';

/** Rows of the table that one call looks at, and flows that one page has. */
const BUDGET = 4096;
const PAGE = 512;
/** Events that one call answers at most. */
const EVENTS = 4096;
/** Counters of a namespace. */
const STATS = 11;

/** Rows of flows, and where to go on; 0: that was all. */
export interface FlowPage {
  rows: Int32Array;
  next: number;
}

/** Words of an expectation in a page: its row in expectations.ts with ms left in place of EXPIRES, then ORIGINAL and KIND of its master. */
export const enum ExpectationRow {
  MASTER = 32,
  MASTER_KIND = 41,
  WORDS = 42,
}

/** What `conntrack -U` changes; what is absent stays. */
export interface FlowChange {
  /** The mark becomes (mark & ~mask) ^ value. */
  mark?: { value: number; mask: number };
  timeoutMs?: number;
  /** Bits to set. */
  status?: number;
  /** Of TCP and SCTP. */
  state?: number;
  /** 128 bits each. */
  addLabels?: number[];
  removeLabels?: number[];
}

/** Why a flow was not made, or not changed. */
export type FlowFailure = 'EEXIST' | 'ENOMEM' | 'EINVAL' | 'EBUSY' | 'EPERM' | 'ENOENT';

/** How many there are. */
export interface FlowCount {
  flows: number;
  expectations: number;
  buckets: number;
}

/** Events with who caused them: 0 a packet or time, else what the command gave as its own number. */
export interface FlowEvents {
  batches: Array<{ origin: number; rows: Int32Array }>;
  /** Events that found no room, ever. */
  lost: number;
  /** When they were fetched, as their rows count. */
  now: number;
}

export class FlowCommands {
  private readonly $tuple = new Tuple();
  private readonly $own = new Tuple();
  private readonly $row = new Int32Array(FlowRow.WORDS);
  private waiting: FlowEvents['batches'] = [];

  constructor(private readonly conntrack: Conntrack) {}

  // --- listing -----------------------------------------------------------------------------------

  page(namespace: Namespace, cursor: number, now: number): FlowPage {
    const rows = new Int32Array(PAGE * FlowRow.WORDS);
    const next = this.conntrack.ctnetlink.page(namespace, cursor, BUDGET, now, rows);
    return { rows: rows.slice(0, this.conntrack.ctnetlink.pageRows * FlowRow.WORDS), next };
  }

  /** The flow that has a tuple: that of a row at ORIGINAL, with its namespace, protocol and zone. */
  get(wanted: Int32Array, now: number): Int32Array | undefined {
    const flow = this.find(wanted, now);
    if (flow === 0) return undefined;
    const row = new Int32Array(FlowRow.WORDS);
    this.conntrack.ctnetlink.write(flow, now, row, 0);
    return row;
  }

  private find(wanted: Int32Array, now: number): FlowNumber {
    const isIpv6 = (wanted[FlowRow.NUMBER] & Flow.IPV6_BIT) !== 0;
    readTuple(wanted, FlowRow.ORIGINAL, isIpv6, this.$tuple);
    const namespace = (wanted[FlowRow.KIND] >>> Flow.NAMESPACE_SHIFT) & Flow.NAMESPACE_MASK;
    const zone = wanted[FlowRow.STATUS] >>> Flow.ZONE_SHIFT;
    const template = zone === 0 ? 0 : zone | Template.ORIGINAL | Template.REPLY;
    const found = this.conntrack.find(namespace, this.$tuple, template, now);
    return found === 0 ? 0 : (found >>> 1) | (isIpv6 ? Flow.IPV6_BIT : 0);
  }

  /** A page of what flows of a namespace expect: rows of ExpectationRow; `from`: the last one's number, 0 to begin. */
  expectations(namespace: Namespace, from: number, now: number): FlowPage {
    const { expectations } = this.conntrack;
    const rows: number[] = [];
    let number = expectations.next(from, namespace, now);
    for (let i = 0; i < PAGE && number !== 0; i++) {
      rows.push(...this.expectation(number, now));
      from = number;
      number = expectations.next(from, namespace, now);
    }
    return { rows: Int32Array.from(rows), next: number === 0 ? 0 : from };
  }

  private expectation(number: number, now: number): Int32Array {
    const { expectations } = this.conntrack;
    const row = new Int32Array(ExpectationRow.WORDS);
    const at = number << Expect.SHIFT;
    row.set(expectations.rows.subarray(at, at + Expect.WORDS));
    row[Expect.EXPIRES] = expectations.left(number, now);
    this.conntrack.ctnetlink.write(row[Expect.MASTER], now, this.$row, 0);
    row.set(this.$row.subarray(FlowRow.ORIGINAL, FlowRow.REPLY), ExpectationRow.MASTER);
    row[ExpectationRow.MASTER_KIND] = this.$row[FlowRow.KIND];
    return row;
  }

  forgetExpectations(namespace: Namespace, now: number): void {
    this.conntrack.expectations.sweep(now, namespace);
  }

  /** `buckets`: slots of the hash table of IPv4, which all namespaces share. */
  count(namespace: Namespace): FlowCount {
    const { conntrack } = this;
    return {
      flows: conntrack.count[namespace],
      expectations: conntrack.expectations.count[namespace],
      buckets: 2 ** (32 - conntrack.tables[0].shift),
    };
  }

  /** By CtStat. */
  stats(namespace: Namespace): number[] {
    const at = namespace << CtStat.SHIFT;
    return Array.from(this.conntrack.stats.subarray(at, at + STATS));
  }

  // --- changes -----------------------------------------------------------------------------------

  /** Ends flows; for each row whether it was still there. */
  delete(rows: Int32Array, now: number, origin: number): boolean[] {
    return this.by(origin, () => eachRow(rows, (row) => this.isSame(row) && this.conntrack.delete(row[0], now)));
  }

  /** Ends all flows of a namespace, of one family (4, 6) or of both (0). Answers the cursor for the next call, 0: done. */
  flush(namespace: Namespace, family: number, cursor: number, now: number, origin: number): number {
    const from = cursor === 0 && family === 6 ? Flow.IPV6_BIT : cursor;
    const next = this.by(origin, () => this.conntrack.ctnetlink.flush(namespace, from, BUDGET, now));
    return family === 4 && (next & Flow.IPV6_BIT) !== 0 ? 0 : next;
  }

  /** Counters of flows back to 0. */
  zero(rows: Int32Array): void {
    eachRow(rows, (row) => this.isSame(row) && this.zeroFlow(row[FlowRow.NUMBER]));
  }

  private zeroFlow(flow: FlowNumber): boolean {
    const { conntrack } = this;
    const { extensions } = conntrack;
    if ((conntrack.word(flow, Flow.KIND) & KindFlag.HAS_ACCOUNT) === 0) return false;
    for (const direction of [Direction.ORIGINAL, Direction.REPLY]) {
      extensions.addAccount(flow, direction, -extensions.packets(flow, direction), -extensions.bytes(flow, direction));
    }
    return true;
  }

  create(row: Int32Array, now: number, origin: number): FlowFailure | 'created' {
    const flow = this.by(origin, () => this.conntrack.ctnetlink.create(row, now));
    if (flow === 0) return 'EEXIST';
    return flow < 0 ? 'ENOMEM' : 'created';
  }

  /** Changes flows; for each row its flow's new one, undefined where nothing is different, or why it was refused, which ends it. */
  update(
    rows: Int32Array,
    change: FlowChange,
    now: number,
    origin: number,
  ): Array<Int32Array | FlowFailure | undefined> {
    const results: Array<Int32Array | FlowFailure | undefined> = [];
    this.by(origin, () => {
      for (let at = 0; at < rows.length; at += FlowRow.WORDS) {
        const result = this.updateOne(rows.subarray(at, at + FlowRow.WORDS), change, now);
        results.push(result);
        if (typeof result === 'string') return;
      }
    });
    return results;
  }

  private updateOne(row: Int32Array, change: FlowChange, now: number): Int32Array | FlowFailure | undefined {
    const flow = row[FlowRow.NUMBER];
    if (!this.isSame(row)) return 'ENOENT';
    if (!this.differs(flow, change, now)) return undefined;
    if (((change.status ?? 0) & ~this.conntrack.status(flow) & UNCHANGEABLE) !== 0) return 'EBUSY';
    if (change.timeoutMs !== undefined && (this.conntrack.status(flow) & Status.FIXED_TIMEOUT) !== 0) return 'EPERM';
    this.apply(flow, change, now);
    const changed = new Int32Array(FlowRow.WORDS);
    this.conntrack.ctnetlink.write(flow, now, changed, 0);
    return changed;
  }

  private differs(flow: FlowNumber, change: FlowChange, now: number): boolean {
    const { conntrack } = this;
    const { mark, timeoutMs, status, state, addLabels, removeLabels } = change;
    const left = (conntrack.word(flow, Flow.EXPIRES) - now) | 0;
    const known = conntrack.extensions.mark(flow);
    return (
      (mark !== undefined && markOf(known, mark) !== known) ||
      (timeoutMs !== undefined && Math.trunc(timeoutMs / 1000) !== Math.trunc(left / 1000)) ||
      (status !== undefined && (conntrack.status(flow) & status) !== status) ||
      (state !== undefined && hasStates(conntrack.protocolOf(flow)) && state !== this.stateOf(flow)) ||
      addLabels !== undefined ||
      removeLabels !== undefined
    );
  }

  private stateOf(flow: FlowNumber): number {
    return this.conntrack.word(flow, Flow.STATE) & Flow.STATE_MASK;
  }

  private apply(flow: FlowNumber, change: FlowChange, now: number): void {
    const { conntrack } = this;
    const { ctnetlink, extensions } = conntrack;
    const { mark, timeoutMs, status, state, addLabels, removeLabels } = change;
    if (mark !== undefined) conntrack.setMark(flow, markOf(extensions.mark(flow), mark));
    if (timeoutMs !== undefined) ctnetlink.setTimeout(flow, timeoutMs, now);
    if (status !== undefined) ctnetlink.setStatus(flow, status);
    if (state !== undefined && hasStates(conntrack.protocolOf(flow))) {
      const at = conntrack.at(flow) + Flow.STATE;
      const words = conntrack.wordsOf(flow);
      words[at] = (words[at] & ~Flow.STATE_MASK) | state;
    }
    for (let i = 0; i < 4; i++) {
      const bits = (extensions.label(flow, i) & ~(removeLabels?.[i] ?? 0)) | (addLabels?.[i] ?? 0);
      conntrack.setLabel(flow, i, bits);
    }
    conntrack.event(flow, CtEvent.PROTOINFO | CtEvent.MARK);
  }

  /** Whether the flow of a row is still the one that it was written of. */
  private isSame(row: Int32Array): boolean {
    const { conntrack } = this;
    const flow = row[FlowRow.NUMBER];
    if (!conntrack.isFlow(flow)) return false;
    if (((conntrack.word(flow, Flow.KIND) ^ row[FlowRow.KIND]) & Flow.KEY_MASK) !== 0) return false;
    const isIpv6 = (flow & Flow.IPV6_BIT) !== 0;
    readTuple(row, FlowRow.ORIGINAL, isIpv6, this.$tuple);
    conntrack.readTuple(flow, Direction.ORIGINAL, this.$own);
    const words = isIpv6 ? Flow.TUPLE_WORDS6 : Flow.TUPLE_WORDS4;
    for (let i = 0; i < words; i++) if (this.$own.words[i] !== this.$tuple.words[i]) return false;
    return true;
  }

  // --- settings ----------------------------------------------------------------------------------

  /** By CtSetting, times as ms. */
  set(namespace: Namespace, setting: number, value: number): void {
    const { settings } = this.conntrack;
    const at = namespace << CtSetting.SHIFT;
    settings[at + setting] = value;
    if (setting === CtSetting.TCP + 1) settings[at + CtSetting.TCP + 9] = value;
  }

  // --- events ------------------------------------------------------------------------------------

  watch(isOn: boolean): void {
    this.conntrack.events.watch(isOn);
    this.waiting = [];
  }

  /** What has happened since the last call. */
  events(now: number): FlowEvents {
    this.collect(0);
    const batches = this.waiting;
    this.waiting = [];
    return { batches, lost: this.conntrack.events.lost, now };
  }

  /** What happens meanwhile is `origin`'s doing. */
  private by<T>(origin: number, run: () => T): T {
    if (!this.conntrack.events.isWatched) return run();
    this.collect(0);
    const result = run();
    this.collect(origin);
    return result;
  }

  private collect(origin: number): void {
    const { events } = this.conntrack;
    events.deliver();
    const rows = new Int32Array(EVENTS * FlowRow.WORDS);
    const taken = events.take(rows, EVENTS);
    if (taken !== 0) this.waiting.push({ origin, rows: rows.slice(0, taken * FlowRow.WORDS) });
  }
}

/** What nobody may set by hand (ctnetlink_change_status). */
const UNCHANGEABLE = Status.EXPECTED | Status.CONFIRMED | Status.DYING;

function hasStates(protocol: number): boolean {
  return protocol === Transport.TCP || protocol === Transport.SCTP;
}

function markOf(mark: number, { value, mask }: { value: number; mask: number }): number {
  return ((mark & ~mask) ^ value) | 0;
}

function eachRow(rows: Int32Array, run: (row: Int32Array) => boolean): boolean[] {
  const results: boolean[] = [];
  for (let at = 0; at < rows.length; at += FlowRow.WORDS) results.push(run(rows.subarray(at, at + FlowRow.WORDS)));
  return results;
}

function readTuple(row: Int32Array, at: number, isIpv6: boolean, out: Tuple): void {
  out.isIpv6 = isIpv6;
  out.protocol = row[FlowRow.KIND] & 0xff;
  const { addressWords } = out;
  for (let i = 0; i < addressWords; i++) {
    out.words[i] = row[at + i];
    out.words[addressWords + i] = row[at + 4 + i];
  }
  out.ports = row[at + 8];
}
