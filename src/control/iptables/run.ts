/*
 * A command done: on the model, by way of a change. What it prints is collected.
 *
 * Base chains are made by the commands that make them in the kernel: -A, -I, -P, -F of that chain, and -v -F of all.
 */

import { admit } from './admit.js';
import { baseTable } from './base-table.js';
import type { Change } from './change.js';
import { type Command, checkLength } from './command.js';
import { badRule, chainInUse, Failure, noChain, type Rejection, rejection } from './failures.js';
import { headingOf, type ListStyle, ruleLine, verboseLine } from './list.js';
import type { Chain, Rule, Ruleset, Table } from './model.js';
import type { NumbersInUse } from './numbers-in-use.js';
import { Exit, Problem } from './problem.js';
import { ruleText } from './rule-text.js';
import { RuleUse } from './rule-use.js';

export { RuleUse };

/** Packets and bytes, by the dataplane's numbers. */
export interface RuleCounters {
  packets(rule: number): number;
  bytes(rule: number): number;
  policyPackets(chain: number): number;
  policyBytes(chain: number): number;
}

export interface Numbers {
  readonly rules: NumbersInUse;
  readonly chains: NumbersInUse;
}

export class Run {
  stdout = '';
  readonly rejections: Rejection[] = [];

  constructor(
    readonly ruleset: Ruleset,
    readonly change: Change,
    private readonly counters: RuleCounters,
    private readonly numbers: Numbers,
    private readonly use: RuleUse,
    /** Loads what has no meaning here as never matching. */
    private readonly isLax: boolean,
  ) {}

  do(command: Command): void {
    const table = baseTable(this.ruleset, command.table, this.numbers.chains);
    if (table === undefined) throw new Problem(`table '${command.table}' does not exist`, Exit.VERSION);
    const name = command.chain;
    switch (command.verb) {
      case 'A':
      case 'I':
      case 'R':
      case 'D':
      case 'C':
        return this.#onRules(command, table, name as string);
      case 'D#':
        return this.#removeAt(this.#existing(table, name as string), command.number);
      case 'L':
      case 'S':
        return this.#show(command, table);
      case 'Z#':
        return this.#zeroAt(table, command);
      default:
        return this.#onChains(command, table, name);
    }
  }

  #onChains(command: Command, table: Table, name: string | undefined): void {
    switch (command.verb) {
      case 'N':
        return this.#addChain(table, name as string);
      case 'X':
        return this.#removeChains(command, table);
      case 'E':
        return this.#rename(table, name as string, command.newName);
      case 'P':
        return this.setPolicy(table, name as string, command.policy);
      case 'F':
        return this.#flush(command, table);
      default:
        return this.#zero(command, table);
    }
  }

  // --- rules ----------------------------------------------------------------------------------------

  #onRules(command: Command, table: Table, name: string): void {
    for (const rule of command.rules) this.#resolve(rule, table);
    const chain = table.chains.get(name);
    if (command.verb === 'D' || command.verb === 'C') return this.#bySpec(command, chain);
    if (command.verb === 'R') return this.#replace(command, chain);
    const isInsert = command.verb === 'I';
    if (chain === undefined) {
      // Also -v -A prints the rule first, whatever comes of it.
      if (!isInsert) this.#tell(command, command.rules.slice(0, 1), undefined);
      throw noChain();
    }
    if (isInsert && command.number > chain.rules.length + 1) throw new Failure('Index of insertion too big.');
    this.change.makeBase(chain);
    const isLast = !isInsert || command.number === chain.rules.length + 1;
    this.change.verb = isInsert && (!isLast || chain.rules.length === 0) ? 'RULE_INSERT' : 'RULE_APPEND';
    let before = isInsert ? chain.rules.at(command.number - 2) : chain.rules.last;
    this.#tell(command, command.rules, chain);
    for (const rule of command.rules) {
      if (!this.#admit(rule, chain)) continue;
      this.change.insert(chain, before, rule, this.use.set(rule, chain));
      // Several rules of -I all go to the same number: the last comes first.
      if (!isInsert) before = rule;
    }
  }

  /** A plain -A of one rule. */
  append(table: Table, name: string, rule: Rule): void {
    this.#resolve(rule, table);
    const chain = table.chains.get(name);
    if (chain === undefined) throw noChain();
    this.change.makeBase(chain);
    this.change.verb = 'RULE_APPEND';
    if (this.#admit(rule, chain)) this.change.append(chain, rule, this.use.set(rule, chain));
  }

  /** -v: the rule, as it was given. */
  #tell(command: Command, rules: readonly Rule[], chain: Chain | undefined): void {
    if (command.verbose === 0) return;
    for (const rule of rules) this.stdout += verboseLine(rule, this.use.set(rule, chain));
  }

  #replace(command: Command, chain: Chain | undefined): void {
    if (chain === undefined || !chain.exists) throw noChain();
    const old = chain.rules.at(command.number - 1);
    if (old === undefined) throw new Failure('Index of replacement too big.');
    const [rule] = command.rules;
    this.#tell(command, [rule], chain);
    this.change.verb = 'RULE_REPLACE';
    if (this.#admit(rule, chain)) this.change.replace(chain, old, rule, this.use.set(rule, chain));
  }

  #bySpec(command: Command, chain: Chain | undefined): void {
    for (const rule of command.rules) {
      const found = chain?.find(rule);
      if (found === undefined) throw badRule();
      this.#tell(command, [rule], chain);
      if (command.verb === 'D') this.change.remove(chain as Chain, found);
    }
  }

  /** The chain that a rule names. */
  #resolve(rule: Rule, table: Table): void {
    const { name, target, isGoto } = rule.jump;
    if (name === '' || target !== undefined) return;
    if (!isGoto && (name === 'ACCEPT' || name === 'DROP' || name === 'RETURN' || name === 'QUEUE')) return;
    const chain = table.chains.get(name);
    if (chain === undefined) throw new Problem(`Chain '${name}' does not exist`);
    rule.chain = chain;
  }

  #admit(rule: Rule, chain: Chain): boolean {
    const { line, verb } = this.change;
    const found = this.numbers.rules.left === 0 ? { errno: 'ENFILE' } : admit(rule, chain, this.use.set(rule, chain));
    if (found === undefined) return true;
    if (this.isLax && 'lacking' in found && found.lacking !== undefined) {
      rule.lacking = found.lacking;
      return true;
    }
    this.rejections.push(
      rejection(verb, found.errno, chain.name, line, 'lacking' in found ? found.lacking : undefined),
    );
    return false;
  }

  #removeAt(chain: Chain, number: number): void {
    const rule = chain.rules.at(number - 1);
    if (rule === undefined) throw new Failure('Index of deletion too big.');
    this.change.remove(chain, rule);
  }

  #existing(table: Table, name: string): Chain {
    const chain = table.chains.get(name);
    if (chain === undefined || !chain.exists) throw noChain();
    return chain;
  }

  // --- chains ---------------------------------------------------------------------------------------

  #addChain(table: Table, name: string): void {
    if (table.chains.has(name)) throw new Failure('Chain already exists.');
    if (this.numbers.chains.left === 0) throw new Failure('Too many open files in system.');
    this.change.addChain(table, name);
  }

  /** `:NAME` of a restored text: a chain that is there is emptied. */
  restoreChain(table: Table, name: string): void {
    checkLength(name);
    const chain = table.chains.get(name);
    if (chain === undefined) this.#addChain(table, name);
    else this.change.renew(chain);
  }

  #removeChains(command: Command, table: Table): void {
    if (command.chain !== undefined) {
      const chain = this.#existing(table, command.chain);
      if (chain.isBase && chain.policy !== 'ACCEPT') throw new Failure('Directory not empty.');
      return this.#removeChain(chain, command);
    }
    const chains = command.verbose > 0 ? table.inOrder().filter((one) => !one.isBase) : table.byAge();
    for (const chain of chains) this.#removeChain(chain, command);
    for (const chain of table.base) {
      if (chain.exists && chain.rules.length === 0 && chain.policy === 'ACCEPT') this.change.removeChain(chain);
    }
  }

  #removeChain(chain: Chain, command: Command): void {
    if (command.verbose > 0 && !chain.isBase) this.stdout += `Deleting chain \`${chain.name}'\n`;
    if (chain.rules.length > 0 || chain.callers.size > 0) {
      this.rejections.push(chainInUse(chain.name, this.change.line));
    } else this.change.removeChain(chain);
  }

  #rename(table: Table, name: string, newName: string): void {
    if (table.chains.has(newName)) throw new Failure('File exists.');
    const chain = this.#existing(table, name);
    if (chain.isBase) throw new Problem(`base chain \`${name}' keeps its name`, Exit.OTHER);
    this.change.rename(chain, newName);
  }

  setPolicy(table: Table, name: string, policy: string): void {
    const chain = table.chains.get(name);
    if (chain === undefined || !chain.isBase) throw new Failure('Bad built-in chain name.');
    if (policy !== 'ACCEPT' && policy !== 'DROP') {
      throw new Failure("Bad policy name. Run `dmesg' for more information.");
    }
    this.change.setPolicy(chain, policy);
    this.change.setPolicyCounters(chain, 0, 0);
  }

  /** `:NAME - ` keeps the policy. */
  restorePolicy(table: Table, chain: Chain, policy: string, packets: number, bytes: number): void {
    if (policy !== '-' && policy !== 'ACCEPT' && policy !== 'DROP') throw new Failure('Bad policy name.');
    this.change.setPolicy(chain, policy === '-' ? chain.policy : policy);
    this.change.setPolicyCounters(chain, packets, bytes);
    this.change.table(table);
  }

  #flush(command: Command, table: Table): void {
    const { chain: name } = command;
    if (name !== undefined && !table.chains.has(name)) throw noChain();
    for (const chain of name === undefined ? table.inOrder() : [table.chains.get(name) as Chain]) {
      if (name === undefined && !chain.exists && command.verbose === 0) continue;
      if (command.verbose > 0) this.stdout += `Flushing chain \`${chain.name}'\n`;
      if (chain.isBase) this.change.makeBase(chain);
      this.change.flush(chain);
    }
  }

  #zero(command: Command, table: Table): void {
    const { chain: name } = command;
    const chains = name === undefined ? table.inOrder().filter((one) => one.exists) : [this.#existing(table, name)];
    for (const chain of chains) {
      if (command.verbose > 0) this.stdout += `Zeroing chain \`${chain.name}'\n`;
      if (chain.isBase) this.change.zeroPolicy(chain);
      for (const rule of chain.rules) this.change.zeroRule(chain, rule);
    }
  }

  #zeroAt(table: Table, command: Command): void {
    const chain = table.chains.get(command.chain as string);
    if (chain === undefined || !chain.exists) throw badRule();
    const rule = chain.rules.at(command.number - 1);
    if (rule !== undefined) this.change.zeroRule(chain, rule);
  }

  // --- listings -------------------------------------------------------------------------------------

  #show(command: Command, table: Table): void {
    const { chain: name } = command;
    if (name !== undefined && !table.chains.has(name)) {
      throw new Problem(`chain \`${name}' in table \`${table.kind.name}' is incompatible, use 'nft' tool.`, Exit.OTHER);
    }
    const chains = name === undefined ? table.inOrder() : [table.chains.get(name) as Chain];
    this.stdout += command.verb === 'L' ? this.#list(chains, command) : this.#texts(chains, command);
    if (command.alsoZero && chains.some((chain) => chain.exists)) this.#zero(command, table);
  }

  #list(chains: readonly Chain[], command: Command): string {
    const style: ListStyle = {
      isNumeric: command.isNumeric,
      isVerbose: command.verbose > 0,
      isExact: command.isExact,
      hasLineNumbers: command.hasLineNumbers,
    };
    const texts = chains.map((chain) => {
      const heading = command.number > 0 ? '' : headingOf(chain, this.policyCounts(chain), style);
      let text = heading;
      let number = 0;
      for (const rule of chain.rules) {
        number++;
        if (command.number > 0 && command.number !== number) continue;
        text += ruleLine(rule, number, this.counts(rule), style, this.use.set(rule, chain));
      }
      return text;
    });
    return texts.join('\n');
  }

  counts(rule: Rule): { packets: number; bytes: number } {
    return { packets: this.counters.packets(rule.number), bytes: this.counters.bytes(rule.number) };
  }

  policyCounts(chain: Chain): { packets: number; bytes: number } {
    if (!chain.exists) return { packets: 0, bytes: 0 };
    return { packets: this.counters.policyPackets(chain.number), bytes: this.counters.policyBytes(chain.number) };
  }

  #texts(chains: readonly Chain[], command: Command): string {
    const hasCounts = command.verbose > 0;
    let text = '';
    if (command.number === 0) for (const chain of chains) text += this.#chainText(chain, hasCounts);
    for (const chain of chains) {
      let number = 0;
      for (const rule of chain.rules) {
        number++;
        if (command.number > 0 && command.number !== number) continue;
        const { packets, bytes } = hasCounts ? this.counts(rule) : { packets: 0, bytes: 0 };
        text += `${ruleText(rule, chain, hasCounts ? ` -c ${packets} ${bytes}` : '')}\n`;
      }
    }
    return text;
  }

  #chainText(chain: Chain, hasCounts: boolean): string {
    if (!chain.isBase) return `-N ${chain.name}\n`;
    const { packets, bytes } = this.policyCounts(chain);
    return `-P ${chain.name} ${chain.policy}${hasCounts ? ` -c ${packets} ${bytes}` : ''}\n`;
  }
}
