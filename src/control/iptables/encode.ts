/*
 * A rule in the dataplane's words: its row, the program of its matches, its target's arguments (netfilter/rule.ts, ops.ts).
 *
 * One object for all rules: what it says holds until the next rule.
 */
import { Op, OpWord } from '../../netfilter/ops.js';
import { Family, Rule as Row, RuleFlag, Target } from '../../netfilter/rule.js';
import { isAnyLink } from './box-text.js';
import type { NumberSource, RuleWords, Use } from './extension.js';
import type { Box, Chain, NamedTable, Rule } from './model.js';

const ANY_PORT = 0xffff;

const STANDARD: Record<string, Target> = {
  '': Target.CONTINUE,
  ACCEPT: Target.ACCEPT,
  DROP: Target.DROP,
  RETURN: Target.RETURN,
};

export interface EncodedRule {
  readonly row: Int32Array;
  readonly program: readonly number[];
  readonly args: readonly number[];
  /** Sets that it names. */
  readonly sets: readonly number[];
  /** Tables that it names, and is counted for, even if it could not be encoded. */
  readonly tables: readonly NamedTable[];
}

export class RuleEncoder implements RuleWords, EncodedRule {
  readonly row = new Int32Array(Row.WORDS);
  readonly program: number[] = [];
  args: readonly number[] = [];
  hasPorts = false;
  readonly sets: number[] = [];
  readonly tables: NamedTable[] = [];
  readonly numbers: NumberSource;

  constructor(
    readonly family: Family,
    readonly source: NumberSource,
  ) {
    this.numbers = {
      links: (pattern) => source.links(pattern),
      text: (kind, text) => {
        const number = source.text(kind, text);
        this.tables.push({ kind, number });
        return number;
      },
      set: (name) => {
        const number = source.set(name);
        this.sets.push(number);
        return number;
      },
    };
  }

  add(op: number, words: readonly number[], flags = 0): void {
    this.program.push(op | flags | ((words.length + 1) << OpWord.LENGTH_SHIFT), ...words);
  }

  target(target: number, words: readonly number[] = []): void {
    this.row[Row.TARGET] = target;
    this.args = words;
  }

  encode(rule: Rule, use: Use): EncodedRule {
    this.row.fill(0);
    this.program.length = 0;
    this.args = [];
    this.sets.length = 0;
    this.tables.length = 0;
    this.hasPorts = false;
    this.row[Row.SOURCE_PORTS] = ANY_PORT;
    this.row[Row.DESTINATION_PORTS] = ANY_PORT;
    this.#box(rule.box);
    if (rule.lacking !== undefined) this.add(Op.NEVER, []);
    else for (const { extension, data } of rule.matches) extension.encode(data, this, use);
    if (this.program.length > 0) this.program.push(Op.END);
    this.#target(rule, use);
    return this;
  }

  #box(box: Box): void {
    const { row } = this;
    this.#address(box.source, Row.SOURCE, Row.SOURCE_REST);
    this.#address(box.sourceMask, Row.SOURCE_MASK, Row.SOURCE_MASK_REST);
    this.#address(box.destination, Row.DESTINATION, Row.DESTINATION_REST);
    this.#address(box.destinationMask, Row.DESTINATION_MASK, Row.DESTINATION_MASK_REST);
    row[Row.PROTOCOL] = box.protocol;
    const isIn = !isAnyLink(box.in) || (box.inverted & RuleFlag.NOT_IN) !== 0;
    const isOut = !isAnyLink(box.out) || (box.inverted & RuleFlag.NOT_OUT) !== 0;
    row[Row.LINKS] = (isIn ? this.numbers.links(box.in) : 0) | ((isOut ? this.numbers.links(box.out) : 0) << 16);
    const ipv6 = this.family === Family.IPV6 ? RuleFlag.IPV6 : 0;
    const isFirst = (box.inverted & RuleFlag.NOT_FRAGMENT) !== 0;
    row[Row.FLAGS] = box.inverted | ipv6 | (box.isFragment && !isFirst ? RuleFlag.FRAGMENT : 0);
  }

  #address(words: readonly number[], first: Row, rest: Row): void {
    this.row[first] = words[0];
    for (let i = 1; i < words.length; i++) this.row[rest + i - 1] = words[i];
  }

  #target(rule: Rule, use: Use): void {
    const { jump, chain } = rule;
    if (chain !== undefined) this.#jump(chain, jump.isGoto);
    else if (jump.target === undefined || rule.lacking !== undefined) this.row[Row.TARGET] = STANDARD[jump.name] ?? 0;
    else jump.target.extension.encode(jump.target.data, this, use);
  }

  #jump(chain: Chain, isGoto: boolean): void {
    this.row[Row.TARGET] = isGoto ? Target.GOTO : Target.JUMP;
    this.row[Row.ARGUMENT] = chain.number;
  }
}
