/*
 * A change of a ruleset: made in the model at once, collected as ops for the dataplane, undone if it does not come to an end.
 *
 *   prepare   new chains, and rules of chains that packets cannot reach yet: in pieces, packets pass in between
 *   switch    all at once: single rules of chains in use, and whole chains exchanged for those prepared
 *   cleanup   what is left over: in pieces
 *
 * A chain that is flushed or new is *staged*: its rules are written to a chain nobody calls. So a restore of any size takes effect
 * between two packets. A rule put into a chain in use, or taken out of it, is one op.
 */
import { ChainFlag } from '../../netfilter/chains.js';
import { RulesOp } from '../../netfilter/rules.js';
import type { EncodedRule, RuleEncoder } from './encode.js';
import type { Use } from './extension.js';
import { LineProblem } from './failures.js';
import { Chain, count, link, type NamedTable, type Rule, type Ruleset, type Table } from './model.js';
import type { NumbersInUse } from './numbers-in-use.js';
import { Ops } from './ops.js';
import { Problem } from './problem.js';
import { hooksOf } from './reach.js';
import { RuleList } from './rule-list.js';

export interface ChangeParts {
  readonly rules: NumbersInUse;
  readonly chains: NumbersInUse;
  readonly encoder: RuleEncoder;
}

/** An edge that a rule made: `validate` looks at these. */
export interface Edge {
  from: Chain;
  rule: Rule;
  line: number;
  verb: 'RULE_APPEND' | 'RULE_INSERT' | 'RULE_REPLACE';
}

export class Change {
  readonly prepare = new Ops();
  readonly switch = new Ops();
  readonly cleanup = new Ops();
  /** Rules that lead to chains, or may not be reached from everywhere, in the order they came. */
  readonly edges: Edge[] = [];
  /** The chains that rules of staged chains are written to. */
  readonly #staged = new Map<Chain, number>();
  /** The line that is being done, 0 = none, and how complaints name it. */
  line = 0;
  verb: Edge['verb'] = 'RULE_APPEND';
  /** Base chains that are there, empty, and are to go unless they are made again. */
  readonly #dormant = new Set<Chain>();
  readonly #undo: Array<() => void> = [];
  readonly #tracking: number;
  readonly #newRules: number[] = [];
  readonly #newChains: number[] = [];
  readonly #oldRules: number[] = [];
  readonly #oldChains: number[] = [];
  /** Sets that new rules name, and those that rules named which go; each as often as it is named. */
  readonly #newSets: number[] = [];
  readonly #oldSets: number[] = [];
  /** Tables likewise. */
  readonly #newTables: NamedTable[] = [];
  readonly #oldTables: NamedTable[] = [];

  constructor(
    readonly ruleset: Ruleset,
    private readonly parts: ChangeParts,
  ) {
    this.#tracking = ruleset.tracking;
  }

  get isEmpty(): boolean {
    return this.prepare.isEmpty && this.switch.isEmpty && this.cleanup.isEmpty;
  }

  // --- chains ---------------------------------------------------------------------------------------

  table(table: Table): void {
    if (table.exists) return;
    table.exists = true;
    this.#undo.push(() => {
      table.exists = false;
    });
  }

  addChain(table: Table, name: string): Chain {
    const chain = new Chain(table, name, this.#takeChain(), -1);
    this.table(table);
    table.chains.set(name, chain);
    this.#undo.push(() => table.chains.delete(name));
    this.prepare.add(
      RulesOp.ADD_CHAIN,
      chain.number,
      table.ruleset.namespace,
      table.ruleset.family,
      table.kind.id,
      -1,
      0,
    );
    this.#staged.set(chain, chain.number);
    return chain;
  }

  /** A base chain is made when it is needed. */
  makeBase(chain: Chain): void {
    this.table(chain.table);
    if (chain.exists) return;
    if (this.#dormant.delete(chain)) {
      chain.exists = true;
      this.renew(chain);
      return;
    }
    chain.exists = true;
    this.#undo.push(() => {
      chain.exists = false;
      chain.policy = 'ACCEPT';
      this.#clear(chain);
    });
    const { ruleset, kind } = chain.table;
    this.switch.add(RulesOp.ADD_CHAIN, chain.number, ruleset.namespace, ruleset.family, kind.id, chain.hook, 0);
    this.#stage(chain);
  }

  /** It has no rules, and none leads to it. */
  removeChain(chain: Chain): void {
    this.cleanup.add(RulesOp.REMOVE_CHAIN, chain.number);
    const { table } = chain;
    if (chain.isBase) {
      chain.exists = false;
      this.#undo.push(() => {
        chain.exists = true;
      });
      return;
    }
    this.#oldChains.push(chain.number);
    table.chains.delete(chain.name);
    this.#undo.push(() => table.chains.set(chain.name, chain));
  }

  rename(chain: Chain, name: string): void {
    const old = chain.name;
    const { chains } = chain.table;
    const move = (from: string, to: string) => {
      chains.delete(from);
      chain.name = to;
      chains.set(to, chain);
    };
    move(old, name);
    this.#undo.push(() => move(name, old));
  }

  setPolicy(chain: Chain, policy: 'ACCEPT' | 'DROP'): void {
    this.makeBase(chain);
    const old = chain.policy;
    chain.policy = policy;
    this.#undo.push(() => {
      chain.policy = old;
    });
    const drop = policy === 'DROP' ? ChainFlag.DROP : 0;
    this.switch.add(RulesOp.SET_FLAGS, chain.number, ChainFlag.COUNTED | drop);
  }

  setPolicyCounters(chain: Chain, packets: number, bytes: number): void {
    this.switch.setChainCounters(chain.number, packets, bytes);
  }

  /**
   * A table is to be written anew: its chains go with their rules, whatever leads to them. Base chains sleep: one that is made again
   * in this change is the same, emptied.
   */
  clearTable(table: Table): void {
    for (const chain of table.inOrder()) {
      if (chain.isBase) this.#sleep(chain);
      else this.#drop(chain);
    }
    if (!table.exists) return;
    table.exists = false;
    this.#undo.push(() => {
      table.exists = true;
    });
  }

  #sleep(chain: Chain): void {
    if (!chain.exists) return;
    const { policy } = chain;
    this.flush(chain);
    this.switch.add(RulesOp.SET_FLAGS, chain.number, 0);
    this.zeroPolicy(chain);
    chain.policy = 'ACCEPT';
    chain.exists = false;
    this.#dormant.add(chain);
    this.#undo.push(() => {
      chain.policy = policy;
      chain.exists = true;
    });
  }

  #drop(chain: Chain): void {
    for (const rule of chain.rules) this.#dropRule(rule, this.cleanup);
    this.#empty(chain, false);
    this.removeChain(chain);
  }

  #dropRule(rule: Rule, ops: Ops): void {
    ops.add(RulesOp.REMOVE_RULE, rule.number);
    this.#oldRules.push(rule.number);
    this.#letGo(rule);
    if (rule.needsConntrack) this.ruleset.tracking--;
  }

  flush(chain: Chain): void {
    if (chain.rules.length === 0) return;
    const staged = this.#staged.has(chain);
    const leftOver = staged ? this.prepare : this.cleanup;
    if (!staged) this.#stage(chain);
    for (const rule of chain.rules) this.#dropRule(rule, leftOver);
    this.#empty(chain, staged);
  }

  /** Rules are to come that replace those it has, if there are any: packets meet all of them at once, however many. */
  renew(chain: Chain): void {
    this.flush(chain);
    if (this.#staged.has(chain)) return;
    this.#stage(chain);
    this.#undo.push(() => this.#clear(chain));
  }

  #empty(chain: Chain, isStaged: boolean): void {
    const { rules, index, targets, limits } = chain;
    this.#clear(chain);
    if (isStaged) return;
    this.#undo.push(() => {
      this.#clear(chain);
      Object.assign(chain, { rules, index, targets, limits });
      for (const [target, count] of targets) target.callers.set(chain, count);
    });
  }

  #clear(chain: Chain): void {
    for (const target of chain.targets.keys()) target.callers.delete(chain);
    chain.rules = new RuleList();
    chain.forgetIndex();
    chain.targets = new Map();
    chain.limits = new Map();
  }

  /** From here on its rules go to a chain apart, which takes its place with the switch. */
  #stage(chain: Chain): void {
    const { ruleset, kind } = chain.table;
    const spare = this.#takeChain();
    this.prepare.add(RulesOp.ADD_CHAIN, spare, ruleset.namespace, ruleset.family, kind.id, -1, 0);
    this.switch.add(RulesOp.SWAP_CHAINS, chain.number, spare);
    this.#staged.set(chain, spare);
    this.#oldChains.push(spare);
  }

  #takeChain(): number {
    const number = this.parts.chains.take();
    this.#newChains.push(number);
    return number;
  }

  // --- rules ----------------------------------------------------------------------------------------

  append(chain: Chain, rule: Rule, use: Use): void {
    this.insert(chain, chain.rules.last, rule, use);
  }

  insert(chain: Chain, before: Rule | undefined, rule: Rule, use: Use): void {
    this.#write(RulesOp.INSERT_RULE, chain, before?.number ?? 0, this.#takeRule(rule), rule, use);
    chain.rules.insertAfter(before, rule);
    this.#enter(chain, rule);
    if (this.#staged.has(chain)) return;
    this.#undo.push(() => {
      chain.rules.remove(rule);
      this.#leave(chain, rule);
    });
  }

  replace(chain: Chain, old: Rule, rule: Rule, use: Use): void {
    rule.number = old.number;
    this.#write(RulesOp.REPLACE_RULE, chain, 0, old.number, rule, use);
    this.#letGo(old);
    this.#exchange(chain, old, rule);
    if (!this.#staged.has(chain)) this.#undo.push(() => this.#exchange(chain, rule, old));
  }

  #exchange(chain: Chain, old: Rule, rule: Rule): void {
    chain.rules.replace(old, rule);
    this.#leave(chain, old);
    this.#enter(chain, rule);
  }

  remove(chain: Chain, rule: Rule): void {
    this.#opsOf(chain).add(RulesOp.REMOVE_RULE, rule.number);
    this.#oldRules.push(rule.number);
    this.#letGo(rule);
    const isStaged = this.#staged.has(chain);
    const before = isStaged ? undefined : chain.rules.before(rule);
    chain.rules.remove(rule);
    this.#leave(chain, rule);
    if (isStaged) return;
    this.#undo.push(() => {
      chain.rules.insertAfter(before, rule);
      this.#enter(chain, rule);
    });
  }

  zeroRule(chain: Chain, rule: Rule): void {
    rule.packets = 0;
    rule.bytes = 0;
    // In pieces: there may be many, and nobody sees them all at one moment.
    const ops = this.#staged.has(chain) ? this.prepare : this.cleanup;
    ops.add(RulesOp.ZERO_RULE, rule.number);
  }

  zeroPolicy(chain: Chain): void {
    this.switch.add(RulesOp.ZERO_CHAIN, chain.number);
  }

  #opsOf(chain: Chain): Ops {
    return this.#staged.has(chain) ? this.prepare : this.switch;
  }

  #takeRule(rule: Rule): number {
    rule.number = this.parts.rules.take();
    this.#newRules.push(rule.number);
    return rule.number;
  }

  #write(op: RulesOp, chain: Chain, after: number, number: number, rule: Rule, use: Use): void {
    const encoded = this.#encode(rule, use);
    if (encoded.sets.length > 0) this.#hold(rule, encoded.sets);
    if (encoded.tables.length > 0) {
      rule.tables = [...encoded.tables];
      this.#newTables.push(...encoded.tables);
    }
    const target = this.#staged.get(chain) ?? chain.number;
    this.#opsOf(chain).addRule(op, target, after, number, encoded, rule.packets, rule.bytes);
  }

  #hold(rule: Rule, sets: readonly number[]): void {
    const { source } = this.parts.encoder;
    rule.sets = [...sets];
    for (const set of sets) {
      this.#newSets.push(set);
      source.holdSet?.(set);
    }
  }

  /** Its sets and tables are its own until the change has come to its end. */
  #letGo(rule: Rule): void {
    for (const set of rule.sets) this.#oldSets.push(set);
    for (const table of rule.tables) this.#oldTables.push(table);
  }

  #release(tables: readonly NamedTable[]): void {
    const { source } = this.parts.encoder;
    for (const { kind, number } of tables) source.releaseText?.(kind, number);
  }

  /** A name that is not there (a set) is a fault of the rule's line. */
  #encode(rule: Rule, use: Use): EncodedRule {
    try {
      return this.parts.encoder.encode(rule, use);
    } catch (error) {
      this.#release(this.parts.encoder.tables);
      throw error instanceof Problem && this.line > 0 ? new LineProblem(error, this.line) : error;
    }
  }

  /** What the chain knows of its rules. */
  #enter(chain: Chain, rule: Rule): void {
    chain.index?.add(rule);
    const hooks = hooksOf(rule);
    if (hooks >= 0) count(chain.limits, hooks, 1);
    if (rule.chain !== undefined) link(chain, rule.chain, 1);
    if (rule.chain !== undefined || hooks >= 0) {
      this.edges.push({ from: chain, rule, line: this.line, verb: this.verb });
    }
    if (rule.needsConntrack) this.ruleset.tracking++;
    if (rule.needsAccounting) this.ruleset.accounting++;
  }

  #leave(chain: Chain, rule: Rule): void {
    chain.index?.remove(rule);
    const hooks = hooksOf(rule);
    if (hooks >= 0) count(chain.limits, hooks, -1);
    if (rule.needsConntrack) this.ruleset.tracking--;
    if (rule.needsAccounting) this.ruleset.accounting--;
    if (rule.chain !== undefined) link(chain, rule.chain, -1);
  }

  // --- the end --------------------------------------------------------------------------------------

  undo(): void {
    for (const step of this.#undo.reverse()) step();
    // What new chains led to must forget them.
    for (const [chain, number] of this.#staged) if (number === chain.number) this.#clear(chain);
    this.ruleset.tracking = this.#tracking;
    for (const number of this.#newRules) this.parts.rules.giveBack(number);
    for (const number of this.#newChains) this.parts.chains.giveBack(number);
    for (const set of this.#newSets) this.parts.encoder.source.releaseSet?.(set);
    this.#release(this.#newTables);
  }

  /** The dataplane has done all of it: numbers may be used again. */
  done(): void {
    for (const number of this.#oldRules) this.parts.rules.giveBack(number);
    for (const number of this.#oldChains) this.parts.chains.giveBack(number);
    for (const set of this.#oldSets) this.parts.encoder.source.releaseSet?.(set);
    this.#release(this.#oldTables);
  }

  /** The spares' end, and that of base chains nobody made again; called once, when nothing is to be added any more. */
  finish(): void {
    for (const chain of this.#dormant) this.switch.add(RulesOp.REMOVE_CHAIN, chain.number);
    for (const [chain, number] of this.#staged) {
      if (number !== chain.number) this.cleanup.add(RulesOp.REMOVE_CHAIN, number);
    }
  }
}
