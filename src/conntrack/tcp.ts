/*
 * TCP: states (tcp-states.ts), and whether a segment lies in the window that its receiver has opened, as seen from the middle
 * (Guido van Rooij, Real Stateful TCP Packet Filtering in IP Filter; as Linux 6.18 has it).
 *
 *   segment ─ sensible? ─ checksum? ─ state table ─┬─ IGNORE: it passes, nothing changes, its answer may tell
 *                                                  ├─ INVALID
 *                                                  └─ window ─┬─ in it: state, timeout
 *                                                             ├─ late or a little too much: passes, nothing changes
 *                                                             └─ INVALID
 *
 *   end     highest sequence + length sent       I    sequence ≤ sender.maxend
 *   maxend  highest that its receiver allows     II   sequence + length ≥ sender.end − receiver.maxwin
 *   maxwin  largest window it has offered        III  acknowledged ≤ receiver.end
 *   maxack  highest it has acknowledged          IV   acknowledged ≥ receiver.end − the larger of 66,000 and sender.maxwin
 *
 * A flow's words (Flow.STATE on), 11:
 *
 *   0  state, 8 │ retransmissions, 8 │ LAST, 16        2 … 5  end, maxend, maxwin, maxack of the initiator
 *   1  flags and scales, see Bit                       6 … 9  of the other
 *                                                      10     end of the segment seen last
 *
 * LAST is a print of the last acknowledging segment's sequence, acknowledgment and window, to see it repeated; of a SYN let through on
 * trial it is the window. Two prints are alike by chance once in 65,536, and it takes max_retrans of them in a row to shorten a timeout.
 * The acknowledgment of an ACK that answers a first SYN (a challenge, perhaps) lies in maxack of the other side, which has none yet.
 */
import type { Arena } from '../core/arena.js';
import type { Packet } from '../core/packet.js';
import { read32 } from '../wire/field.js';
import { Protocol } from '../wire/ipv4.js';
import { acknowledgment, flags as flagsOf, headerLength, sequence, Tcp, TcpFlag, window } from '../wire/tcp.js';
import { Direction, Flow, type FlowNumber, KindFlag, Status } from './flows.js';
import type { Sequences } from './sequences.js';
import { CtSetting } from './settings.js';
import { isSensible, nextState, Segment, segmentOf, TcpNext, TcpState } from './tcp-states.js';
import { CtEvent, CtVerdict, refresh, type Tracker, type Tracking } from './tracker.js';

/** Words of the flow, from its first. */
const enum Word {
  STATE = 0,
  BITS = 1,
  SIDES = 2,
  SIDE_SHIFT = 2,
  LAST_END = 10,

  RETRANS_SHIFT = 8,
  LAST_SHIFT = 16,
}

/** Words of a side. */
const enum Side {
  END = 0,
  MAXEND = 1,
  MAXWIN = 2,
  MAXACK = 3,
}

/** Word.BITS. A side's five flags and its scale are at 0 (the initiator) and SIDE_BITS. */
const enum Bit {
  /** Both SYNs must have the option for the scale to count. */
  SCALES = 1 << 0,
  SACKS = 1 << 1,
  /** Picked up in the middle: out of window is no reason. */
  LIBERAL = 1 << 2,
  UNACKNOWLEDGED = 1 << 3,
  HAS_MAXACK = 1 << 4,
  SCALE_SHIFT = 5,
  SIDE_MASK = 0x1ff,
  SIDE_BITS = 9,
  BOTH_UNACKNOWLEDGED = UNACKNOWLEDGED | (UNACKNOWLEDGED << 9),
  BOTH_LIBERAL = LIBERAL | SACKS | ((LIBERAL | SACKS) << 9),

  /** Someone has closed it in order. */
  CLOSED = 1 << 18,
  /** Of a SYN let through on trial: what it says (SCALES, SACKS, the scale) … */
  TRIAL_SCALES = 1 << 19,
  TRIAL_SACKS = 1 << 20,
  TRIAL_SCALE_SHIFT = 21,
  TRIAL_MASK = 0x3f << 19,
  /** … and that a challenge ACK may come. */
  CHALLENGE = 1 << 25,
  SIMULTANEOUS = 1 << 26,
  /** The segment seen last. */
  LAST_SEGMENT_SHIFT = 27,
  LAST_SEGMENT_MASK = 7 << 27,
  LAST_DIRECTION = 1 << 30,
  LAST_DIRECTION_SHIFT = 30,
  /** Its window was not 0. */
  LAST_WINDOW = 1 << 31,
}

const enum Window {
  OUTSIDE = 0,
  INSIDE = 1,
  LATE = 2,
}

/** Option kinds (RFC 9293, 7323, 2018), and lengths. */
const enum Option {
  END = 0,
  NOP = 1,
  SCALE = 3,
  SACK_PERMITTED = 4,
  SACK = 5,
}

/** RFC 7323 §2.3. */
const MOST_SCALE = 14;
const ACK_WINDOW = 66_000;
/** NOP NOP timestamps, 10 bytes: all options of most segments. */
const TIMESTAMPS_ONLY = 0x0101080a;
/** Of a flow with FIN or RST out of window: with less left it is not worth shortening. */
const SOON = 120_000;

export class TcpTracker implements Tracker {
  // The segment at hand.
  private $flags = 0;
  private $segment: Segment = 0;
  private $sequence = 0;
  private $end = 0;
  private $ack = 0;
  private $sack = 0;
  private $window = 0;

  constructor(
    private readonly ct: Tracking,
    private readonly arena: Arena,
    private readonly sequences: Sequences,
  ) {}

  track(flow: FlowNumber, words: Int32Array, at: number, direction: number, packet: Packet): CtVerdict {
    if (!this.read(packet)) return CtVerdict.INVALID;
    const isNew = (words[at + Flow.STATUS] & Status.CONFIRMED) === 0;
    if (isNew && !this.begin(words, at, packet)) return CtVerdict.INVALID;
    const before = words[at] & Flow.STATE_MASK;
    const next = nextState(direction, this.$segment, before);
    if (next === TcpNext.INVALID) return CtVerdict.INVALID;
    if (next === TcpNext.IGNORE) return this.onTrial(words, at, direction, flow, packet);
    if (next === TcpState.SYN_SENT && before >= TcpState.TIME_WAIT) {
      if (this.mayReopen(words, at, direction)) {
        this.ct.kill(flow);
        return CtVerdict.REPEAT;
      }
      return this.onTrial(words, at, direction, flow, packet);
    }
    if (this.$segment === Segment.RST && next === TcpState.CLOSE) return this.reset(flow, words, at, direction, packet);
    return this.advance(flow, words, at, direction, packet, this.refine(words, at, direction, before, next));
  }

  canDropEarly(words: Int32Array, at: number): boolean {
    return isClosing(words[at] & Flow.STATE_MASK);
  }

  /** A flow made by hand is not held to windows. */
  adopt(words: Int32Array, at: number, state: number): void {
    words[at] = state;
    words[at + Word.BITS] |= Bit.BOTH_LIBERAL;
  }

  // --- the segment -------------------------------------------------------------------------------

  /** False: it is none, or none that anybody would send. */
  private read(packet: Packet): boolean {
    const { bytes } = this.arena;
    const { transport } = packet;
    const length = packet.length - (transport - packet.network);
    if (transport < 0 || length < Tcp.BYTES || transport + Tcp.BYTES > this.ct.reach(packet)) return false;
    const header = headerLength(bytes, transport);
    if (header < Tcp.BYTES || header > length || transport + header > this.ct.reach(packet)) return false;
    const flags = flagsOf(bytes, transport);
    if (!this.ct.isChecksumRight(packet, Protocol.TCP, length) || !isSensible(flags)) return false;
    this.$flags = flags;
    this.$segment = segmentOf(flags);
    this.$sequence = sequence(bytes, transport);
    const numbered = ((flags & TcpFlag.SYN) >>> 1) + (flags & TcpFlag.FIN);
    this.$end = (this.$sequence + length - header + numbered) | 0;
    this.$ack = acknowledgment(bytes, transport);
    this.$window = window(bytes, transport);
    return true;
  }

  /** The first segment of a flow. False: none can begin with it. */
  private begin(words: Int32Array, at: number, packet: Packet): boolean {
    const next = nextState(Direction.ORIGINAL, this.$segment, TcpState.NONE);
    if (next === TcpNext.INVALID) return false;
    const isSyn = next === TcpState.SYN_SENT;
    const settings = (packet.namespace << CtSetting.SHIFT) + CtSetting.TCP_LOOSE;
    if (!isSyn && this.ct.settings[settings] === 0) return false;
    const side = at + Word.SIDES;
    const maxwin = this.$window || 1;
    for (let i = 0; i < Flow.PROTOCOL_WORDS; i++) words[at + i] = 0;
    words[side + Side.END] = this.$end;
    words[side + Side.MAXWIN] = maxwin;
    words[side + Side.MAXEND] = isSyn ? this.$end : this.$end + maxwin;
    words[at + Word.BITS] = Segment.NONE << Bit.LAST_SEGMENT_SHIFT;
    if (isSyn) this.readOptions(words, at, Direction.ORIGINAL, packet);
    else words[at + Word.BITS] |= Bit.BOTH_LIBERAL;
    return true;
  }

  /** What a SYN says of its sender; without any options nothing changes. */
  private readOptions(words: Int32Array, at: number, direction: number, packet: Packet): void {
    if (headerLength(this.arena.bytes, packet.transport) === Tcp.BYTES) return;
    const shift = direction * Bit.SIDE_BITS;
    const bits = words[at + Word.BITS] & ~(Bit.SIDE_MASK << shift);
    words[at + Word.BITS] = bits | (synOptions(this.arena.bytes, packet.transport) << shift);
  }

  // --- special cases of the table ----------------------------------------------------------------

  /** A SYN to a flow that has ended: the same addresses are used again. */
  private mayReopen(words: Int32Array, at: number, direction: number): boolean {
    const bits = words[at + Word.BITS];
    if ((bits & Bit.CLOSED) !== 0) return true;
    return lastDirection(bits) === direction && lastSegment(bits) === Segment.RST;
  }

  /** What the table cannot know: simultaneous opens, and the challenge ACK (RFC 5961) that acknowledges no FIN. */
  private refine(words: Int32Array, at: number, direction: number, before: number, next: number): number {
    const bits = words[at + Word.BITS];
    if (next === TcpState.SYN_SENT2) words[at + Word.BITS] = bits | Bit.SIMULTANEOUS;
    else if (next === TcpState.SYN_RECV && direction === Direction.REPLY) {
      const isOpen = this.$segment === Segment.ACK && (bits & Bit.SIMULTANEOUS) !== 0;
      return isOpen ? TcpState.ESTABLISHED : next;
    } else if (next === TcpState.TIME_WAIT && before === TcpState.LAST_ACK && this.$segment === Segment.ACK) {
      const isAnswer = lastDirection(bits) !== direction && lastSegment(bits) === Segment.SYN;
      if (isAnswer && (bits & Bit.CHALLENGE) !== 0) {
        words[at + Word.BITS] = bits & ~Bit.CHALLENGE;
        return TcpNext.IGNORE;
      }
    }
    return next;
  }

  /**
   * A segment that does not belong to what is known of the flow, but may to what the two sides know: it passes and is remembered.
   * A SYN/ACK that answers a SYN so remembered brings the flow in step again.
   */
  private onTrial(words: Int32Array, at: number, direction: number, flow: FlowNumber, packet: Packet): CtVerdict {
    const bits = words[at + Word.BITS];
    const isAnswer =
      this.$segment === Segment.SYN_ACK && lastSegment(bits) === Segment.SYN && lastDirection(bits) !== direction;
    if (isAnswer && this.$ack === words[at + Word.LAST_END]) {
      this.restart(words, at, direction);
      return this.advance(flow, words, at, direction, packet, TcpState.SYN_RECV);
    }
    const before = words[at] & Flow.STATE_MASK;
    this.remember(words, at, direction);
    words[at + Word.LAST_END] = this.$end;
    words[at] = (words[at] & 0xffff) | (this.$window << Word.LAST_SHIFT);
    this.setLastWindow(words, at);
    if (this.$segment === Segment.SYN && direction === Direction.ORIGINAL) this.noteTrial(words, at, before, packet);
    const isEarlyAck = before === TcpState.SYN_SENT && this.$segment === Segment.ACK && direction === Direction.REPLY;
    if (isEarlyAck) words[sideOf(at, Direction.REPLY) + Side.MAXACK] = this.$ack;
    return CtVerdict.PASS;
  }

  private noteTrial(words: Int32Array, at: number, before: number, packet: Packet): void {
    const options = synOptions(this.arena.bytes, packet.transport);
    let trial = (options & (Bit.SCALES | Bit.SACKS)) * Bit.TRIAL_SCALES;
    if ((options & Bit.SCALES) !== 0) trial |= (options >>> Bit.SCALE_SHIFT) << Bit.TRIAL_SCALE_SHIFT;
    if (before === TcpState.LAST_ACK) trial |= Bit.CHALLENGE;
    const cleared = words[at + Word.BITS] & ~(Bit.TRIAL_MASK | Bit.CHALLENGE | Bit.SIMULTANEOUS);
    words[at + Word.BITS] = cleared | trial;
  }

  /** The SYN on trial was real: its sender's side is as it said, the other's is to be learnt. */
  private restart(words: Int32Array, at: number, direction: number): void {
    const other = 1 - direction;
    const side = sideOf(at, other);
    words[side + Side.END] = words[at + Word.LAST_END];
    words[side + Side.MAXEND] = words[at + Word.LAST_END];
    words[side + Side.MAXWIN] = words[at] >>> Word.LAST_SHIFT || 1;
    const bits = words[at + Word.BITS];
    const flags = (bits >>> 19) & (Bit.SCALES | Bit.SACKS);
    const scale = (bits >>> Bit.TRIAL_SCALE_SHIFT) & 15;
    const sides = (flags | (scale << Bit.SCALE_SHIFT)) << (other * Bit.SIDE_BITS);
    const kept = bits & ~(Bit.SIDE_MASK | (Bit.SIDE_MASK << Bit.SIDE_BITS) | Bit.CHALLENGE | Bit.CLOSED);
    words[at + Word.BITS] = kept | sides;
    const own = sideOf(at, direction);
    words[own + Side.END] = 0;
    words[own + Side.MAXEND] = 0;
    words[own + Side.MAXWIN] = 0;
    words[own + Side.MAXACK] = 0;
    words[at] = (words[at] & ~Flow.STATE_MASK) | TcpState.SYN_SENT;
  }

  // --- RST ---------------------------------------------------------------------------------------

  private reset(flow: FlowNumber, words: Int32Array, at: number, direction: number, packet: Packet): CtVerdict {
    const before = words[at] & Flow.STATE_MASK;
    if (isClosing(before)) return this.accept(flow, words, at, direction, packet, before, TcpState.CLOSE);
    const bits = words[at + Word.BITS];
    let next: number = TcpState.CLOSE;
    const isJudged = lastSegment(bits) !== Segment.SYN && hasFlag(bits, 1 - direction, Bit.HAS_MAXACK);
    if (isJudged) {
      const status = words[at + Flow.STATUS];
      const isEstablished = before === TcpState.ESTABLISHED && (status & Status.ASSURED) !== 0;
      next = this.judgeReset(words, at, direction, packet, isEstablished);
      if (next === TcpNext.INVALID) return CtVerdict.INVALID;
      if (next !== TcpNext.IGNORE) return this.advance(flow, words, at, direction, packet, next);
      next = before;
    }
    if (this.answersTrial(words, at, before)) return this.accept(flow, words, at, direction, packet, before, next);
    return this.advance(flow, words, at, direction, packet, next);
  }

  /**
   * Of a RST where it is known what its receiver has acknowledged: INVALID below that; CLOSE where it is just that, or at the end of the
   * data that its sender has just sent; else IGNORE: the state stays, its receiver may challenge it.
   */
  private judgeReset(words: Int32Array, at: number, direction: number, packet: Packet, isEstablished: boolean): number {
    // Most likely the answer to a SYN let through on trial.
    if (this.$sequence === 0 && !isEstablished) return TcpState.CLOSE;
    const maxack = words[sideOf(at, 1 - direction) + Side.MAXACK];
    const ignores = this.ct.settings[(packet.namespace << CtSetting.SHIFT) + CtSetting.TCP_IGNORE_INVALID_RST];
    if (((this.$sequence - maxack) | 0) < 0 && ignores === 0) return TcpNext.INVALID;
    if (!isEstablished || this.$sequence === maxack) return TcpState.CLOSE;
    const bits = words[at + Word.BITS];
    const isTrain = lastSegment(bits) === Segment.ACK && lastDirection(bits) === direction;
    return isTrain && this.$sequence === words[at + Word.LAST_END] ? TcpState.CLOSE : TcpNext.IGNORE;
  }

  /** Whether a RST answers a segment that was let through on trial: no window to check then. */
  private answersTrial(words: Int32Array, at: number, before: number): boolean {
    const status = words[at + Flow.STATUS];
    const bits = words[at + Word.BITS];
    const last = lastSegment(bits);
    const isSyn = (status & Status.SEEN_REPLY) !== 0 && last === Segment.SYN;
    const isAck = (status & Status.ASSURED) === 0 && last === Segment.ACK;
    if ((isSyn || isAck) && this.$ack === words[at + Word.LAST_END]) return true;
    const isChallenged =
      before === TcpState.SYN_SENT && last === Segment.ACK && lastDirection(bits) === Direction.REPLY;
    return isChallenged && this.$sequence === words[sideOf(at, Direction.REPLY) + Side.MAXACK];
  }

  // --- window ------------------------------------------------------------------------------------

  private advance(
    flow: FlowNumber,
    words: Int32Array,
    at: number,
    direction: number,
    packet: Packet,
    next: number,
  ): CtVerdict {
    if (next === TcpNext.IGNORE) return CtVerdict.PASS;
    const before = words[at] & Flow.STATE_MASK;
    const verdict = this.checkWindow(flow, words, at, direction, packet);
    if (verdict === Window.LATE) return CtVerdict.PASS;
    if (verdict === Window.OUTSIDE) {
      this.shorten(words, at, direction, packet);
      return CtVerdict.INVALID;
    }
    return this.accept(flow, words, at, direction, packet, before, next);
  }

  private checkWindow(flow: FlowNumber, words: Int32Array, at: number, direction: number, packet: Packet): Window {
    const sender = sideOf(at, direction);
    const receiver = sideOf(at, 1 - direction);
    this.readAcknowledgment(flow, words, at, direction, packet);
    const isSyn = (this.$flags & TcpFlag.SYN) !== 0;
    const hasAck = (this.$flags & TcpFlag.ACK) !== 0;
    const state = words[at] & Flow.STATE_MASK;
    if (words[sender + Side.MAXWIN] === 0) {
      if (isSyn) this.learn(words, at, direction, packet);
      else this.pickUp(words, at, direction);
      if (isSyn && !hasAck) return Window.INSIDE;
    } else if (isSyn && isAfter(this.$end, words[sender + Side.END]) && isOpening(state)) {
      this.learn(words, at, direction, packet);
      if (direction === Direction.REPLY && !hasAck) return Window.INSIDE;
    }
    const isBroken = (this.$flags & TcpFlag.RST) !== 0 && this.$ack === 0;
    if (!hasAck || isBroken) this.$ack = this.$sack = words[receiver + Side.END];
    if ((this.$flags & TcpFlag.RST) !== 0 && this.$sequence === 0 && state === TcpState.SYN_SENT)
      this.$sequence = this.$end = words[sender + Side.END];
    const verdict = this.place(words, at, sender, receiver);
    const isLiberal = hasFlag(words[at + Word.BITS], direction, Bit.LIBERAL);
    if (verdict === Window.INSIDE) this.update(words, at, direction, sender, receiver);
    else if (isLiberal || this.isLiberal(packet)) return Window.INSIDE;
    return verdict;
  }

  private isLiberal(packet: Packet): boolean {
    return this.ct.settings[(packet.namespace << CtSetting.SHIFT) + CtSetting.TCP_BE_LIBERAL] !== 0;
  }

  /** Acknowledgment and the right edge of its SACK blocks, in the numbers that the receiver has sent. */
  private readAcknowledgment(flow: FlowNumber, words: Int32Array, at: number, direction: number, packet: Packet): void {
    this.$sack = this.$ack;
    if (hasFlag(words[at + Word.BITS], 1 - direction, Bit.SACKS))
      this.$sack = highestSack(this.arena.bytes, packet.transport, this.$ack);
    if ((words[at + Flow.KIND] & KindFlag.HAS_SEQUENCE) === 0) return;
    const offset = this.sequences.offset(flow, 1 - direction, (this.$ack - 1) | 0);
    this.$ack = (this.$ack - offset) | 0;
    this.$sack = (this.$sack - offset) | 0;
  }

  /** A side begins, with its SYN. */
  private learn(words: Int32Array, at: number, direction: number, packet: Packet): void {
    const sender = sideOf(at, direction);
    words[sender + Side.END] = this.$end;
    words[sender + Side.MAXEND] = this.$end;
    words[sender + Side.MAXWIN] = this.$window || 1;
    this.readOptions(words, at, direction, packet);
    const bits = words[at + Word.BITS];
    const bothScale = Bit.SCALES | (Bit.SCALES << Bit.SIDE_BITS);
    if (direction === Direction.REPLY && (bits & bothScale) !== bothScale) {
      const scales = (15 << Bit.SCALE_SHIFT) | (15 << (Bit.SCALE_SHIFT + Bit.SIDE_BITS));
      words[at + Word.BITS] = bits & ~scales;
    }
  }

  /** A side whose beginning was not seen. */
  private pickUp(words: Int32Array, at: number, direction: number): void {
    const sender = sideOf(at, direction);
    const receiver = sideOf(at, 1 - direction);
    const maxwin = this.$window << scaleOf(words[at + Word.BITS], direction) || 1;
    words[sender + Side.END] = this.$end;
    words[sender + Side.MAXWIN] = maxwin;
    words[sender + Side.MAXEND] = this.$end + maxwin;
    if (words[receiver + Side.MAXWIN] === 0) {
      words[receiver + Side.END] = this.$sack;
      words[receiver + Side.MAXEND] = this.$sack;
    } else if (this.$sack === ((words[receiver + Side.END] + 1) | 0)) words[receiver + Side.END]++;
  }

  /** Conditions I to IV. */
  private place(words: Int32Array, at: number, sender: number, receiver: number): Window {
    const senderEnd = words[sender + Side.END];
    const receiverEnd = words[receiver + Side.END];
    const maxwin = words[receiver + Side.MAXWIN];
    const ackWindow = Math.max(words[sender + Side.MAXWIN] >>> 0, ACK_WINDOW);
    const isRecent = isAfter(this.$end, senderEnd - maxwin - 1);
    const isAckRecent = isAfter(this.$sack, receiverEnd - ackWindow - 1);
    const isAckSent = !isAfter(this.$sack, receiverEnd);
    if (isAfter(this.$sequence, words[sender + Side.MAXEND])) {
      const excess = (this.$end - words[sender + Side.MAXEND] + 1) >>> 0;
      const isBearable = isRecent && isAckRecent && isAckSent && maxwin !== 0 && excess <= maxwin >>> 0;
      if (!isBearable) return Window.OUTSIDE;
      // It may be taken, and then be acknowledged.
      words[sender + Side.END] = this.$end;
      words[at + Word.BITS] |= Bit.UNACKNOWLEDGED << (sender === sideOf(at, 0) ? 0 : Bit.SIDE_BITS);
      return Window.LATE;
    }
    if (!isAckSent) return Window.OUTSIDE;
    return (isRecent || maxwin === 0) && isAckRecent ? Window.INSIDE : Window.LATE;
  }

  /** What a segment in the window tells of both sides. */
  private update(words: Int32Array, at: number, direction: number, sender: number, receiver: number): void {
    const { $end, $ack, $sack } = this;
    const own = direction * Bit.SIDE_BITS;
    let bits = words[at + Word.BITS];
    const isSyn = (this.$flags & TcpFlag.SYN) !== 0;
    const opened = isSyn ? this.$window : this.$window << scaleOf(bits, direction);
    const offered = (opened + ($sack - $ack)) | 0;
    if (words[sender + Side.MAXWIN] >>> 0 < offered >>> 0) words[sender + Side.MAXWIN] = offered;
    if (isAfter($end, words[sender + Side.END])) {
      words[sender + Side.END] = $end;
      bits |= Bit.UNACKNOWLEDGED << own;
    }
    if ((this.$flags & TcpFlag.ACK) !== 0) {
      const isFirst = (bits & (Bit.HAS_MAXACK << own)) === 0;
      if (isFirst || isAfter($ack, words[sender + Side.MAXACK])) words[sender + Side.MAXACK] = $ack;
      bits |= Bit.HAS_MAXACK << own;
    }
    if (words[receiver + Side.MAXWIN] !== 0 && isAfter($end, words[sender + Side.MAXEND]))
      words[receiver + Side.MAXWIN] += $end - words[sender + Side.MAXEND];
    if (isAfter($sack + opened, words[receiver + Side.MAXEND] - 1))
      words[receiver + Side.MAXEND] = $sack + opened + (opened === 0 ? 1 : 0);
    if ($ack === words[receiver + Side.END]) bits &= ~(Bit.UNACKNOWLEDGED << (Bit.SIDE_BITS - own));
    words[at + Word.BITS] = bits;
    if (this.$segment === Segment.ACK) this.count(words, at, direction);
  }

  /** Segments that are the same again. */
  private count(words: Int32Array, at: number, direction: number): void {
    const print = printOf(this.$sequence, this.$ack, this.$window);
    const word = words[at];
    const isSame = word >>> Word.LAST_SHIFT === print && words[at + Word.LAST_END] === this.$end;
    const isRepeated = isSame && lastDirection(words[at + Word.BITS]) === direction;
    const count = isRepeated ? ((word >>> Word.RETRANS_SHIFT) + 1) & 0xff : 0;
    words[at] = (word & Flow.STATE_MASK) | (count << Word.RETRANS_SHIFT) | (print << Word.LAST_SHIFT);
    words[at + Word.LAST_END] = this.$end;
    if (!isRepeated) this.setLastWindow(words, at);
  }

  private setLastWindow(words: Int32Array, at: number): void {
    if (this.$window === 0) words[at + Word.BITS] &= ~Bit.LAST_WINDOW;
    else words[at + Word.BITS] |= Bit.LAST_WINDOW;
  }

  private remember(words: Int32Array, at: number, direction: number): void {
    const cleared = words[at + Word.BITS] & ~(Bit.LAST_SEGMENT_MASK | Bit.LAST_DIRECTION);
    const last = (this.$segment << Bit.LAST_SEGMENT_SHIFT) | (direction << Bit.LAST_DIRECTION_SHIFT);
    words[at + Word.BITS] = cleared | last;
  }

  /**
   * A FIN or RST out of window of an assured flow: two such, one from each side, and the flow is not believed to live on for days.
   */
  private shorten(words: Int32Array, at: number, direction: number, packet: Packet): void {
    const status = words[at + Flow.STATUS];
    if ((status & Status.ASSURED) === 0 || (status & Status.FIXED_TIMEOUT) !== 0) return;
    if (this.$segment !== Segment.RST && this.$segment !== Segment.FIN) return;
    const bits = words[at + Word.BITS];
    const last = lastSegment(bits);
    const isAnswer = lastDirection(bits) !== direction && (last === Segment.FIN || last === Segment.RST);
    if (!isAnswer) return this.remember(words, at, direction);
    const left = (words[at + Flow.EXPIRES] - packet.now) | 0;
    const shorter = this.ct.settings[(packet.namespace << CtSetting.SHIFT) + CtSetting.TCP_UNACKNOWLEDGED];
    if (left >= SOON && left > shorter) words[at + Flow.EXPIRES] = (packet.now + shorter) | 0;
  }

  // --- what follows ------------------------------------------------------------------------------

  /** The segment belongs to the flow. */
  private accept(
    flow: FlowNumber,
    words: Int32Array,
    at: number,
    direction: number,
    packet: Packet,
    before: number,
    next: number,
  ): CtVerdict {
    this.remember(words, at, direction);
    words[at] = (words[at] & ~Flow.STATE_MASK) | next;
    if (before !== next) {
      if (next === TcpState.FIN_WAIT) words[at + Word.BITS] |= Bit.CLOSED;
      this.ct.event(flow, CtEvent.PROTOINFO);
    }
    const settings = packet.namespace << CtSetting.SHIFT;
    let timeout = this.timeout(words, at, settings, next);
    const status = words[at + Flow.STATUS];
    if ((status & Status.SEEN_REPLY) === 0) {
      if ((this.$flags & TcpFlag.RST) !== 0) {
        this.ct.kill(flow);
        return CtVerdict.ACCEPT;
      }
      // A SYN sent again does not keep an entry, and its NAT, for ever.
      if (this.$segment === Segment.SYN && before === TcpState.SYN_SENT) return CtVerdict.PASS;
      if (next === TcpState.ESTABLISHED)
        timeout = Math.min(timeout, this.ct.settings[settings + CtSetting.TCP_UNACKNOWLEDGED]);
    } else if ((status & Status.ASSURED) === 0 && next === TcpState.ESTABLISHED) {
      if (before === TcpState.SYN_RECV || before === TcpState.ESTABLISHED) {
        words[at + Flow.STATUS] = status | Status.ASSURED;
        this.ct.event(flow, CtEvent.ASSURED);
      }
    }
    refresh(words, at, packet.now, timeout);
    return CtVerdict.ACCEPT;
  }

  /** `settings`: the namespace's row. */
  private timeout(words: Int32Array, at: number, row: number, state: number): number {
    const { settings } = this.ct;
    const bits = words[at + Word.BITS];
    const own = settings[row + CtSetting.TCP + state];
    const retrans = settings[row + CtSetting.TCP_RETRANS];
    const count = (words[at] >>> Word.RETRANS_SHIFT) & 0xff;
    if (count >= settings[row + CtSetting.TCP_MAX_RETRANS] && own > retrans) return retrans;
    if (this.$segment === Segment.RST) return settings[row + CtSetting.TCP + TcpState.CLOSE];
    const unacknowledged = settings[row + CtSetting.TCP_UNACKNOWLEDGED];
    if ((bits & Bit.BOTH_UNACKNOWLEDGED) !== 0 && own > unacknowledged) return unacknowledged;
    return (bits & Bit.LAST_WINDOW) === 0 && own > retrans ? retrans : own;
  }
}

function sideOf(at: number, direction: number): number {
  return at + Word.SIDES + (direction << Word.SIDE_SHIFT);
}

function hasFlag(bits: number, direction: number, flag: number): boolean {
  return (bits & (flag << (direction * Bit.SIDE_BITS))) !== 0;
}

function scaleOf(bits: number, direction: number): number {
  return (bits >>> (direction * Bit.SIDE_BITS + Bit.SCALE_SHIFT)) & 15;
}

function lastSegment(bits: number): Segment {
  return (bits & Bit.LAST_SEGMENT_MASK) >>> Bit.LAST_SEGMENT_SHIFT;
}

function lastDirection(bits: number): number {
  return (bits >>> Bit.LAST_DIRECTION_SHIFT) & 1;
}

function isAfter(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}

function isOpening(state: number): boolean {
  return state === TcpState.SYN_SENT || state === TcpState.SYN_RECV;
}

/** Both sides or one of them have said goodbye. */
function isClosing(state: number): boolean {
  return state >= TcpState.FIN_WAIT && state <= TcpState.CLOSE;
}

/** 16 bits that tell segments apart. */
function printOf(sequence: number, ack: number, window: number): number {
  const hash = Math.imul(sequence ^ Math.imul(ack, 0x9e3779b1) ^ (window << 7), 0x85ebca6b);
  return hash >>> 16;
}

/** Bits of a side (Bit): its scale, and whether it takes SACKs. */
function synOptions(bytes: Uint8Array, transport: number): number {
  const end = transport + headerLength(bytes, transport);
  let bits = 0;
  for (let at = transport + Tcp.BYTES; at < end; ) {
    const kind = bytes[at];
    if (kind === Option.END) return bits;
    if (kind === Option.NOP) {
      at++;
      continue;
    }
    const length = at + 1 < end ? bytes[at + 1] : 0;
    if (length < 2 || at + length > end) return bits;
    if (kind === Option.SACK_PERMITTED && length === 2) bits |= Bit.SACKS;
    else if (kind === Option.SCALE && length === 3) {
      const scale = Math.min(bytes[at + 2], MOST_SCALE);
      bits = (bits & ~(15 << Bit.SCALE_SHIFT)) | Bit.SCALES | (scale << Bit.SCALE_SHIFT);
    }
    at += length;
  }
  return bits;
}

/** The right edge of the SACK block furthest to the right, or `ack`. */
function highestSack(bytes: Uint8Array, transport: number, ack: number): number {
  const start = transport + Tcp.BYTES;
  const end = transport + headerLength(bytes, transport);
  if (end === start || (end === start + 12 && read32(bytes, start) === TIMESTAMPS_ONLY)) return ack;
  for (let at = start; at < end; ) {
    const kind = bytes[at];
    if (kind === Option.END) return ack;
    if (kind === Option.NOP) {
      at++;
      continue;
    }
    const length = at + 1 < end ? bytes[at + 1] : 0;
    if (length < 2 || at + length > end) return ack;
    if (kind === Option.SACK && length >= 10 && (length - 2) % 8 === 0)
      return rightmost(bytes, at + 2, at + length, ack);
    at += length;
  }
  return ack;
}

function rightmost(bytes: Uint8Array, from: number, to: number, ack: number): number {
  let highest = ack;
  for (let at = from; at < to; at += 8) {
    const right = read32(bytes, at + 4);
    if (isAfter(right, highest)) highest = right;
  }
  return highest;
}
