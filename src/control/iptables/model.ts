/*
 * The rules of a namespace and family as iptables has them: tables, chains, rules with their text. The main thread's copy, and the
 * only one with names; the dataplane has numbers (apply.ts).
 *
 * A table exists from the first command that puts something into it, a base chain likewise: what iptables-nft makes in the kernel. A
 * listing shows base chains that do not exist yet as empty ones.
 *
 * Changes are made by change.ts, which can undo them.
 */
import type { Family, Hook } from '../../netfilter/rule.js';
import type { Address } from './addresses.js';
import { boxText } from './box-text.js';
import type { Extended, NamedKind, Use } from './extension.js';
import { type Piece, RuleList } from './rule-list.js';
import type { TableKind } from './tables.js';

/** What lies in the row's box, as it was written. */
export interface Box {
  source: Address;
  sourceMask: Address;
  destination: Address;
  destinationMask: Address;
  /** '' or "+": any. */
  in: string;
  out: string;
  protocol: number;
  isFragment: boolean;
  /** RuleFlag NOT_… */
  inverted: number;
}

/** Where a rule sends packets. */
export interface Jump {
  /** ACCEPT, DROP, RETURN, an extension's or a chain's name; '': nowhere. */
  readonly name: string;
  readonly isGoto: boolean;
  readonly target: Extended | undefined;
}

/** A table that a rule names, as the dataplane knows it. */
export interface NamedTable {
  readonly kind: NamedKind;
  readonly number: number;
}

const NO_SETS: readonly number[] = [];
const NO_TABLES: readonly NamedTable[] = [];

export class Rule {
  /** The dataplane's number; 0: none yet. */
  number = 0;
  piece: Piece | undefined = undefined;
  /** The chain that `jump` names. */
  chain: Chain | undefined = undefined;
  /** Why it never matches: loaded with --lax. */
  lacking: string | undefined = undefined;
  /** Numbers of the sets that it names. */
  sets: readonly number[] = NO_SETS;
  /** Tables that it names. */
  tables: readonly NamedTable[] = NO_TABLES;
  /** What the counters start with. */
  packets = 0;
  bytes = 0;

  constructor(
    readonly box: Box,
    readonly matches: readonly Extended[],
    readonly jump: Jump,
    /** What extensions were told when they were read; many rules share one. */
    private readonly use: Use,
  ) {}

  /** " -s 10.0.0.0/8 -p tcp -m tcp --dport 80": all but the jump. Made when it is asked for: most rules never are. */
  get body(): string {
    let text = boxText(this.box);
    for (const match of this.matches) text += ` -m ${extensionText(match, this.use)}`;
    return text;
  }

  /** " -j DNAT --to-destination …", of a chain the name that the command had. */
  get jumpText(): string {
    const { name, isGoto, target } = this.jump;
    if (name === '') return '';
    return target === undefined ? ` -${isGoto ? 'g' : 'j'} ${name}` : ` -j ${extensionText(target, this.use)}`;
  }

  get needsConntrack(): boolean {
    if (this.jump.target?.extension.needsConntrack === true) return true;
    for (const { extension } of this.matches) if (extension.needsConntrack === true) return true;
    return false;
  }

  get needsAccounting(): boolean {
    return this.matches.some(({ extension }) => extension.needsAccounting === true);
  }

  /** The jump as text. */
  get end(): string {
    if (this.chain === undefined) return this.jumpText;
    return `${this.jump.isGoto ? ' -g ' : ' -j '}${this.chain.name}`;
  }

  /** Whether another rule of the chain says the same. */
  isSame(other: Rule): boolean {
    return this.leadsAs(other) && this.body === other.body;
  }

  /** Whether it may say the same, at first sight. */
  isNear({ box, matches }: Rule): boolean {
    const own = this.box;
    return (
      own.protocol === box.protocol &&
      own.source[0] === box.source[0] &&
      own.destination[0] === box.destination[0] &&
      own.in === box.in &&
      own.out === box.out &&
      this.matches.length === matches.length
    );
  }

  /** Whether it sends packets where another rule of the chain does. */
  leadsAs(other: Rule): boolean {
    if (this.chain !== other.chain) return false;
    return this.chain === undefined ? this.jumpText === other.jumpText : this.jump.isGoto === other.jump.isGoto;
  }
}

function extensionText({ extension, data }: Extended, use: Use): string {
  return `${extension.name}${extension.save(data, use)}`;
}

/** Searches from the first rule on, before an index is worth it. */
const SEARCHES = 4;

/** Rules by their bodies: one, or several in no order. */
class BodyIndex {
  readonly #rules = new Map<string, Rule | Rule[]>();

  constructor(rules: Iterable<Rule>) {
    for (const rule of rules) this.add(rule);
  }

  add(rule: Rule): void {
    const { body } = rule;
    const same = this.#rules.get(body);
    if (same === undefined) this.#rules.set(body, rule);
    else if (Array.isArray(same)) same.push(rule);
    else this.#rules.set(body, [same, rule]);
  }

  remove(rule: Rule): void {
    const { body } = rule;
    const same = this.#rules.get(body);
    if (!Array.isArray(same)) this.#rules.delete(body);
    else if (same.length === 2) this.#rules.set(body, same[0] === rule ? same[1] : same[0]);
    else same.splice(same.indexOf(rule), 1);
  }

  /** Those that say the same. */
  like(rule: Rule): Rule[] {
    const found = this.#rules.get(rule.body);
    if (found === undefined) return [];
    return (Array.isArray(found) ? found : [found]).filter((one) => one.leadsAs(rule));
  }
}

/** Chains and how many rules lead there or from there. */
export type Links = Map<Chain, number>;

let chainsMade = 0;

export class Chain {
  rules = new RuleList();
  /** Made when rules are looked for by what they say again and again: most chains are only restored. */
  index: BodyIndex | undefined = undefined;
  #searches = 0;
  /** Chains that rules of this one lead to, and those with rules that lead here. */
  targets: Links = new Map();
  callers: Links = new Map();
  /** Rules by the hooks they may be reached from, where that is not all. */
  limits = new Map<number, number>();
  /** A base chain's: whether it has been made. */
  exists = true;
  policy: 'ACCEPT' | 'DROP' = 'ACCEPT';
  /** Chains made earlier have lower ones. */
  readonly age = chainsMade++;

  constructor(
    readonly table: Table,
    public name: string,
    /** The dataplane's number. */
    readonly number: number,
    /** -1: only rules lead here. */
    readonly hook: Hook | -1,
  ) {}

  get isBase(): boolean {
    return this.hook >= 0;
  }

  /** Rules that lead here. */
  get references(): number {
    let sum = 0;
    for (const count of this.callers.values()) sum += count;
    return sum;
  }

  /** The first rule that says the same. */
  find(like: Rule): Rule | undefined {
    if (this.index === undefined && this.#searches++ < SEARCHES) return this.#search(like);
    this.index ??= new BodyIndex(this.rules);
    const same = this.index.like(like);
    if (same.length < 2) return same[0];
    for (const rule of this.rules) if (same.includes(rule)) return rule;
    return undefined;
  }

  #search(like: Rule): Rule | undefined {
    for (const rule of this.rules) if (rule.isNear(like) && rule.isSame(like)) return rule;
    return undefined;
  }

  forgetIndex(): void {
    this.index = undefined;
    this.#searches = 0;
  }
}

/** Adds to a count; one that comes to 0 goes. */
export function count<Key>(map: Map<Key, number>, key: Key, by: number): void {
  const sum = (map.get(key) ?? 0) + by;
  if (sum === 0) map.delete(key);
  else map.set(key, sum);
}

export function link(from: Chain, to: Chain, by: number): void {
  count(from.targets, to, by);
  count(to.callers, from, by);
}

export class Table {
  /** Whether iptables-save prints it. */
  exists = false;
  readonly chains = new Map<string, Chain>();
  readonly base: Chain[] = [];

  constructor(
    readonly ruleset: Ruleset,
    readonly kind: TableKind,
  ) {}

  /** Chains of users in the order in which they were made. */
  byAge(): Chain[] {
    return [...this.chains.values()].filter((chain) => !chain.isBase).sort((a, b) => a.age - b.age);
  }

  /** Base chains first, then the others by name, as they are printed. */
  inOrder(): Chain[] {
    const others = [...this.chains.values()].filter((chain) => !chain.isBase);
    return [...this.base, ...others.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))];
  }
}

export class Ruleset {
  readonly tables = new Map<string, Table>();
  /** Rules that need connections to be tracked. */
  tracking = 0;
  /** Rules that need flows to be counted. */
  accounting = 0;

  constructor(
    /** The dataplane's number of the namespace. */
    readonly namespace: number,
    readonly family: Family,
  ) {}
}
