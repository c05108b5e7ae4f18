/*
 * Multicast listener discovery of IPv6 (RFC 3810, 2710) for the groups that we are in ourselves, as Linux's mcast.c has it: routers
 * and snooping switches are told which groups a link wants, when that changes and when they ask.
 *
 *   joinGroups ─► change records, now and again after up to 1 s         (MLDv2, to ff02::16)
 *   query ──────► state records after a random part of its delay
 *
 * While a router that knows version 1 alone was heard (for robustness × interval + response time), or where
 * force_mld_version says so, each group is reported by itself, and not if another listener has just done so.
 *
 * Groups are only ever listened to whole, never by source: a record excludes nothing. ff02::1 is nobody's business, nor
 * are groups that never leave the host.
 *
 * One Listener a link that has groups, written by the control plane's calls; a query only sets times in it, so that packets
 * allocate nothing.
 */
import { type Frame, NONE } from '../core/arena.js';
import { sooner } from '../core/delay.js';
import { DropReason } from '../core/drop.js';
import { type Link, LinkFlag, MAX_LINKS } from '../core/links.js';
import { finish, fold, pseudo6, sumBytes } from '../wire/checksum.js';
import { Ethernet, EtherType, writeType } from '../wire/ethernet.js';
import { read16, read32, write16, write32 } from '../wire/field.js';
import { Icmp, Icmp6Type } from '../wire/icmp.js';
import { Protocol } from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import { Extension, Ipv6 } from '../wire/ipv6.js';
import { Address6, AddressFlag } from './addresses.js';
import { Conf6 } from './conf.js';
import type { Inet } from './inet.js';

/** Robustness, query interval and response time until a querier says otherwise. */
const ROBUSTNESS = 2;
const QUERY_MS = 125_000;
const RESPONSE_MS = 10_000;

/** Reports are repeated within this time (RFC 3810 §9.11; RFC 2710 §7.10). */
const REPEAT2_MS = 1000;
const REPEAT1_MS = 10_000;

/** Types of records in a report (RFC 3810 §5.2.12). */
const enum Record {
  IS_EXCLUDE = 2,
  TO_INCLUDE = 3,
  TO_EXCLUDE = 4,
  BYTES = 20,
}

/** A hop-by-hop header with the router alert for MLD (RFC 2711) is in front of every message. */
const ALERT_BYTES = 8;
const ALERT_HIGH = (Protocol.ICMPV6 << 24) | 0x0502;
const ALERT_LOW = 0x0100;
const ROUTER_ALERT = 5;

const START = Ethernet.BYTES + Ipv6.BYTES + ALERT_BYTES;

/** Records of one report at most: what fits in IPv6's least MTU. */
const MOST_RECORDS = 60;

/** Of a query. */
const enum Query {
  DELAY = 4,
  GROUP = 8,
  BYTES1 = 24,
  ROBUSTNESS = 24,
  INTERVAL = 25,
  SOURCES = 26,
  BYTES2 = 28,
}

class Group {
  /** Change records still to be sent. */
  changes = 0;
  isLeft = false;
  isAsked = false;
  /** Of an answer, where isAsked. */
  due = 0;
  /** Version 1: it was us who reported last. */
  isLast = false;

  constructor(
    readonly a: number,
    readonly b: number,
    readonly c: number,
    readonly d: number,
  ) {}

  is(a: number, b: number, c: number, d: number): boolean {
    return this.d === d && this.c === c && this.b === b && this.a === a;
  }
}

class Listener {
  groups: Group[] = [];
  robustness = ROBUSTNESS;
  queryMs = QUERY_MS;
  /** Change reports still to be sent, the next at changeDue. */
  changes = 0;
  changeDue = 0;
  isAsked = false;
  answerDue = 0;
  /** A querier of version 1 was heard; until version1Until. */
  isVersion1 = false;
  version1Until = 0;

  constructor(readonly link: Link) {}
}

export class Mld {
  private readonly listeners: Array<Listener | undefined> = new Array(MAX_LINKS).fill(undefined);
  private active: Listener[] = [];

  constructor(private readonly inet: Inet) {}

  // --- the control plane's ----------------------------------------------------------------------

  /** The groups of addresses.groups6 are those of the link now. */
  join(link: Link, now: number): void {
    const words = this.inet.addresses.groups6[link];
    const listener = this.listenerOf(link);
    for (const group of listener.groups) this.keepOrLeave(listener, group, now);
    for (let at = 0; at < words.length; at += 4) {
      if (!isReported(words[at], words[at + 1], words[at + 2], words[at + 3])) continue;
      const isKnown = listener.groups.some((group) => group.is(words[at], words[at + 1], words[at + 2], words[at + 3]));
      if (isKnown) continue;
      const group = new Group(words[at], words[at + 1], words[at + 2], words[at + 3]);
      // Reports have the newest first, as the kernel's.
      listener.groups.unshift(group);
      this.changed(listener, group, now);
    }
    if (listener.groups.length === 0) this.forgetLink(link);
  }

  private listenerOf(link: Link): Listener {
    const known = this.listeners[link];
    if (known !== undefined) return known;
    const made = new Listener(link);
    this.listeners[link] = made;
    this.active.push(made);
    return made;
  }

  private keepOrLeave(listener: Listener, group: Group, now: number): void {
    const { a, b, c, d } = group;
    const isWanted = this.inet.addresses.isGroup6(listener.link, a, b, c, d);
    if (isWanted !== group.isLeft) return;
    group.isLeft = !isWanted;
    this.changed(listener, group, now);
  }

  private changed(listener: Listener, group: Group, now: number): void {
    group.changes = listener.robustness;
    group.isAsked = false;
    listener.changes = listener.robustness;
    listener.changeDue = now;
  }

  /** The link is up, or has an address to send from now: everything is told anew. */
  repeat(link: Link, now: number): void {
    const listener = this.listeners[link];
    if (listener === undefined) return;
    for (const group of listener.groups) this.changed(listener, group, now);
  }

  forgetLink(link: Link): void {
    const listener = this.listeners[link];
    if (listener === undefined) return;
    this.listeners[link] = undefined;
    this.active = this.active.filter((other) => other !== listener);
  }

  // --- what others say --------------------------------------------------------------------------

  /** A query, or a report of version 1, its header at `at`. Given. */
  receive(frame: Frame, at: number, end: number, now: number): void {
    const { inet } = this;
    const listener = this.listeners[inet.arena.ingress[frame]];
    const isQuery = inet.arena.bytes[at] === Icmp6Type.MLD_QUERY;
    if (at + Query.BYTES1 > end) return inet.drop(frame, DropReason.ICMP_INVALID);
    if (isQuery && !this.isFromRouter(frame)) return inet.drop(frame, DropReason.ICMP_INVALID);
    if (listener === undefined) return inet.drop(frame, DropReason.ICMP_IGNORED);
    if (isQuery) this.receiveQuery(listener, at, end - at, now);
    else this.receiveReport(listener, at);
    inet.deliver(frame);
  }

  /** RFC 3810 §6.2: link-local source, hop limit 1 and a router alert. */
  private isFromRouter(frame: Frame): boolean {
    const { inet } = this;
    const { bytes } = inet.arena;
    const at = inet.network(frame);
    const isLinkLocal = bytes[at + Ipv6.SOURCE] === 0xfe && (bytes[at + Ipv6.SOURCE + 1] & 0xc0) === 0x80;
    if (!isLinkLocal || bytes[at + Ipv6.HOP_LIMIT] !== 1) return false;
    return bytes[at + Ipv6.NEXT_HEADER] === Extension.HOP_BY_HOP && hasRouterAlert(bytes, at + Ipv6.BYTES);
  }

  private receiveQuery(listener: Listener, at: number, length: number, now: number): void {
    const { bytes } = this.inet.arena;
    const isGeneral = (read32(bytes, at + Query.GROUP) | read32(bytes, at + Query.GROUP + 12)) === 0;
    if (!isGeneral && bytes[at + Query.GROUP] !== 0xff) return;
    const forced = this.inet.conf.of6(listener.link, Conf6.FORCE_MLD_VERSION);
    if (length === Query.BYTES1 || forced === 1) {
      if (forced === 2) return;
      this.heardVersion1(listener, length === Query.BYTES1, now);
      return this.ask(listener, at, isGeneral, read16(bytes, at + Query.DELAY), now);
    }
    if (length < Query.BYTES2) return;
    const delayMs = Math.max(1, milliseconds(read16(bytes, at + Query.DELAY)));
    listener.robustness = Math.max(ROBUSTNESS, bytes[at + Query.ROBUSTNESS] & 7);
    listener.queryMs = seconds(bytes[at + Query.INTERVAL]) * 1000 || QUERY_MS;
    if (!isGeneral) return this.ask(listener, at, false, delayMs, now);
    if (read16(bytes, at + Query.SOURCES) !== 0) return;
    listener.isAsked = true;
    listener.answerDue = (now + this.within(delayMs)) | 0;
  }

  private heardVersion1(listener: Listener, isQuery1: boolean, now: number): void {
    if (!isQuery1) return;
    listener.isVersion1 = true;
    listener.version1Until = (now + listener.robustness * listener.queryMs + RESPONSE_MS) | 0;
    listener.isAsked = false;
    listener.changes = 0;
  }

  /** Answers are due for the group at `at`, or for all, within `delayMs`. */
  private ask(listener: Listener, at: number, isGeneral: boolean, delayMs: number, now: number): void {
    const { bytes } = this.inet.arena;
    const group = at + Query.GROUP;
    for (let i = 0; i < listener.groups.length; i++) {
      const own = listener.groups[i];
      const c = read32(bytes, group + 8);
      const isMeant = isGeneral || own.is(read32(bytes, group), read32(bytes, group + 4), c, read32(bytes, group + 12));
      if (own.isLeft || !isMeant) continue;
      if (own.isAsked && ((own.due - now) | 0) < delayMs) continue;
      own.isAsked = true;
      own.due = (now + this.within(delayMs)) | 0;
    }
  }

  /** Someone else has reported a group: that is enough. */
  private receiveReport(listener: Listener, at: number): void {
    const { bytes } = this.inet.arena;
    const group = at + Query.GROUP;
    for (let i = 0; i < listener.groups.length; i++) {
      const own = listener.groups[i];
      const c = read32(bytes, group + 8);
      if (!own.is(read32(bytes, group), read32(bytes, group + 4), c, read32(bytes, group + 12))) continue;
      own.isAsked = false;
      own.isLast = false;
    }
  }

  private within(ms: number): number {
    return ms <= 0 ? 0 : this.inet.random() % ms;
  }

  // --- time -------------------------------------------------------------------------------------

  /** Sends what is due. Answers ms until more is, or -1: nothing is. */
  timers(now: number): number {
    let soonest = -1;
    for (let i = 0; i < this.active.length; i++) {
      const left = this.run(this.active[i], now);
      if (left >= 0 && (soonest < 0 || left < soonest)) soonest = left;
    }
    return soonest;
  }

  private run(listener: Listener, now: number): number {
    // What a link that is down should say waits for `repeat`.
    if ((this.inet.links.flags[listener.link] & LinkFlag.UP) === 0) return -1;
    if (listener.isVersion1 && ((listener.version1Until - now) | 0) <= 0) listener.isVersion1 = false;
    if (listener.changes > 0 && ((listener.changeDue - now) | 0) <= 0) this.sendChanges(listener, now);
    if (listener.isAsked && ((listener.answerDue - now) | 0) <= 0) this.answer(listener, now);
    let soonest = listener.changes > 0 ? (listener.changeDue - now) | 0 : -1;
    if (listener.isAsked) soonest = sooner(soonest, (listener.answerDue - now) | 0);
    for (let i = 0; i < listener.groups.length; i++) {
      const group = listener.groups[i];
      if (!group.isAsked) continue;
      if (((group.due - now) | 0) <= 0) this.answerFor(listener, group, now);
      else soonest = sooner(soonest, (group.due - now) | 0);
    }
    return soonest;
  }

  private isVersion1(listener: Listener): boolean {
    const forced = this.inet.conf.of6(listener.link, Conf6.FORCE_MLD_VERSION);
    return forced === 1 || (forced === 0 && listener.isVersion1);
  }

  private sendChanges(listener: Listener, now: number): void {
    listener.changes--;
    const isVersion1 = this.isVersion1(listener);
    listener.changeDue = (now + 1 + this.within(isVersion1 ? REPEAT1_MS : REPEAT2_MS)) | 0;
    const pending = listener.groups.filter((group) => group.changes > 0);
    const changed = [...pending.filter((group) => group.isLeft), ...pending.filter((group) => !group.isLeft)];
    for (const group of changed) group.changes--;
    if (isVersion1) for (const group of changed) this.sendVersion1(listener, group, now);
    else {
      for (let from = 0; from < changed.length; from += MOST_RECORDS) {
        this.sendRecords(listener, changed.slice(from, from + MOST_RECORDS), true, now);
      }
    }
    listener.groups = listener.groups.filter((group) => !group.isLeft || group.changes > 0);
    if (listener.groups.every((group) => group.changes === 0)) listener.changes = 0;
  }

  /** To a general query of version 2. */
  private answer(listener: Listener, now: number): void {
    listener.isAsked = false;
    const joined = listener.groups.filter((group) => !group.isLeft);
    for (let from = 0; from < joined.length; from += MOST_RECORDS) {
      this.sendRecords(listener, joined.slice(from, from + MOST_RECORDS), false, now);
    }
  }

  private answerFor(listener: Listener, group: Group, now: number): void {
    group.isAsked = false;
    if (this.isVersion1(listener)) this.sendVersion1(listener, group, now);
    else this.sendRecords(listener, [group], false, now);
  }

  // --- messages ---------------------------------------------------------------------------------

  private sendRecords(listener: Listener, groups: Group[], isChange: boolean, now: number): void {
    const length = Icmp.BYTES + groups.length * Record.BYTES;
    const frame = this.inet.create(START + length);
    if (frame === NONE) return;
    const { bytes, offset } = this.inet.arena;
    let at = offset[frame] + START;
    write32(bytes, at, Icmp6Type.MLD2_REPORT << 24);
    write32(bytes, at + 4, groups.length);
    at += Icmp.BYTES;
    for (const group of groups) {
      const type = group.isLeft ? Record.TO_INCLUDE : isChange ? Record.TO_EXCLUDE : Record.IS_EXCLUDE;
      write32(bytes, at, type << 24);
      writeGroup(bytes, at + 4, group);
      at += Record.BYTES;
    }
    this.send(listener, frame, length, 0xff020000, 0, 0, 0x16, now);
  }

  /** A report or, of a group that was left, a done. */
  private sendVersion1(listener: Listener, group: Group, now: number): void {
    if (group.isLeft && !group.isLast) return;
    const frame = this.inet.create(START + Query.BYTES1);
    if (frame === NONE) return;
    const { bytes, offset } = this.inet.arena;
    const at = offset[frame] + START;
    write32(bytes, at, (group.isLeft ? Icmp6Type.MLD_DONE : Icmp6Type.MLD_REPORT) << 24);
    write32(bytes, at + 4, 0);
    writeGroup(bytes, at + Query.GROUP, group);
    group.isLast = !group.isLeft;
    if (group.isLeft) this.send(listener, frame, Query.BYTES1, 0xff020000, 0, 0, 2, now);
    else this.send(listener, frame, Query.BYTES1, group.a, group.b, group.c, group.d, now);
  }

  private send(
    listener: Listener,
    frame: Frame,
    length: number,
    a: number,
    b: number,
    c: number,
    d: number,
    now: number,
  ): void {
    const { inet } = this;
    const { bytes } = inet.arena;
    const at = inet.network(frame);
    writeType(bytes, at - Ethernet.BYTES, EtherType.IPV6);
    ipv6.write(bytes, at, Extension.HOP_BY_HOP, 1, ALERT_BYTES + length);
    this.writeSource(at + Ipv6.SOURCE, listener.link);
    write32(bytes, at + Ipv6.DESTINATION, a);
    write32(bytes, at + Ipv6.DESTINATION + 4, b);
    write32(bytes, at + Ipv6.DESTINATION + 8, c);
    write32(bytes, at + Ipv6.DESTINATION + 12, d);
    write32(bytes, at + Ipv6.BYTES, ALERT_HIGH);
    write32(bytes, at + Ipv6.BYTES + 4, ALERT_LOW);
    const message = at + Ipv6.BYTES + ALERT_BYTES;
    const pseudo = fold(pseudo6(bytes, at + Ipv6.SOURCE, Protocol.ICMPV6, length));
    write16(bytes, message + Icmp.CHECKSUM, finish(pseudo + fold(sumBytes(bytes, message, length))));
    inet.ip6.send6(frame, inet.namespaceOf(listener.link), now, listener.link);
  }

  /** The link's link-local address, or :: while it has none that may be used (RFC 3590). */
  private writeSource(at: number, link: Link): void {
    const { bytes } = this.inet.arena;
    const list = this.inet.addresses.of6[link];
    bytes.fill(0, at, at + 16);
    for (let own = 0; own < list.length; own += Address6.WORDS) {
      const isUsable = (list[own + Address6.FLAGS] & (AddressFlag.TENTATIVE | AddressFlag.DADFAILED)) === 0;
      if (!isUsable || list[own] >>> 22 !== 0x3fa) continue;
      for (let i = 0; i < 4; i++) write32(bytes, at + i * 4, list[own + i]);
      return;
    }
  }
}

/** Not of ff02::1, nor of groups of a scope smaller than a link. */
function isReported(a: number, b: number, c: number, d: number): boolean {
  const scope = (a >>> 16) & 15;
  return scope >= 2 && !(a === (0xff020000 | 0) && (b | c) === 0 && d === 1);
}

function writeGroup(bytes: Uint8Array, at: number, group: Group): void {
  write32(bytes, at, group.a);
  write32(bytes, at + 4, group.b);
  write32(bytes, at + 8, group.c);
  write32(bytes, at + 12, group.d);
}

/** Whether a hop-by-hop header, which has been checked, has the router alert that says MLD. */
function hasRouterAlert(bytes: Uint8Array, header: number): boolean {
  const end = header + ((bytes[header + 1] + 1) << 3);
  for (let at = header + 2; at + 1 < end; at += bytes[at] === 0 ? 1 : bytes[at + 1] + 2) {
    if (bytes[at] === ROUTER_ALERT) return bytes[at + 1] === 2 && read16(bytes, at + 2) === 0;
  }
  return false;
}

/** The maximum response code: from 2¹⁵ on a mantissa of 12 bits behind an exponent of 3 (RFC 3810 §5.1.3). */
function milliseconds(code: number): number {
  return code < 0x8000 ? code : ((code & 0xfff) | 0x1000) << (((code >>> 12) & 7) + 3);
}

/** The querier's interval code: from 2⁷ on a mantissa of 4 bits behind an exponent of 3 (§5.1.9). */
function seconds(code: number): number {
  return code < 0x80 ? code : ((code & 0xf) | 0x10) << (((code >>> 4) & 7) + 3);
}
