/*
 * What rules do with a packet, beyond ACCEPT, DROP and jumps. Arguments: ops.ts.
 *
 * Most answer CONTINUE: the next rule's turn. Those of NAT and CT end nothing either where they have nothing to do. Every target says or changes
 * something about this very packet, so that what the rules said must not be kept for its flow; those of NAT have been asked about its first one and
 * are not asked again.
 */
import { type Arena, UNTRACKED } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import type { Packet } from '../core/packet.js';
import { Icmp6Type, Problem6 } from '../wire/icmp.js';
import { Ipv6 } from '../wire/ipv6.js';
import { changeEcn, changeTos, changeTtl, fillChecksum, stripOptions } from './header-changes.js';
import { hmark } from './hmark.js';
import { auditLine, logLine, packetBytes, readText } from './log.js';
import {
  ConnmarkMode,
  ConnmarkTarget,
  CtFlag,
  CtTarget,
  Extension,
  LogTarget,
  MarkTarget,
  NflogTarget,
  NfqueueTarget,
  RejectTarget,
  SetTarget,
  SetTargetFlag,
} from './ops.js';
import { Manip, type NetfilterParts } from './parts.js';
import { translatePrefix } from './prefix-translation.js';
import { Reject } from './reject.js';
import { Verdict } from './rule.js';
import { readQuestion } from './set-matches.js';
import { tcpmss } from './tcpmss.js';
import { Tee } from './tee.js';

const WHOLE = 0x10000;

/** The level of syslog at which AUDIT's records go into the log. */
const NOTICE = 5;

export class Targets {
  private readonly arena: Arena;
  private readonly pool: Int32Array;
  private readonly reject: Reject;
  private readonly tee: Tee;

  constructor(private readonly parts: NetfilterParts) {
    this.arena = parts.inet.arena;
    this.pool = parts.pool;
    this.reject = new Reject(parts.inet, parts.conntrack);
    this.tee = new Tee(parts);
  }

  /** `at`: the word of the pool where the arguments start, 0 = there are none. After DROP the frame is gone. */
  run(target: number, at: number, packet: Packet): Verdict {
    packet.isVolatile = true;
    if (target >= Extension.SNAT && target <= Extension.NETMAP) return this.translate(target, at, packet);
    switch (target) {
      case Extension.MARK:
        return this.mark(at, packet);
      case Extension.CONNMARK:
        return this.connmark(at, packet);
      case Extension.REJECT:
        this.reject.run(packet, this.pool[at + RejectTarget.WITH]);
        return Verdict.DROP;
      case Extension.LOG:
        return this.log(at, packet);
      case Extension.NFLOG:
        return this.nflog(at, packet);
      case Extension.TRACE:
        this.parts.trace(packet);
        return Verdict.CONTINUE;
      case Extension.CT:
        return this.ct(at, packet);
      case Extension.TEE:
        this.tee.run(this.pool, at, packet);
        return Verdict.CONTINUE;
      case Extension.SET:
        return this.set(at, packet);
      case Extension.AUDIT:
        this.parts.log.log(packet.namespace, NOTICE, auditLine(this.arena, packet));
        return Verdict.CONTINUE;
      case Extension.NFQUEUE:
        return this.queue(at, packet);
      default:
        return this.change(target, at, packet);
    }
  }

  private drop(packet: Packet, reason: DropReason): Verdict {
    this.parts.inet.drop(packet.frame, reason);
    return Verdict.DROP;
  }

  // --- headers ----------------------------------------------------------------------------------

  private change(target: Extension, at: number, packet: Packet): Verdict {
    const { pool, arena } = this;
    const { inet } = this.parts;
    switch (target) {
      case Extension.TCPMSS:
        return tcpmss(inet, pool, at, packet) ? Verdict.CONTINUE : this.drop(packet, DropReason.RULE);
      case Extension.TCPOPTSTRIP:
        stripOptions(arena, pool, at, packet);
        break;
      case Extension.CHECKSUM:
        fillChecksum(arena, packet);
        break;
      case Extension.TTL:
        changeTtl(arena, pool, at, packet);
        break;
      case Extension.TOS:
        changeTos(arena, pool, at, packet);
        break;
      case Extension.ECN:
        return changeEcn(arena, pool, at, packet) ? Verdict.CONTINUE : this.drop(packet, DropReason.RULE);
      case Extension.HMARK:
        arena.mark[packet.frame] = hmark(arena, this.parts.conntrack, pool, at, packet, arena.flow[packet.frame]);
        break;
      case Extension.SNPT:
      case Extension.DNPT:
        return this.translatePrefix(at, packet, target === Extension.SNPT);
    }
    return Verdict.CONTINUE;
  }

  private translatePrefix(at: number, packet: Packet, isSource: boolean): Verdict {
    const { inet } = this.parts;
    if (translatePrefix(this.arena, this.pool, at, packet, isSource)) {
      this.parts.refresh();
      return Verdict.CONTINUE;
    }
    const field = isSource ? Ipv6.SOURCE : Ipv6.DESTINATION;
    inet.icmp6.error(packet.frame, Icmp6Type.PARAMETER_PROBLEM, Problem6.FIELD, field, packet.now);
    return this.drop(packet, DropReason.REJECTED);
  }

  // --- marks ------------------------------------------------------------------------------------

  private mark(at: number, packet: Packet): Verdict {
    const { mark } = this.arena;
    mark[packet.frame] = (mark[packet.frame] & ~this.pool[at + MarkTarget.MASK]) ^ this.pool[at + MarkTarget.VALUE];
    return Verdict.CONTINUE;
  }

  private connmark(at: number, packet: Packet): Verdict {
    const { conntrack } = this.parts;
    const { mark, flow: flows } = this.arena;
    const flow = flows[packet.frame];
    if (conntrack === null || flow <= 0) return Verdict.CONTINUE;
    const { pool } = this;
    const mode = pool[at + ConnmarkTarget.MODE];
    const ctMask = pool[at + ConnmarkTarget.CT_MASK];
    const nfMask = pool[at + ConnmarkTarget.NF_MASK];
    const by = pool[at + ConnmarkTarget.SHIFT];
    const known = conntrack.mark(flow);
    if (mode === ConnmarkMode.RESTORE) {
      mark[packet.frame] = (mark[packet.frame] & ~nfMask) ^ shift(known & ctMask, by);
      return Verdict.CONTINUE;
    }
    const isSet = mode === ConnmarkMode.SET;
    const next = isSet
      ? shift((known & ~ctMask) ^ pool[at + ConnmarkTarget.VALUE], by)
      : (known & ~ctMask) ^ shift(mark[packet.frame] & nfMask, by);
    if (next !== known) conntrack.setMark(flow, next);
    return Verdict.CONTINUE;
  }

  // --- flows ------------------------------------------------------------------------------------

  private translate(target: Extension, at: number, packet: Packet): Verdict {
    const { nat } = this.parts;
    const flow = this.arena.flow[packet.frame];
    if (nat === null || flow <= 0) return Verdict.CONTINUE;
    const { pool } = this;
    if (target === Extension.MASQUERADE) return nat.masquerade(packet, flow, pool, at);
    if (target === Extension.REDIRECT) return nat.redirect(packet, flow, pool, at);
    const isSource = target === Extension.SNAT || (target === Extension.NETMAP && isSourceHook(packet));
    return nat.setup(packet, flow, pool, at, isSource ? Manip.SOURCE : Manip.DESTINATION);
  }

  /** Only of a packet that has no flow yet; the first CT rule decides. */
  private ct(at: number, packet: Packet): Verdict {
    const { flow, mark } = this.arena;
    const { template } = this.parts;
    const { pool } = this;
    if (flow[packet.frame] !== 0 || template.isSet) return Verdict.CONTINUE;
    const flags = pool[at + CtTarget.FLAGS];
    if ((flags & CtFlag.NOTRACK) !== 0) {
      flow[packet.frame] = UNTRACKED;
      return Verdict.CONTINUE;
    }
    template.isSet = true;
    template.zoneFlags = flags & (CtFlag.ZONE_ORIGINAL | CtFlag.ZONE_REPLY);
    template.zone = (flags & CtFlag.ZONE_MARK) !== 0 ? mark[packet.frame] & 0xffff : pool[at + CtTarget.ZONE];
    template.helper = pool[at + CtTarget.HELPER];
    template.events = pool[at + CtTarget.EVENTS];
    return Verdict.CONTINUE;
  }

  /** Nobody listens on any queue. */
  private queue(at: number, packet: Packet): Verdict {
    const isBypassed = (this.pool[at + NfqueueTarget.FLAGS] & 1) !== 0;
    return isBypassed ? Verdict.ACCEPT : this.drop(packet, DropReason.RULE);
  }

  // --- sets -------------------------------------------------------------------------------------

  private set(at: number, packet: Packet): Verdict {
    const { pool } = this;
    const { sets, memento } = this.parts;
    const { question } = sets;
    const flags = pool[at + SetTarget.FLAGS];
    memento?.keep(sets);
    readQuestion(this.parts, packet);
    question.skipsCounters = false;
    question.skipsSubcounters = false;
    question.returnsNomatch = false;
    question.packetsCompare = 0;
    question.bytesCompare = 0;
    if (pool[at + SetTarget.ADD] !== 0) {
      question.timeout = pool[at + SetTarget.TIMEOUT];
      question.renews = (flags & SetTargetFlag.EXIST) !== 0;
      this.direct(at + SetTarget.ADD);
      sets.addPacket(pool[at + SetTarget.ADD], packet.now);
    }
    if (pool[at + SetTarget.DELETE] !== 0) {
      this.direct(at + SetTarget.DELETE);
      sets.deletePacket(pool[at + SetTarget.DELETE], packet.now);
    }
    if (pool[at + SetTarget.MAP] !== 0) this.map(at, packet, flags);
    return Verdict.CONTINUE;
  }

  /** The src/dst words behind a set's number. */
  private direct(at: number): void {
    const { question } = this.parts.sets;
    question.dimensions = this.pool[at + 1];
    question.sources = this.pool[at + 2];
  }

  /** Of what skbinfo holds the mark alone has a meaning here: there are no classes and no hardware queues. */
  private map(at: number, packet: Packet, flags: number): void {
    const { sets } = this.parts;
    const { mark } = this.arena;
    const { found } = sets.question;
    this.direct(at + SetTarget.MAP);
    if (!sets.test(this.pool[at + SetTarget.MAP], packet.now) || !sets.question.hasFound) return;
    if ((flags & SetTargetFlag.MAP_MARK) === 0) return;
    mark[packet.frame] = (mark[packet.frame] & ~found[1]) ^ found[0];
  }

  // --- what is told -----------------------------------------------------------------------------

  private log(at: number, packet: Packet): Verdict {
    const { pool, arena } = this;
    const { log } = this.parts;
    const prefix = readText(pool, at + LogTarget.PREFIX, pool[at + LogTarget.LENGTH]);
    const line = logLine(arena, packet, prefix, pool[at + LogTarget.FLAGS], (link) => log.linkName(link));
    log.log(packet.namespace, pool[at + LogTarget.LEVEL], line);
    return Verdict.CONTINUE;
  }

  private nflog(at: number, packet: Packet): Verdict {
    const { pool, arena } = this;
    const prefix = readText(pool, at + NflogTarget.PREFIX, pool[at + NflogTarget.LENGTH]);
    const size = pool[at + NflogTarget.SIZE];
    const bytes = packetBytes(arena, packet, size < 0 ? WHOLE : size);
    this.parts.log.nflog(packet.namespace, pool[at + NflogTarget.GROUP], prefix, packet, bytes);
    return Verdict.CONTINUE;
  }
}

/** A mark shifted left, right where `by` is negative. */
function shift(mark: number, by: number): number {
  if (by <= -32 || by >= 32) return 0;
  return by >= 0 ? mark << by : mark >>> -by;
}

/** NETMAP changes destinations at PREROUTING and OUTPUT, sources at POSTROUTING and INPUT. */
function isSourceHook(packet: Packet): boolean {
  return packet.hook === 4 || packet.hook === 1;
}
