/* Rules and chains by the dataplane's numbers, as packets have met them. */
import type { Chain, Rule, Ruleset } from './model.js';

export function chainNumbered(ruleset: Ruleset, number: number): Chain | undefined {
  for (const table of ruleset.tables.values()) {
    for (const chain of table.chains.values()) if (chain.number === number) return chain;
  }
  return undefined;
}

export interface FoundRule {
  rule: Rule;
  chain: Chain;
  /** From 1. */
  position: number;
}

/** A chain's rule; where the chain has it not any more, undefined. */
export function ruleNumbered(chain: Chain, number: number): FoundRule | undefined {
  let position = 0;
  for (const rule of chain.rules) {
    position++;
    if (rule.number === number) return { rule, chain, position };
  }
  return undefined;
}

/** As iptables -S prints it. */
export function ruleText({ rule, chain }: FoundRule): string {
  return `-A ${chain.name}${rule.body}${rule.end}`;
}

/** No match at all: what the kernel takes for the end of a chain. */
export function isUnconditional({ body }: Rule): boolean {
  return body === '';
}
