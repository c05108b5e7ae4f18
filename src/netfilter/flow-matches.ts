/* Matches that ask about the packet's flow. A packet without one is INVALID, unless it is not to be tracked. */
import { Status } from '../conntrack/flows.js';
import { CtInfo, UNTRACKED } from '../core/arena.js';
import { swap32 } from '../wire/field.js';
import { Answer, answer } from './answer.js';
import { jhashWord, scaled } from './cluster-hash.js';
import { isInRange } from './header-matches.js';
import { jhash4 } from './jhash.js';
import {
  ClusterOp,
  ConnbytesDirection,
  ConnbytesOp,
  ConnbytesWhat,
  ConnlabelOp,
  ConntrackOp,
  CtMatch,
  CtStateBit,
  MarkOp,
} from './ops.js';
import { AccountWord, type ConntrackParts, TupleWord } from './parts.js';

const ORIGINAL = 0;
const REPLY = 1;

const $original = new Int32Array(TupleWord.WORDS);
const $reply = new Int32Array(TupleWord.WORDS);
const $account = new Float64Array(AccountWord.WORDS);

/** CtStateBit of a packet, but for SNAT and DNAT. */
function stateBit(flow: number, info: number): number {
  if (flow > 0) return 1 << ((info % CtInfo.ESTABLISHED_REPLY) + 1);
  return flow === UNTRACKED ? CtStateBit.UNTRACKED : CtStateBit.INVALID;
}

function natBits(conntrack: ConntrackParts, flow: number): number {
  const status = conntrack.status(flow);
  const source = (status & Status.SRC_NAT) !== 0 ? CtStateBit.SNAT : 0;
  return (status & Status.DST_NAT) !== 0 ? source | CtStateBit.DNAT : source;
}

/** Whether the packet is in one of the states. */
export function isInState(conntrack: ConntrackParts | null, states: number, flow: number, info: number): boolean {
  let bits = stateBit(flow, info);
  const asksNat = (states & (CtStateBit.SNAT | CtStateBit.DNAT)) !== 0;
  if (asksNat && flow > 0 && conntrack !== null) bits |= natBits(conntrack, flow);
  return (states & bits) !== 0;
}

/** -m conntrack in full; answers with the inversions. */
export function conntrackMatch(
  conntrack: ConntrackParts | null,
  pool: Int32Array,
  at: number,
  flow: number,
  info: number,
  now: number,
): Answer {
  const asked = pool[at + ConntrackOp.MATCH];
  const inverted = pool[at + ConntrackOp.INVERT];
  if ((asked & CtMatch.STATE) !== 0) {
    const holds = isInState(conntrack, pool[at + ConntrackOp.STATES], flow, info);
    if (holds === ((inverted & CtMatch.STATE) !== 0)) return Answer.NO;
  }
  // The kernel's answer for a packet without a flow: the rest is not asked where a state was.
  if (flow <= 0 || conntrack === null) return answer((asked & CtMatch.STATE) !== 0);
  if ((asked & CtMatch.DIRECTION) !== 0) {
    const isOriginal = info < CtInfo.ESTABLISHED_REPLY;
    if (isOriginal === ((inverted & CtMatch.DIRECTION) !== 0)) return Answer.NO;
  }
  return answer(
    holdTuples(conntrack, pool, at, asked, inverted, flow) && holdRest(conntrack, pool, at, asked, inverted, flow, now),
  );
}

/** Whether one of the questions of a CONNTRACK op is answered as asked. */
function fits(asked: number, inverted: number, bit: CtMatch, holds: boolean): boolean {
  return (asked & bit) === 0 || holds !== ((inverted & bit) !== 0);
}

function isUnder(tuple: Int32Array, from: TupleWord, pool: Int32Array, at: number): boolean {
  for (let i = 0; i < 4; i++) if (((tuple[from + i] ^ pool[at + i]) & pool[at + 4 + i]) !== 0) return false;
  return true;
}

function holdTuples(
  conntrack: ConntrackParts,
  pool: Int32Array,
  at: number,
  asked: number,
  inverted: number,
  flow: number,
): boolean {
  conntrack.tuple(flow, ORIGINAL, $original);
  conntrack.tuple(flow, REPLY, $reply);
  const original = $original[TupleWord.PORTS];
  const reply = $reply[TupleWord.PORTS];
  return (
    fits(
      asked,
      inverted,
      CtMatch.ORIGINAL_SOURCE,
      isUnder($original, TupleWord.SOURCE, pool, at + ConntrackOp.ORIGINAL_SOURCE),
    ) &&
    fits(
      asked,
      inverted,
      CtMatch.ORIGINAL_DESTINATION,
      isUnder($original, TupleWord.DESTINATION, pool, at + ConntrackOp.ORIGINAL_DESTINATION),
    ) &&
    fits(
      asked,
      inverted,
      CtMatch.REPLY_SOURCE,
      isUnder($reply, TupleWord.SOURCE, pool, at + ConntrackOp.REPLY_SOURCE),
    ) &&
    fits(
      asked,
      inverted,
      CtMatch.REPLY_DESTINATION,
      isUnder($reply, TupleWord.DESTINATION, pool, at + ConntrackOp.REPLY_DESTINATION),
    ) &&
    holdPorts(pool, at, asked, inverted, original, reply)
  );
}

function holdPorts(
  pool: Int32Array,
  at: number,
  asked: number,
  inverted: number,
  original: number,
  reply: number,
): boolean {
  const o = at + ConntrackOp.ORIGINAL_SOURCE_PORT;
  return (
    fits(asked, inverted, CtMatch.ORIGINAL_SOURCE_PORT, isInRange(original >>> 16, pool[o])) &&
    fits(asked, inverted, CtMatch.ORIGINAL_DESTINATION_PORT, isInRange(original & 0xffff, pool[o + 1])) &&
    fits(asked, inverted, CtMatch.REPLY_SOURCE_PORT, isInRange(reply >>> 16, pool[o + 2])) &&
    fits(asked, inverted, CtMatch.REPLY_DESTINATION_PORT, isInRange(reply & 0xffff, pool[o + 3]))
  );
}

function holdRest(
  conntrack: ConntrackParts,
  pool: Int32Array,
  at: number,
  asked: number,
  inverted: number,
  flow: number,
  now: number,
): boolean {
  const isProtocol = conntrack.protocol(flow) === pool[at + ConntrackOp.PROTOCOL];
  if (!fits(asked, inverted, CtMatch.PROTOCOL, isProtocol)) return false;
  const hasStatus = (conntrack.status(flow) & pool[at + ConntrackOp.STATUS]) !== 0;
  if (!fits(asked, inverted, CtMatch.STATUS, hasStatus)) return false;
  if ((asked & CtMatch.EXPIRES) === 0) return true;
  const seconds = Math.floor(Math.max(conntrack.expiresIn(flow, now), 0) / 1000);
  const holds = seconds >= pool[at + ConntrackOp.EXPIRES] >>> 0 && seconds <= pool[at + ConntrackOp.EXPIRES + 1] >>> 0;
  return fits(asked, inverted, CtMatch.EXPIRES, holds);
}

/** A packet without a flow has no mark, not 0. */
export function connmark(conntrack: ConntrackParts | null, pool: Int32Array, at: number, flow: number): Answer {
  if (flow <= 0 || conntrack === null) return Answer.NEVER;
  return answer((conntrack.mark(flow) & pool[at + MarkOp.MASK]) === pool[at + MarkOp.VALUE]);
}

function sum(direction: number, original: AccountWord, reply: AccountWord): number {
  if (direction === ConnbytesDirection.ORIGINAL) return $account[original];
  return direction === ConnbytesDirection.REPLY ? $account[reply] : $account[original] + $account[reply];
}

/** Answers with the inversion, which is in the numbers: from above to. */
export function connbytes(conntrack: ConntrackParts | null, pool: Int32Array, at: number, flow: number): Answer {
  if (flow <= 0 || conntrack === null || !conntrack.account(flow, $account)) return Answer.NEVER;
  const direction = pool[at + ConnbytesOp.DIRECTION];
  const packets = sum(direction, AccountWord.ORIGINAL_PACKETS, AccountWord.REPLY_PACKETS);
  const bytes = sum(direction, AccountWord.ORIGINAL_BYTES, AccountWord.REPLY_BYTES);
  const what = pool[at + ConnbytesOp.WHAT];
  const average = packets === 0 ? 0 : Math.floor(bytes / packets);
  const value = what === ConnbytesWhat.PACKETS ? packets : what === ConnbytesWhat.BYTES ? bytes : average;
  const from = read64(pool, at + ConnbytesOp.FROM);
  const to = read64(pool, at + ConnbytesOp.TO);
  return answer(to >= from ? value >= from && value <= to : value < to || value > from);
}

/** Exact to 2^53. */
export function read64(pool: Int32Array, at: number): number {
  return (pool[at] >>> 0) + (pool[at + 1] >>> 0) * 0x1_0000_0000;
}

export function connlabel(conntrack: ConntrackParts | null, pool: Int32Array, at: number, flow: number): Answer {
  if (flow <= 0 || conntrack === null) return Answer.NO;
  const bit = pool[at + ConnlabelOp.BIT];
  if ((pool[at] & ConnlabelOp.SET) !== 0) return answer(conntrack.setLabel(flow, bit));
  return answer(conntrack.hasLabel(flow, bit));
}

/** Whether a helper of the flow that expected this one is the one asked for; 0 = any. */
export function helper(conntrack: ConntrackParts | null, wanted: number, flow: number): Answer {
  if (flow <= 0 || conntrack === null) return Answer.NO;
  const master = conntrack.master(flow);
  if (master === 0) return Answer.NO;
  const known = conntrack.helper(master);
  return answer(known !== 0 && (wanted === 0 || known === wanted));
}

// --- cluster -------------------------------------------------------------------------------------

const $address = new Int32Array(4);

/** Which of the nodes a flow (or the one that expected it) falls to: by its original source. */
export function cluster(
  conntrack: ConntrackParts | null,
  pool: Int32Array,
  at: number,
  flow: number,
  isV6: boolean,
): Answer {
  if (flow <= 0 || conntrack === null) return Answer.NEVER;
  conntrack.tuple(conntrack.master(flow) || flow, ORIGINAL, $original);
  const seed = pool[at + ClusterOp.SEED];
  for (let i = 0; i < 4; i++) $address[i] = swap32($original[TupleWord.SOURCE + i]);
  const hash = isV6 ? jhash4($address, 0, seed) : jhashWord($address[0], seed);
  const node = scaled(hash, pool[at + ClusterOp.TOTAL] >>> 0);
  return answer(((pool[at + ClusterOp.NODES] >>> node) & 1) !== 0);
}
