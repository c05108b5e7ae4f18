/*
 * Seeded random commands about addresses, routes, rules and links: each as words for the real `ip` and as what it asks of
 * Sluice. Pools are small, so that commands meet what others left.
 */
import type { ChangeAddress } from '../../src/control/api/address.js';
import type { NextHop, RouteChange, RouteVerb } from '../../src/control/api/route.js';
import type { ChangeRule } from '../../src/control/api/rule.js';
import type { Probe } from '../control/inet-agreement.js';
import type { World } from '../control/inet-world.js';

export type Random = (n: number) => number;

export interface Command {
  words: string;
  act(world: World): unknown;
}

export function generator(seed: number): Random {
  let state = Math.imul(seed, 2654435761) | 1;
  return (n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
}

export const LINKS = ['v0', 'v1', 'v2', 'v3'];

const pick = <T>(random: Random, from: readonly T[]): T => from[random(from.length)];
const often = (random: Random, of: number): boolean => random(of) !== 0;

/** What look-ups ask for: something in every prefix of the pools. */
export const PROBES: Probe[] = [
  ...[
    '10.0.0.1',
    '10.0.0.9',
    '10.0.0.130',
    '10.0.0.255',
    '10.0.1.2',
    '10.0.255.255',
    '10.1.1.1',
    '10.1.1.9',
    '10.1.2.1',
  ],
  ...['10.9.9.9', '127.0.0.1', '127.1.2.3', '192.0.2.1', '224.0.0.1', '0.1.2.3', '127.255.255.255'],
  ...['2001:db8::1', '2001:db8::2', '2001:db8::9', '2001:db8::', '2001:db8:0:1::1', '2001:db8:0:1::9', '2001:db8:1::1'],
  ...[
    '2001:db8:1:1::1',
    '2001:db8:1:1::2',
    'fe80::1',
    'fe80::9',
    'ff02::1',
    'ff05::1',
    '2001:db9::1',
    '::1',
    'fec0::1',
  ],
].flatMap((destination) => [
  { destination },
  { destination, mark: 5, source: destination.includes(':') ? '2001:db8::77' : '10.0.0.77', iif: 'v0' },
]);

// --- links ------------------------------------------------------------------------------------------

function link(random: Random): Command {
  const name = random(12) === 0 ? 'lo' : pick(random, LINKS);
  const kind = random(20);
  if (kind === 0 && name !== 'lo') {
    const mtu = pick(random, [1000, 1280, 1500]);
    return { words: `link set ${name} mtu ${mtu}`, act: (world) => world.setMtu(name, mtu) };
  }
  if (kind < 3) return setting(random);
  const up = random(3) !== 0;
  return { words: `link set ${name} ${up ? 'up' : 'down'}`, act: (world) => world.setUp(name, up) };
}

/** Settings that move routes. The words are sysctl's. */
function setting(random: Random): Command {
  const name = pick(random, LINKS);
  const [family, key] = pick(random, [
    [4, 'ignore_routes_with_linkdown'],
    [6, 'ignore_routes_with_linkdown'],
    [6, 'forwarding'],
    [6, 'disable_ipv6'],
  ] as const);
  const value = random(2);
  return {
    words: `sysctl net.ipv${family}.conf.${name}.${key}=${value}`,
    act: (world) => world.set(family, name, key, value),
  };
}

// --- addresses --------------------------------------------------------------------------------------

const ADDRESSES4 = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.1.1', '10.0.1.2', '10.0.0.255', '127.0.0.5', '0.1.2.3'];
const LENGTHS4 = [24, 24, 24, 25, 16, 30, 31, 32, 8, 0];
const ADDRESSES6 = [
  '2001:db8::1',
  '2001:db8::2',
  '2001:db8:0:1::1',
  '2001:db8:0:1::2',
  'fe80::1',
  'fe80::2',
  'fec0::1',
];
const LENGTHS6 = [64, 64, 64, 48, 128, 127];

const VERBS: Record<ChangeAddress['op'], string> = {
  'addr.add': 'add',
  'addr.change': 'change',
  'addr.replace': 'replace',
  'addr.del': 'del',
};

function words(request: ChangeAddress): string {
  const { op, local, peer, broadcast, label, scope, metric, noprefixroute, nodad, dev } = request;
  const flags = `${noprefixroute === true ? ' noprefixroute' : ''}${nodad === true ? ' nodad' : ''}`;
  const of = (word: string, value: unknown): string => (value === undefined ? '' : ` ${word} ${value}`);
  const lifetimes = of('valid_lft', request.valid_lft) + of('preferred_lft', request.preferred_lft);
  const own = `${of('peer', peer)}${of('broadcast', broadcast)}${of('label', label)}${of('scope', scope)}`;
  return `addr ${VERBS[op]} ${local}${own}${of('metric', metric)}${lifetimes}${flags} dev ${dev}`;
}

function addressCommand(request: ChangeAddress): Command {
  return { words: words(request), act: (world) => world.control.changeAddress(world.namespace, request) };
}

function address4(random: Random): Command {
  const dev = random(15) === 0 ? 'lo' : pick(random, LINKS);
  const op = pick(random, [
    'addr.add',
    'addr.add',
    'addr.add',
    'addr.del',
    'addr.del',
    'addr.change',
    'addr.replace',
  ] as const);
  const length = pick(random, LENGTHS4);
  const request: ChangeAddress = { op, dev, local: `${pick(random, ADDRESSES4)}/${length}` };
  // iproute2 makes /32 of a peer's /0.
  if (length !== 0 && random(8) === 0) {
    request.local = request.local.split('/')[0];
    request.peer = `${pick(random, ADDRESSES4)}/${length}`;
  }
  if (op === 'addr.del') return addressCommand(request);
  if (random(4) === 0) request.broadcast = pick(random, ['+', '-', '10.0.0.127', '10.0.255.255', '255.255.255.255']);
  if (random(6) === 0) request.metric = pick(random, [10, 20]);
  if (random(8) === 0) request.noprefixroute = true;
  if (random(10) === 0) request.scope = 253;
  if (random(10) === 0) request.label = `${dev}:x`;
  if (random(10) === 0) {
    request.valid_lft = 1000;
    request.preferred_lft = pick(random, [0, 1000]);
  }
  return addressCommand(request);
}

function address6(random: Random): Command {
  const dev = random(15) === 0 ? 'lo' : pick(random, LINKS);
  const op = pick(random, [
    'addr.add',
    'addr.add',
    'addr.add',
    'addr.del',
    'addr.del',
    'addr.change',
    'addr.replace',
  ] as const);
  const request: ChangeAddress = { op, dev, local: `${pick(random, ADDRESSES6)}/${pick(random, LENGTHS6)}` };
  if (random(10) === 0) {
    const [local, length] = request.local.split('/');
    request.local = local;
    request.peer = `${pick(random, ADDRESSES6)}/${length}`;
  }
  if (op === 'addr.del') return addressCommand(request);
  if (random(6) === 0) request.metric = pick(random, [10, 20]);
  if (random(8) === 0) request.noprefixroute = true;
  if (random(4) === 0) request.nodad = true;
  // When lifetimes of an address change, 6.18 takes the new one for an absolute time and its prefix's route ends at once.
  if (op === 'addr.add' && random(12) === 0) {
    request.valid_lft = 1000;
    request.preferred_lft = pick(random, [0, 1000]);
  }
  return addressCommand(request);
}

// --- routes -----------------------------------------------------------------------------------------

const PREFIXES4 = [
  '10.1.0.0/16',
  '10.1.1.0/24',
  '10.1.1.1/32',
  '0.0.0.0/0',
  '10.0.0.0/24',
  '10.0.0.128/25',
  '10.0.0.9/32',
  '127.1.0.0/16',
  '10.1.1.1/24',
];
const GATEWAYS4 = [
  '10.0.0.9',
  '10.0.0.130',
  '10.0.1.9',
  '10.1.1.9',
  '10.0.0.1',
  '10.0.0.255',
  '224.0.0.1',
  '192.0.2.1',
];
const PREFIXES6 = [
  '2001:db8:1::/48',
  '2001:db8:1:1::/64',
  '2001:db8:1:1::1/128',
  '::/0',
  '2001:db8::/64',
  '2001:db8:0:1::/64',
  '2001:db8::9/128',
  'ff05::/16',
  '2001:db8:1::5/48',
];
const GATEWAYS6 = ['2001:db8::9', '2001:db8:0:1::9', 'fe80::9', 'fe80::1', '2001:db8::1', '2001:db8:1::9', 'ff02::1'];
const ROUTE_VERBS: RouteVerb[] = ['add', 'add', 'add', 'append', 'prepend', 'replace', 'change', 'del', 'del'];
const ERROR_TYPES = ['blackhole', 'unreachable', 'prohibit', 'throw'] as const;
const OTHER_TYPES = ['local', 'broadcast', 'multicast', 'anycast'] as const;

function nexthop(random: Random, family: 4 | 6, isMany: boolean): NextHop {
  const hop: NextHop = {};
  if (random(isMany ? 8 : 3) !== 0) {
    const isInet6 = family === 4 && random(8) === 0;
    hop.gateway = pick(random, family === 4 && !isInet6 ? GATEWAYS4 : GATEWAYS6);
  }
  if (hop.gateway === undefined || random(2) === 0) hop.dev = random(12) === 0 ? 'lo' : pick(random, LINKS);
  if (hop.dev !== undefined && hop.gateway !== undefined && random(5) === 0) hop.onlink = true;
  if (isMany && random(2) === 0) hop.weight = 1 + random(5);
  return hop;
}

function hopWords(family: 4 | 6, { gateway, dev, weight, onlink }: NextHop): string {
  const via = gateway === undefined ? '' : ` via ${family === 4 && gateway.includes(':') ? 'inet6 ' : ''}${gateway}`;
  const by = dev === undefined ? '' : ` dev ${dev}`;
  return `${via}${by}${weight === undefined ? '' : ` weight ${weight}`}${onlink === true ? ' onlink' : ''}`;
}

function routeWords(verb: RouteVerb, route: RouteChange): string {
  const { family, type, dst, nexthops } = route;
  const of = (word: string, value: unknown): string => (value === undefined ? '' : ` ${word} ${value}`);
  const many = nexthops.map((hop) => ` nexthop${hopWords(family, hop)}`).join('');
  const hops = nexthops.length > 1 ? many : nexthops.map((hop) => hopWords(family, hop)).join('');
  const own = `${of('table', route.table)}${of('proto', route.protocol)}${of('metric', route.metric)}`;
  const rest = `${own}${of('src', route.prefsrc)}${of('scope', route.scope)}${of('mtu', route.metrics?.mtu)}`;
  return `-${family} route ${verb}${type === undefined ? '' : ` ${type}`} ${dst}${rest}${hops}`;
}

function route(random: Random): Command {
  const family = random(2) === 0 ? 4 : 6;
  const verb = pick(random, ROUTE_VERBS);
  const dst = pick(random, family === 4 ? PREFIXES4 : PREFIXES6);
  const change: RouteChange = { family, dst, nexthops: [] };
  const kind = random(12);
  if (kind === 0) change.type = pick(random, ERROR_TYPES);
  else if (kind === 1) change.type = pick(random, OTHER_TYPES);
  if (!(verb === 'del' && random(3) === 0) && (kind !== 0 || random(8) === 0)) {
    const isMany = random(5) === 0;
    const count = isMany ? 2 + random(2) : 1;
    for (let i = 0; i < count; i++) change.nexthops.push(nexthop(random, family, isMany));
  }
  if (random(4) === 0) change.metric = pick(random, [5, 10, 1024]);
  if (random(6) === 0) change.prefsrc = pick(random, family === 4 ? ADDRESSES4 : ADDRESSES6);
  if (random(5) === 0) change.table = pick(random, [100, 100, 254, 255, 253]);
  if (random(8) === 0) change.protocol = pick(random, [3, 4, 2]);
  if (family === 4 && random(15) === 0) change.scope = pick(random, [0, 253, 254]);
  if (random(12) === 0) change.metrics = { mtu: 1400 };
  const request = { op: 'route.change' as const, verb, route: change };
  return { words: routeWords(verb, change), act: (world) => world.control.changeRoute(world.namespace, request) };
}

// --- rules ------------------------------------------------------------------------------------------

function rule(random: Random): Command {
  const family = random(2) === 0 ? 4 : 6;
  const isDeletion = random(3) === 0;
  const rule: ChangeRule['rule'] = {};
  const said: string[] = [];
  const say = (text: string, part: ChangeRule['rule']): void => {
    said.push(text);
    Object.assign(rule, part);
  };
  if (random(3) !== 0) {
    const priority = pick(random, [100, 200, 300, 32766]);
    say(`pref ${priority}`, { priority });
  }
  if (often(random, 2)) {
    const src = family === 4 ? '10.0.0.0/24' : '2001:db8::/64';
    say(`from ${src}`, { src });
  }
  if (random(4) === 0) say('fwmark 0x5', { fwmark: 5 });
  if (random(4) === 0) say('iif v0', { iif: 'v0' });
  const action = random(6);
  if (action === 0) say('goto 300', { action: 'goto', goto: 300 });
  else if (action === 1) say('prohibit', { action: 'prohibit' });
  else if (action === 2 && !isDeletion)
    say('lookup 100 suppress_prefixlength 8', { action: 'lookup', table: 100, suppress_prefixlength: 8 });
  else if (!isDeletion || said.length === 0 || random(2) === 0)
    say('lookup 100', { ...(!isDeletion && { action: 'lookup' }), table: 100 });
  const op = isDeletion ? 'rule.del' : 'rule.add';
  const request: ChangeRule = { op, family, rule };
  return {
    words: `-${family} rule ${isDeletion ? 'del' : 'add'} ${said.join(' ')}`,
    act: (world) => world.control.changeRule(world.namespace, request),
  };
}

export interface Mix {
  links: number;
  addresses4: number;
  addresses6: number;
  routes: number;
  rules: number;
}

export function command(random: Random, mix: Mix): Command {
  const total = mix.links + mix.addresses4 + mix.addresses6 + mix.routes + mix.rules;
  let left = random(total);
  const kinds: Array<[number, (random: Random) => Command]> = [
    [mix.links, link],
    [mix.addresses4, address4],
    [mix.addresses6, address6],
    [mix.routes, route],
    [mix.rules, rule],
  ];
  for (const [share, make] of kinds) {
    if (left < share) return make(random);
    left -= share;
  }
  return link(random);
}
