/*
 * Notes what happens to a packet that is tried out: stands in front of netfilter's hooks while the stack walks it, watches what
 * netfilter does within, and ends the walk where the packet would leave or be delivered (explain.ts).
 */
import { FlowRow } from '../conntrack/flow-row.js';
import { Status } from '../conntrack/flows.js';
import { CtInfo, type Frame, NONE, UNTRACKED } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import { type Link, LinkKind, MAX_NAMESPACES, type Namespace } from '../core/links.js';
import { Key, type Packet } from '../core/packet.js';
import { type Hooks, Output } from '../route/hooks.js';
import type { Inet } from '../route/inet.js';
import { describe } from '../wire/describe.js';
import { Ethernet, EtherType, writeType } from '../wire/ethernet.js';
import { read32, write32 } from '../wire/field.js';
import { formatIpv4, formatIpv6 } from '../wire/format.js';
import { Ipv4 } from '../wire/ipv4.js';
import { Chain, ChainFlag, type ChainNumber } from './chains.js';
import type { FlowState, TupleText, WalkEvent, WalkStep } from './explain-steps.js';
import type { Memento } from './memento.js';
import type { Netfilter } from './netfilter.js';
import { Family, Hook, Rule, type TableId, Target, Verdict } from './rule.js';
import type { RuleNumber } from './rules.js';
import type { Watcher } from './watcher.js';

export class WalkRecord implements Hooks, Watcher {
  readonly isOn = new Uint8Array(MAX_NAMESPACES).fill(3);
  readonly steps: WalkStep[] = [];
  private readonly inet: Inet;
  /** Frames in the order in which they were first seen; the first is the packet. */
  private readonly frames: Frame[] = [];
  /** Frames that are at a hook, innermost last. */
  private readonly under: number[] = [];
  private readonly drops: Float64Array;
  private readonly rows: ReadonlyArray<number>;
  private readonly counted: Array<{ counters: Float64Array; at: number; bytes: number }> = [];
  private before: TupleText | undefined;

  /** `links`: those that drops are counted for. */
  constructor(
    private readonly netfilter: Netfilter,
    readonly memento: Memento,
    inet: Inet,
    links: readonly Link[],
  ) {
    this.inet = inet;
    this.drops = inet.links.drops;
    this.rows = [...new Set(links)].map((link) => link * DropReason.COUNT);
    this.known = this.rows.map((row) => this.drops.slice(row, row + DropReason.COUNT));
    this.first = this.known.map((row) => row.slice());
  }

  private readonly known: Float64Array[];
  private readonly first: Float64Array[];

  /** The packet is in this frame. */
  begin(frame: Frame): void {
    this.frames.push(frame);
  }

  /** The walk is over: what is left of drops, and counters as they were. */
  finish(): void {
    const reason = this.newDrop();
    if (reason !== DropReason.NONE) this.note({ kind: 'drop', reason }, 0);
    this.rows.forEach((row, i) => {
      this.drops.set(this.first[i], row);
    });
    for (const { counters, at, bytes } of this.counted) {
      counters[at]--;
      counters[at + 1] -= bytes;
    }
  }

  private note(event: WalkEvent, answer = this.under[this.under.length - 1] ?? 0): void {
    this.steps.push({ ...event, answer });
  }

  /** Why a frame has been dropped since the last call; NONE: none has been. */
  private newDrop(): DropReason {
    let found = DropReason.NONE;
    this.rows.forEach((row, i) => {
      const known = this.known[i];
      for (let reason = 1; reason < DropReason.COUNT; reason++) {
        if (this.drops[row + reason] !== known[reason]) found = reason;
        known[reason] = this.drops[row + reason];
      }
    });
    return found;
  }

  // --- hooks ------------------------------------------------------------------------------------

  receive4(): void {}

  forwarded4(): void {}

  prerouting4(frame: Frame, link: Link, now: number): Frame {
    return this.preroute(Family.IPV4, frame, link, () => this.netfilter.prerouting4(frame, link, now));
  }

  prerouting6(frame: Frame, link: Link, now: number): Frame {
    return this.preroute(Family.IPV6, frame, link, () => this.netfilter.prerouting6(frame, link, now));
  }

  private preroute(family: Family, frame: Frame, link: Link, run: () => Frame): Frame {
    this.enter(family, Hook.PREROUTING, frame, link, 0);
    const whole = run();
    this.exit(whole !== NONE);
    return whole;
  }

  input4(frame: Frame, link: Link, now: number): boolean {
    return this.input(Family.IPV4, frame, link, () => this.netfilter.input4(frame, link, now));
  }

  input6(frame: Frame, link: Link, now: number): boolean {
    return this.input(Family.IPV6, frame, link, () => this.netfilter.input6(frame, link, now));
  }

  private input(family: Family, frame: Frame, link: Link, run: () => boolean): false {
    this.enter(family, Hook.INPUT, frame, link, 0);
    const passes = run();
    if (passes) this.note({ kind: 'delivered' });
    this.exit(passes);
    if (passes) this.inet.arena.release(frame);
    return false;
  }

  forward4(frame: Frame, link: Link, out: Link, now: number): boolean {
    this.enter(Family.IPV4, Hook.FORWARD, frame, link, out);
    return this.exit(this.netfilter.forward4(frame, link, out, now));
  }

  forward6(frame: Frame, link: Link, out: Link, now: number): boolean {
    this.enter(Family.IPV6, Hook.FORWARD, frame, link, out);
    return this.exit(this.netfilter.forward6(frame, link, out, now));
  }

  output4(frame: Frame, namespace: Namespace, out: Link, now: number): Output {
    this.enter(Family.IPV4, Hook.OUTPUT, frame, 0, out);
    const answer = this.netfilter.output4(frame, namespace, out, now);
    this.exit(answer !== Output.GONE);
    return answer;
  }

  output6(frame: Frame, namespace: Namespace, out: Link, now: number): Output {
    this.enter(Family.IPV6, Hook.OUTPUT, frame, 0, out);
    const answer = this.netfilter.output6(frame, namespace, out, now);
    this.exit(answer !== Output.GONE);
    return answer;
  }

  postrouting4(frame: Frame, out: Link, now: number): boolean {
    return this.postroute(Family.IPV4, frame, out, now, () => this.netfilter.postrouting4(frame, out, now));
  }

  postrouting6(frame: Frame, out: Link, now: number): boolean {
    return this.postroute(Family.IPV6, frame, out, now, () => this.netfilter.postrouting6(frame, out, now));
  }

  private postroute(family: Family, frame: Frame, out: Link, now: number, run: () => boolean): false {
    this.enter(family, Hook.POSTROUTING, frame, 0, out);
    const passes = run();
    const isLooped = passes && frame === this.frames[0] && this.inet.links.kind[out] === LinkKind.LOOPBACK;
    if (passes) this.note(isLooped ? { kind: 'looped', lo: out } : { kind: 'left', out });
    this.exit(passes);
    if (isLooped) this.loop(family, frame, out, now);
    else if (passes) this.release(frame);
    return false;
  }

  /** The packet itself is for this host: it comes in by lo, with the empty header that packets have there. */
  private loop(family: Family, frame: Frame, lo: Link, now: number): void {
    const { arena } = this.inet;
    const at = arena.offset[frame];
    arena.bytes.fill(0, at, at + Ethernet.TYPE);
    writeType(arena.bytes, at, family === Family.IPV4 ? EtherType.IPV4 : EtherType.IPV6);
    this.inet.receiveOther(frame, lo, now);
  }

  /** Its number may be that of another frame from here on. */
  private release(frame: Frame): void {
    this.inet.arena.release(frame);
    const at = this.frames.lastIndexOf(frame);
    if (at > 0) this.frames[at] = NONE;
  }

  private enter(family: Family, hook: Hook, frame: Frame, from: Link, out: Link): void {
    let answer = this.frames.lastIndexOf(frame);
    if (answer < 0 || (answer === 0 && this.isOver)) {
      answer = this.frames.push(frame) - 1;
      if (answer > 0) this.note({ kind: 'answer', text: this.textOf(family, frame) }, answer);
    }
    this.under.push(answer);
    this.note({ kind: 'hook', hook, in: from, out, tuple: this.tupleAt(family, frame) });
  }

  /** Whether the packet itself has come to its end. */
  private get isOver(): boolean {
    return this.steps.some(
      ({ kind, answer }) => answer === 0 && (kind === 'drop' || kind === 'delivered' || kind === 'left'),
    );
  }

  private exit(passes: boolean): boolean {
    if (!passes) {
      const reason = this.newDrop();
      this.note(reason === DropReason.NONE ? { kind: 'held' } : { kind: 'drop', reason });
    }
    const answer = this.under.pop() ?? 0;
    if (!passes && answer > 0) this.frames[answer] = NONE;
    return passes;
  }

  private textOf(family: Family, frame: Frame): string {
    const bytes = this.inet.arena.contents(frame);
    writeType(bytes, 0, family === Family.IPV4 ? EtherType.IPV4 : EtherType.IPV6);
    return describe(bytes, 0, bytes.length);
  }

  // --- within netfilter -------------------------------------------------------------------------

  table(table: TableId, chain: ChainNumber): void {
    this.note({ kind: 'table', table, chain });
  }

  rule(chain: ChainNumber, rule: RuleNumber, packet: Packet): void {
    const { rows, counters } = this.netfilter.rules;
    const row = rule << Rule.SHIFT;
    const target = rows[row + Rule.TARGET];
    const isJump = target === Target.JUMP || target === Target.GOTO;
    this.counted.push({ counters, at: rule << 1, bytes: packet.length });
    this.note({
      kind: 'rule',
      chain,
      rule,
      target,
      to: isJump ? rows[row + Rule.ARGUMENT] : 0,
      mark: this.inet.arena.mark[packet.frame],
    });
  }

  target(_: ChainNumber, rule: RuleNumber, verdict: Verdict, packet: Packet): void {
    const answer = this.under[this.under.length - 1];
    for (let i = this.steps.length - 1; i >= 0; i--) {
      const step = this.steps[i];
      if (step.kind !== 'rule' || step.rule !== rule || step.answer !== answer) continue;
      step.verdict = verdict;
      const mark = verdict === Verdict.CONTINUE ? this.inet.arena.mark[packet.frame] : step.mark;
      if (mark === step.mark || mark === undefined) delete step.mark;
      else step.mark = mark;
      return;
    }
  }

  end(chain: ChainNumber): void {
    this.note({ kind: 'end', chain });
  }

  policy(chain: ChainNumber, verdict: Verdict, packet: Packet): void {
    const { words, counters } = this.netfilter.rules.chains;
    const isCounted = (words[(chain << Chain.SHIFT) + Chain.FLAGS] & ChainFlag.COUNTED) !== 0;
    if (isCounted) this.counted.push({ counters, at: chain << 1, bytes: packet.length });
    this.note({ kind: 'policy', chain, verdict });
  }

  tracked(packet: Packet, passes: boolean): void {
    if (!passes) return;
    const { conntrack } = this.netfilter;
    const { arena } = this.inet;
    const flow = arena.flow[packet.frame];
    if (flow <= 0) {
      this.note({ kind: 'flow', state: flow === UNTRACKED ? 'UNTRACKED' : 'INVALID', isReply: false, isNew: false });
      return;
    }
    const row = new Int32Array(FlowRow.WORDS);
    conntrack.ctnetlink.write(flow, packet.now, row, 0);
    const info = arena.flowInfo[packet.frame];
    const isNew = (conntrack.status(flow) & Status.CONFIRMED) === 0;
    this.note({ kind: 'flow', state: stateOf(info), isReply: info >= CtInfo.ESTABLISHED_REPLY, isNew, row });
  }

  translating(packet: Packet): void {
    this.before = tupleOf(packet, this.inet);
  }

  translated(packet: Packet): void {
    const { before } = this;
    const after = tupleOf(packet, this.inet);
    if (before !== undefined && JSON.stringify(before) !== JSON.stringify(after)) {
      this.note({ kind: 'nat', before, after });
    }
  }

  confirms(packet: Packet): boolean {
    if (!this.netfilter.conntrack.wouldClash(packet)) return true;
    this.inet.drop(packet.frame, DropReason.CONNTRACK_CLASH);
    return false;
  }

  logged(line: string): void {
    this.note({ kind: 'log', line });
  }

  private tupleAt(family: Family, frame: Frame): TupleText {
    const { arena } = this.inet;
    const at = this.inet.network(frame);
    const { bytes } = arena;
    if (family === Family.IPV6) {
      return {
        family: 6,
        source: formatIpv6(bytes, at + 8),
        destination: formatIpv6(bytes, at + 24),
        protocol: bytes[at + 6],
        tos: (read32(bytes, at) >>> 20) & 0xff,
        mark: arena.mark[frame] >>> 0,
      };
    }
    return {
      family: 4,
      source: formatIpv4(read32(bytes, at + Ipv4.SOURCE)),
      destination: formatIpv4(read32(bytes, at + Ipv4.DESTINATION)),
      protocol: bytes[at + Ipv4.PROTOCOL],
      tos: bytes[at + Ipv4.TOS],
      mark: arena.mark[frame] >>> 0,
    };
  }
}

function stateOf(info: CtInfo): FlowState {
  if (info === CtInfo.NEW) return 'NEW';
  return info === CtInfo.RELATED || info === CtInfo.RELATED_REPLY ? 'RELATED' : 'ESTABLISHED';
}

/** As its headers have been read last. */
function tupleOf({ key, family, frame, network }: Packet, { arena }: Inet): TupleText {
  const ports =
    key[Key.SOURCE_PORT] < 0 ? {} : { sourcePort: key[Key.SOURCE_PORT], destinationPort: key[Key.DESTINATION_PORT] };
  const isIpv4 = family === Family.IPV4;
  const tos = isIpv4 ? arena.bytes[network + Ipv4.TOS] : (read32(arena.bytes, network) >>> 20) & 0xff;
  return {
    family: isIpv4 ? 4 : 6,
    source: addressOf(key, Key.SOURCE, isIpv4),
    destination: addressOf(key, Key.DESTINATION, isIpv4),
    protocol: key[Key.PROTOCOL],
    ...ports,
    tos,
    mark: arena.mark[frame] >>> 0,
  };
}

function addressOf(key: Int32Array, at: number, isIpv4: boolean): string {
  if (isIpv4) return formatIpv4(key[at]);
  const bytes = new Uint8Array(16);
  for (let i = 0; i < 4; i++) write32(bytes, 4 * i, key[at + i]);
  return formatIpv6(bytes);
}
