/*
 * -m connlimit: how many flows an address (or a net of them) has, for each rule its own count, as nf_conncount has it.
 *
 *   table ─ buckets ─► node ─► node …     node: | next | flow | digest of its original tuple | address, 4 |
 *
 * A flow is counted when the rule first sees a packet of it. Nodes are checked when their address is counted again: flows that ended, whose number
 * is another's now (the digest tells) or whose TCP connection is closed are taken away. A packet without a flow counts as one for
 * itself and is not kept.
 *
 * A table begins when a rule's first packet asks, and is remembered in the rule's STATE_TABLE. It ends when no flow in it lives any more (the
 * rule, if there still is one, begins another), or when that word says something else: `timers` looks, some of it at a time. A full
 * table answers DROP, as the kernel does without memory.
 */

import { TcpState } from '../conntrack/tcp-states.js';
import { Key, type Packet } from '../core/packet.js';
import { Answer } from './answer.js';
import { ConnlimitOp, Op } from './ops.js';
import { type ConntrackParts, TupleWord } from './parts.js';
import { Family } from './rule.js';

const enum Node {
  NEXT = 0,
  FLOW = 1,
  DIGEST = 2,
  ADDRESS = 3,
  WORDS = 7,
}

const BUCKETS = 1024;

/** Flows that one rule counts at most. */
const MAX_NODES = 1 << 18;

/** Between two looks for tables that have come to their end, and buckets looked at. */
const CHECK_MS = 1000;
const SWEEP = 64;

const TCP = 6;

const $address = new Int32Array(4);
const $tuple = new Int32Array(TupleWord.WORDS);

function mix(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, 0x85ebca6b);
  return product ^ (product >>> 13);
}

class ConnlimitTable {
  private readonly buckets = new Int32Array(BUCKETS);
  private words = new Int32Array(256 * Node.WORDS);
  private end: number = Node.WORDS;
  private free = 0;
  private size = 0;
  private sweepAt = 0;

  /** `home`: the op that counts here. */
  constructor(readonly home: number) {}

  /** Flows of $address, with `flow` (0: none), which is added; -1: no room. */
  count(conntrack: ConntrackParts | null, flow: number, now: number): number {
    const digest = flow === 0 || conntrack === null ? 0 : digestOf(conntrack, flow);
    const bucket = mix(mix(mix(mix(0, $address[0]), $address[1]), $address[2]), $address[3]) & (BUCKETS - 1);
    let before = 0;
    let count = 0;
    let isKnown = false;
    for (let at = this.buckets[bucket]; at !== 0; ) {
      const next = this.words[at];
      const isOurs = this.isAt(at);
      const isSame = isOurs && this.words[at + Node.FLOW] === flow && this.words[at + Node.DIGEST] === digest;
      if (isOurs && !isSame && (conntrack === null || !this.isOpen(conntrack, at, now)))
        this.remove(bucket, before, at);
      else {
        if (isOurs) count++;
        if (isSame) isKnown = true;
        before = at;
      }
      at = next;
    }
    if (isKnown) return count;
    return flow !== 0 && !this.add(bucket, flow, digest) ? -1 : count + 1;
  }

  private isAt(at: number): boolean {
    const { words } = this;
    const address = at + Node.ADDRESS;
    return (
      words[address] === $address[0] &&
      words[address + 1] === $address[1] &&
      words[address + 2] === $address[2] &&
      words[address + 3] === $address[3]
    );
  }

  private isOpen(conntrack: ConntrackParts, at: number, now: number): boolean {
    const flow = this.words[at + Node.FLOW];
    if (!conntrack.isAlive(flow, now) || digestOf(conntrack, flow) !== this.words[at + Node.DIGEST]) return false;
    if (conntrack.protocol(flow) !== TCP) return true;
    const state = conntrack.state(flow);
    return state !== TcpState.TIME_WAIT && state !== TcpState.CLOSE;
  }

  private add(bucket: number, flow: number, digest: number): boolean {
    let at = this.free;
    if (at !== 0) this.free = this.words[at];
    else {
      if (this.end + Node.WORDS > this.words.length && !this.grow()) return false;
      at = this.end;
      this.end += Node.WORDS;
    }
    const { words } = this;
    words[at] = this.buckets[bucket];
    this.buckets[bucket] = at;
    words[at + Node.FLOW] = flow;
    words[at + Node.DIGEST] = digest;
    for (let i = 0; i < 4; i++) words[at + Node.ADDRESS + i] = $address[i];
    this.size++;
    return true;
  }

  private grow(): boolean {
    if (this.words.length >= MAX_NODES * Node.WORDS) return false;
    const words = new Int32Array(this.words.length * 2);
    words.set(this.words);
    this.words = words;
    return true;
  }

  private remove(bucket: number, before: number, at: number): void {
    if (before === 0) this.buckets[bucket] = this.words[at];
    else this.words[before] = this.words[at];
    this.words[at] = this.free;
    this.free = at;
    this.size--;
  }

  /** Takes away the nodes of some buckets whose flows have ended. True: none is left. */
  sweep(conntrack: ConntrackParts | null, now: number): boolean {
    for (let n = 0; n < SWEEP; n++) {
      const bucket = this.sweepAt;
      this.sweepAt = (bucket + 1) & (BUCKETS - 1);
      let before = 0;
      for (let at = this.buckets[bucket]; at !== 0; ) {
        const next = this.words[at];
        if (conntrack !== null && this.isOpen(conntrack, at, now)) before = at;
        else this.remove(bucket, before, at);
        at = next;
      }
    }
    return this.size === 0;
  }
}

/** Of a flow's original tuple and zone. */
function digestOf(conntrack: ConntrackParts, flow: number): number {
  conntrack.tuple(flow, 0, $tuple);
  let hash = mix(conntrack.protocol(flow), conntrack.zone(flow, 0));
  for (let i = 0; i < TupleWord.WORDS; i++) hash = mix(hash, $tuple[i]);
  return hash;
}

export class Connlimit {
  /** By number; 0 is none. */
  private readonly tables: Array<ConnlimitTable | undefined> = [undefined];
  private checkDue = 0;
  private count = 0;

  /** `flow`: the packet's, 0 = none. */
  match(pool: Int32Array, at: number, packet: Packet, flow: number, conntrack: ConntrackParts | null): Answer {
    const from = (pool[at] & ConnlimitOp.DESTINATION) !== 0 ? Key.DESTINATION : Key.SOURCE;
    const words = packet.family === Family.IPV4 ? 1 : 4;
    $address.fill(0);
    for (let i = 0; i < words; i++) $address[i] = packet.key[from + i] & pool[at + ConnlimitOp.MASK + i];
    const flows = this.tableOf(pool, at, packet.now).count(conntrack, flow, packet.now);
    if (flows < 0) return Answer.DROP;
    return flows > pool[at + ConnlimitOp.LIMIT] >>> 0 ? Answer.YES : Answer.NO;
  }

  private tableOf(pool: Int32Array, at: number, now: number): ConnlimitTable {
    const table = this.tables[pool[at + ConnlimitOp.STATE_TABLE]];
    if (table !== undefined && table.home === at) return table;
    let number = 1;
    while (this.tables[number] !== undefined) number++;
    const made = new ConnlimitTable(at);
    this.tables[number] = made;
    pool[at + ConnlimitOp.STATE_TABLE] = number;
    if (this.count++ === 0) this.checkDue = (now + CHECK_MS) | 0;
    return made;
  }

  /** Ends what has come to its end. Returns ms until the next look, -1 = there is no table. */
  timers(pool: Int32Array, conntrack: ConntrackParts | null, now: number): number {
    if (this.count === 0) return -1;
    const wait = (this.checkDue - now) | 0;
    if (wait > 0) return wait;
    for (let number = 1; number < this.tables.length; number++) {
      const table = this.tables[number];
      if (table === undefined) continue;
      const isThere = (pool[table.home] & 0xff) === Op.CONNLIMIT;
      const isHome = isThere && pool[table.home + ConnlimitOp.STATE_TABLE] === number;
      if (!table.sweep(conntrack, now) && isHome) continue;
      this.tables[number] = undefined;
      this.count--;
    }
    this.checkDue = (now + CHECK_MS) | 0;
    return this.count === 0 ? -1 : CHECK_MS;
  }
}
