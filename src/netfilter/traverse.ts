/*
 * The walk of a packet through one table at one hook.
 *
 *   run(base chain) ─► first rule whose box holds it ─► its program? ─► count ─► target ─┬─ ACCEPT, DROP: the answer
 *                      ▲                                                                 ├─ JUMP: its place onto the stack, then that chain
 *                      └── the next one ◄── no ─┘                                        ├─ RETURN, the chain's end: off the stack, or the policy
 *                                                                                        └─ another: ask `targets`
 *
 * - A chain of a few rules is walked along its links; a long one has an index, which answers the next rule whose box holds the packet
 *   (classifier.ts). Either way each rule that holds is counted, in packets and bytes of the IP packet; a superframe is one packet.
 * - `hits` are the rules and policies counted since `hitCount` was set to 0, for a flow's later packets to be counted by: a rule's
 *   number, or minus the chain's for its policy. Where there are more than HITS the packet is volatile.
 * - A chain may be called from 16 others at most, as in the kernel; what would go deeper (control refuses to load it) is dropped.
 * - A target may send another packet, which walks its own tables in the middle of this walk: whoever sends it keeps `packet` and
 *   the hits; the stack is kept here.
 */
import { sharedInts } from '../core/memory.js';
import { Key, type Packet } from '../core/packet.js';
import { compileBox, type Patterns } from './box.js';
import { Chain, ChainFlag, type ChainNumber } from './chains.js';
import { Place } from './place.js';
import { Family, Rule, Target, Verdict } from './rule.js';
import type { RuleNumber, Rules } from './rules.js';

/** The other matches of a rule: the program that starts at that word of the pool. */
export interface Matches {
  run(program: number, packet: Packet): boolean;
  /** Set with a false answer: the packet is malformed, and has to be dropped. Whoever walks clears it. */
  isHotDrop?: boolean;
}

/** Targets from Target.FIRST_EXTENSION on; `argument` is the word of the pool where the target's arguments start, or 0. */
export interface Targets {
  run(target: number, argument: number, packet: Packet): Verdict;
}

/** Told of each step of a packet that is traced. */
export interface Tracer {
  /** A rule holds the packet and has counted it; its target comes next. */
  rule(chain: ChainNumber, rule: RuleNumber, packet: Packet): void;
  /** What a target from FIRST_EXTENSION on has answered. */
  target(chain: ChainNumber, rule: RuleNumber, verdict: Verdict, packet: Packet): void;
  /** A chain that rules call has come to its end. */
  end(chain: ChainNumber, packet: Packet): void;
  policy(chain: ChainNumber, verdict: Verdict, packet: Packet): void;
}

export interface TraverseParts {
  matches: Matches;
  targets: Targets;
  patterns: Patterns;
  /** Counts and frees the packet's frame: DROP, of a rule or a policy. */
  drop(packet: Packet, isPolicy: boolean): void;
}

export const enum Walk {
  /** Hits that are kept. */
  HITS = 32,
  /** Chains that may wait for one that they call. */
  DEPTH = 16,
  /** Words of the stack for walks within walks. */
  STACK = 256,
}

/** In place of a rule. */
const HOT_DROP = -1;
const NO_LIMIT = 1 << 29;
/** Rules that are looked at one by one behind one that did not decide, before the index is asked again. */
const REACH = 4;

export const NO_TRACER: Tracer = { rule() {}, target() {}, end() {}, policy() {} };

export class Traverse {
  /** See the top of the file. */
  readonly hits = sharedInts(Walk.HITS);
  hitCount = 0;
  /** Whether the packet at hand is traced; whoever sets it clears it, for each packet. */
  isTracing = false;
  tracer: Tracer = NO_TRACER;
  /** What becomes of the packet; only for a chain that exists. */
  readonly run: (chain: ChainNumber) => Verdict;

  constructor(rules: Rules, packet: Packet, parts: TraverseParts) {
    this.run = compile(this, rules, packet, parts);
  }
}

/** The walk, with the arrays as constants. */
function compile(state: Traverse, rules: Rules, packet: Packet, parts: TraverseParts): Traverse['run'] {
  const { rows, counters, chains } = rules;
  const { words: chainWords, counters: chainCounters } = chains;
  const { key } = packet;
  const { matches, targets } = parts;
  const { hits } = state;
  const box = compileBox(rows, key, parts.patterns);
  const find = rules.classifier.compile(packet, box);
  const stack = new Int32Array(Walk.STACK);
  let top = 0;

  // The rule that the last walk did not look at any more; 0: it came to the chain's end.
  let $rest = 0;

  /** The first of so many rules, from this one on, whose box holds the packet, or 0. */
  function walk4(first: RuleNumber, limit: number): RuleNumber {
    const source = key[Key.SOURCE];
    const destination = key[Key.DESTINATION];
    const protocol = key[Key.PROTOCOL];
    const sourcePort = key[Key.SOURCE_PORT];
    const destinationPort = key[Key.DESTINATION_PORT];
    let rule = first;
    for (let left = limit; rule !== 0 && left > 0; left--) {
      const row = rule << Rule.SHIFT;
      if (box.holds4(row, source, destination, protocol, sourcePort, destinationPort)) return rule;
      rule = rows[row + Place.NEXT];
    }
    $rest = rule;
    return 0;
  }

  function walk6(first: RuleNumber, limit: number): RuleNumber {
    const source = key[Key.SOURCE];
    const destination = key[Key.DESTINATION];
    const protocol = key[Key.PROTOCOL];
    const sourcePort = key[Key.SOURCE_PORT];
    const destinationPort = key[Key.DESTINATION_PORT];
    let rule = first;
    for (let left = limit; rule !== 0 && left > 0; left--) {
      const row = rule << Rule.SHIFT;
      if (box.holds6(row, source, destination, protocol, sourcePort, destinationPort)) return rule;
      rule = rows[row + Place.NEXT];
    }
    $rest = rule;
    return 0;
  }

  function walk(first: RuleNumber, limit: number): RuleNumber {
    return packet.family === Family.IPV4 ? walk4(first, limit) : walk6(first, limit);
  }

  /** The first rule of a chain whose box holds the packet, or 0. */
  function enter(chain: ChainNumber): RuleNumber {
    const at = chain << Chain.SHIFT;
    const index = chainWords[at + Chain.INDEX];
    return index > 0 ? find(index, -0x8000_0000) : walk(chainWords[at + Chain.FIRST], NO_LIMIT);
  }

  /**
   * The next one behind a rule. Where the chain has an index, so many rules are looked at one by one before it is asked: a chain
   * whose rules differ in what no index knows is walked then, not searched again for each of them.
   */
  function proceed(chain: ChainNumber, rule: RuleNumber, reach: number): RuleNumber {
    const next = rows[(rule << Rule.SHIFT) + Place.NEXT];
    const index = chainWords[(chain << Chain.SHIFT) + Chain.INDEX];
    if (index <= 0) return walk(next, NO_LIMIT);
    const found = walk(next, reach);
    if (found !== 0 || $rest === 0 || next === 0) return found;
    return find(index, rows[($rest << Rule.SHIFT) + Rule.ORDER] - 1);
  }

  function record(hit: number): void {
    const n = state.hitCount;
    if (n < Walk.HITS) {
      hits[n] = hit;
      state.hitCount = n + 1;
    } else {
      packet.isVolatile = true;
    }
  }

  function policy(chain: ChainNumber): Verdict {
    const flags = chainWords[(chain << Chain.SHIFT) + Chain.FLAGS];
    if ((flags & ChainFlag.COUNTED) !== 0) {
      chainCounters[chain << 1]++;
      chainCounters[(chain << 1) + 1] += packet.length;
      record(-chain);
    }
    const verdict = (flags & ChainFlag.DROP) !== 0 ? Verdict.DROP : Verdict.ACCEPT;
    if (state.isTracing) state.tracer.policy(chain, verdict, packet);
    if (verdict === Verdict.DROP) parts.drop(packet, true);
    return verdict;
  }

  /** The verdict of a target that does not lead to another chain. */
  function decide(chain: ChainNumber, rule: RuleNumber, target: Target): Verdict {
    if (target === Target.ACCEPT) return Verdict.ACCEPT;
    if (target === Target.DROP) {
      parts.drop(packet, false);
      return Verdict.DROP;
    }
    if (target === Target.CONTINUE) return Verdict.CONTINUE;
    const verdict = targets.run(target, rows[(rule << Rule.SHIFT) + Rule.ARGUMENT], packet);
    if (state.isTracing) state.tracer.target(chain, rule, verdict, packet);
    return verdict;
  }

  /** Keeps the place of a JUMP; false where that is too deep. */
  function push(floor: number, chain: ChainNumber, rule: RuleNumber): boolean {
    if (top - floor >= Walk.DEPTH << 1 || top >= Walk.STACK) return false;
    stack[top] = chain;
    stack[top + 1] = rule;
    top += 2;
    return true;
  }

  function count(rule: RuleNumber): void {
    counters[rule << 1]++;
    counters[(rule << 1) + 1] += packet.length;
    record(rule);
  }

  function dropAt(floor: number): Verdict {
    top = floor;
    parts.drop(packet, false);
    return Verdict.DROP;
  }

  /** Back to where the chain was called from. */
  function leave(): ChainNumber {
    top -= 2;
    return stack[top];
  }

  /** The next rule of a chain whose box and program hold the packet, `first` included; or HOT_DROP. */
  function settle(chain: ChainNumber, first: RuleNumber): RuleNumber {
    let rule = first;
    for (let reach = REACH; rule !== 0; reach = Math.min(reach * 2, NO_LIMIT)) {
      const program = rows[(rule << Rule.SHIFT) + Rule.PROGRAM];
      if (program === 0 || matches.run(program, packet)) break;
      if (matches.isHotDrop === true) return HOT_DROP;
      rule = proceed(chain, rule, reach);
    }
    return rule;
  }

  function end(chain: ChainNumber): void {
    if (state.isTracing) state.tracer.end(chain, packet);
  }

  return (base) => {
    const floor = top;
    let chain = base;
    let rule = enter(base);
    for (;;) {
      rule = settle(chain, rule);
      if (rule === HOT_DROP) {
        matches.isHotDrop = false;
        return dropAt(floor);
      }
      if (rule === 0) {
        if (top === floor) return policy(base);
        end(chain);
        chain = leave();
        rule = proceed(chain, stack[top + 1], REACH);
        continue;
      }
      count(rule);
      if (state.isTracing) state.tracer.rule(chain, rule, packet);
      const target = rows[(rule << Rule.SHIFT) + Rule.TARGET];
      if (target === Target.JUMP || target === Target.GOTO) {
        if (target === Target.JUMP && !push(floor, chain, rule)) return dropAt(floor);
        chain = rows[(rule << Rule.SHIFT) + Rule.ARGUMENT];
        rule = enter(chain);
        continue;
      }
      if (target === Target.RETURN) {
        if (top === floor) return policy(base);
        chain = leave();
        rule = proceed(chain, stack[top + 1], REACH);
        continue;
      }
      const verdict = decide(chain, rule, target);
      if (verdict !== Verdict.CONTINUE) {
        top = floor;
        return verdict;
      }
      rule = proceed(chain, rule, REACH);
    }
  };
}
