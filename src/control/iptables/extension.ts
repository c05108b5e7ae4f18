/*
 * What a match (-m) or a target (-j) of iptables is: a table of options, plain data, and what is made of the data.
 *
 *   words ─ options[…].take(data, given) ─► data ─ finalCheck ─► save: text for iptables-save and -S
 *                                             │                   list: text for -L
 *                                             └─ encode ────────► words of the dataplane (netfilter/ops.ts)
 *
 * The data is a plain object of numbers, strings and arrays. Two rules are the same if their texts are: so whatever `parse` tells
 * apart, `save` must tell apart too.
 *
 * Options come in two manners, as in libxtables, which words complaints differently: *guided* ones, whose repetition, inversion,
 * exclusion and range are checked by the table (`Given.u32` and its kin), and free ones (`isFree`), where the extension does all of
 * that itself and throws Problem in its own words.
 */
import type { Family, TableId } from '../../netfilter/rule.js';
import type { Given } from './given.js';

export interface Option<T> {
  /** Without the dashes. */
  name: string;
  /** Absent: it takes none. */
  argument?: 'required' | 'optional';
  /** `!` in front is allowed. With `isFree` only the help looks at it. */
  canInvert?: boolean;
  /** The rest for guided options only. */
  isMandatory?: boolean;
  isMulti?: boolean;
  /** Names of options that cannot stand beside it, and that it needs. */
  excludes?: readonly string[];
  requires?: readonly string[];
  /**
   * Options with the same key count as one: given once, the other is given twice ("--set-mark", "--set-xmark" are two keys;
   * "--sport", "--source-port" are one). Default: the name.
   */
  key?: string;
  take(data: T, given: Given): void;
}

/** The rule around the extension, as far as it is known: all of it at finalCheck and later. */
export interface Use {
  readonly family: Family;
  readonly table: string;
  readonly chain: string;
  /** IP protocol, 0 = any, and whether it is inverted. */
  readonly protocol: number;
  readonly isNotProtocol: boolean;
  /** A line for stderr that is not the end, without newline. */
  warn(line: string): void;
}

/** What rules share by its name: tables of hashlimit, each family's its own, and lists of -m recent. */
export type NamedKind = 'hashlimit' | 'recent';

/** Numbers of what rules name. */
export interface NumberSource {
  /** Of a pattern of link names ("eth0", "eth+"); 0: any. */
  links(pattern: string): number;
  /** Of an IP set, from 1; throws Problem if there is none of this name, or one of the other family. */
  set(name: string): number;
  /** A rule that names the set is there from now on, or is gone; who does not count rules has none of these. */
  holdSet?(set: number): void;
  releaseSet?(set: number): void;
  /**
   * Of a name that the dataplane needs only as a number, from 1. One rule more names it from now on, until `releaseText`: what the last one
   * has let go ends, and its number may be another's. Who does not count rules has no `releaseText`.
   */
  text(kind: NamedKind, text: string): number;
  releaseText?(kind: NamedKind, number: number): void;
}

/** A rule in the making, for the dataplane. */
export interface RuleWords {
  readonly family: Family;
  /** The row (netfilter/rule.ts): ports go into the box. */
  readonly row: Int32Array;
  /** Whether a match already set the box's ports: a second one goes into the program. */
  hasPorts: boolean;
  readonly numbers: NumberSource;
  /** Adds an operation to the program. */
  add(op: number, words: readonly number[], flags?: number): void;
  /** Sets the target: a number of Target, and its arguments, if it has any. */
  target(target: number, words?: readonly number[]): void;
}

export interface Extension<T = unknown> {
  /** As after -m or -j. */
  readonly name: string;
  readonly isTarget: boolean;
  /** Absent: both families. */
  readonly family?: Family;
  readonly options: ReadonlyArray<Option<T>>;
  /** Options are checked by `take` and `finalCheck` alone. */
  readonly isFree?: boolean;
  /** The data before any option. */
  create(): T;
  /**
   * Data of its commonest options as `save` writes them, from `at` to `end` of a text, read without ado; undefined: `options` have to
   * read it. Only for a speed that is worth it.
   */
  readPlain?(text: string, at: number, end: number): T | undefined;
  /** What the real tool makes of it before it is in a rule; undefined: nothing, the rule goes without it. */
  stored?(data: T): T | undefined;
  /** One for two of a rule, as the real tool stores them; undefined: they stay two. */
  joined?(first: T, second: T): T | undefined;
  /** After all options. Guided options' own checks have been made. */
  finalCheck?(data: T, use: Use): void;

  /** What -S and iptables-save write behind the name; each option with a blank in front. */
  save(data: T, use: Use): string;
  /** What -L writes of it, with a blank in front. Absent: nothing of a match, nothing of a target. */
  list?(data: T, isNumeric: boolean, use: Use): string;
  /** The name that -L has for it where it is another one (NOTRACK is CT). */
  readonly listedName?: string;

  /** Into the dataplane's words. */
  encode(data: T, into: RuleWords, use: Use): void;
  /** Why it cannot be enforced here: it is refused, or with --lax never matches. */
  lacking?(data: T, use: Use): string | undefined;

  /** What the kernel allows: tables, hooks (bits 1 << Hook) and protocols (of the rule, not inverted). Absent: all. */
  readonly tables?: readonly TableId[];
  readonly hooks?: number;
  readonly protocols?: readonly number[];
  /** What else the kernel refuses: the name of the errno, EINVAL as a rule. */
  check?(data: T, use: Use): string | undefined;
  /** Whether the namespace must track connections for this rule. */
  readonly needsConntrack?: boolean;
  /** Whether flows must be counted for it (nf_conntrack_acct): they are from then on. */
  readonly needsAccounting?: boolean;
}

/** An extension of a rule: which, and its data. `T` is known to the extension alone. */
export interface Extended<T = unknown> {
  extension: Extension<T>;
  data: T;
}

/** Extensions by name. */
export class Registry {
  readonly #matches = new Map<string, Extension[]>();
  readonly #targets = new Map<string, Extension[]>();

  add<T>(extension: Extension<T>): void {
    const names = extension.isTarget ? this.#targets : this.#matches;
    // Nobody but the extension makes or reads its data, so its type is not lost here but hidden.
    const hidden = extension as unknown as Extension;
    names.set(extension.name, [...(names.get(extension.name) ?? []), hidden]);
  }

  match(name: string, family: Family): Extension | undefined {
    return find(this.#matches.get(name), family);
  }

  target(name: string, family: Family): Extension | undefined {
    return find(this.#targets.get(name), family);
  }
}

function find(list: Extension[] | undefined, family: Family): Extension | undefined {
  return list?.find((extension) => extension.family === undefined || extension.family === family);
}
