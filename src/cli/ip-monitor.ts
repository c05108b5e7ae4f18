/*
 * `ip monitor`: what changes in a namespace, one event after the other, until a signal or the end of
 * the daemon. It is text always, -j or not, as with the real tool. There, what precedes an event
 * (time and label) is printed before `dev` is looked at, so with a label other links leave theirs.
 */
import type { LinkInfo } from '../control/api/link.js';
import type { MonitorEvent } from '../control/api/monitor.js';
import type { NextHop } from '../control/api/route.js';
import { addressText } from './addr-format.js';
import { familyOf } from './ip-addr-filter.js';
import { linkText } from './link-format.js';
import { neighbourText } from './neigh-format.js';
import { dialogue, type Plan } from './plan.js';
import { routeText, ruleText } from './route-format.js';
import type { ToolOptions } from './tool.js';
import { abbreviated, exactly, find, type Keyword, matches, Words } from './words.js';

type EventObject = MonitorEvent['object'];

export interface Selection {
  /** Empty: all. */
  objects: Set<EventObject>;
  label: boolean;
  dev?: string;
}

function object(word: string, of: EventObject): Keyword<Selection> {
  return abbreviated(word, ({ objects }) => {
    objects.add(of);
  });
}

/** What the kernel tells of and Sluice does not have. */
function absent(word: string): Keyword<Selection> {
  const take = (_: Selection, words: Words) => {
    throw words.unsupported(word, 'leave it out', `there are no events of "${word}"`);
  };
  return word === 'stats' ? exactly(word, take, true) : abbreviated(word, take, true);
}

const label = (selection: Selection) => {
  selection.label = true;
};

/** In iproute2's order, which decides what an abbreviation means. */
export const MONITOR_WORDS: readonly Keyword<Selection>[] = [
  absent('file'),
  abbreviated('label', label),
  object('link', 'link'),
  object('address', 'address'),
  object('route', 'route'),
  absent('mroute'),
  absent('prefix'),
  object('neigh', 'neigh'),
  absent('netconf'),
  object('rule', 'rule'),
  object('nsid', 'netns'),
  absent('nexthop'),
  absent('stats'),
  exactly('all', label),
  absent('all-nsid'),
];

function parseSelection(words: Words): Selection {
  const selection: Selection = { objects: new Set(), label: false };
  while (!words.done) {
    const word = words.next();
    const keyword = find(MONITOR_WORDS, word);
    if (keyword !== undefined) {
      keyword.take(selection, words);
    } else if (matches(word, 'help')) {
      const usage = 'Usage: ip monitor [ all | OBJECTS ] [ FILE ] [ label ] [ all-nsid ]';
      throw words.refuse(usage, 255, 'help was asked for');
    } else if (word === 'dev') {
      selection.dev = words.value();
    } else {
      const line = `Argument "${word}" is unknown, try "ip monitor help".`;
      throw words.refuse(line, 255, `there is no object "${word}"`);
    }
  }
  return selection;
}

const two = (number: number): string => String(number).padStart(2, '0');

/** As asctime(3), or in the order of ISO 8601; local time. */
export function timestamp(micros: number, form: 'long' | 'short'): string {
  const date = new Date(Math.floor(micros / 1000));
  const [weekday, month] = date.toString().split(' ');
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const [year, day, fraction] = [date.getFullYear(), date.getDate(), micros % 1e6];
  if (form === 'long') {
    return `Timestamp: ${weekday} ${month} ${String(day).padStart(2)} ${clock} ${year} ${fraction} usec\n`;
  }
  return `[${year}-${two(date.getMonth() + 1)}-${two(day)}T${clock}.${String(fraction).padStart(6, '0')}] `;
}

const LABELS: Record<EventObject, string> = {
  link: '[LINK]',
  address: '[ADDR]',
  route: '[ROUTE]',
  rule: '[RULE]',
  neigh: '[NEIGH]',
  netns: '[NSID]',
};

/** Is the event of a family that was asked for? Links and namespaces have none. */
function isOfFamily(event: MonitorEvent, family: ToolOptions['family']): boolean {
  if (family === undefined) return true;
  const wanted = familyOf(family);
  if (event.object === 'address') return event.address.family === family;
  if (event.object === 'neigh') return event.neighbour.family === wanted;
  if (event.object === 'route') return event.route.family === wanted;
  return event.object !== 'rule' || event.rule.family === wanted;
}

const VIEW = { whole: false, hardware: true, queue: false, briefHardware: false };

const leadsTo = (nexthops: readonly NextHop[], dev: string): boolean => nexthops[0]?.dev === dev;

function namespaceText({ name, id }: { name: string; id?: number }): string {
  return `nsid ${id} (iproute2 netns name: ${name})\n`;
}

/** What changed, without "Deleted"; undefined: not of this link. */
function changeText(event: MonitorEvent, options: ToolOptions, dev: string | undefined): string | undefined {
  const isOther = (name: string | undefined) => dev !== undefined && dev !== name;
  switch (event.object) {
    case 'link':
      return isOther(event.link.ifname) ? undefined : linkText(event.link, options, VIEW);
    case 'address':
      return isOther(event.dev) ? undefined : addressText(event.address, options, event);
    case 'neigh':
      return isOther(event.neighbour.dev) ? undefined : neighbourText(event.neighbour, options, dev !== undefined);
    case 'route':
      if (dev === undefined) return routeText(event.route, options);
      return leadsTo(event.route.nexthops, dev) ? routeText(event.route, options, { dev: true }) : undefined;
    case 'rule':
      return ruleText(event.rule, options);
    case 'netns':
      return namespaceText(event.netns);
  }
}

/** '': not to be printed at all. */
export function eventText(event: MonitorEvent, options: ToolOptions, selection: Selection): string {
  const { objects, dev } = selection;
  if (objects.size > 0 && !objects.has(event.object)) return '';
  // As in Linux, a namespace is news when it gets a number.
  if (event.object === 'netns' && event.netns.id === undefined) return '';
  if (!isOfFamily(event, options.family)) return '';
  const time = options.timestamp === undefined ? '' : timestamp(event.ts_us, options.timestamp);
  const head = time + (selection.label ? LABELS[event.object] : '');
  const text = changeText(event, options, dev);
  if (text === undefined) return head;
  return `${head}${event.deleted ? 'Deleted ' : ''}${text}`;
}

export function parseMonitor(list: readonly string[], options: ToolOptions): Plan {
  const words = new Words(list, 'ip monitor', 'ip monitor');
  const selection = parseSelection(words);
  const { dev } = selection;
  return dialogue(async (session) => {
    if (dev !== undefined) {
      const links = await session.ask<LinkInfo[]>({ op: 'link.list' });
      if (!links.some(({ ifname }) => ifname === dev))
        throw words.invalid(dev, 'Device does not exist', `there is no link "${dev}"`, 'see "sluice ip link"');
    }
    await session.stream<MonitorEvent>({ op: 'monitor' }, (event) => {
      session.terminal.out(eventText(event, options, selection));
      return true;
    });
    return 0;
  });
}
