/*
 * The words that select addresses and links, of `ip addr show` and `ip addr flush`.
 *
 * What the kernel, and what iproute2 itself leaves out shows in the output: see ip-addr-show.ts.
 */
import type { AddressInfo } from '../control/api/address.js';
import type { Family } from '../control/api/family.js';
import { isWithin } from './inet-match.js';
import { type Prefix, takePrefix } from './inet-words.js';
import { LINK_FILTER_WORDS, type LinkFilter, takeDevice } from './link-filter.js';
import { SCOPES } from './rt-names.js';
import type { ToolFamily } from './tool.js';
import { exactly, find, type Keyword, type Words } from './words.js';

/** A flag to filter by. "secondary" and "temporary" are one bit; "other": one that no address of Sluice has. */
type Flag = 'permanent' | 'other' | keyof AddressInfo;

export interface AddressFilter extends LinkFilter {
  family: ToolFamily | undefined;
  to?: Prefix;
  scope?: number;
  /** A shell pattern. */
  label?: string;
  flags: Map<Flag, boolean>;
}

/** Word → flag, and whether the word means that it is set. */
const FLAG_WORDS: Record<string, [flag: Flag, set: boolean]> = {
  dynamic: ['permanent', false],
  permanent: ['permanent', true],
  primary: ['secondary', false],
  secondary: ['secondary', true],
  temporary: ['secondary', true],
  tentative: ['tentative', true],
  deprecated: ['deprecated', true],
  dadfailed: ['dadfailed', true],
  nodad: ['nodad', true],
  home: ['home', true],
  mngtmpaddr: ['mngtmpaddr', true],
  noprefixroute: ['noprefixroute', true],
  // Linux has them; no address of Sluice does.
  optimistic: ['other', true],
  autojoin: ['other', true],
  'stable-privacy': ['other', true],
};

export const familyOf = (family: ToolFamily | undefined): Family | undefined =>
  family === 'inet' ? 4 : family === 'inet6' ? 6 : undefined;

/** A prefix of the family, which -0 has none of. */
export function prefixOf(words: Words, text: string, family: ToolFamily | undefined): Prefix {
  if (family !== 'link') return takePrefix(words, text, familyOf(family));
  const line = `Error: "${text}" may be inet prefix, but it is not allowed in this context.`;
  throw words.refuse(line, 1, 'with -0 there are no IP addresses', 'leave out -0');
}

function takeTo(filter: AddressFilter, words: Words): void {
  const prefix = prefixOf(words, words.value(), filter.family);
  filter.to = prefix;
  if (prefix.family !== undefined) filter.family ??= prefix.family === 4 ? 'inet' : 'inet6';
}

function takeScope(filter: AddressFilter, words: Words): void {
  const text = words.value();
  const scope = SCOPES.number(text);
  if (scope !== undefined) filter.scope = scope;
  else if (text === 'all') delete filter.scope;
  else throw words.invalid(text, 'invalid "scope"', `there is no scope "${text}"`, 'say global, site, link or host');
}

function flagWord(word: string): Keyword<AddressFilter> {
  const [flag, set] = FLAG_WORDS[word];
  return exactly(word, (filter) => {
    filter.flags.set(flag, set);
  });
}

function unsetFlagWord(word: string): Keyword<AddressFilter> {
  const [flag, set] = FLAG_WORDS[word];
  return exactly(`-${word}`, (filter) => {
    filter.flags.set(flag, !set);
  });
}

/** Words that choose addresses. */
export const ADDRESS_FILTER_WORDS: readonly Keyword<AddressFilter>[] = [
  exactly('to', takeTo),
  exactly('scope', takeScope),
  ...Object.keys(FLAG_WORDS).map(flagWord),
  ...Object.keys(FLAG_WORDS).map(unsetFlagWord),
  exactly('label', (filter, words) => {
    filter.label = words.value();
  }),
];

export const FILTER_WORDS: readonly Keyword<AddressFilter>[] = [...ADDRESS_FILTER_WORDS, ...LINK_FILTER_WORDS];

/** The first line of iproute2's usage. */
export const USAGE = 'Usage: ip address {add|change|replace} IFADDR dev IFNAME [ LIFETIME ]';

export function parseFilter(words: Words, family: ToolFamily | undefined, flush: boolean): AddressFilter {
  const filter: AddressFilter = { family, flags: new Map(), up: false, nomaster: false };
  while (!words.done) {
    const word = words.next();
    const keyword = find(FILTER_WORDS, word);
    if (keyword === undefined) takeDevice(filter, words, word, USAGE);
    // Words that choose links: a flush takes none of them.
    else if (flush && LINK_FILTER_WORDS.includes(keyword))
      throw words.unsupported(word, 'name the link', `"${word}" selects no addresses of a flush`);
    else keyword.take(filter, words);
  }
  return filter;
}

/** fnmatch(3): *, ?, [a-z], [!a-z], and a backslash before a character that is meant as it is. */
export function patternOf(pattern: string): RegExp {
  const source = pattern.replace(/\\(.)|\[([!^]?)(\]?[^\]]*)\]|[*?]|[.+^${}()|[\]\\/-]/gs, (part, quoted, not, set) => {
    if (part === '*') return '.*';
    if (part === '?') return '.';
    if (set !== undefined) return `[${not === '' ? '' : '^'}${set.replace(/[\\\]^]/g, '\\$&')}]`;
    return (quoted ?? part).replace(/[^\w]/g, '\\$&');
  });
  return new RegExp(`^${source}$`, 's');
}

function hasFlag(address: AddressInfo, flag: Flag): boolean {
  if (flag === 'secondary') return address.secondary === true || address.temporary === true;
  if (flag === 'permanent') return address.dynamic !== true;
  return flag !== 'other' && address[flag] === true;
}

/** Does the filter, without its words about links, want this address of the link `dev`? */
export function wants(filter: AddressFilter, address: AddressInfo, dev: string): boolean {
  if (filter.scope !== undefined && filter.scope !== address.scope) return false;
  for (const [flag, set] of filter.flags) if (hasFlag(address, flag) !== set) return false;
  if (filter.family !== undefined && filter.family !== address.family) return false;
  if (filter.label !== undefined && !patternOf(filter.label).test(address.label ?? dev)) return false;
  return isWithin(address.local, filter.to);
}
