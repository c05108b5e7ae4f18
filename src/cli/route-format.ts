/*
 * Routes and rules as `ip route show`, `ip route get` and `ip rule` print them: what the API tells
 * and flags in, text or JSON out.
 *
 * Both outputs have the same fields in the same order, so a field is said once, with its text and
 * its JSON, to one of two sinks. In text most fields end in a space, the line therefore too; the
 * router preference does not.
 */
import type { Family } from '../control/api/family.js';
import type { NextHop, RouteInfo, RouteType } from '../control/api/route.js';
import type { RuleInfo } from '../control/api/rule.js';
import { type Json, json } from './json.js';
import { DSFIELDS, GROUPS, ipProtocolName, PROTOCOLS, SCOPES, TABLES } from './rt-names.js';

export interface RouteFlags {
  details: number;
  json: boolean;
  pretty: boolean;
  oneline: boolean;
  /** -N */
  numeric: boolean;
}

/** What was selected by its value is not printed with every route. */
export interface Hidden {
  table?: boolean;
  protocol?: boolean;
  scope?: boolean;
  metric?: boolean;
  gateway?: boolean;
  dev?: boolean;
  prefsrc?: boolean;
  iif?: boolean;
}

/** RTN_*, as -N prints them. */
export const ROUTE_TYPES: Record<RouteType, number> = {
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
  throw: 9,
};

const MAIN = 254;
const BOOT = 3;
const KERNEL = 2;
const ALL_ONES = 0xffffffff;

interface Sink {
  /** An empty text or an undefined value is for the other sink only. */
  put(key: string, value: Json | undefined, text: string): void;
}

class TextSink implements Sink {
  text = '';

  put(_key: string, _value: Json | undefined, text: string): void {
    this.text += text;
  }
}

class JsonSink implements Sink {
  readonly object: Record<string, Json> = {};

  put(key: string, value: Json | undefined): void {
    if (value !== undefined) this.object[key] = value;
  }
}

function destination(dst: string): string {
  if (dst.endsWith('/0')) return 'default';
  const host = dst.includes(':') ? '/128' : '/32';
  return dst.endsWith(host) ? dst.slice(0, -host.length) : dst;
}

function putGateway(sink: Sink, family: Family, gateway: string): void {
  if (family === 4 && gateway.includes(':'))
    sink.put('via', { family: 'inet6', host: gateway }, `via inet6 ${gateway} `);
  else sink.put('gateway', gateway, `via ${gateway} `);
}

const words = (list: readonly string[]) => list.map((word) => `${word} `).join('');

function typeName(type: RouteType, flags: RouteFlags): string {
  return flags.numeric ? String(ROUTE_TYPES[type]) : type;
}

/** The one next hop of a route that has no more. */
function only(route: RouteInfo): NextHop | undefined {
  return route.nexthops.length === 1 ? route.nexthops[0] : undefined;
}

function putNode(sink: Sink, route: RouteInfo, flags: RouteFlags): void {
  if (route.type !== 'unicast' || flags.details > 0) {
    const type = typeName(route.type, flags);
    sink.put('type', type, `${type} `);
  }
  const dst = destination(route.dst);
  sink.put('dst', dst, `${dst} `);
  if (route.src !== undefined) {
    const src = destination(route.src);
    sink.put('from', src, `from ${src} `);
  }
}

function putWay(sink: Sink, route: RouteInfo, flags: RouteFlags, hidden: Hidden): void {
  const hop = only(route);
  if (hop?.gateway !== undefined && !(hidden.gateway && route.family === (hop.gateway.includes(':') ? 6 : 4)))
    putGateway(sink, route.family, hop.gateway);
  if (hop?.dev !== undefined && !hidden.dev) sink.put('dev', hop.dev, `dev ${hop.dev} `);
  if ((route.table !== MAIN || flags.details > 0) && !hidden.table) {
    const table = TABLES.name(route.table, flags.numeric);
    sink.put('table', table, `table ${table} `);
  }
}

/** A cloned route has neither protocol nor scope; in IPv4 no metric, which IPv6 always has. */
function putOrigin(sink: Sink, route: RouteInfo, flags: RouteFlags, hidden: Hidden): void {
  const isCloned = route.cache !== undefined;
  if (!isCloned && (route.protocol !== BOOT || flags.details > 0) && !hidden.protocol) {
    const protocol = PROTOCOLS.name(route.protocol, flags.numeric);
    sink.put('protocol', protocol, `proto ${protocol} `);
  }
  if (!isCloned && (route.scope !== 0 || flags.details > 0) && !hidden.scope) {
    const scope = SCOPES.name(route.scope, flags.numeric);
    sink.put('scope', scope, `scope ${scope} `);
  }
  if (route.prefsrc !== undefined && !hidden.prefsrc) sink.put('prefsrc', route.prefsrc, `src ${route.prefsrc} `);
  if ((route.family === 6 || (route.metric !== 0 && !isCloned)) && !hidden.metric)
    sink.put('metric', route.metric, `metric ${route.metric} `);
}

/** The bit that says "mc" of a cloned route says "rt_offload_failed" of any route; iproute2 prints both. */
function flagsOf(route: RouteInfo): readonly string[] {
  return route.family === 4 && route.cache?.includes('mc') ? [...route.flags, 'rt_offload_failed'] : route.flags;
}

function putMark(sink: Sink, mark: number): void {
  sink.put('mark', mark, mark >= 16 ? `mark 0x${mark.toString(16)} ` : `mark ${mark} `);
}

function putState(sink: Sink, route: RouteInfo, flags: RouteFlags): void {
  const state = flagsOf(route);
  sink.put('flags', state, words(state));
  if (route.mark) putMark(sink, route.mark);
  if (route.uid !== undefined) sink.put('uid', route.uid, `uid ${route.uid} `);
  if (route.family === 4 && route.cache !== undefined) {
    const text = route.cache.length === 0 ? '' : `<${route.cache.join(',')}> `;
    sink.put('cache', route.cache, `${flags.oneline ? '\\' : '\n'}    cache ${text}`);
  }
  if (route.expires !== undefined) sink.put('expires', route.expires, `expires ${route.expires}sec `);
}

function putMetrics(sink: Sink, route: RouteInfo): void {
  if (route.metrics === undefined) return;
  const { lock = [], ...values } = route.metrics;
  const named: Record<string, number> = {};
  let text = '';
  for (const key of ['mtu', 'hoplimit'] as const) {
    const value = values[key];
    if (value === undefined) continue;
    named[key] = value;
    text += `${key} ${lock.includes(key) ? 'lock ' : ''}${value} `;
  }
  if (text !== '') sink.put('metrics', [named], text);
}

function putNextHops(sink: Sink, route: RouteInfo, flags: RouteFlags): void {
  const separator = flags.oneline ? '\\' : '\n';
  const list: Json[] = [];
  let text = '';
  for (const hop of route.nexthops) {
    const one: Sink = flags.json ? new JsonSink() : new TextSink();
    if (hop.gateway !== undefined) putGateway(one, route.family, hop.gateway);
    one.put('dev', hop.dev, `dev ${hop.dev} `);
    one.put('weight', hop.weight ?? 1, `weight ${hop.weight ?? 1} `);
    one.put('flags', hop.flags, words(hop.flags));
    if (one instanceof JsonSink) list.push(one.object);
    else text += `${separator}\tnexthop ${(one as TextSink).text}`;
  }
  sink.put('nexthops', list, text);
}

function putRoute(sink: Sink, route: RouteInfo, flags: RouteFlags, hidden: Hidden): void {
  putNode(sink, route, flags);
  putWay(sink, route, flags, hidden);
  putOrigin(sink, route, flags, hidden);
  putState(sink, route, flags);
  putMetrics(sink, route);
  if (route.iif !== undefined && !hidden.iif) sink.put('iif', route.iif, `iif ${route.iif} `);
  if (route.pref !== undefined) sink.put('pref', route.pref, `pref ${route.pref}`);
  if (route.nexthops.length > 1) putNextHops(sink, route, flags);
}

const NOTHING: Hidden = {};

/** One route with the newline at its end, whatever `flags.json` says. */
export function routeText(route: RouteInfo, flags: RouteFlags, hidden: Hidden = NOTHING): string {
  const sink = new TextSink();
  putRoute(sink, route, flags.json ? { ...flags, json: false } : flags, hidden);
  return `${sink.text}\n`;
}

export function routeJson(route: RouteInfo, flags: RouteFlags, hidden: Hidden = NOTHING): Json {
  const sink = new JsonSink();
  putRoute(sink, route, flags.json ? flags : { ...flags, json: true }, hidden);
  return sink.object;
}

/** A list that comes in pieces and is printed as it comes. */
export class ListPrinter<T> {
  #isFirst = true;

  constructor(
    private readonly flags: { json: boolean; pretty: boolean },
    private readonly text: (item: T) => string,
    private readonly object: (item: T) => Json,
  ) {}

  piece(items: readonly T[]): string {
    if (!this.flags.json) return items.map(this.text).join('');
    if (items.length === 0) return '';
    const whole = json(items.map(this.object), this.flags.pretty);
    const inner = this.flags.pretty ? whole.slice(2, -3) : whole.slice(1, -2);
    const before = this.#isFirst ? this.#open : ',';
    this.#isFirst = false;
    return before + inner;
  }

  end(): string {
    if (!this.flags.json) return '';
    const close = this.flags.pretty ? ' ]\n' : ']\n';
    return this.#isFirst ? `[${close}` : close;
  }

  get #open(): string {
    return this.flags.pretty ? '[ ' : '[';
  }
}

function putPrefix(sink: Sink, key: 'src' | 'dst', before: string, prefix: string): void {
  const [address, length] = prefix.split('/');
  sink.put(key, address, `${before}${address}`);
  if (length === undefined || Number(length) === (address.includes(':') ? 128 : 32)) return;
  sink.put(`${key}len`, Number(length), `/${length}`);
}

const hex = (number: number) => (number === 0 ? '0' : `0x${number.toString(16)}`);

function putMarks(sink: Sink, rule: RuleInfo): void {
  const { fwmark, fwmask = ALL_ONES } = rule;
  if (fwmark === undefined && rule.fwmask === undefined) return;
  sink.put('fwmark', hex(fwmark ?? 0), ` fwmark ${hex(fwmark ?? 0)}`);
  if (fwmask !== ALL_ONES) sink.put('fwmask', hex(fwmask), `/${hex(fwmask)}`);
}

function putInterfaces(sink: Sink, rule: RuleInfo): void {
  for (const key of ['iif', 'oif'] as const) {
    const name = rule[key];
    if (name === undefined) continue;
    sink.put(key, name, ` ${key} ${name}`);
    if (rule[`${key}_detached`]) sink.put(`${key}_detached`, null, ' [detached]');
  }
}

function putPorts(sink: Sink, key: 'sport' | 'dport', range: readonly [number, number] | undefined): void {
  if (range === undefined) return;
  const [start, end] = range;
  if (start === end) {
    sink.put(key, start, ` ${key} ${start}`);
    return;
  }
  sink.put(`${key}_start`, start, ` ${key} ${start}`);
  sink.put(`${key}_end`, end, `-${end}`);
}

function putSelectors(sink: Sink, rule: RuleInfo, flags: RouteFlags): void {
  sink.put('priority', rule.priority, `${rule.priority}:\t`);
  if (rule.not) sink.put('not', null, 'not ');
  if (rule.src === undefined) sink.put('src', 'all', 'from all');
  else putPrefix(sink, 'src', 'from ', rule.src);
  if (rule.dst !== undefined) putPrefix(sink, 'dst', ' to ', rule.dst);
  if (rule.tos) {
    const tos = DSFIELDS.name(rule.tos, flags.numeric);
    sink.put('tos', tos, ` tos ${tos}`);
  }
  putMarks(sink, rule);
  putInterfaces(sink, rule);
  if (rule.ipproto) {
    const ipproto = ipProtocolName(rule.ipproto, flags.numeric);
    sink.put('ipproto', ipproto, ` ipproto ${ipproto}`);
  }
  putPorts(sink, 'sport', rule.sport);
  putPorts(sink, 'dport', rule.dport);
}

function putTable(sink: Sink, rule: RuleInfo, flags: RouteFlags): void {
  if (!rule.table) return;
  const table = TABLES.name(rule.table, flags.numeric);
  sink.put('table', table, ` lookup ${table}`);
  const { suppress_prefixlength: length, suppress_ifgroup: group } = rule;
  if (length !== undefined) sink.put('suppress_prefixlen', length, ` suppress_prefixlength ${length}`);
  if (group === undefined) return;
  const name = GROUPS.name(group, flags.numeric);
  sink.put('suppress_ifgroup', name, ` suppress_ifgroup ${name}`);
}

function putAction(sink: Sink, rule: RuleInfo, flags: RouteFlags): void {
  if (rule.action === 'goto') {
    sink.put('goto', rule.goto ?? 'none', ` goto ${rule.goto ?? 'none'}`);
    if (rule.unresolved) sink.put('unresolved', null, ' [unresolved]');
  } else if (rule.action === 'nop') {
    sink.put('nop', null, ' nop');
  } else if (rule.action !== 'lookup') {
    const action = typeName(rule.action, flags);
    sink.put('action', action, ` ${action}`);
  }
}

function putRule(sink: Sink, rule: RuleInfo, flags: RouteFlags): void {
  putSelectors(sink, rule, flags);
  putTable(sink, rule, flags);
  putAction(sink, rule, flags);
  if ((rule.protocol !== 0 && rule.protocol !== KERNEL) || flags.details > 0) {
    const protocol = PROTOCOLS.name(rule.protocol, flags.numeric);
    sink.put('protocol', protocol, ` proto ${protocol}`);
  }
}

/** One rule with the newline at its end, whatever `flags.json` says. */
export function ruleText(rule: RuleInfo, flags: RouteFlags): string {
  const sink = new TextSink();
  putRule(sink, rule, flags);
  return `${sink.text}\n`;
}

export function ruleJson(rule: RuleInfo, flags: RouteFlags): Json {
  const sink = new JsonSink();
  putRule(sink, rule, flags);
  return sink.object;
}
