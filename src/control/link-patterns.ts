/*
 * Numbers of the patterns of link names that rules use ("eth0", "eth+"), and which links fit each: what the dataplane knows of names.
 *
 * A pattern keeps its number for good: there are as many as different ones were ever used, and no more than MAX_PATTERNS. It is for all
 * namespaces: a rule only ever sees links of its own.
 */
import { SluiceError } from '../core/errors.js';
import { MAX_PATTERNS } from '../netfilter/link-patterns.js';
import type { Call } from './engine-thread.js';

/** What is asked of the network. */
export interface NamedLinks {
  all(): Iterable<{ number: number; name: string }>;
}

export class PatternNumbers {
  readonly #numbers = new Map<string, number>();

  constructor(
    private readonly links: NamedLinks,
    private readonly post: (calls: Call[]) => void,
  ) {}

  /** From 1; 0 is any link. */
  number(pattern: string): number {
    if (pattern === '' || pattern === '+') return 0;
    const known = this.#numbers.get(pattern);
    if (known !== undefined) return known;
    const number = this.#numbers.size + 1;
    if (number === MAX_PATTERNS)
      throw new SluiceError('ENOSPC', `cannot name links "${pattern}": there are ${number} such patterns already`);
    this.#numbers.set(pattern, number);
    const links = [...this.links.all()].filter(({ name }) => fits(pattern, name)).map((link) => link.number);
    this.post([['setLinkPattern', number, links, !pattern.endsWith('+')]]);
    return number;
  }

  /** A link has come, or has another name. */
  named(link: { number: number; name: string }, calls: Call[]): void {
    const fitting = [...this.#numbers].filter(([pattern]) => fits(pattern, link.name)).map(([, number]) => number);
    if (this.#numbers.size > 0) calls.push(['setLinkName', link.number, this.#numbers.size, fitting]);
  }

  /** A link is gone. */
  removed(link: { number: number }, calls: Call[]): void {
    if (this.#numbers.size > 0) calls.push(['setLinkName', link.number, this.#numbers.size, []]);
  }
}

function fits(pattern: string, name: string): boolean {
  return pattern.endsWith('+') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}
