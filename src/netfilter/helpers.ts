/*
 * Helpers of conntrack: they read what flows say about further flows (FTP, TFTP), announce these as expectations, and where NAT has
 * changed the flow rewrite what is said. Only flows that a rule has given a helper (-j CT --helper) have one.
 *
 *   POSTROUTING, INPUT:   nat ─► helper ─ expectation, text ─► sequence numbers ─► confirm
 *
 * A packet that announces something and cannot be followed is dropped: it comes again.
 */
import type { Conntrack } from '../conntrack/conntrack.js';
import { Expect, Expected } from '../conntrack/expectations.js';
import { Helper } from '../conntrack/flow-row.js';
import { Direction, Flow, type FlowNumber, KindFlag, Status } from '../conntrack/flows.js';
import { type FtpMatch, readFtp, writeFtp } from '../conntrack/ftp.js';
import { isTftpRequest } from '../conntrack/tftp.js';
import { Transport } from '../conntrack/tuple.js';
import { type Arena, CtInfo } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import type { Packet } from '../core/packet.js';
import type { Inet } from '../route/inet.js';
import { headerLength, sequence } from '../wire/tcp.js';
import { Udp } from '../wire/udp.js';
import { readText, replaceText } from './nat-text.js';
import { Verdict } from './rule.js';
import { adjustSequences } from './seqadj.js';

/** Of expectations of both helpers: how long they live, ms, and how many a flow may have. */
const LIFETIME = 300_000;
const MOST = 1;
/** Ports tried for an expectation that NAT announces. */
const MOST_TRIES = 128;
/** Longest piece of a control connection that is read. */
const TEXT_BYTES = 65_535;

export class Helpers {
  private readonly arena: Arena;
  private readonly $text = new Uint8Array(TEXT_BYTES);

  /** `random16`: 16 random bits. */
  constructor(
    private readonly inet: Inet,
    private readonly conntrack: Conntrack,
    private readonly random16: () => number = () => inet.random() >>> 15,
  ) {
    this.arena = inet.arena;
  }

  /** A packet of a flow leaves. DROP: the frame is gone. */
  run(packet: Packet): Verdict {
    const { arena, conntrack } = this;
    const flow = arena.flow[packet.frame];
    if (flow <= 0) return Verdict.ACCEPT;
    const status = conntrack.status(flow);
    if ((status & (Status.HELPER | Status.SEQ_ADJUST)) === 0) return Verdict.ACCEPT;
    const info = arena.flowInfo[packet.frame];
    if (info === CtInfo.RELATED_REPLY || info === CtInfo.RELATED) {
      if ((status & Status.EXPECTED) === 0) return Verdict.ACCEPT;
    }
    const isDone = this.help(packet, flow, info) && this.adjust(packet, flow, info);
    if (isDone) return Verdict.ACCEPT;
    this.inet.drop(packet.frame, DropReason.NAT_FAILED);
    return Verdict.DROP;
  }

  private help(packet: Packet, flow: FlowNumber, info: CtInfo): boolean {
    const helper = this.conntrack.extensions.helper(flow);
    const protocol = this.conntrack.protocolOf(flow);
    if (helper === Helper.FTP && protocol === Transport.TCP) return this.helpFtp(packet, flow, info);
    if (helper === Helper.TFTP && protocol === Transport.UDP) return this.helpTftp(packet, flow);
    return true;
  }

  private adjust(packet: Packet, flow: FlowNumber, info: CtInfo): boolean {
    const { conntrack, arena } = this;
    if ((conntrack.status(flow) & Status.SEQ_ADJUST) === 0) return true;
    const direction = info >= CtInfo.ESTABLISHED_REPLY ? Direction.REPLY : Direction.ORIGINAL;
    return adjustSequences(arena, packet.frame, packet.transport, conntrack.sequences, flow, direction);
  }

  // --- FTP ---------------------------------------------------------------------------------------

  private helpFtp(packet: Packet, flow: FlowNumber, info: CtInfo): boolean {
    if (info !== CtInfo.ESTABLISHED && info !== CtInfo.ESTABLISHED_REPLY) return true;
    const { arena, conntrack, $text } = this;
    const from = packet.transport - packet.network + headerLength(arena.bytes, packet.transport);
    const length = packet.length - from;
    if (length <= 0) return true;
    readText(arena, packet, from, $text);
    const direction = info === CtInfo.ESTABLISHED_REPLY ? Direction.REPLY : Direction.ORIGINAL;
    const start = sequence(arena.bytes, packet.transport);
    const isLine = conntrack.sequences.isLineStart(flow, direction, start);
    const endsLine = $text[length - 1] === 0x0a;
    if (isLine && !this.announce(packet, flow, direction, from, length)) return false;
    if (endsLine) {
      this.mark(flow, KindFlag.HAS_SEQUENCE);
      conntrack.sequences.endLine(flow, direction, (start + length) | 0);
    }
    return true;
  }

  /** False: it would announce something, and cannot. */
  private announce(packet: Packet, flow: FlowNumber, direction: Direction, from: number, length: number): boolean {
    const store = this.conntrack.storeOf(flow);
    const text = String.fromCharCode(...this.$text.subarray(0, Math.min(length, 512)));
    const found = readFtp(text, direction, store.isIpv6);
    if (found === 'none') return true;
    if (found === 'partial') return false;
    const own = store.tuple(this.conntrack.at(flow), direction);
    // An address that is not its sender's: nobody opens ways to others for it.
    if (found.address.some((word, i) => word !== store.words[own + i])) return true;
    this.draft(flow, direction, found.port);
    if ((this.conntrack.status(flow) & Status.NAT_MASK) === 0) return this.expect(flow, packet.now) === Expected.OK;
    return this.announceTranslated(packet, flow, direction, from, found);
  }

  /** The data connection comes to where this flow's answers go, and is sent on as this flow is. */
  private announceTranslated(
    packet: Packet,
    flow: FlowNumber,
    direction: Direction,
    from: number,
    found: FtpMatch,
  ): boolean {
    const { draft } = this.conntrack.expectations;
    draft[Expect.SAVED_PORT] = found.port;
    draft[Expect.NAT_DIRECTION] = 1 - direction;
    draft[Expect.NAT_FUNCTION] = 1;
    const port = this.expectAnyPort(flow, packet.now, found.port);
    if (port === 0) return false;
    const store = this.conntrack.storeOf(flow);
    const other = store.tuple(this.conntrack.at(flow), 1 - direction) + store.addressWords;
    const address = Array.from(store.words.subarray(other, other + store.addressWords));
    const text = new TextEncoder().encode(writeFtp(found.kind, address, port));
    if (!replaceText(this.arena, packet, from + found.at, found.length, text)) return false;
    if (text.length !== found.length) this.moved(packet, flow, direction, text.length - found.length);
    return true;
  }

  private moved(packet: Packet, flow: FlowNumber, direction: Direction, by: number): void {
    const { conntrack, arena } = this;
    conntrack.addStatus(flow, Status.SEQ_ADJUST);
    this.mark(flow, KindFlag.HAS_SEQUENCE);
    conntrack.sequences.change(flow, direction, sequence(arena.bytes, packet.transport), by);
  }

  // --- TFTP --------------------------------------------------------------------------------------

  private helpTftp(packet: Packet, flow: FlowNumber): boolean {
    const { arena, conntrack } = this;
    const end = Math.min(packet.network + packet.length, conntrack.reach(packet));
    if (!isTftpRequest(arena.bytes, packet.transport + Udp.BYTES, end)) return true;
    const store = conntrack.storeOf(flow);
    const reply = store.words[store.tuple(conntrack.at(flow), Direction.REPLY) + 2 * store.addressWords];
    const original = store.words[store.tuple(conntrack.at(flow), Direction.ORIGINAL) + 2 * store.addressWords];
    this.draft(flow, Direction.ORIGINAL, reply & 0xffff);
    const { draft } = conntrack.expectations;
    if ((conntrack.status(flow) & Status.NAT_MASK) !== 0) {
      draft[Expect.SAVED_PORT] = original >>> 16;
      draft[Expect.NAT_DIRECTION] = Direction.REPLY;
      draft[Expect.NAT_FUNCTION] = 1;
    }
    return this.expect(flow, packet.now) === Expected.OK;
  }

  // --- expectations ------------------------------------------------------------------------------

  /** A flow from the other side of this one, from any port, to `port` where this side's answers go. */
  private draft(flow: FlowNumber, direction: Direction, port: number): void {
    const { conntrack } = this;
    const { draft } = conntrack.expectations;
    const store = conntrack.storeOf(flow);
    const { words, addressWords } = store;
    const from = store.tuple(conntrack.at(flow), 1 - direction);
    const key = conntrack.word(flow, Flow.KIND) & Flow.KEY_MASK;
    draft.fill(0);
    draft[Expect.KEY] = store.isIpv6 ? key | Expect.IS_IPV6 : key;
    draft[Expect.ZONE] = conntrack.word(flow, Flow.STATUS) >>> Flow.ZONE_SHIFT;
    for (let i = 0; i < 2 * addressWords; i++) draft[Expect.TUPLE + i] = words[from + i];
    for (let i = 0; i < addressWords; i++) draft[Expect.SOURCE_MASK + i] = -1;
    draft[Expect.TUPLE + 2 * addressWords] = port;
    draft[Expect.MASTER] = flow;
  }

  private expect(flow: FlowNumber, now: number): Expected {
    this.mark(flow, KindFlag.HAS_EXPECTATIONS);
    return this.conntrack.expectations.add(now, LIFETIME, MOST);
  }

  /** Tries the port itself, then random ones above it. 0: none is free. */
  private expectAnyPort(flow: FlowNumber, now: number, first: number): number {
    const { draft } = this.conntrack.expectations;
    const at = Expect.TUPLE + 2 * this.conntrack.storeOf(flow).addressWords;
    const range = 65_535 - first;
    let port = first;
    for (let left = Math.min(range, MOST_TRIES); left >= 0; left--) {
      draft[at] = port;
      const answer = this.expect(flow, now);
      if (answer === Expected.OK) return port;
      if (answer !== Expected.BUSY || range === 0) return 0;
      port = first + Math.floor((this.random16() * range) / 65_536);
    }
    return 0;
  }

  private mark(flow: FlowNumber, flag: number): void {
    this.conntrack.wordsOf(flow)[this.conntrack.at(flow) + Flow.KIND] |= flag;
  }
}
