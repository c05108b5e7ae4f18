/*
 * The tables that iptables knows and their base chains. Their order is the one in which iptables-save prints them.
 */
import { Hook, TableId } from '../../netfilter/rule.js';

export interface TableKind {
  readonly name: string;
  readonly id: TableId;
  /** In the order in which they are printed. */
  readonly base: ReadonlyArray<readonly [name: string, hook: Hook]>;
}

const PREROUTING = ['PREROUTING', Hook.PREROUTING] as const;
const INPUT = ['INPUT', Hook.INPUT] as const;
const FORWARD = ['FORWARD', Hook.FORWARD] as const;
const OUTPUT = ['OUTPUT', Hook.OUTPUT] as const;
const POSTROUTING = ['POSTROUTING', Hook.POSTROUTING] as const;

export const TABLES: readonly TableKind[] = [
  { name: 'mangle', id: TableId.MANGLE, base: [PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING] },
  { name: 'raw', id: TableId.RAW, base: [PREROUTING, OUTPUT] },
  { name: 'filter', id: TableId.FILTER, base: [INPUT, FORWARD, OUTPUT] },
  { name: 'nat', id: TableId.NAT, base: [PREROUTING, INPUT, OUTPUT, POSTROUTING] },
];

export function tableKind(name: string): TableKind | undefined {
  return TABLES.find((kind) => kind.name === name);
}
