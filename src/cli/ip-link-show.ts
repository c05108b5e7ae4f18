/*
 * `ip link show`: its filters, and what it prints.
 *
 * The kernel leaves out links by master and kind; iproute2 itself by `up`, group and slave kind, or
 * by anything when one link is asked for. The second sort stays in its JSON as an empty object.
 */
import type { ApiError, LinkInfo } from '../control/api.js';
import { formatLinks, type ShowFlags } from './link-format.js';
import { KINDS } from './link-kinds.js';
import type { Plan } from './plan.js';
import { cannot, netlinkLine, Refusal } from './refusal.js';
import { exactly, find, type Keyword, matches, parseInteger, Words } from './words.js';

interface Filter {
  dev?: string;
  up: boolean;
  group?: string;
  master?: string;
  nomaster: boolean;
  kind?: string;
  slaveKind?: string;
}

function absent(word: string): Keyword<Filter> {
  const take = (_: Filter, words: Words) => {
    throw words.unsupported(word, undefined, `"${word}" selects addresses, and there are none yet`);
  };
  return exactly(word, take, true);
}

/** A name or number of a group; every link of ours is in group 0, "default". */
function takeGroup(filter: Filter, words: Words): void {
  const text = words.value();
  const number = text === 'default' ? 0 : parseInteger(text);
  if (number === undefined || number < 0)
    throw words.invalid(
      text,
      'Invalid "group" value',
      `there is no group "${text}"`,
      'links are in the group "default"',
    );
  filter.group = number === 0 ? 'default' : String(number);
}

function takeKind(filter: Filter, words: Words): void {
  const kind = words.value();
  if (kind.endsWith('_slave')) filter.slaveKind = kind.slice(0, -'_slave'.length);
  else filter.kind = kind;
}

function takeVrf(_: Filter, words: Words): void {
  const text = words.value();
  throw words.invalid(text, 'Not a valid VRF name', `there is no VRF "${text}"`, 'leave it out');
}

export const SHOW_WORDS: readonly Keyword<Filter>[] = [
  ...['to', 'scope'].map(absent),
  exactly('up', (filter) => {
    filter.up = true;
  }),
  ...['dynamic', 'permanent', 'primary', 'secondary', 'temporary', 'tentative', 'deprecated', 'dadfailed', 'label'].map(
    absent,
  ),
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

const USAGE = 'Usage: ip link add [link DEV | parentdev NAME] [ name ] NAME';

function takeDevice(filter: Filter, words: Words, word: string): void {
  const dev = word === 'dev' ? words.value() : word;
  if (word !== 'dev' && matches(word, 'help')) throw words.refuse(USAGE, 255, 'help was asked for');
  if (filter.dev !== undefined) throw words.garbage('dev', dev);
  filter.dev = dev;
  words.object = dev;
}

function parseFilter(words: Words): Filter {
  const filter: Filter = { up: false, nomaster: false };
  while (!words.done) {
    const word = words.next();
    const keyword = find(SHOW_WORDS, word);
    if (keyword !== undefined) keyword.take(filter, words);
    else takeDevice(filter, words, word);
  }
  return filter;
}

/** A TAP is of kind "tun", as in Linux; it was added as "tap", so that name finds it too. */
function isOfKind(link: LinkInfo, kind: string): boolean {
  const of = link.linkinfo?.info_kind;
  return of === kind || (kind === 'tap' && of === 'tun');
}

/** Left out by the kernel. An unknown kind selects nothing there. */
function dumped(link: LinkInfo, filter: Filter, knownKind: boolean): boolean {
  if (filter.master !== undefined && link.master !== filter.master) return false;
  if (filter.nomaster && link.master !== undefined) return false;
  return filter.kind === undefined || !knownKind || isOfKind(link, filter.kind);
}

/** Left out by iproute2. */
function shown(link: LinkInfo, filter: Filter): boolean {
  if (filter.up && !link.flags.includes('UP')) return false;
  if (filter.group !== undefined && link.group !== filter.group) return false;
  if (filter.master !== undefined && link.master !== filter.master) return false;
  if (filter.kind !== undefined && !isOfKind(link, filter.kind)) return false;
  return filter.slaveKind === undefined || link.linkinfo?.info_slave_kind === filter.slaveKind;
}

function isKnown(kind: string): boolean {
  return kind === 'bridge' || kind === 'tun' || Object.hasOwn(KINDS, kind);
}

function select(links: readonly LinkInfo[], filter: Filter, words: Words): Array<LinkInfo | undefined> {
  if (filter.master !== undefined && !links.some((link) => link.ifname === filter.master)) {
    throw words.invalid(
      filter.master,
      'Device does not exist',
      `there is no link "${filter.master}"`,
      'see "sluice ip link show"',
    );
  }
  if (filter.dev !== undefined) {
    const link = links.find((candidate) => candidate.ifname === filter.dev);
    if (link === undefined) throw noLink(filter.dev);
    return [shown(link, filter) ? link : undefined];
  }
  const knownKind =
    filter.kind !== undefined && (isKnown(filter.kind) || links.some((link) => isOfKind(link, filter.kind ?? '')));
  return links
    .filter((link) => dumped(link, filter, knownKind))
    .map((link) => (shown(link, filter) ? link : undefined));
}

function noLink(name: string, sentence?: string): Refusal {
  const ours = sentence ?? cannot('ip link show', name, 'there is no such link', 'see "sluice ip link show"');
  return new Refusal(`Device "${name}" does not exist.`, 1, ours);
}

export function parseShow(list: readonly string[], flags: ShowFlags): Plan {
  const words = new Words(list, 'ip link show', 'ip link');
  const filter = parseFilter(words);
  const name = filter.master === undefined ? filter.dev : undefined;
  return {
    requests: [name === undefined ? { op: 'link.list' } : { op: 'link.list', name }],
    print: ([links]) => formatLinks(select(links as LinkInfo[], filter, words), flags),
    explain: (error: ApiError) => {
      if (error.errno === 'ENODEV' && name !== undefined) return noLink(name, error.message);
      return new Refusal(netlinkLine(error), 2, error.message);
    },
  };
}
