/* Rules that choose a routing table: ip-rule. */
import type { Family } from './family.js';

export interface RuleInfo {
  family: Family;
  priority: number;
  not?: boolean;
  /** ADDRESS/LENGTH; absent: all. */
  src?: string;
  dst?: string;
  iif?: string;
  oif?: string;
  iif_detached?: boolean;
  oif_detached?: boolean;
  fwmark?: number;
  fwmask?: number;
  tos?: number;
  ipproto?: number;
  sport?: [number, number];
  dport?: [number, number];
  action: 'lookup' | 'goto' | 'nop' | 'blackhole' | 'unreachable' | 'prohibit';
  table?: number;
  goto?: number;
  /** No rule of priority `goto` is there. */
  unresolved?: boolean;
  suppress_prefixlength?: number;
  suppress_ifgroup?: number;
  protocol: number;
}

/** `priority` absent: one below the lowest that is not 0. */
export interface ChangeRule {
  op: 'rule.add' | 'rule.del';
  family: Family;
  rule: Partial<Omit<RuleInfo, 'family'>>;
}
