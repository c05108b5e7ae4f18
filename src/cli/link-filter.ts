/*
 * The words that select links, of `ip link show` and `ip addr show`. What the kernel leaves out for them, and what iproute2
 * does, is for each of those to know.
 */
import type { LinkInfo } from '../control/api/link.js';
import { GROUPS } from './rt-names.js';
import { exactly, type Keyword, matches, type Words } from './words.js';

export interface LinkFilter {
  dev?: string;
  up: boolean;
  group?: string;
  master?: string;
  nomaster: boolean;
  kind?: string;
  slaveKind?: string;
}

/** A name or number of a group; every link of ours is in group 0, "default". */
function takeGroup(filter: LinkFilter, words: Words): void {
  const text = words.value();
  const group = GROUPS.number(text);
  if (group === undefined)
    throw words.invalid(
      text,
      'Invalid "group" value',
      `there is no group "${text}"`,
      'links are in the group "default"',
    );
  filter.group = GROUPS.name(group);
}

function takeKind(filter: LinkFilter, words: Words): void {
  const kind = words.value();
  if (kind.endsWith('_slave')) filter.slaveKind = kind.slice(0, -'_slave'.length);
  else filter.kind = kind;
}

function takeVrf(_: LinkFilter, words: Words): void {
  const text = words.value();
  throw words.invalid(text, 'Not a valid VRF name', `there is no VRF "${text}"`, 'leave it out');
}

export const LINK_FILTER_WORDS: readonly Keyword<LinkFilter>[] = [
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

/** What is no other word names the link; `usage`: what help says first. */
export function takeDevice(filter: LinkFilter, words: Words, word: string, usage: string): void {
  const dev = word === 'dev' ? words.value() : word;
  if (word !== 'dev' && matches(word, 'help')) throw words.refuse(usage, 255, 'help was asked for');
  if (filter.dev !== undefined) throw words.garbage('dev', dev);
  filter.dev = dev;
  words.object = dev;
}

/** A TAP is of kind "tun", as in Linux; it was added as "tap", so that name finds it too. */
export function isOfKind(link: LinkInfo, kind: string): boolean {
  const of = link.linkinfo?.info_kind;
  return of === kind || (kind === 'tap' && of === 'tun');
}
