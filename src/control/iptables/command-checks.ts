/*
 * Which options go with which command.
 */
import type { Verb } from './command.js';
import { Problem } from './problem.js';

/** Letters of the tool's own options; 0 is --line-numbers. */
export type Letter =
  | 'n'
  | 's'
  | 'd'
  | 'p'
  | 'j'
  | 'v'
  | 'x'
  | 'i'
  | 'o'
  | '0'
  | 'c'
  | 'f'
  | 't'
  | 'm'
  | 'g'
  | 'w'
  | 'W'
  | 'V'
  | 'h'
  | 'M'
  | '4'
  | '6';

/** In the order in which iptables looks at them. */
const ORDER = 'nsdpjvxio0cf';

const RULE = 'sdpjviocf';

const ALLOWED: Record<Verb, string> = {
  A: RULE,
  I: RULE,
  R: RULE,
  D: 'sdpjviof',
  C: 'sdpjviof',
  'D#': 'v',
  L: 'nvx0',
  S: 'v',
  F: 'v',
  Z: 'v',
  'Z#': 'v',
  N: 'v',
  X: 'v',
  E: 'v',
  P: 'vc',
};

export function checkOptions(verb: Verb, given: string): void {
  if (given === '') return;
  const allowed = ALLOWED[verb];
  for (const letter of ORDER) {
    if (!given.includes(letter) || allowed.includes(letter)) continue;
    throw new Problem(`Illegal option \`-${letter}' with this command`);
  }
}

const COUNTER = /^\s*[+-]?\d/;

export function checkCounters(packets: string, bytes: string): void {
  if (!COUNTER.test(packets)) throw new Problem('-c packet counter not numeric');
  if (!COUNTER.test(bytes)) throw new Problem('-c byte counter not numeric');
}
