/*
 * Patterns of link names, as -i and -o have them: "eth0", "eth+". A bit for each pattern and link says whether the link's name fits;
 * control, which knows the names, sets them.
 *
 *   bits[pattern × WORDS + (link >> 5)] bit (link & 31)
 *
 * Pattern 0 is any link, also none. Number MAX_PATTERNS − 1 is the last; memory that has never been used is not touched.
 */
import { type Link, MAX_LINKS } from '../core/links.js';
import { sharedInts } from '../core/memory.js';

export type Pattern = number;

/** Numbers of patterns: a rule's row has 16 bits for each. */
export const MAX_PATTERNS = 1 << 16;

const SHIFT = 7;
const WORDS = 1 << SHIFT;

export class LinkPatterns {
  readonly bits = sharedInts(MAX_PATTERNS << SHIFT);
  /** The pattern that is a link's whole name, by link; 0: no rule names it. */
  readonly exact = sharedInts(MAX_LINKS);
  private readonly whole = new Uint8Array(MAX_PATTERNS);

  constructor() {
    this.bits.fill(-1, 0, WORDS);
  }

  /** Whether a link fits a pattern; link 0 or -1, none, fits only the pattern 0. */
  has(pattern: Pattern, link: Link): boolean {
    if (link <= 0) return pattern === 0;
    return ((this.bits[(pattern << SHIFT) + (link >>> 5)] >>> (link & 31)) & 1) !== 0;
  }

  /** Whether a pattern is a whole name. */
  isExact(pattern: Pattern): boolean {
    return this.whole[pattern] !== 0;
  }

  /** A new pattern, which no link fits yet; or one that means something else from now on. */
  define(pattern: Pattern, isExact: boolean): void {
    this.clear(pattern);
    this.whole[pattern] = isExact ? 1 : 0;
  }

  /** A link's name fits a pattern. */
  add(pattern: Pattern, link: Link): void {
    if (pattern === 0 || link <= 0 || link >= MAX_LINKS) return;
    this.bits[(pattern << SHIFT) + (link >>> 5)] |= 1 << (link & 31);
    if (this.isExact(pattern)) this.exact[link] = pattern;
  }

  remove(pattern: Pattern, link: Link): void {
    if (pattern === 0) return;
    this.bits[(pattern << SHIFT) + (link >>> 5)] &= ~(1 << (link & 31));
    if (this.exact[link] === pattern) this.exact[link] = 0;
  }

  /** No link fits it any more. */
  clear(pattern: Pattern): void {
    if (pattern === 0) return;
    for (let link = this.first(pattern); link !== 0; link = this.first(pattern)) this.remove(pattern, link);
  }

  /** A link goes, or gets another name: of the first `patterns` it fits none until it is added again. */
  forgetLink(link: Link, patterns: number): void {
    for (let pattern = 1; pattern <= patterns; pattern++) this.remove(pattern, link);
  }

  /** The one link that fits a pattern; of several the first; 0: none. */
  first(pattern: Pattern): Link {
    const start = pattern << SHIFT;
    for (let i = 0; i < WORDS; i++) {
      const word = this.bits[start + i];
      if (word !== 0) return (i << 5) + (31 - Math.clz32(word & -word));
    }
    return 0;
  }
}
