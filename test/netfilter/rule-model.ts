/** What rules, chains and their classifier must answer, written down plainly: every rule in turn. */

import { Key, Packet } from '../../src/core/packet.js';
import { ChainFlag } from '../../src/netfilter/chains.js';
import type { LinkNames } from '../../src/netfilter/classifier.js';
import { Family, Rule, RuleFlag, Target, type Verdict } from '../../src/netfilter/rule.js';
import { InsertRule, Rules, RulesOp, type RulesOptions } from '../../src/netfilter/rules.js';
import { Traverse } from '../../src/netfilter/traverse.js';

/** Pattern p of link names below 100 is the name of link p; 100 is "+" with a letter before it, as it were: the even links. */
export const EVEN_LINKS = 100;

export const patterns = {
  exact: Int32Array.from({ length: 64 }, (_, link) => link),
  isExact: (pattern: number): boolean => pattern > 0 && pattern < EVEN_LINKS,
  has: (pattern: number, link: number): boolean =>
    pattern === EVEN_LINKS ? link > 0 && link % 2 === 0 : link === pattern,
};

/** So that tests need not touch memory for a million rules. */
export const SMALL: RulesOptions = { capacity: 1 << 15, chains: 64, poolWords: 1 << 18, indexWords: 1 << 22 };

const flagOf = (flags: number, flag: RuleFlag): boolean => (flags & flag) !== 0;

/** Whether an address of the key is the row's, as far as its mask goes: `first` is its word, then its mask's; the others follow at `rest`. */
function sameAddress(row: Int32Array, key: Int32Array, first: Rule, rest: Rule, word: Key): boolean {
  const maskRest = rest + Rule.SOURCE_MASK_REST - Rule.SOURCE_REST;
  if ((row[first] & row[first + 1]) !== (key[word] & row[first + 1])) return false;
  for (let i = 0; i < 3 && flagOf(row[Rule.FLAGS], RuleFlag.IPV6); i++) {
    const mask = row[maskRest + i];
    if ((row[rest + i] & mask) !== (key[word + 1 + i] & mask)) return false;
  }
  return true;
}

function inRange(ports: number, port: number): boolean {
  return ports >>> 16 <= port && port <= (ports & 0xffff);
}

function holdsLinks(row: Int32Array, key: Int32Array): boolean {
  const [incoming, outgoing] = [row[Rule.LINKS] & 0xffff, row[Rule.LINKS] >>> 16];
  const isIn = incoming === 0 || patterns.has(incoming, key[Key.IN]) !== flagOf(row[Rule.FLAGS], RuleFlag.NOT_IN);
  const isOut = outgoing === 0 || patterns.has(outgoing, key[Key.OUT]) !== flagOf(row[Rule.FLAGS], RuleFlag.NOT_OUT);
  return isIn && isOut;
}

/** Whether a rule's box holds a packet's key. */
export function holds(row: Int32Array, key: Int32Array): boolean {
  const flags = row[Rule.FLAGS];
  const source = sameAddress(row, key, Rule.SOURCE, Rule.SOURCE_REST, Key.SOURCE);
  const destination = sameAddress(row, key, Rule.DESTINATION, Rule.DESTINATION_REST, Key.DESTINATION);
  if (source === flagOf(flags, RuleFlag.NOT_SOURCE)) return false;
  if (destination === flagOf(flags, RuleFlag.NOT_DESTINATION)) return false;
  const isProtocol = row[Rule.PROTOCOL] === key[Key.PROTOCOL];
  if (row[Rule.PROTOCOL] !== 0 && isProtocol === flagOf(flags, RuleFlag.NOT_PROTOCOL)) return false;
  if (!holdsLinks(row, key)) return false;
  if (flagOf(flags, RuleFlag.FRAGMENT) && key[Key.FRAGMENT] === 0) return false;
  if (flagOf(flags, RuleFlag.NOT_FRAGMENT) && key[Key.FRAGMENT] !== 0) return false;
  if (!flagOf(flags, RuleFlag.HAS_PORTS)) return true;
  if (key[Key.SOURCE_PORT] < 0 || key[Key.DESTINATION_PORT] < 0) return false;
  return (
    inRange(row[Rule.SOURCE_PORTS], key[Key.SOURCE_PORT]) !== flagOf(flags, RuleFlag.NOT_SOURCE_PORTS) &&
    inRange(row[Rule.DESTINATION_PORTS], key[Key.DESTINATION_PORT]) !== flagOf(flags, RuleFlag.NOT_DESTINATION_PORTS)
  );
}

/** A rule of any packet, with a target. */
export function anyRow(target: number = Target.CONTINUE, argument = 0): Int32Array {
  const row = new Int32Array(Rule.WORDS);
  row[Rule.SOURCE_PORTS] = 0xffff;
  row[Rule.DESTINATION_PORTS] = 0xffff;
  row[Rule.TARGET] = target;
  row[Rule.ARGUMENT] = argument;
  return row;
}

export interface RuleWords {
  program?: number[];
  args?: number[];
  packets?: number;
  bytes?: number;
}

function ruleOp(
  op: RulesOp,
  chain: number,
  after: number,
  rule: number,
  row: Int32Array,
  words: RuleWords,
): Int32Array {
  const { program = [], args = [], packets = 0, bytes = 0 } = words;
  const out = new Int32Array(InsertRule.PROGRAM + program.length + args.length);
  out.set([op, chain, after, rule, program.length, args.length]);
  out.set([packets | 0, Math.floor(packets / 2 ** 32), bytes | 0, Math.floor(bytes / 2 ** 32)], InsertRule.PACKETS);
  out.set(row, InsertRule.ROW);
  out.set([...program, ...args], InsertRule.PROGRAM);
  return out;
}

/** A store with a packet and a walk; programs hold where their first word is 1, targets answer their argument's first word. */
export class Lab {
  readonly rules: Rules;
  readonly packet = new Packet();
  readonly traverse: Traverse;
  drops = 0;
  /** Called by targets from FIRST_EXTENSION on. */
  onTarget: (target: number, argument: number) => Verdict;

  constructor(options: RulesOptions = SMALL, names: LinkNames = patterns) {
    this.rules = new Rules(names, options);
    const { words } = this.rules.pool;
    this.onTarget = (_target, argument) => words[argument];
    this.traverse = new Traverse(this.rules, this.packet, {
      matches: { run: (program) => words[program] === 1 },
      targets: { run: (target, argument) => this.onTarget(target, argument) },
      patterns,
      drop: () => {
        this.drops++;
      },
    });
    this.packet.length = 100;
  }

  chain(chain: number, flags: number = ChainFlag.COUNTED, place: number[] = [0, Family.IPV4, 3, -1]): void {
    this.rules.apply(Int32Array.of(RulesOp.ADD_CHAIN, chain, ...place, flags));
  }

  insert(chain: number, after: number, rule: number, row: Int32Array, words: RuleWords = {}): boolean {
    return this.rules.apply(ruleOp(RulesOp.INSERT_RULE, chain, after, rule, row, words));
  }

  replace(rule: number, row: Int32Array, words: RuleWords = {}): boolean {
    return this.rules.apply(ruleOp(RulesOp.REPLACE_RULE, 0, 0, rule, row, words));
  }

  remove(rule: number): void {
    this.rules.apply(Int32Array.of(RulesOp.REMOVE_RULE, rule));
  }

  run(chain: number): Verdict {
    this.traverse.hitCount = 0;
    this.packet.isVolatile = false;
    return this.traverse.run(chain);
  }

  get hits(): number[] {
    return [...this.traverse.hits.subarray(0, this.traverse.hitCount)];
  }

  packetsOf(rule: number): number {
    return this.rules.counters[rule << 1];
  }

  bytesOf(rule: number): number {
    return this.rules.counters[(rule << 1) + 1];
  }
}
