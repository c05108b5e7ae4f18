/* What is told of a packet that is tried out (explain.ts). Numbers of links, chains and rules are the dataplane's. */
import type { DropReason } from '../core/drop.js';
import type { Link } from '../core/links.js';
import type { ConfTable } from '../route/conf.js';
import type { ChainNumber } from './chains.js';
import type { Hook, TableId, Verdict } from './rule.js';
import type { RuleNumber } from './rules.js';

export interface TupleText {
  family: 4 | 6;
  source: string;
  destination: string;
  protocol: number;
  /** Where the protocol has ports, and they are there. */
  sourcePort?: number;
  destinationPort?: number;
  tos: number;
  mark: number;
}

/** RELATED and ESTABLISHED both ways, as -m conntrack says it. */
export type FlowState = 'NEW' | 'RELATED' | 'ESTABLISHED' | 'INVALID' | 'UNTRACKED';

export type WalkEvent =
  | { kind: 'hook'; hook: Hook; in: Link; out: Link; tuple: TupleText }
  | { kind: 'table'; table: TableId; chain: ChainNumber }
  /** A rule holds the packet. `to`: the chain it leads to, or 0. `verdict`: what its target has said, once it has. */
  | {
      kind: 'rule';
      chain: ChainNumber;
      rule: RuleNumber;
      target: number;
      to: ChainNumber;
      verdict?: Verdict;
      mark?: number;
    }
  | { kind: 'end'; chain: ChainNumber }
  | { kind: 'policy'; chain: ChainNumber; verdict: Verdict }
  /** `row`: the flow's, as in conntrack/flow-row.ts. */
  | { kind: 'flow'; state: FlowState; isReply: boolean; isNew: boolean; row?: Int32Array }
  | { kind: 'nat'; before: TupleText; after: TupleText }
  | { kind: 'log'; line: string }
  /** A packet made on the way: an error, a reset, a copy. The steps with its number are its own. */
  | { kind: 'answer'; text: string }
  | { kind: 'drop'; reason: DropReason }
  | { kind: 'held' }
  | { kind: 'delivered' }
  /** It goes to this host itself, and comes in again by lo. */
  | { kind: 'looped'; lo: Link }
  | { kind: 'left'; out: Link };

/** `answer`: 0 is the packet itself, others count from 1. */
export type WalkStep = WalkEvent & { answer: number };

/** One thing that could be otherwise. `sysctl`: its name, with % in place of the link's. */
export type Change =
  | { kind: 'rule'; rule: RuleNumber; chain: ChainNumber }
  | { kind: 'policy'; chain: ChainNumber }
  | { kind: 'setting'; table: ConfTable; row: number; key: number; value: number; sysctl: string; link: Link }
  | { kind: 'flows'; sysctl: string }
  | { kind: 'up'; link: Link };

type WalkEnd = 'delivered' | 'left' | 'dropped' | 'held' | 'other';

export interface Walk {
  steps: WalkStep[];
  end: WalkEnd;
  /** Of a drop; else 0. */
  reason: DropReason;
  /** The link it leaves by. */
  out: Link;
  /** Each of these alone would have let it pass. */
  remedies: Change[];
}
