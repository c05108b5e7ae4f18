/*
 * `ip route add|append|prepend|replace|change|delete`: words to a request.
 *
 * The words are one list, read as iproute2 reads it: in that order, with those abbreviations. What
 * iproute2 knows and has no effect in Sluice is read as far as iproute2 checks it, and refused by
 * name once the rest of the command is known to be right.
 */
import type { ApiError } from '../control/api/answer.js';
import type { Family } from '../control/api/family.js';
import type { Request } from '../control/api/request.js';
import type { NextHop, RouteChange, RouteMetrics, RouteType, RouteVerb } from '../control/api/route.js';
import {
  type Prefix,
  parsePrefix,
  parseUnsigned,
  prefixText,
  takeInet,
  takePrefix,
  takeUnsigned,
} from './inet-words.js';
import { type Ask, change, exists, type Plan } from './plan.js';
import { netlinkLine, Refusal } from './refusal.js';
import { DSFIELDS, PROTOCOLS, REALMS, SCOPES, TABLES } from './rt-names.js';
import { abbreviated, exactly, find, type Keyword, matches, type Words } from './words.js';

/** What `ip` was told before the object. */
export interface RouteOptions {
  family?: 'inet' | 'inet6' | 'link';
}

export function familyOf(options: RouteOptions): Family | undefined {
  return options.family === undefined ? undefined : options.family === 'inet6' ? 6 : 4;
}

const MAIN = 254;
const LOCAL = 255;
const SCOPE_LINK = 253;
const SCOPE_HOST = 254;

/** Only what the words said; `complete` adds the defaults. */
interface RouteDraft {
  family: Family | undefined;
  type?: RouteType;
  dst?: Prefix;
  table?: number;
  protocol?: number;
  scope?: number;
  metric?: number;
  prefsrc?: string;
  gateway?: string;
  hasVia: boolean;
  dev?: string;
  onlink: boolean;
  metrics: RouteMetrics;
  pref?: NonNullable<RouteChange['pref']>;
  expires?: number;
  nexthops: NextHop[];
  /** The first word that has no effect here. */
  absent?: string;
}

type Take = Keyword<RouteDraft>['take'];

const absently =
  (word: string, take: (words: Words, draft: RouteDraft) => void): Take =>
  (draft, words) => {
    take(words, draft);
    draft.absent ??= word;
  };

/** A metric that TCP would use; there are no TCP connections through a route of ours. */
function absentMetric(word: string, keyword: typeof exactly, name = word): Keyword<RouteDraft> {
  const take = (words: Words) => {
    if (words.peek() === 'lock') words.next();
    takeUnsigned(words, `"${name}" value is invalid`);
  };
  return keyword(word, absently(word, take), true);
}

function absentTime(word: string, hasLock: boolean): Keyword<RouteDraft> {
  const take = (words: Words) => {
    if (hasLock && words.peek() === 'lock') words.next();
    const text = words.value();
    if (!/^\s*(0x[0-9a-f]+|[0-9]*\.?[0-9]+|[0-9]+\.)(s|sec|secs|ms|msec|msecs)?$/i.test(text))
      throw words.invalid(text, `"${word}" value is invalid`);
  };
  return exactly(word, absently(word, take), true);
}

function absentBit(word: string): Keyword<RouteDraft> {
  const take = (words: Words) => {
    const text = words.peek() ?? '';
    if (takeUnsigned(words, `"${word}" value is invalid`) > 1)
      throw words.invalid(text, `"${word}" value should be 0 or 1`);
  };
  return abbreviated(word, absently(word, take), true);
}

/** `"NAME" NUMBER`, or a number of a list of names. */
function named(words: Words, names: { number(text: string): number | undefined }, message: string): number {
  const text = words.value();
  const number = names.number(text);
  if (number === undefined) throw words.invalid(text, message);
  return number;
}

export function takeTable(words: Words, message: string): number {
  return named(words, TABLES, message);
}

/** There are no VRFs, so no name is one. */
export function refuseVrf(words: Words): Refusal {
  const text = words.value();
  return words.invalid(text, 'Invalid VRF', `there is no VRF "${text}"`, 'name a table instead');
}

export function takeTos(words: Words, message: string): number {
  return named(words, DSFIELDS, message);
}

export function checkRealms(words: Words, message: string): void {
  const text = words.value();
  const isRealm = (part: string) => part === '' || REALMS.number(part) !== undefined;
  if (!text.split('/').every(isRealm) && parseUnsigned(text) === undefined) throw words.invalid(text, message);
}

/** Where the words of a whole route and those of one next hop agree. */
interface Way {
  gateway?: string;
}

const OTHER_FAMILIES = ['link', 'mpls', 'bridge'];

/** Of the family that was named, else of the route's, which it decides if nothing has. */
function takeVia(way: Way, words: Words, draft: RouteDraft): void {
  const word = words.peek();
  if (word !== undefined && OTHER_FAMILIES.includes(word)) {
    words.next();
    words.value();
    draft.absent ??= `via ${word}`;
    return;
  }
  const said: Family | undefined = word === 'inet' ? 4 : word === 'inet6' ? 6 : undefined;
  if (said !== undefined) words.next();
  const { family, address } = takeInet(words, said ?? draft.family);
  draft.family ??= family;
  if (family === 4 && draft.family === 6) throw noVia(words);
  if (address !== '0.0.0.0') way.gateway = address;
}

function noVia(words: Words): Refusal {
  const line = 'Error: IPv6 does not support RTA_VIA attribute.';
  return words.refuse(line, 2, 'a gateway of IPv6 routes is IPv6', 'name an IPv6 gateway', false);
}

function takeRouteVia(draft: RouteDraft, words: Words): void {
  if (draft.hasVia)
    throw words.invalid('via', 'use nexthop syntax to specify multiple via', 'it has two gateways', 'use "nexthop"');
  draft.hasVia = true;
  takeVia(draft, words, draft);
}

function takeSource(draft: RouteDraft, words: Words): void {
  const { family, address } = takeInet(words, draft.family);
  draft.family ??= family;
  if (address !== '0.0.0.0' && address !== '::') draft.prefsrc = address;
}

function takeFrom(draft: RouteDraft, words: Words): void {
  const prefix = takePrefix(words, words.value(), draft.family);
  draft.family ??= prefix.family;
  if (prefix.length > 0) draft.absent ??= 'from';
}

function takeMetric(name: 'mtu' | 'hoplimit', highest: number): Take {
  return ({ metrics }, words) => {
    if (words.peek() === 'lock') {
      words.next();
      metrics.lock = [...(metrics.lock ?? []), name];
    }
    metrics[name] = takeUnsigned(words, `"${name}" value is invalid`, highest);
  };
}

const takePriority: Take = (draft, words) => {
  draft.metric = takeUnsigned(words, '"metric" value is invalid');
};

const takeDevice: Take = (draft, words) => {
  draft.dev = words.value();
};

const takeTosOfRoute: Take = (draft, words) => {
  if (takeTos(words, '"tos" value is invalid') !== 0) draft.absent ??= 'tos';
};

const PREFERENCES = ['medium', 'high', 'low'] as const;

/** Numbers are those of RFC 4191 in two bits: 3 is low. */
const takePreference: Take = (draft, words) => {
  const text = words.value();
  const known = PREFERENCES.find((name) => name === text);
  const number = parseUnsigned(text, 255);
  if (known === undefined && number === undefined) throw words.invalid(text, '"pref" value is invalid');
  draft.pref = known ?? (number === 1 ? 'high' : number === 3 ? 'low' : 'medium');
};

const takeAs: Take = absently('as', (words, draft) => {
  if (words.peek() === 'to') words.next();
  takeInet(words, draft.family);
});

const takeCongestion: Take = absently('congctl', (words) => {
  if (words.value() === 'lock') words.value();
});

const takeFeatures: Take = absently('features', (words) => {
  const text = words.value();
  if (text !== 'ecn') throw words.invalid(text, '"features" value not valid');
});

const takePropagate: Take = absently('ttl-propagate', (words) => {
  const text = words.value();
  if (!matches(text, 'enabled') && !matches(text, 'disabled'))
    throw words.invalid(text, '"ttl-propagate" value is invalid');
});

const takeRealms: Take = absently('realms', (words) => checkRealms(words, '"realm" value is invalid'));

/** Its own words are many; none is looked at. */
const refuseEncap = (_: unknown, words: Words) => {
  throw words.unsupported('encap', 'routes encapsulate nothing; use a tunnel link');
};

export const ROUTE_WORDS: readonly Keyword<RouteDraft>[] = [
  exactly('src', takeSource),
  exactly('as', takeAs, true),
  exactly('via', takeRouteVia),
  exactly('from', takeFrom, true),
  exactly('tos', takeTosOfRoute, true),
  abbreviated('dsfield', takeTosOfRoute, true),
  exactly('expires', (draft, words) => {
    draft.expires = takeUnsigned(words, '"expires" value is invalid');
  }),
  abbreviated('metric', takePriority),
  abbreviated('priority', takePriority),
  exactly('preference', takePriority),
  exactly('scope', (draft, words) => {
    draft.scope = named(words, SCOPES, 'invalid "scope" value');
  }),
  exactly('mtu', takeMetric('mtu', 0xffffffff)),
  exactly('hoplimit', takeMetric('hoplimit', 255)),
  absentMetric('advmss', exactly, 'mss'),
  absentMetric('reordering', abbreviated),
  absentTime('rtt', true),
  absentTime('rto_min', false),
  absentMetric('window', abbreviated),
  absentMetric('cwnd', abbreviated),
  absentMetric('initcwnd', abbreviated),
  absentMetric('initrwnd', abbreviated),
  abbreviated('features', takeFeatures, true),
  absentBit('quickack'),
  abbreviated('congctl', takeCongestion, true),
  { ...absentTime('rttvar', true), exact: false },
  absentMetric('ssthresh', abbreviated),
  abbreviated('realms', takeRealms, true),
  exactly('onlink', (draft) => {
    draft.onlink = true;
  }),
  exactly('nexthop', takeNextHops),
  exactly(
    'nhid',
    absently('nhid', (words) => takeUnsigned(words, '"id" value is invalid')),
    true,
  ),
  abbreviated('protocol', (draft, words) => {
    draft.protocol = named(words, PROTOCOLS, '"protocol" value is invalid');
  }),
  abbreviated('table', (draft, words) => {
    draft.table = takeTable(words, '"table" value is invalid');
  }),
  abbreviated(
    'vrf',
    (_, words) => {
      throw refuseVrf(words);
    },
    true,
  ),
  exactly('dev', takeDevice),
  exactly('oif', takeDevice),
  abbreviated('pref', takePreference),
  exactly('encap', refuseEncap, true),
  exactly('ttl-propagate', takePropagate, true),
  absentBit('fastopen_no_cookie'),
];

/** The rest of the line is next hops. */
function takeNextHops(draft: RouteDraft, words: Words): void {
  for (let word: string | undefined = 'nexthop'; word !== undefined; word = words.done ? undefined : words.next()) {
    if (word !== 'nexthop') {
      const line = `Error: "nexthop" or end of line is expected instead of "${word}"`;
      throw words.refuse(line, 255, `"${word}" is no word of a next hop`);
    }
    if (words.done) throw words.refuse('Error: unexpected end of line after "nexthop"', 255, 'a next hop says nothing');
    draft.nexthops.push(nextHop(draft, words));
  }
}

function takeWeight(hop: NextHop, words: Words): void {
  const text = words.peek() ?? '';
  const weight = takeUnsigned(words, '"weight" is invalid', 256);
  if (weight === 0) throw words.invalid(text, '"weight" is invalid');
  hop.weight = weight;
}

function nextHop(draft: RouteDraft, words: Words): NextHop {
  const hop: NextHop = {};
  for (let word = words.peek(); word !== undefined; word = words.peek()) {
    const keyword = find(NEXT_HOP_WORDS, word);
    if (keyword === undefined) break;
    words.next();
    keyword.take({ hop, draft }, words);
  }
  return hop;
}

interface HopDraft {
  hop: NextHop;
  draft: RouteDraft;
}

export const NEXT_HOP_WORDS: readonly Keyword<HopDraft>[] = [
  exactly('via', ({ hop, draft }, words) => takeVia(hop, words, draft)),
  exactly('dev', ({ hop }, words) => {
    hop.dev = words.value();
  }),
  exactly('weight', ({ hop }, words) => takeWeight(hop, words)),
  exactly('onlink', ({ hop }) => {
    hop.onlink = true;
  }),
  abbreviated('realms', ({ draft }, words) => takeRealms(draft, words), true),
  exactly('encap', refuseEncap, true),
  exactly('as', ({ draft }, words) => takeAs(draft, words), true),
];

/** What a type's word means, in iproute2's order; a name without a type has none here. */
const TYPE_WORDS: ReadonlyArray<[word: string, exact: boolean, type: RouteType | 'nat' | 'xresolve']> = [
  ['local', true, 'local'],
  ['nat', true, 'nat'],
  ['broadcast', false, 'broadcast'],
  ['brd', true, 'broadcast'],
  ['anycast', false, 'anycast'],
  ['multicast', false, 'multicast'],
  ['prohibit', false, 'prohibit'],
  ['unreachable', false, 'unreachable'],
  ['blackhole', false, 'blackhole'],
  ['xresolve', false, 'xresolve'],
  ['unicast', false, 'unicast'],
  ['throw', true, 'throw'],
];

/** Those that completion offers. */
export const TYPE_NAMES = TYPE_WORDS.filter(
  ([word, , type]) => word === type && word.length > 3 && word !== 'xresolve',
).map(([word]) => word);

export function findType(word: string): RouteType | 'nat' | 'xresolve' | undefined {
  return TYPE_WORDS.find(([name, exact]) => (exact ? name === word : matches(word, name)))?.[2];
}

export const USAGE = 'Usage: ip route { list | flush } SELECTOR';

function takeDestination(draft: RouteDraft, words: Words, first: string): void {
  let word = first === 'to' ? words.value() : first;
  const type = /^[0-9]/.test(word) ? undefined : findType(word);
  if (type !== undefined) {
    if (type === 'nat' || type === 'xresolve') draft.absent ??= type;
    else draft.type = type;
    word = words.value();
  }
  if (matches(word, 'help')) throw words.refuse(USAGE, 255, 'help was asked for');
  if (draft.dst !== undefined) throw words.garbage('to', word);
  draft.dst = takePrefix(words, word, draft.family);
  draft.family ??= draft.dst.family;
  words.object = word;
}

function parseDraft(words: Words, family: Family | undefined): RouteDraft {
  const draft: RouteDraft = { family, hasVia: false, onlink: false, metrics: {}, nexthops: [] };
  while (!words.done) {
    const word = words.next();
    const keyword = find(ROUTE_WORDS, word);
    if (keyword !== undefined) keyword.take(draft, words);
    else takeDestination(draft, words, word);
  }
  if (draft.dst === undefined) throw words.refuse(USAGE, 255, 'it names no destination');
  if (draft.absent !== undefined)
    throw words.unsupported(draft.absent, undefined, `"${draft.absent}" has no effect here`);
  return draft;
}

function tableOf({ table, type }: RouteDraft): number {
  return table ?? (type === 'local' || type === 'broadcast' || type === 'anycast' ? LOCAL : MAIN);
}

/** iproute2's own defaults. undefined: any will do, when deleting. */
function scopeOf(draft: RouteDraft, family: Family, verb: RouteVerb): number | undefined {
  if (draft.scope !== undefined) return draft.scope;
  if (family === 6) return 0;
  const { type } = draft;
  if (type === 'local') return SCOPE_HOST;
  if (type === 'broadcast' || type === 'multicast' || type === 'anycast') return SCOPE_LINK;
  if (verb === 'del') return undefined;
  const isDirect = (type === undefined || type === 'unicast') && !draft.hasVia && draft.nexthops.length === 0;
  return isDirect ? SCOPE_LINK : 0;
}

function hopsOf(draft: RouteDraft): NextHop[] {
  if (draft.nexthops.length > 0) return draft.nexthops;
  const { gateway, dev, onlink } = draft;
  if (gateway === undefined && dev === undefined && !onlink) return [];
  return [{ ...(gateway !== undefined && { gateway }), ...(dev !== undefined && { dev }), ...(onlink && { onlink }) }];
}

/** The request's route, with the defaults that iproute2 itself sends. */
function complete(draft: RouteDraft, verb: RouteVerb): RouteChange {
  const family = draft.family ?? 4;
  const adds = verb !== 'del';
  const type = draft.type ?? (adds ? 'unicast' : undefined);
  const protocol = draft.protocol ?? (adds ? 3 : undefined);
  const scope = scopeOf(draft, family, verb);
  const { metric, prefsrc, pref, expires, metrics } = draft;
  const dst = draft.dst ?? { family, address: '', length: 0, hasLength: true };
  return {
    family,
    dst: prefixText(dst, family),
    ...(type !== undefined && { type }),
    table: tableOf(draft),
    ...(protocol !== undefined && { protocol }),
    ...(scope !== undefined && { scope }),
    ...(metric !== undefined && { metric }),
    ...(prefsrc !== undefined && { prefsrc }),
    nexthops: hopsOf(draft),
    ...(Object.keys(metrics).length > 0 && { metrics }),
    ...(pref !== undefined && { pref }),
    ...(expires !== undefined && { expires }),
  };
}

/** iproute2 looks up devices itself, before it asks the kernel; and inside "nexthop" it gives up at once. */
export function noDevice(name: string, sentence: string, inNextHop = false): Refusal {
  return new Refusal(`Cannot find device "${name}"`, inNextHop ? 255 : 1, sentence, inNextHop);
}

export async function explainRoute(
  error: ApiError,
  route: RouteChange,
  isMultipath: boolean,
  ask: Ask,
): Promise<Refusal> {
  const devices = error.errno === 'ENODEV' ? route.nexthops.map(({ dev }) => dev) : [];
  for (const dev of devices)
    if (dev !== undefined && !(await exists(ask, dev))) return noDevice(dev, error.message, isMultipath);
  return new Refusal(netlinkLine(error), 2, error.message);
}

export function parseChange(verb: RouteVerb, words: Words, options: RouteOptions): Plan {
  if (options.family === 'link') throw linkFamily(words);
  const draft = parseDraft(words, familyOf(options));
  const route = complete(draft, verb);
  const request: Request = { op: 'route.change', verb, route };
  const isMultipath = draft.nexthops.length > 0;
  return change([request], (error, failed, ask) =>
    explainRoute(error, failed.op === 'route.change' ? failed.route : route, isMultipath, ask),
  );
}

/** -0: the first prefix ends it. */
function linkFamily(words: Words): Refusal {
  const prefix = words.rest.find((word) => parsePrefix(word, undefined) !== undefined) ?? '';
  const line = `Error: "${prefix}" may be inet prefix, but it is not allowed in this context.`;
  return words.refuse(line, 1, 'links have no routes of their own', 'use -4 or -6');
}
