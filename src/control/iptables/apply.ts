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
  /** A rule of the namespace asks how much a flow has carried: flows that begin from now on are counted. */
  countFlows?(namespace: number): void;
}

/** What is wrong with the ruleset as a whole now, by the rules that made it so. */
export function validate({ edges }: Change): Rejection[] {
  if (edges.length === 0 || areGood(edges)) return [];
  return badEdges(edges).map(([{ from, line, verb }, errno]) => rejection(verb, errno, from.name, line));
}

export interface Applied {
  /** Packets meet the rules as they are now. */
  inEffect: Promise<unknown>;
  /** What is left over is gone too, and its numbers are free. */
  finished: Promise<void>;
}

/**
 * In pieces what packets cannot see, at once what they can. All of it is on its way when this returns: the engine takes a piece
 * between two bursts, and nobody has to wait for each.
 */
export function apply(change: Change, engine: RuleEngine): Applied {
  const send = async (ops: Int32Array): Promise<void> => engine.apply(ops);
  change.finish();
  const sent = change.prepare.pieces().map(send);
  if (!change.switch.isEmpty) sent.push(send(change.switch.all()));
  const cleanup = change.cleanup.pieces().map(send);
  return {
    inEffect: Promise.all(sent),
    finished: Promise.all([...sent, ...cleanup]).then(() => change.done()),
  };
}
