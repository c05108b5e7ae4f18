/*
 * A change, brought to the dataplane.
 */
import type { Family } from '../../netfilter/rule.js';
import type { Change } from './change.js';
import { type Rejection, rejection } from './failures.js';
import { areGood, badEdges } from './reach.js';

/** The dataplane's rules. Ops are words of RulesOp (netfilter/rules.ts). */
export interface RuleEngine {
  /** Whether programs of so many words are sure to fit. */
  hasRoom(words: number): boolean | Promise<boolean>;
  /** Applies ops in order, all of them before the next packet. */
  apply(ops: Int32Array): void | Promise<void>;
  /** Connections of the namespace have to be tracked, or need not be any more, as far as this family's rules go. */
  setTracking(namespace: number, family: Family, isOn: boolean): void;
}

/** What is wrong with the ruleset as a whole now, by the rules that made it so. */
export function validate({ edges }: Change): Rejection[] {
  if (edges.length === 0 || areGood(edges)) return [];
  return badEdges(edges).map(([{ from, line, verb }, errno]) => rejection(verb, errno, from.name, line));
}

/** In pieces what packets cannot see, at once what they can. */
export async function apply(change: Change, engine: RuleEngine): Promise<void> {
  change.finish();
  for (const piece of change.prepare.pieces()) await engine.apply(piece);
  if (!change.switch.isEmpty) await engine.apply(change.switch.all());
  for (const piece of change.cleanup.pieces()) await engine.apply(piece);
  change.done();
}
