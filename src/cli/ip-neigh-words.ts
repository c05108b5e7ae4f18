/* What the words of `ip neigh` have in common: states, and how they are read. */
import type { NeighbourState } from '../control/api/neighbour.js';
import { parseUnsigned } from './inet-words.js';
import { matches, type Words } from './words.js';

/** NUD_*; "none" has no bit. */
export const STATE_BITS: Record<NeighbourState, number> = {
  none: 0,
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
};

/** In the order in which iproute2 compares; the first two and the last may be abbreviated. */
const STATES: ReadonlyArray<readonly [NeighbourState, abbreviated: boolean]> = [
  ['permanent', true],
  ['reachable', true],
  ['noarp', false],
  ['none', false],
  ['stale', false],
  ['incomplete', false],
  ['delay', false],
  ['probe', false],
  ['failed', true],
];

/** A state by name or number; undefined: it is none. */
export function parseState(text: string): NeighbourState | undefined {
  const known = STATES.find(([name, abbreviated]) => (abbreviated ? matches(text, name) : text === name));
  if (known !== undefined) return known[0];
  const bits = parseUnsigned(text, 0xff);
  return STATES.find(([name]) => STATE_BITS[name] === bits)?.[0];
}

export function badState(words: Words, text: string) {
  return words.invalid(text, 'nud state is bad', `there is no state "${text}"`);
}

/** The first line of iproute2's usage. */
export const USAGE = 'Usage: ip neigh { add | del | change | replace }';
