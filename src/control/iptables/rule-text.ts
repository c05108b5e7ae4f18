import type { Chain, Rule } from './model.js';

/** "-A INPUT -s 10.0.0.0/8 -j ACCEPT"; counters stand in front of the jump. */
export function ruleText(rule: Rule, chain: Chain, counters = ''): string {
  return `-A ${chain.name}${rule.body}${counters}${rule.end}`;
}
