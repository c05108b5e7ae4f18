/*
 * The forwarding information base: what the datapath looks routes up in.
 *
 *   namespace ─ rules? ─► table ─ LPM ─► route ─► next hop(s) ─► link, gateway ─► neighbour
 *
 * The control plane holds the routes as commands name them and works out what each prefix leads to; here is only the
 * outcome, written by `apply` in whole transactions between two bursts.
 *
 * - A *route* is what any number of prefixes of one length share (the kernel's fib_info, and the alias's type): a row of
 *   ROUTE words. An LPM table's value is a route's number; 0 is no route.
 * - A *next hop* is a row of NEXTHOP words; a multipath route has several in a row, with the upper bounds of their
 *   shares of the 31-bit hash (hash-threshold, RFC 2992, as fib_rebalance computes them).
 * - *Tables* have numbers that the control plane gives (slots), of either family. A namespace without rules of its own
 *   has one table for `local` and `main` together, `merged`, as the kernel merges those two tries: one look-up instead of two. With
 *   own rules they are walked in order of priority.
 *
 * When rows run out the control plane knows, as it numbers them: MAX_ROUTES, MAX_NEXTHOPS.
 */
import { type Link, MAX_NAMESPACES, type Namespace } from '../core/links.js';
import { sharedInts } from '../core/memory.js';
import { Lpm4 } from '../tables/lpm4.js';
import { Lpm6 } from '../tables/lpm6.js';
import { read32 } from '../wire/field.js';

/** RTN_* of rtnetlink.h. */
export const enum RouteType {
  NONE = 0,
  UNICAST = 1,
  LOCAL = 2,
  BROADCAST = 3,
  ANYCAST = 4,
  MULTICAST = 5,
  BLACKHOLE = 6,
  UNREACHABLE = 7,
  PROHIBIT = 8,
  THROW = 9,
}

/** Words of a route's row. */
export const enum Route {
  TYPE = 0,
  SCOPE = 1,
  /** Of the prefixes that lead here. */
  LENGTH = 2,
  /** RT_TABLE of the route, for those who want to know; not a slot. */
  TABLE = 3,
  /** 0: no own MTU; else bytes, or-ed with MTU_LOCK. */
  MTU = 4,
  HOPLIMIT = 5,
  /** First next hop and how many there are; a route may have none. */
  NEXTHOP = 6,
  COUNT = 7,
  /** Preferred source: one word, or four; 0 = none. */
  PREFSRC = 8,
  FLAGS = 12,
  SHIFT = 4,
  WORDS = 16,
}

export const MTU_LOCK = 1 << 30;

/** Words of a next hop's row. */
export const enum NextHop {
  LINK = 0,
  /** Of the gateway: 4, 6, or 0 where the destination itself is on the link. */
  FAMILY = 1,
  /** One word, or four. */
  GATEWAY = 2,
  WEIGHT = 6,
  /** It takes hashes up to this one; -1 while it is dead. */
  UPPER_BOUND = 7,
  FLAGS = 8,
  SHIFT = 4,
  WORDS = 16,
}

/** RTNH_F_*. */
export const enum NextHopFlag {
  DEAD = 1,
  PERVASIVE = 2,
  ONLINK = 4,
  LINKDOWN = 16,
}

export const MAX_ROUTES = 1 << 20;
export const MAX_NEXTHOPS = 1 << 20;
export const MAX_TABLES = 1 << 14;

/** What `apply` understands; each is followed by its operands. */
export const enum FibOp {
  /** slot, family: makes an empty table. */
  ADD_TABLE = 1,
  REMOVE_TABLE,
  /** number, then Route.WORDS − 3 words from TYPE to PREFSRC + 3 and FLAGS (all 16). */
  SET_ROUTE,
  /** number, then NextHop.WORDS words. */
  SET_NEXTHOP,
  /** slot, address, length, route. */
  INSERT4,
  /** slot, address, length, the route of the next shorter prefix that covers it (or 0) and its length. */
  REMOVE4,
  /** slot, four words, length, route. */
  INSERT6,
  REMOVE6,
  /** namespace, family, slot: what is looked up while there are no own rules; -1 = walk the rules. */
  MERGED,
}

/** Words of a rule; addresses have four words, of which IPv4 uses the first. */
export const enum Rule {
  PRIORITY = 0,
  ACTION = 1,
  /** Of LOOKUP: table slot, -1 = an empty one. Of GOTO: index of the rule, −1 = unresolved. */
  TARGET = 2,
  FLAGS = 3,
  SOURCE = 4,
  SOURCE_LENGTH = 8,
  DESTINATION = 9,
  DESTINATION_LENGTH = 13,
  /** 0 any, −1 detached. */
  IIF = 14,
  OIF = 15,
  MARK = 16,
  MASK = 17,
  TOS = 18,
  PROTOCOL = 19,
  SPORT_LOW = 20,
  SPORT_HIGH = 21,
  DPORT_LOW = 22,
  DPORT_HIGH = 23,
  /** Routes of at most this length are not taken; −1 = off. */
  SUPPRESS_LENGTH = 24,
  WORDS = 26,
}

export const enum RuleFlag {
  INVERT = 1,
}

/** FR_ACT_*. */
export const enum RuleAction {
  LOOKUP = 1,
  GOTO = 2,
  NOP = 3,
  BLACKHOLE = 6,
  UNREACHABLE = 7,
  PROHIBIT = 8,
}

/** What a look-up found instead of a route: negative, so that it is no row. */
export const enum NoRoute {
  /** ENETUNREACH. */
  UNREACHABLE = 0,
  /** By a rule: EINVAL, EHOSTUNREACH's kin, EACCES. */
  BLACKHOLE = -6,
  REJECTED = -7,
  PROHIBITED = -8,
}

/** What rules look at beside the addresses. Filled in by who looks up; only read where there are own rules. */
export interface Flow {
  /** 0: sent by this host itself. */
  iif: Link;
  oif: Link;
  mark: number;
  tos: number;
  protocol: number;
  sport: number;
  dport: number;
}

const NO_RULES = new Int32Array(0);

export class Fib {
  readonly lpm4 = new Lpm4();
  readonly lpm6 = new Lpm6();
  readonly routes = sharedInts(MAX_ROUTES << Route.SHIFT);
  readonly nexthops = sharedInts(MAX_NEXTHOPS << NextHop.SHIFT);
  /** LPM table of each slot. */
  private readonly tables = sharedInts(MAX_TABLES).fill(-1);
  private readonly families = sharedInts(MAX_TABLES);
  /** LPM table that a namespace without own rules looks up; -1 = it has own rules, or no routes at all. */
  readonly merged4 = sharedInts(MAX_NAMESPACES).fill(-1);
  readonly merged6 = sharedInts(MAX_NAMESPACES).fill(-1);
  private readonly rules4: Int32Array[] = new Array<Int32Array>(MAX_NAMESPACES).fill(NO_RULES);
  private readonly rules6: Int32Array[] = new Array<Int32Array>(MAX_NAMESPACES).fill(NO_RULES);
  readonly flow: Flow = { iif: 0, oif: 0, mark: 0, tos: 0, protocol: 0, sport: 0, dport: 0 };

  // --- look-up ----------------------------------------------------------------------------------

  /** Whether rules have to be walked: then `flow` must be filled in. */
  hasRules4(namespace: Namespace): boolean {
    return this.merged4[namespace] < 0;
  }

  hasRules6(namespace: Namespace): boolean {
    return this.merged6[namespace] < 0;
  }

  /** What rules look at, of a packet without mark and ports; `tos`, `protocol`: 0 = none. */
  setFlow(iif: Link, oif: Link, tos: number, protocol: number): void {
    const { flow } = this;
    flow.iif = iif;
    flow.oif = oif;
    flow.mark = 0;
    flow.tos = tos;
    flow.protocol = protocol;
    flow.sport = 0;
    flow.dport = 0;
  }

  /** The route of an address: its number, or NoRoute. */
  lookup4(namespace: Namespace, destination: number, source: number): number {
    const merged = this.merged4[namespace];
    return merged < 0 ? this.walk4(namespace, destination, source) : this.lpm4.lookup(merged, destination);
  }

  lookup6(namespace: Namespace, bytes: Uint8Array, destination: number, source: number): number {
    const a = read32(bytes, destination);
    const b = read32(bytes, destination + 4);
    const c = read32(bytes, destination + 8);
    const d = read32(bytes, destination + 12);
    const merged = this.merged6[namespace];
    if (merged >= 0) return this.lpm6.lookup(merged, a, b, c, d);
    return this.walk6(namespace, bytes, a, b, c, d, source);
  }

  private walk4(namespace: Namespace, destination: number, source: number): number {
    const rules = this.rules4[namespace];
    for (let at = 0; at < rules.length; at += Rule.WORDS) {
      const matches =
        covers(rules[at + Rule.SOURCE], rules[at + Rule.SOURCE_LENGTH], source) &&
        covers(rules[at + Rule.DESTINATION], rules[at + Rule.DESTINATION_LENGTH], destination) &&
        this.matchesFlow(rules, at);
      if (matches === ((rules[at + Rule.FLAGS] & RuleFlag.INVERT) !== 0)) continue;
      const action = rules[at + Rule.ACTION];
      if (action === RuleAction.LOOKUP) {
        const table = this.tableOf(rules[at + Rule.TARGET]);
        const route = table < 0 ? 0 : this.lpm4.lookup(table, destination);
        if (this.isTaken(route, rules[at + Rule.SUPPRESS_LENGTH])) return route;
      } else if (action === RuleAction.GOTO) at = follow(rules, at);
      else if (action !== RuleAction.NOP) return -action;
    }
    return NoRoute.UNREACHABLE;
  }

  private walk6(
    namespace: Namespace,
    bytes: Uint8Array,
    a: number,
    b: number,
    c: number,
    d: number,
    source: number,
  ): number {
    const rules = this.rules6[namespace];
    for (let at = 0; at < rules.length; at += Rule.WORDS) {
      const matches =
        covers6(
          rules,
          at + Rule.SOURCE,
          read32(bytes, source),
          read32(bytes, source + 4),
          read32(bytes, source + 8),
          read32(bytes, source + 12),
        ) &&
        covers6(rules, at + Rule.DESTINATION, a, b, c, d) &&
        this.matchesFlow(rules, at);
      if (matches === ((rules[at + Rule.FLAGS] & RuleFlag.INVERT) !== 0)) continue;
      const action = rules[at + Rule.ACTION];
      if (action === RuleAction.LOOKUP) {
        const table = this.tableOf(rules[at + Rule.TARGET]);
        const route = table < 0 ? 0 : this.lpm6.lookup(table, a, b, c, d);
        if (this.isTaken(route, rules[at + Rule.SUPPRESS_LENGTH])) return route;
      } else if (action === RuleAction.GOTO) at = follow(rules, at);
      else if (action !== RuleAction.NOP) return -action;
    }
    return NoRoute.UNREACHABLE;
  }

  private tableOf(slot: number): number {
    return slot < 0 ? -1 : this.tables[slot];
  }

  /** A `throw` route and one too short for the rule send the look-up on to the next rule. */
  private isTaken(route: number, suppressLength: number): boolean {
    if (route === 0) return false;
    const at = route << Route.SHIFT;
    return this.routes[at + Route.TYPE] !== RouteType.THROW && this.routes[at + Route.LENGTH] > suppressLength;
  }

  private matchesFlow(rules: Int32Array, at: number): boolean {
    const { flow } = this;
    const iif = rules[at + Rule.IIF];
    const oif = rules[at + Rule.OIF];
    if ((iif !== 0 && iif !== flow.iif) || (oif !== 0 && oif !== flow.oif)) return false;
    if (((rules[at + Rule.MARK] ^ flow.mark) & rules[at + Rule.MASK]) !== 0) return false;
    const tos = rules[at + Rule.TOS];
    if (tos !== 0 && tos !== flow.tos) return false;
    const protocol = rules[at + Rule.PROTOCOL];
    if (protocol !== 0 && protocol !== flow.protocol) return false;
    return (
      inRange(flow.sport, rules[at + Rule.SPORT_LOW], rules[at + Rule.SPORT_HIGH]) &&
      inRange(flow.dport, rules[at + Rule.DPORT_LOW], rules[at + Rule.DPORT_HIGH])
    );
  }

  /** The next hop of a route that a 31-bit hash selects: its number, or -1 where the route has none that is alive. */
  select(route: number, hash: number): number {
    const at = route << Route.SHIFT;
    const first = this.routes[at + Route.NEXTHOP];
    const count = this.routes[at + Route.COUNT];
    if (count === 1) return first;
    for (let i = first; i < first + count; i++) {
      if (hash <= this.nexthops[(i << NextHop.SHIFT) + NextHop.UPPER_BOUND]) return i;
    }
    return -1;
  }

  /** Whether one of a route's next hops leads to a link. */
  leadsTo(route: number, link: Link): boolean {
    const at = route << Route.SHIFT;
    const first = this.routes[at + Route.NEXTHOP];
    for (let i = first; i < first + this.routes[at + Route.COUNT]; i++) {
      if (this.nexthops[(i << NextHop.SHIFT) + NextHop.LINK] === link) return true;
    }
    return false;
  }

  // --- changes ----------------------------------------------------------------------------------

  /** Rules of a namespace in order of priority; none: `MERGED` says what is looked up. */
  setRules(namespace: Namespace, family: number, rules: Int32Array): void {
    (family === 4 ? this.rules4 : this.rules6)[namespace] = rules;
  }

  /** A namespace goes, after its tables. */
  forget(namespace: Namespace): void {
    this.merged4[namespace] = -1;
    this.merged6[namespace] = -1;
    this.rules4[namespace] = NO_RULES;
    this.rules6[namespace] = NO_RULES;
  }

  /** Carries out FibOps in order. False where a table had no room for a prefix: what follows it is not done. */
  apply(ops: Int32Array): boolean {
    for (let at = 0; at < ops.length; ) {
      const next = this.applyOne(ops, at);
      if (next < 0) return false;
      at = next;
    }
    return true;
  }

  /** Answers where the next op starts, or -1 where a table is full. */
  private applyOne(ops: Int32Array, at: number): number {
    switch (ops[at]) {
      case FibOp.ADD_TABLE:
        this.addTable(ops[at + 1], ops[at + 2]);
        return at + 3;
      case FibOp.REMOVE_TABLE:
        this.removeTable(ops[at + 1]);
        return at + 2;
      case FibOp.SET_ROUTE:
        this.routes.set(ops.subarray(at + 2, at + 2 + Route.WORDS), ops[at + 1] << Route.SHIFT);
        return at + 2 + Route.WORDS;
      case FibOp.SET_NEXTHOP:
        this.nexthops.set(ops.subarray(at + 2, at + 2 + NextHop.WORDS), ops[at + 1] << NextHop.SHIFT);
        return at + 2 + NextHop.WORDS;
      case FibOp.INSERT4:
        return this.lpm4.insert(this.tables[ops[at + 1]], ops[at + 2], ops[at + 3], ops[at + 4]) ? at + 5 : -1;
      case FibOp.REMOVE4:
        this.lpm4.remove(this.tables[ops[at + 1]], ops[at + 2], ops[at + 3], ops[at + 4], ops[at + 5]);
        return at + 6;
      case FibOp.INSERT6:
        return this.insert6(ops, at) ? at + 8 : -1;
      case FibOp.REMOVE6:
        this.remove6(ops, at);
        return at + 9;
      default:
        this.setMerged(ops[at + 1], ops[at + 2], ops[at + 3]);
        return at + 4;
    }
  }

  private addTable(slot: number, family: number): void {
    this.families[slot] = family;
    this.tables[slot] = family === 4 ? this.lpm4.createTable() : this.lpm6.createTable();
  }

  private removeTable(slot: number): void {
    if (this.families[slot] === 4) this.lpm4.removeTable(this.tables[slot]);
    else this.lpm6.removeTable(this.tables[slot]);
    this.tables[slot] = -1;
  }

  private insert6(ops: Int32Array, at: number): boolean {
    const table = this.tables[ops[at + 1]];
    return this.lpm6.insert(table, ops[at + 2], ops[at + 3], ops[at + 4], ops[at + 5], ops[at + 6], ops[at + 7]);
  }

  private remove6(ops: Int32Array, at: number): void {
    const table = this.tables[ops[at + 1]];
    this.lpm6.remove(table, ops[at + 2], ops[at + 3], ops[at + 4], ops[at + 5], ops[at + 6], ops[at + 7], ops[at + 8]);
  }

  private setMerged(namespace: Namespace, family: number, slot: number): void {
    (family === 4 ? this.merged4 : this.merged6)[namespace] = this.tableOf(slot);
  }
}

function covers(prefix: number, length: number, address: number): boolean {
  return length === 0 || (prefix ^ address) >>> (32 - length) === 0;
}

/** The prefix's four words and its length lie at `at`. */
function covers6(rules: Int32Array, at: number, a: number, b: number, c: number, d: number): boolean {
  const length = rules[at + 4];
  return (
    covers(rules[at], clamp(length), a) &&
    covers(rules[at + 1], clamp(length - 32), b) &&
    covers(rules[at + 2], clamp(length - 64), c) &&
    covers(rules[at + 3], clamp(length - 96), d)
  );
}

function clamp(length: number): number {
  return Math.min(Math.max(length, 0), 32);
}

function inRange(port: number, low: number, high: number): boolean {
  return high === 0 || (port >= low && port <= high);
}

/** Where a goto's loop goes on; it only leads forward, an unresolved one to the next rule. */
function follow(rules: Int32Array, at: number): number {
  const target = rules[at + Rule.TARGET];
  return target < 0 ? at : (target - 1) * Rule.WORDS;
}
