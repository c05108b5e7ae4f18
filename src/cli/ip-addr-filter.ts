/*
 * The words that select addresses and links, of `ip addr show` and `ip addr flush`.
 *
 * What the kernel, and what iproute2 itself leaves out shows in the output: see ip-addr-show.ts.
 */
import type { AddressInfo, Family, LinkInfo } from '../control/api.js';
import { isWithin } from './inet-match.js';
import { type Prefix, takePrefix } from './inet-words.js';
import { GROUPS, SCOPES } from './rt-names.js';
import type { ToolFamily } from './tool.js';
import { exactly, find, type Keyword, matches, type Words } from './words.js';

/** A flag to filter by. "secondary" and "temporary" are one bit; "other": one that no address of Sluice has. */
type Flag = 'permanent' | 'other' | keyof AddressInfo;

export interface AddressFilter {
  family: ToolFamily | undefined;
  dev?: string;
  to?: Prefix;
  scope?: number;
  /** A shell pattern. */
  label?: string;
  flags: Map<Flag, boolean>;
  up: boolean;
  group?: string;
  master?: string;
  nomaster: boolean;
  kind?: string;
  slaveKind?: string;
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

function takeGroup(filter: AddressFilter, words: Words): void {
  const text = words.value();
  const group = GROUPS.number(text);
  if (group === undefined) throw words.invalid(text, 'Invalid "group" value', `there is no group "${text}"`);
  filter.group = GROUPS.name(group);
}

function takeKind(filter: AddressFilter, words: Words): void {
  const kind = words.value();
  if (kind.endsWith('_slave')) filter.slaveKind = kind.slice(0, -'_slave'.length);
  else filter.kind = kind;
}

function takeVrf(_: AddressFilter, words: Words): void {
  const text = words.value();
  throw words.invalid(text, 'Not a valid VRF name', `there is no VRF "${text}"`, 'leave it out');
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

/** Words that choose links; a flush takes none of them. */
const LINK_WORDS: readonly Keyword<AddressFilter>[] = [
  exactly('up', (filter) => {
    filter.up = true;
  }),
  exactly('group', takeGroup),
  exactly('master', (filter, words) => {
    filter.master = words.value();
  }),
  exactly('vrf', takeVrf, true),
  exactly('nomaster', (filter) => {
    filter.nomaster = true;
  }),
  exactly('type', takeKind),
];

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

export const FILTER_WORDS: readonly Keyword<AddressFilter>[] = [...ADDRESS_FILTER_WORDS, ...LINK_WORDS];

/** The first line of iproute2's usage. */
export const USAGE = 'Usage: ip address {add|change|replace} IFADDR dev IFNAME [ LIFETIME ]';

function takeDevice(filter: AddressFilter, words: Words, word: string): void {
  const dev = word === 'dev' ? words.value() : word;
  if (word !== 'dev' && matches(word, 'help')) throw words.refuse(USAGE, 255, 'help was asked for');
  if (filter.dev !== undefined) throw words.garbage('dev', dev);
  filter.dev = dev;
  words.object = dev;
}

export function parseFilter(words: Words, family: ToolFamily | undefined, flush: boolean): AddressFilter {
  const filter: AddressFilter = { family, flags: new Map(), up: false, nomaster: false };
  while (!words.done) {
    const word = words.next();
    const keyword = find(FILTER_WORDS, word);
    if (keyword === undefined) takeDevice(filter, words, word);
    else if (flush && LINK_WORDS.includes(keyword))
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

/** A TAP is of kind "tun", as in Linux; it was added as "tap", so that name finds it too. */
export function isOfKind(link: LinkInfo, kind: string): boolean {
  const of = link.linkinfo?.info_kind;
  return of === kind || (kind === 'tap' && of === 'tun');
}
