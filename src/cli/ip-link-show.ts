/*
 * `ip link show`: its filters, and what it prints.
 *
 * The kernel leaves out links by master and kind; iproute2 itself by `up`, group and slave kind, or
 * by anything when one link is asked for. The second sort stays in its JSON as an empty object.
 */
import type { ApiError } from '../control/api/answer.js';
import type { LinkInfo } from '../control/api/link.js';
import { isOfKind, LINK_FILTER_WORDS, type LinkFilter, takeDevice } from './link-filter.js';
import { formatLinks, type ShowFlags } from './link-format.js';
import { KINDS } from './link-kinds.js';
import type { Plan } from './plan.js';
import { cannot, netlinkLine, Refusal } from './refusal.js';
import { exactly, find, type Keyword, Words } from './words.js';

function absent(word: string): Keyword<LinkFilter> {
  const take = (_: LinkFilter, words: Words) => {
    throw words.unsupported(word, 'use "ip addr show"', `"${word}" selects addresses`);
  };
  return exactly(word, take, true);
}

/** Words that select addresses. */
const ADDRESS_WORDS = [
  ...['to', 'scope', 'dynamic', 'permanent', 'primary', 'secondary', 'temporary', 'tentative', 'deprecated'],
  ...['dadfailed', 'label'],
];

export const SHOW_WORDS: readonly Keyword<LinkFilter>[] = [...ADDRESS_WORDS.map(absent), ...LINK_FILTER_WORDS];

const USAGE = 'Usage: ip link add [link DEV | parentdev NAME] [ name ] NAME';

function parseFilter(words: Words): LinkFilter {
  const filter: LinkFilter = { up: false, nomaster: false };
  while (!words.done) {
    const word = words.next();
    const keyword = find(SHOW_WORDS, word);
    if (keyword !== undefined) keyword.take(filter, words);
    else takeDevice(filter, words, word, USAGE);
  }
  return filter;
}

/** Left out by the kernel. An unknown kind selects nothing there. */
function dumped(link: LinkInfo, filter: LinkFilter, knownKind: boolean): boolean {
  if (filter.master !== undefined && link.master !== filter.master) return false;
  if (filter.nomaster && link.master !== undefined) return false;
  return filter.kind === undefined || !knownKind || isOfKind(link, filter.kind);
}

/** Left out by iproute2. */
function shown(link: LinkInfo, filter: LinkFilter): boolean {
  if (filter.up && !link.flags.includes('UP')) return false;
  if (filter.group !== undefined && link.group !== filter.group) return false;
  if (filter.master !== undefined && link.master !== filter.master) return false;
  if (filter.kind !== undefined && !isOfKind(link, filter.kind)) return false;
  return filter.slaveKind === undefined || link.linkinfo?.info_slave_kind === filter.slaveKind;
}

function isKnown(kind: string): boolean {
  return kind === 'bridge' || kind === 'tun' || Object.hasOwn(KINDS, kind);
}

function select(links: readonly LinkInfo[], filter: LinkFilter, words: Words): Array<LinkInfo | undefined> {
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
