/*
 * Which routes `ip route show`, `flush` and `save` are about: the selector's words, and the test.
 *
 * The daemon sends whole tables; every other selection is the client's, as it is iproute2's own. A
 * selector by something that no route here has (tos, realms, mark, iif) selects those without it.
 */
import type { Family } from '../control/api/family.js';
import type { RouteInfo, RouteType } from '../control/api/route.js';
import { parseAddressBytes } from '../control/route-batch.js';
import type { Prefix } from './inet-words.js';
import { parseUnsigned, takePrefix, takeUnsigned } from './inet-words.js';
import { checkRealms, familyOf, findType, type RouteOptions, refuseVrf, takeTos, USAGE } from './ip-route-change.js';
import { type Hidden, ROUTE_TYPES } from './route-format.js';
import { PROTOCOLS, SCOPES, TABLES } from './rt-names.js';
import { abbreviated, exactly, find, type Keyword, matches, type Words } from './words.js';

const MAIN = 254;

export interface Selector {
  /** Of the command line; absent: both, for all tables. */
  family: Family | undefined;
  /** 0: all. */
  table: number;
  cached: boolean;
  protocol?: number;
  scope?: number;
  /** none: one that no route here has. */
  type?: RouteType | 'none';
  tos?: number;
  mark?: number;
  realms: boolean;
  metric?: number;
  dev?: string;
  iif?: string;
  via?: Prefix;
  prefsrc?: Prefix;
  /** Routes at or below it. */
  rootDst?: Prefix;
  /** Routes at or above it. */
  matchDst?: Prefix;
  rootSrc?: Prefix;
  matchSrc?: Prefix;
}

type Take = Keyword<Selector>['take'];

const takeTable: Take = (selector, words) => {
  const text = words.value();
  const number = TABLES.number(text);
  if (number !== undefined) selector.table = number;
  else if (text === 'all') selector.table = 0;
  else if (text === 'cache') selector.cached = true;
  else if (text === 'help') throw words.refuse(USAGE, 255, 'help was asked for');
  else throw words.invalid(text, 'table id value is invalid');
};

const takeCached: Take = (selector) => {
  selector.cached = true;
};

const takeTosValue: Take = (selector, words) => {
  selector.tos = takeTos(words, 'TOS value is invalid');
};

const takeMetric: Take = (selector, words) => {
  selector.metric = takeUnsigned(words, '"metric" value is invalid');
};

const takeDevice: Take = (selector, words) => {
  selector.dev = words.value();
};

/** A number, a name, or "all": not selected by it. */
function takeNamed(key: 'protocol' | 'scope', names: { number(text: string): number | undefined }): Take {
  return (selector, words) => {
    const text = words.value();
    const number = names.number(text);
    if (number === undefined && text !== 'all') throw words.invalid(text, `invalid "${key}"`);
    if (number === undefined) delete selector[key];
    else selector[key] = number;
  };
}

function typeOfNumber(text: string): RouteType | undefined {
  const number = parseUnsigned(text, 255);
  return Object.entries(ROUTE_TYPES).find(([, id]) => id === number)?.[0] as RouteType | undefined;
}

const takeType: Take = (selector, words) => {
  const text = words.value();
  const type = findType(text);
  if (type === undefined && parseUnsigned(text, 255) === undefined)
    throw words.invalid(text, 'node type value is invalid');
  const known = type === 'nat' || type === 'xresolve' ? undefined : (type ?? typeOfNumber(text));
  selector.type = known ?? 'none';
};

function takeVia(selector: Selector, words: Words): void {
  const word = words.peek();
  const said: Family | undefined = word === 'inet' ? 4 : word === 'inet6' ? 6 : undefined;
  if (said !== undefined) words.next();
  selector.via = takePrefix(words, words.value(), said ?? selector.family);
}

/** `[root | match | exact] PREFIX`, the first word already taken. */
function takeRange(words: Words, first: string, family: Family | undefined): { root?: Prefix; match?: Prefix } {
  if (matches(first, 'root')) return { root: takePrefix(words, words.value(), family) };
  if (matches(first, 'match')) return { match: takePrefix(words, words.value(), family) };
  const text = matches(first, 'exact') ? words.value() : first;
  const prefix = takePrefix(words, text, family);
  return { root: prefix, match: prefix };
}

function takeFrom(selector: Selector, words: Words): void {
  const { root, match } = takeRange(words, words.value(), selector.family);
  if (root !== undefined) selector.rootSrc = root;
  if (match !== undefined) selector.matchSrc = match;
}

function takeTo(selector: Selector, words: Words, word: string): void {
  const { root, match } = takeRange(words, matches(word, 'to') ? words.value() : word, selector.family);
  if (root !== undefined) selector.rootDst = root;
  if (match !== undefined) selector.matchDst = match;
}

export const SELECTOR_WORDS: readonly Keyword<Selector>[] = [
  abbreviated('table', takeTable),
  abbreviated(
    'vrf',
    (_, words) => {
      throw refuseVrf(words);
    },
    true,
  ),
  abbreviated('cached', takeCached),
  abbreviated('cloned', takeCached),
  exactly('tos', takeTosValue),
  abbreviated('dsfield', takeTosValue),
  abbreviated('protocol', takeNamed('protocol', PROTOCOLS)),
  abbreviated('scope', takeNamed('scope', SCOPES)),
  abbreviated('type', takeType),
  exactly('dev', takeDevice),
  exactly('oif', takeDevice),
  exactly('iif', (selector, words) => {
    selector.iif = words.value();
  }),
  exactly('mark', (selector, words) => {
    selector.mark = takeUnsigned(words, 'invalid mark value');
  }),
  abbreviated('metric', takeMetric),
  abbreviated('priority', takeMetric),
  exactly('preference', takeMetric),
  exactly('via', takeVia),
  exactly('src', (selector, words) => {
    selector.prefsrc = takePrefix(words, words.value(), selector.family);
  }),
  abbreviated('realms', (selector, words) => {
    checkRealms(words, 'invalid realms');
    selector.realms = true;
  }),
  abbreviated('from', takeFrom),
];

export function parseSelector(words: Words, options: RouteOptions): Selector {
  const selector: Selector = { family: familyOf(options), table: MAIN, cached: false, realms: false };
  while (!words.done) {
    const word = words.next();
    const keyword = find(SELECTOR_WORDS, word);
    if (keyword !== undefined) keyword.take(selector, words);
    else takeTo(selector, words, word);
  }
  return selector;
}

/** Families whose tables are looked through. */
export function familiesOf({ family, table }: Selector): Family[] {
  if (family !== undefined) return [family];
  return table === 0 ? [4, 6] : [4];
}

/** What every route selected has in common is not printed. */
export function hiddenBy(selector: Selector): Hidden {
  const isHost = (prefix: Prefix | undefined) =>
    prefix?.family !== undefined && prefix.length === (prefix.family === 4 ? 32 : 128);
  return {
    table: selector.table !== 0,
    protocol: selector.protocol !== undefined,
    scope: selector.scope !== undefined,
    metric: selector.metric !== undefined,
    dev: selector.dev !== undefined,
    iif: selector.iif !== undefined,
    gateway: isHost(selector.via),
    prefsrc: isHost(selector.prefsrc),
  };
}

interface Address {
  family: Family;
  bytes: Uint8Array;
  length: number;
}

const ZERO: Record<Family, Uint8Array> = { 4: new Uint8Array(4), 6: new Uint8Array(16) };

function addressOf(text: string | undefined, family: Family): Address {
  if (text === undefined) return { family, bytes: ZERO[family], length: 0 };
  const [address, length] = text.split('/');
  const bytes = parseAddressBytes(address) ?? ZERO[family];
  return {
    family: bytes.length === 4 ? 4 : 6,
    bytes,
    length: length === undefined ? bytes.length * 8 : Number(length),
  };
}

function sameBits(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) if (a[i] !== b[i]) return false;
  const rest = bits & 7;
  return rest === 0 || ((a[whole] ^ b[whole]) & (0xff00 >> rest) & 0xff) === 0;
}

/** A prefix of a selector, ready to be compared. "default" and "any" compare lengths alone, "any" without a family nothing. */
type Range = (address: Address) => boolean;

function rangeOf(prefix: Prefix, compare: (address: Address, length: number) => number | undefined): Range {
  const { family, length } = prefix;
  if (family === undefined && !prefix.hasLength) return () => true;
  const bytes = prefix.address === '' ? undefined : parseAddressBytes(prefix.address);
  return (address) => {
    if (family !== undefined && address.family !== family) return false;
    const bits = compare(address, length);
    return bits !== undefined && (bytes === undefined || sameBits(address.bytes, bytes, bits));
  };
}

const below = (prefix: Prefix) => rangeOf(prefix, (address, length) => (length > address.length ? undefined : length));
const above = (prefix: Prefix) =>
  rangeOf(prefix, (address, length) => (length < address.length ? undefined : address.length));
const within = (prefix: Prefix) => rangeOf(prefix, (_, length) => length);

/** Is a rule's prefix (absent: all) at or below this one? */
export function liesBelow(text: string | undefined, prefix: Prefix, family: Family): boolean {
  const address = addressOf(text, family);
  return prefix.family === undefined || prefix.length === 0 || below(prefix)(address);
}

/** The tests that compare addresses; most shows have none. */
function addressTests(selector: Selector): Array<(route: RouteInfo) => boolean> {
  const tests: Array<(route: RouteInfo) => boolean> = [];
  const add = (range: Range, address: (route: RouteInfo) => Address) => tests.push((route) => range(address(route)));
  const dst = (route: RouteInfo) => addressOf(route.dst, route.family);
  const src = (route: RouteInfo) => addressOf(route.src, route.family);
  const prefsrc = (route: RouteInfo) => addressOf(route.prefsrc, route.family);
  const gateway = (route: RouteInfo) =>
    addressOf(route.nexthops.length === 1 ? route.nexthops[0].gateway : undefined, route.family);
  if (selector.rootDst !== undefined) add(below(selector.rootDst), dst);
  if (selector.matchDst !== undefined) add(above(selector.matchDst), dst);
  if (selector.rootSrc !== undefined) add(below(selector.rootSrc), src);
  if (selector.matchSrc !== undefined) add(above(selector.matchSrc), src);
  if (selector.via !== undefined) add(within(selector.via), gateway);
  if (selector.prefsrc !== undefined) add(within(selector.prefsrc), prefsrc);
  return tests;
}

/**
 * IPv6 routes of type local are not shown in table main: iproute2 takes them for what a kernel
 * without tables keeps there, as long as it has seen no other table.
 */
function isHiddenLocal(route: RouteInfo, selector: Selector): boolean {
  return route.family === 6 && selector.table === MAIN && route.type === 'local';
}

function passesPlain(route: RouteInfo, selector: Selector): boolean {
  const { protocol, scope, type, metric, dev } = selector;
  if ((route.cache !== undefined) !== selector.cached) return false;
  if (selector.table !== 0 && (route.table !== selector.table || isHiddenLocal(route, selector))) return false;
  if (protocol !== undefined && route.protocol !== protocol) return false;
  if (scope !== undefined && route.scope !== scope) return false;
  if (type !== undefined && route.type !== type) return false;
  if (metric !== undefined && route.metric !== metric) return false;
  if (dev !== undefined && (route.nexthops.length !== 1 || route.nexthops[0].dev !== dev)) return false;
  return selector.iif === undefined || route.iif === selector.iif;
}

/** By what no route has: one that asks for anything but zero selects none. */
function isImpossible({ tos = 0, mark = 0, realms }: Selector): boolean {
  return tos !== 0 || mark !== 0 || realms;
}

export function testOf(selector: Selector): (route: RouteInfo) => boolean {
  if (isImpossible(selector)) return () => false;
  const tests = addressTests(selector);
  return (route) => passesPlain(route, selector) && tests.every((test) => test(route));
}
