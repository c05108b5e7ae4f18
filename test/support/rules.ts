/* Rules for tests of the datapath alone: single chains, written as the control plane would write them. */
import type { Dataplane } from '../../src/datapath.js';
import type { ChainFlag } from '../../src/netfilter/chains.js';
import { type Family, type Hook, Rule, type TableId, Target } from '../../src/netfilter/rule.js';
import { InsertRule, RulesOp } from '../../src/netfilter/rules.js';

export interface RawRule {
  target: number;
  /** Words of Rule other than the target: protocol, links … */
  row?: Partial<Record<number, number>>;
  /** With Op.END at its end. */
  program?: number[];
  argument?: number[];
}

let chains = 0;
let rules = 0;

/** Makes the base chain of a table at a hook of the host, with these rules. */
export function baseChain(
  { netfilter }: Dataplane,
  [family, table, hook]: [Family, TableId, Hook],
  list: RawRule[],
  flags: ChainFlag | 0 = 0,
): void {
  const chain = ++chains;
  const ops = [
    RulesOp.ADD_CHAIN,
    chain,
    0,
    family,
    table,
    hook,
    flags,
    ...list.flatMap((rule, i) => insert(chain, i, rule)),
  ];
  if (!netfilter.apply(Int32Array.from(ops))) throw new Error('the rules do not fit');
}

function insert(chain: number, place: number, { target, row = {}, program = [], argument = [] }: RawRule): number[] {
  const head = new Array<number>(InsertRule.ROW).fill(0);
  const words = new Int32Array(Rule.WORDS);
  for (const [word, value] of Object.entries(row)) words[Number(word)] = value ?? 0;
  words[Rule.TARGET] = target;
  head[0] = RulesOp.INSERT_RULE;
  head[InsertRule.CHAIN] = chain;
  head[InsertRule.AFTER] = place === 0 ? 0 : rules;
  head[InsertRule.RULE] = ++rules;
  head[InsertRule.PROGRAM_WORDS] = program.length;
  head[InsertRule.ARGUMENT_WORDS] = argument.length;
  return [...head, ...words, ...program, ...argument];
}

export const ACCEPT: RawRule = { target: Target.ACCEPT };
export const DROP: RawRule = { target: Target.DROP };
