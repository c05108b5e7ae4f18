/*
 * `ip route get`: the route that a packet would take, as the kernel finds it for one that this host sends (ip_route_output)
 * or, with `iif`, for one that comes in by a link (ip_route_input). Worked out on the tables here; the datapath's look-up
 * is held against them by a test.
 *
 * Which next hop of a multipath route a flow gets is decided by a hash with a secret, which a question without a packet does
 * not have: the first that is alive is told.
 */
import { AddressFlag, Scope } from '../../route/addresses.js';
import { RouteType } from '../../route/fib.js';
import type { Family } from '../api/family.js';
import type { GetRoute, RouteInfo } from '../api/route.js';
import { type InetLink, isLoopback } from './host.js';
import { type Hop, isZero, usesGateway } from './info.js';
import { bytesOfKey, formatKey, keyOfBytes, parseKey, TableId, wordsOf } from './keys.js';
import { type Found, isFound, type Outcome, type Wanted } from './lookup.js';
import { refuse } from './refused.js';
import { flagNames, hopInfo, metricsInfo, routeInfo } from './route-info.js';
import { linkNamed, PREF_NAMES, typeName } from './route-spec.js';
import { isMulticast6, isOwn } from './routes6.js';
import type { RuleFlow } from './rules.js';
import type { Stack } from './stack.js';

/** 224.0.0.1, which every link has joined. */
const ALL_HOSTS = 0xe0000001 | 0;
const LOOPBACK = 0x7f000001;
const BROADCAST = -1;

const isMulticast = (address: number): boolean => address >>> 28 === 14;
const isLocalMulticast = (address: number): boolean => address >>> 8 === 0xe00000;

interface Question {
  destination: Int32Array;
  source: Int32Array;
  iif: InetLink | undefined;
  oif: InetLink | undefined;
  flow: RuleFlow;
}

/** What an IPv4 packet meets; rtable. */
interface Route4 {
  type: RouteType;
  found: Found | undefined;
  link: InetLink;
  /** Absent on the link itself. */
  hop: Hop | undefined;
  source: number;
  cache: string[];
}

function addressOf(text: string | undefined, family: Family): Int32Array {
  if (text === undefined) return new Int32Array(wordsOf(family));
  return parseKey(text, family) ?? refuse('EINVAL', `"${text}" is no IPv${family} address`, 'write one');
}

function questionOf(stack: Stack, request: GetRoute): Question {
  const { family, mark = 0, tos = 0, ipproto = 0, sport = 0, dport = 0 } = request;
  const destination = addressOf(request.dst.split('/')[0], family);
  const source = addressOf(request.from, family);
  const linkOf = (name: string | undefined): InetLink | undefined =>
    name === undefined ? undefined : linkNamed(stack.namespace, name);
  const iif = linkOf(request.iif);
  const oif = linkOf(request.oif);
  const names = { iif: iif?.name ?? 'lo', oif: oif?.name ?? '' };
  return {
    destination,
    source,
    iif,
    oif,
    flow: { ...names, mark: mark | 0, tos, protocol: ipproto, sport, dport, source, destination },
  };
}

function unreachable(errno: string): never {
  const causes: Record<string, string> = {
    ENETUNREACH: 'there is no route to it',
    EHOSTUNREACH: 'its route says that it cannot be reached, or this is no router',
    EACCES: 'its route, or a rule, prohibits it',
    EXDEV: 'its source is not expected by this link',
    EINVAL: 'a packet like that is dropped',
  };
  return refuse(errno, causes[errno] ?? 'it is refused', '"ip route" and "ip rule" list what there is');
}

export async function getRoute(stack: Stack, request: GetRoute): Promise<RouteInfo> {
  const question = questionOf(stack, request);
  return request.family === 4 ? get4(stack, request, question) : get6(stack, request, question);
}

// --- IPv4 ---------------------------------------------------------------------------------------------

function get4(stack: Stack, request: GetRoute, question: Question): RouteInfo {
  const route = question.iif === undefined ? output4(stack, question) : input4(stack, question, question.iif);
  const { found } = route;
  if (request.fibmatch === true) {
    if (found === undefined) return unreachable('EHOSTUNREACH');
    return { ...fibInfo(stack, 4, found, question.destination), table: tableOf(stack, found) };
  }
  const { type, link, hop, source, cache } = route;
  const metrics = found === undefined ? undefined : metricsInfo(found.info);
  const isMulticastRoute = cache.includes('mc');
  return {
    family: 4,
    type: typeName(type),
    dst: formatKey(question.destination),
    ...(request.from !== undefined && { src: request.from }),
    table: found === undefined ? 0 : tableOf(stack, found),
    protocol: 0,
    scope: 0,
    metric: 0,
    ...(question.iif === undefined && source !== question.source[0] && { prefsrc: formatKey(Int32Array.of(source)) }),
    ...(question.iif !== undefined && { iif: question.iif.name }),
    nexthops: [{ ...(hop !== undefined && { gateway: hopInfo(hop).gateway as string }), dev: link.name, flags: [] }],
    // The bit that says "multicast" of a cached route says this of any other; iproute2 prints both.
    flags: isMulticastRoute ? ['rt_offload_failed'] : [],
    cache,
    ...(metrics !== undefined && { metrics }),
    ...(question.flow.mark !== 0 && { mark: question.flow.mark >>> 0 }),
    ...(question.iif === undefined && { uid: 0 }),
  };
}

/** While local lies in main's trie the kernel says that it found its routes in main. */
function tableOf({ rib4 }: Stack, { table }: Found): number {
  return table.id === TableId.LOCAL && !rib4.isSplit ? TableId.MAIN : table.id;
}

function fibInfo(stack: Stack, family: Family, found: Found, destination: Int32Array): RouteInfo {
  const key = new Int32Array(4);
  key.set(destination);
  for (let i = 0; i < 4; i++) {
    const bits = Math.min(Math.max(found.length - i * 32, 0), 32);
    key[i] &= bits === 0 ? 0 : -1 << (32 - bits);
  }
  return routeInfo(stack, family, found.table, key, found.length, found.info);
}

function wanted(address: Int32Array, oif: InetLink | undefined): Wanted {
  return { address, scope: 0, oif, ignoresCarrier: false };
}

/** The link that has an address. */
function holderOf(stack: Stack, address: number): InetLink | undefined {
  const links = [...stack.namespace.links.values()];
  const holder = links.find((link) => stack.addresses4.of(link).some(({ local }) => local === address));
  return holder ?? stack.routes4.linkOfLocal(address);
}

/** A route without a gateway. */
function onLink(type: RouteType, link: InetLink, source: number, cache: string[], found?: Found): Route4 {
  return { type, found, link, hop: undefined, source, cache };
}

function loopbackOf(stack: Stack): InetLink {
  return [...stack.namespace.links.values()].find(isLoopback) ?? unreachable('ENETUNREACH');
}

/** ip_route_output_key_hash_rcu. */
function output4(stack: Stack, question: Question): Route4 {
  const destination = question.destination[0];
  const lo = loopbackOf(stack);
  checkSource4(stack, question);
  const { oif } = question;
  let source = question.source[0];
  const isForMany = isMulticast(destination) || destination === BROADCAST;
  if (oif === undefined && source !== 0 && isForMany)
    return toMany(stack, destination, holderOf(stack, source) ?? unreachable('ENETUNREACH'), source);
  if (oif !== undefined) {
    if (!oif.isUp) unreachable('ENETUNREACH');
    if (isLocalMulticast(destination) || destination === BROADCAST)
      return toMany(stack, destination, oif, source || selectSource(stack, oif, 0, Scope.LINK));
    if (source === 0 && isMulticast(destination)) source = selectSource(stack, oif, 0, Scope.UNIVERSE);
    if (source === 0 && destination === 0) source = selectSource(stack, oif, 0, Scope.HOST);
  }
  if (destination === 0) return onLink(RouteType.LOCAL, lo, source || LOOPBACK, ['local']);
  const outcome = stack.routes4.lookup(wanted(question.destination, oif), question.flow);
  if (!isFound(outcome)) return assumedOnLink(stack, question, oif, source, outcome);
  return chosen4(stack, question, outcome, source, lo);
}

/** Tables know nothing of it, but the link is named: it is taken to be there. */
function assumedOnLink(
  stack: Stack,
  { destination: [destination] }: Question,
  oif: InetLink | undefined,
  source: number,
  outcome: Outcome,
): Route4 {
  if (oif === undefined) return unreachable(typeof outcome === 'string' ? outcome : 'ENETUNREACH');
  const chosen = source || selectSource(stack, oif, 0, Scope.LINK);
  if (isMulticast(destination)) return toMany(stack, destination, oif, chosen);
  checkLoopback(stack, oif, chosen);
  return onLink(RouteType.UNICAST, oif, chosen, isLoopback(oif) ? ['local'] : []);
}

function toMany(stack: Stack, destination: number, link: InetLink, source: number): Route4 {
  checkLoopback(stack, link, source);
  if (destination === BROADCAST) return onLink(RouteType.BROADCAST, link, source, ['local', 'brd']);
  const isOurs = destination === ALL_HOSTS;
  return onLink(RouteType.MULTICAST, link, source, isOurs ? ['local', 'mc'] : ['mc']);
}

function chosen4(stack: Stack, question: Question, found: Found, source: number, lo: InetLink): Route4 {
  const { info } = found;
  const [destination] = question.destination;
  if (info.type === RouteType.LOCAL)
    return onLink(RouteType.LOCAL, lo, source || info.prefsrc[0] || destination, ['local'], found);
  const hop = info.hops[found.hop];
  const { link } = hop;
  const own = source || info.prefsrc[0] || selectSource(stack, link, hop.family === 4 ? hop.gateway[0] : 0, info.scope);
  if (info.type === RouteType.BROADCAST || destination === BROADCAST)
    return { ...toMany(stack, BROADCAST, link, own), found };
  if (info.type === RouteType.MULTICAST || isMulticast(destination)) {
    // A default route is not meant for groups: it only tells the link.
    const gateway = found.length < 4 ? undefined : gatewayed(hop);
    return { ...toMany(stack, destination, link, own), found, hop: gateway };
  }
  checkLoopback(stack, link, own);
  return { type: info.type, found, link, hop: gatewayed(hop), source: own, cache: isLoopback(link) ? ['local'] : [] };
}

/** Addresses of 127.0.0.0/8 do not leave. */
function checkLoopback(stack: Stack, link: InetLink, source: number): void {
  if (source >>> 24 === 127 && !isLoopback(link) && conf4(stack, link, 'route_localnet') === 0) unreachable('EINVAL');
}

function gatewayed(hop: Hop): Hop | undefined {
  return usesGateway(hop) ? hop : undefined;
}

function checkSource4(stack: Stack, { source: [source] }: Question): void {
  if (source === 0) return;
  if (isMulticast(source) || source === BROADCAST) unreachable('EINVAL');
  if (holderOf(stack, source) === undefined) unreachable('ENETUNREACH');
}

/** The address that packets of a link have as source, towards a gateway if there is one (inet_select_addr). */
export function selectSource(stack: Stack, link: InetLink, towards: number, scope: number): number {
  const isLocalnet = conf4(stack, link, 'route_localnet') !== 0;
  const most = isLocalnet ? Scope.LINK : Scope.HOST;
  let first = 0;
  for (const address of stack.addresses4.of(link)) {
    const { flags, local, peer, length } = address;
    if ((flags & AddressFlag.SECONDARY) !== 0 || Math.min(address.scope, most) > scope) continue;
    if (towards === 0 || length === 0 || (towards ^ peer) >>> (32 - length) === 0) return local;
    first ||= local;
  }
  return first !== 0 ? first : sourceOfOthers(stack, scope);
}

function sourceOfOthers(stack: Stack, scope: number): number {
  const links = [...stack.namespace.links.values()].sort((a, b) => a.ifindex - b.ifindex);
  for (const link of links)
    for (const { flags, local, scope: own } of stack.addresses4.of(link))
      if ((flags & AddressFlag.SECONDARY) === 0 && own !== Scope.LINK && own <= scope) return local;
  return 0;
}

/** Either of `all` and the link's own. */
function conf4(stack: Stack, link: InetLink, key: string): number {
  return Math.max(stack.conf(4, 'all', key), stack.conf(4, link, key));
}

/** ip_route_input_slow. */
function input4(stack: Stack, question: Question, iif: InetLink): Route4 {
  const [destination] = question.destination;
  const [source] = question.source;
  const lo = loopbackOf(stack);
  if (isMulticast(destination)) return inputMulticast(destination, iif, lo);
  if (isMulticast(source) || source === BROADCAST) unreachable('EINVAL');
  if (destination === BROADCAST || (source === 0 && destination === 0))
    return inputLocal(stack, question, iif, undefined, ['local', 'brd'], lo);
  const isForeign = (address: number): boolean => address >>> 24 === 127 && conf4(stack, iif, 'route_localnet') === 0;
  if (source === 0 || destination === 0 || isForeign(source) || isForeign(destination)) unreachable('EINVAL');
  const outcome = stack.routes4.lookup(wanted(question.destination, undefined), question.flow);
  const forwards = stack.conf(4, iif, 'forwarding') !== 0;
  if (!isFound(outcome)) return unreachable(forwards ? (outcome ?? 'ENETUNREACH') : 'EHOSTUNREACH');
  const { type } = outcome.info;
  if (type === RouteType.BROADCAST) return inputLocal(stack, question, iif, outcome, ['local', 'brd'], lo);
  if (type === RouteType.LOCAL) return inputLocal(stack, question, iif, outcome, ['local'], lo);
  if (!forwards) return unreachable('EHOSTUNREACH');
  if (type !== RouteType.UNICAST) return unreachable('EINVAL');
  return forwarded(stack, question, iif, outcome);
}

/** Of groups this host is in one alone, and only while the link is up. */
function inputMulticast(destination: number, iif: InetLink, lo: InetLink): Route4 {
  if (destination !== ALL_HOSTS || !iif.isUp) return unreachable('EINVAL');
  return onLink(RouteType.MULTICAST, lo, 0, ['local', 'mc']);
}

function inputLocal(
  stack: Stack,
  question: Question,
  iif: InetLink,
  found: Found | undefined,
  cache: string[],
  lo: InetLink,
): Route4 {
  if (question.source[0] !== 0) validateSource(stack, question, iif);
  return onLink(cache.includes('brd') ? RouteType.BROADCAST : RouteType.LOCAL, lo, 0, cache, found);
}

function forwarded(stack: Stack, question: Question, iif: InetLink, found: Found): Route4 {
  const isNear = validateSource(stack, question, iif);
  const hop = found.info.hops[found.hop];
  const { link } = hop;
  const isBack = link === iif && isNear && conf4(stack, link, 'send_redirects') !== 0;
  const redirects = isBack && (conf4(stack, link, 'shared_media') !== 0 || isOnLink(stack, link, question, hop));
  return { type: RouteType.UNICAST, found, link, hop: gatewayed(hop), source: 0, cache: redirects ? ['redirect'] : [] };
}

/** Whether source and gateway are in one subnet of the link (inet_addr_onlink). */
function isOnLink(stack: Stack, link: InetLink, { source }: Question, { gateway }: Hop): boolean {
  return stack.addresses4.of(link).some(({ peer, length }) => {
    const isIn = (address: number): boolean => length === 0 || (address ^ peer) >>> (32 - length) === 0;
    return isIn(source[0]) && (gateway.length !== 1 || isIn(gateway[0]));
  });
}

/** Whether the source is on the link itself; refuses one that cannot come by it (fib_validate_source). */
function validateSource(stack: Stack, question: Question, iif: InetLink): boolean {
  const filter = conf4(stack, iif, 'rp_filter');
  const { source, destination } = question;
  const flow: RuleFlow = { ...question.flow, oif: '', source: destination, destination: source };
  const outcome = stack.routes4.lookup(wanted(source, undefined), flow);
  const lastResort = (): boolean => (filter === 0 ? false : unreachable('EXDEV'));
  if (!isFound(outcome)) return lastResort();
  const { type, hops } = outcome.info;
  const isLocal = type === RouteType.LOCAL;
  if (type !== RouteType.UNICAST && !(isLocal && conf4(stack, iif, 'accept_local') !== 0)) return unreachable('EINVAL');
  if (hops.some(({ link }) => link === iif) || (isLocal && isLoopback(iif)))
    return hops[outcome.hop].scope >= Scope.HOST;
  if (stack.addresses4.of(iif).length === 0) return lastResort();
  if (filter === 1) return unreachable('EXDEV');
  const by = stack.routes4.lookup({ ...wanted(source, iif), ignoresCarrier: true }, flow);
  return isFound(by) && by.info.type === RouteType.UNICAST && by.info.hops[by.hop].scope >= Scope.HOST;
}

// --- IPv6 ---------------------------------------------------------------------------------------------

async function get6(stack: Stack, request: GetRoute, question: Question): Promise<RouteInfo> {
  const { destination, iif, oif } = question;
  const outcome = stack.routes6.lookup(
    wanted(destination, iif === undefined ? oif : strictly(question)),
    question.flow,
  );
  if (!isFound(outcome)) return unreachable(outcome ?? 'ENETUNREACH');
  const { info } = outcome;
  if (request.fibmatch === true) return fibInfo(stack, 6, outcome, destination);
  const hop = info.hops[outcome.hop];
  const prefsrc = iif === undefined ? await source6(stack, outcome, destination) : undefined;
  const metrics = metricsInfo(info);
  return {
    family: 6,
    type: typeName(info.type),
    dst: formatKey(destination),
    src: formatKey(question.source),
    table: outcome.table.id,
    protocol: info.protocol,
    scope: 0,
    metric: info.metric,
    ...(prefsrc !== undefined && { prefsrc }),
    ...(iif !== undefined && { iif: iif.name }),
    nexthops: [{ ...hopInfo({ ...hop, flags: 0 }), dev: (isOwn(info) ? loopbackOf(stack) : hop.link).name, flags: [] }],
    flags: flagNames(0),
    ...(metrics !== undefined && { metrics }),
    pref: PREF_NAMES[info.pref],
    ...(info.expires !== 0 && { expires: Math.max(0, Math.floor((info.expires - stack.host.now()) / 1000)) }),
    ...(question.flow.mark !== 0 && { mark: question.flow.mark >>> 0 }),
  };
}

/** What is only known on its link comes in by that link. */
function strictly({ destination, iif }: Question): InetLink | undefined {
  const isNarrow = isMulticast6(destination) || destination[0] >>> 22 === 0x3fa;
  return isNarrow ? iif : undefined;
}

/** The engine chooses sources (RFC 6724); it has none to offer where it answers an errno. */
async function source6(stack: Stack, { info, hop }: Found, destination: Int32Array): Promise<string | undefined> {
  if (!isZero(info.prefsrc)) return formatKey(info.prefsrc);
  const { link } = info.hops[hop];
  const [source] = await stack.host.transact([
    ['sourceAddress', stack.namespace.number, bytesOfKey(destination), link.number],
  ]);
  return source instanceof Uint8Array && source.length === 16 ? formatKey(keyOfBytes(source)) : undefined;
}
