/*
 * What the kernel checks of a table as a whole: no loops, no more than DEPTH chains one in another, and every extension only where it
 * may be used, by whatever way a packet comes to it. All of it counts only for chains that packets can reach.
 *
 * Checked for the edges a change has made: upwards to the base chains, downwards to the last. A large change is checked in one go
 * first, and edge by edge only if that finds something, to know which.
 */
import type { Edge } from './change.js';
import { type Chain, count, link, type Rule } from './model.js';

/** Chains one in another, the base chain included (the kernel's NFT_JUMP_STACK_SIZE). */
const DEPTH = 16;

/** The hooks a rule may be reached from, as bits; -1: all. */
export function hooksOf(rule: Rule): number {
  let hooks = rule.jump.target?.extension.hooks ?? -1;
  for (const { extension } of rule.matches) if (extension.hooks !== undefined) hooks &= extension.hooks;
  return hooks;
}

/** What is wrong with an edge: the name of the errno. */
export type Complaint = 'EMLINK' | 'EINVAL' | undefined;

interface Above {
  /** Hooks it is reached from; 0: it is not. */
  hooks: number;
  /** Chains on the longest way to it, itself included. */
  depth: number;
}

/** Ways down to a chain. A chain of a loop has no end: DEPTH + 1 says so. */
function above(chain: Chain, seen: Map<Chain, Above | undefined>): Above {
  const known = seen.get(chain);
  if (known !== undefined) return known;
  if (seen.has(chain)) return { hooks: 0, depth: DEPTH + 1 };
  seen.set(chain, undefined);
  const found: Above = { hooks: chain.isBase ? 1 << chain.hook : 0, depth: 1 };
  for (const caller of chain.callers.keys()) {
    const from = above(caller, seen);
    found.hooks |= from.hooks;
    if (from.hooks !== 0) found.depth = Math.max(found.depth, from.depth + 1);
  }
  seen.set(chain, found);
  return found;
}

interface Below {
  /** Hooks that all that is reached from it allows. */
  hooks: number;
  /** Chains on the longest way down, itself included. */
  depth: number;
}

const ENDLESS: Below = { hooks: -1, depth: Number.POSITIVE_INFINITY };

function below(chain: Chain, seen: Map<Chain, Below | undefined>): Below {
  const known = seen.get(chain);
  if (known !== undefined) return known;
  if (seen.has(chain)) return ENDLESS;
  seen.set(chain, undefined);
  const found: Below = { hooks: -1, depth: 1 };
  for (const hooks of chain.limits.keys()) found.hooks &= hooks;
  for (const target of chain.targets.keys()) {
    const to = below(target, seen);
    found.hooks &= to.hooks;
    found.depth = Math.max(found.depth, to.depth + 1);
  }
  seen.set(chain, found);
  return found;
}

function complain(up: Above, down: Below, rule: Rule): Complaint {
  if (up.hooks === 0) return undefined;
  const depth = rule.chain === undefined ? 0 : down.depth;
  if (up.depth + depth > DEPTH) return 'EMLINK';
  return (up.hooks & ~hooksOf(rule)) !== 0 || (rule.chain !== undefined && (up.hooks & ~down.hooks) !== 0)
    ? 'EINVAL'
    : undefined;
}

/** What is wrong with one new edge, its rule being there already. */
function checkEdge({ from, rule }: Edge): Complaint {
  const up = above(from, new Map());
  const down = rule.chain === undefined ? { hooks: -1, depth: 0 } : below(rule.chain, new Map());
  return complain(up, down, rule);
}

/** What is wrong with which edge, when they come one after the other and a bad one is left out. */
export function badEdges(edges: readonly Edge[]): Array<[Edge, Exclude<Complaint, undefined>]> {
  const present = edges.filter(({ from, rule }) => rule.piece?.list === from.rules);
  for (const edge of present) turn(edge, -1);
  const bad: Array<[Edge, Exclude<Complaint, undefined>]> = [];
  for (const edge of present) {
    turn(edge, 1);
    const complaint = checkEdge(edge);
    if (complaint === undefined) continue;
    bad.push([edge, complaint]);
    turn(edge, -1);
  }
  // The model is as it was: whoever undoes the change counts on it.
  for (const [edge] of bad) turn(edge, 1);
  return bad;
}

function turn({ from, rule }: Edge, by: 1 | -1): void {
  const hooks = hooksOf(rule);
  if (hooks >= 0) count(from.limits, hooks, by);
  if (rule.chain !== undefined) link(from, rule.chain, by);
}

/** Whether all edges are good, in one walk. */
export function areGood(edges: readonly Edge[]): boolean {
  const ups = new Map<Chain, Above | undefined>();
  const downs = new Map<Chain, Below | undefined>();
  return edges.every(({ from, rule }) => {
    const down = rule.chain === undefined ? { hooks: -1, depth: 0 } : below(rule.chain, downs);
    return complain(above(from, ups), down, rule) === undefined;
  });
}
