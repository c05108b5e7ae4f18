/*
 * Addresses, routes and rules as the kernel has them: the same commands for the real `ip` in a kernel namespace and for Sluice's
 * control plane; after each, what both hold is compared as facts, and when a command is refused, the reason.
 *
 * The commands come from a seeded generator. ROUTE_DIFFERENTIAL_SEEDS and …_STEPS make it longer, …_SEED runs one seed.
 */
import { spawnSync } from 'node:child_process';
import { afterAll, describe, expect, test } from 'vitest';
import type { AddressInfo } from '../../src/control/api/address.js';
import type { RouteInfo } from '../../src/control/api/route.js';
import type { RuleInfo } from '../../src/control/api/rule.js';
import { SluiceError } from '../../src/core/errors.js';
import { expectAgreement, type Probe } from '../control/inet-agreement.js';
import { World } from '../control/inet-world.js';
import { ENVIRONMENT } from '../support/program.js';
import { lackingNamespaces, titled } from '../support/requirements.js';
import { type Command, command, generator, LINKS, type Mix, PROBES, type Random } from './route-commands.js';

const missing = lackingNamespaces();
const SEEDS = Number(process.env.ROUTE_DIFFERENTIAL_SEEDS ?? 4);
const STEPS = Number(process.env.ROUTE_DIFFERENTIAL_STEPS ?? 60);
const ONLY = process.env.ROUTE_DIFFERENTIAL_SEED;

const EVERYTHING: Mix = { links: 3, addresses4: 5, addresses6: 5, routes: 14, rules: 0 };
const WITH_RULES: Mix = { links: 2, addresses4: 4, addresses6: 4, routes: 12, rules: 4 };
const ADDRESSES: Mix = { links: 3, addresses4: 12, addresses6: 6, routes: 1, rules: 0 };

// --- the kernel ---------------------------------------------------------------------------------------

class Kernel {
  constructor(readonly name: string) {
    this.must(`netns add ${name}`, false);
    const set =
      'net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.addr_gen_mode=1';
    spawnSync('ip', `netns exec ${name} sysctl -qw ${set}`.split(' '), { env: ENVIRONMENT });
    this.must('link add v0 type veth peer name v1');
    this.must('link add v2 type veth peer name v3');
    for (const link of LINKS)
      spawnSync('ip', `netns exec ${name} sysctl -qw net.ipv6.conf.${link}.addr_gen_mode=1`.split(' '), {
        env: ENVIRONMENT,
      });
  }

  ip(words: string, isInside = true): { status: number; out: string; err: string } {
    const args = [...(isInside ? ['-n', this.name] : []), ...words.split(' ').filter((word) => word !== '')];
    const { status, stdout, stderr } = spawnSync('ip', args, {
      env: ENVIRONMENT,
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    });
    return { status: status ?? -1, out: stdout, err: stderr };
  }

  /** Words of a command as the generator has them. */
  carryOut(words: string): { status: number; out: string; err: string } {
    if (!words.startsWith('sysctl ')) return this.ip(words);
    const args = `netns exec ${this.name} sysctl -qw ${words.slice('sysctl '.length)}`.split(' ');
    const { status, stderr } = spawnSync('ip', args, { env: ENVIRONMENT, encoding: 'utf8' });
    return { status: status ?? -1, out: '', err: stderr };
  }

  must(words: string, isInside = true): string {
    const { status, out, err } = this.ip(words, isInside);
    if (status !== 0) throw new Error(`ip ${words}: ${err}`);
    return out;
  }

  json(words: string): Array<Record<string, unknown>> {
    const out = this.must(words);
    return out.trim() === '' ? [] : JSON.parse(out);
  }

  end(): void {
    this.ip(`netns del ${this.name}`, false);
  }
}

// --- facts --------------------------------------------------------------------------------------------

const SCOPES: Record<number, string> = { 0: 'global', 200: 'site', 253: 'link', 254: 'host', 255: 'nowhere' };
const TABLES: Record<number, string> = { 253: 'default', 254: 'main', 255: 'local' };
const PROTOCOLS: Record<number, string> = { 0: 'unspec', 1: 'redirect', 2: 'kernel', 3: 'boot', 4: 'static', 9: 'ra' };

const whole = (dst: string): string =>
  dst.endsWith('/32') && !dst.includes(':') ? dst.slice(0, -3) : dst.replace(/\/128$/, '');
const named = (dst: string): string => (dst === '0.0.0.0/0' || dst === '::/0' ? 'default' : whole(dst));

/** A route as iproute2's JSON has it, but for the order of keys. */
function routeFact(route: RouteInfo): Record<string, unknown> {
  const [only] = route.nexthops;
  const gatewayOf = (gateway: string): Record<string, unknown> =>
    route.family === 4 && gateway.includes(':') ? { via: { family: 'inet6', host: gateway } } : { gateway };
  const isSingle = route.nexthops.length === 1;
  return {
    type: route.type,
    dst: named(route.dst),
    ...(isSingle && only.gateway !== undefined && gatewayOf(only.gateway)),
    ...(isSingle && { dev: only.dev }),
    table: TABLES[route.table] ?? String(route.table),
    protocol: PROTOCOLS[route.protocol],
    scope: SCOPES[route.scope],
    ...((route.metric !== 0 || route.family === 6) && { metric: route.metric }),
    ...(route.prefsrc !== undefined && { prefsrc: route.prefsrc }),
    ...(route.metrics?.mtu !== undefined && { metrics: [{ mtu: route.metrics.mtu }] }),
    flags: route.flags,
    ...(route.expires !== undefined && { expires: route.expires }),
    ...(route.pref !== undefined && { pref: route.pref }),
    ...(!isSingle &&
      route.nexthops.length > 1 && {
        nexthops: route.nexthops.map(({ gateway, dev, weight, flags }) => ({
          ...(gateway !== undefined && gatewayOf(gateway)),
          dev,
          weight,
          flags,
        })),
      }),
  };
}

const ADDRESS_FLAGS = [
  'dynamic',
  'secondary',
  'tentative',
  'deprecated',
  'dadfailed',
  'nodad',
  'noprefixroute',
] as const;

function addressFact(dev: string, address: AddressInfo): string {
  const { family, local, prefixlen, metric, broadcast, scope, label } = address;
  const flags = ADDRESS_FLAGS.filter((flag) => address[flag] === true).join(' ');
  const times = `${lasts(address.valid_life_time)} ${lasts(address.preferred_life_time)}`;
  const ends = `${local} ${address.address ?? '-'}/${prefixlen} brd ${broadcast ?? '-'}`;
  return `${dev} ${family} ${ends} ${typeof scope === 'number' ? SCOPES[scope] : scope} ${metric ?? 0} ${label ?? ''} [${flags}] ${times}`;
}

/** Seconds go by between the two. */
function lasts(seconds: number): string {
  return seconds === 4294967295 ? 'forever' : seconds === 0 ? '0' : 'some time';
}

function ruleFact(rule: RuleInfo): Record<string, unknown> {
  return {
    priority: rule.priority,
    src: rule.src === undefined ? 'all' : rule.src.split('/')[0],
    ...(rule.src !== undefined && { srclen: Number(rule.src.split('/')[1]) }),
    ...(rule.fwmark !== undefined && { fwmark: `0x${rule.fwmark.toString(16)}` }),
    ...(rule.iif !== undefined && { iif: rule.iif }),
    ...(rule.table !== undefined && { table: TABLES[rule.table] ?? String(rule.table) }),
    ...(rule.suppress_prefixlength !== undefined && { suppress_prefixlen: rule.suppress_prefixlength }),
    ...(rule.goto !== undefined && { goto: rule.goto }),
    ...(rule.unresolved === true && { unresolved: null }),
    ...(rule.action === 'prohibit' && { action: 'prohibit' }),
    protocol: PROTOCOLS[rule.protocol],
  };
}

/** Seconds go by between the two. */
function timeless(route: Record<string, unknown>): Record<string, unknown> {
  return route.expires === undefined ? route : { ...route, expires: 'some time' };
}

const lines = (facts: readonly unknown[]): string[] =>
  facts.map((fact) => (typeof fact === 'string' ? fact : JSON.stringify(sortedKeys(fact as object))));

/** Which of two links is ready first when both get their carrier at once is a race in the kernel. */
function settled(routes: string[]): string[] {
  const isGroups = (route: string): boolean => route.includes('"ff00::/8"');
  return [...routes.filter((route) => !isGroups(route)), ...routes.filter(isGroups).sort()];
}

function sortedKeys(of: unknown): unknown {
  if (Array.isArray(of)) return of.map(sortedKeys);
  if (typeof of !== 'object' || of === null) return of;
  return Object.fromEntries(
    Object.entries(of)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => [key, sortedKeys(value)]),
  );
}

interface Facts {
  addresses: string[];
  routes4: string[];
  routes6: string[];
  rules4: string[];
  rules6: string[];
}

function kernelFacts(kernel: Kernel): Facts {
  const addresses = kernel
    .json('-j -d addr')
    .flatMap((link) =>
      (link.addr_info as Array<AddressInfo & { flags?: string[] }>).map((info) =>
        addressFact(link.ifname as string, info),
      ),
    );
  return {
    addresses,
    routes4: lines(kernel.json('-j -d -4 route show table all').map(timeless)),
    routes6: settled(lines(kernel.json('-j -d -6 route show table all').map(timeless))),
    rules4: lines(kernel.json('-j -d -4 rule')),
    rules6: lines(kernel.json('-j -d -6 rule')),
  };
}

async function ownFacts(world: World): Promise<Facts> {
  const routes = async (family: 4 | 6): Promise<string[]> => {
    const all: RouteInfo[] = [];
    await world.control.listRoutes(world.namespace, { op: 'route.list', family }, (page) => all.push(...page));
    return lines(all.map(routeFact).map(timeless));
  };
  const links = ['lo', 'v1', 'v0', 'v3', 'v2'].flatMap((name) => world.links.get(name) ?? []);
  return {
    addresses: links.flatMap((link) => world.control.addressesOf(link).map((info) => addressFact(link.name, info))),
    routes4: await routes(4),
    routes6: settled(await routes(6)),
    rules4: lines(world.control.listRules(world.namespace, 4).map(ruleFact)),
    rules6: lines(world.control.listRules(world.namespace, 6).map(ruleFact)),
  };
}

// --- refusals -----------------------------------------------------------------------------------------

const TEXTS: Record<string, string> = {
  EEXIST: 'File exists',
  ENOENT: 'No such file or directory',
  ESRCH: 'No such process',
  ENODEV: 'No such device',
  EINVAL: 'Invalid argument',
  ENETUNREACH: 'Network is unreachable',
  EHOSTUNREACH: 'No route to host',
  ENETDOWN: 'Network is down',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  ENOBUFS: 'No buffer space available',
  EACCES: 'Permission denied',
};

/** What iproute2 would say first. */
function saying({ errno, extack }: SluiceError): string {
  if (extack === undefined) return `RTNETLINK answers: ${TEXTS[errno] ?? errno}`;
  return `Error: ${extack}${extack.endsWith('.') ? '' : '.'}`;
}

/** Which of the two the kernel says of a route that is not there depends on the tree's inner nodes. */
function alike(refusal: string): string {
  return refusal === 'Error: Can not replace route - no match found.'
    ? 'RTNETLINK answers: No such file or directory'
    : refusal;
}

async function refusalOf(world: World, { act }: Command): Promise<string> {
  try {
    await act(world);
    return '';
  } catch (error) {
    if (error instanceof SluiceError) return saying(error);
    throw error;
  }
}

// --- route get ----------------------------------------------------------------------------------------

interface Asked extends Probe {
  oif?: string;
}

/** What is asked after a while: as this host, as a router, and by a link. */
function questions(random: Random): Asked[] {
  const destinations = [...new Set(PROBES.map(({ destination }) => destination))];
  return destinations.flatMap((destination) => {
    const is6 = destination.includes(':');
    const kind = random(6);
    // Of IPv6 the kernel prefers a route back by the same link to others as good, which a FIB without links as keys cannot.
    if (kind === 0 && !is6) return { destination, source: '10.0.0.77', iif: LINKS[random(4)] };
    if (kind === 1) return { destination, oif: LINKS[random(4)] };
    // Of several links with one address the kernel sends to groups by the one that got it last.
    if (kind === 2 && !destination.startsWith('224.')) return { destination, source: is6 ? '2001:db8::1' : '10.0.0.1' };
    return { destination };
  });
}

const TELLING = ['type', 'dst', 'from', 'gateway', 'via', 'dev', 'table', 'cache', 'iif', 'mark'];

function answerFact(answer: Record<string, unknown>, is6: boolean): string {
  const kept = Object.entries(answer).filter(([key]) => TELLING.includes(key) || (key === 'prefsrc' && !is6));
  return JSON.stringify(sortedKeys(Object.fromEntries(kept)));
}

/** undefined: which of several next hops it is, a hash decides. */
function kernelAnswer(kernel: Kernel, { destination, source, iif, oif }: Asked): string | undefined {
  const words = `${destination}${source === undefined ? '' : ` from ${source}`}${iif === undefined ? '' : ` iif ${iif}`}`;
  const asked = `${words}${oif === undefined ? '' : ` oif ${oif}`}`;
  const { status, out, err } = kernel.ip(`-j -d route get ${asked}`);
  if (status !== 0) return err.split('\n')[0];
  const match = kernel.ip(`-j route get fibmatch ${asked}`);
  if (match.status === 0 && match.out.includes('nexthops')) return undefined;
  return answerFact(JSON.parse(out)[0], destination.includes(':'));
}

async function ownAnswer(world: World, { destination: dst, source, iif, oif }: Asked): Promise<string> {
  const is6 = dst.includes(':');
  const own = { ...(source && { from: source }), ...(iif && { iif }), ...(oif && { oif }) };
  try {
    const route = await world.control.getRoute(world.namespace, { op: 'route.get', family: is6 ? 6 : 4, dst, ...own });
    const { table, ...fact } = routeFact(route);
    const more = { ...(route.src && { from: route.src }), ...(route.iif && { iif: route.iif }) };
    return answerFact(
      { ...fact, ...(route.table !== 0 && { table }), ...(route.cache && { cache: route.cache }), ...more },
      is6,
    );
  } catch (error) {
    if (error instanceof SluiceError) return saying(error);
    throw error;
  }
}

async function compareAnswers(kernel: Kernel, world: World, asked: readonly Asked[], history: string[]): Promise<void> {
  for (const question of asked) {
    const expected = kernelAnswer(kernel, question);
    if (expected === undefined) continue;
    expect(await ownAnswer(world, question), `${history.join('\n')}\nget ${JSON.stringify(question)}`).toBe(expected);
  }
}

function prepare(world: World): void {
  for (const family of [4, 6])
    for (const key of ['accept_dad']) world.settings.set(`net.ipv${family}.conf.all.${key}`, 0);
  world.addPair('v0', 'v1');
  world.addPair('v2', 'v3');
}

const PAUSE_MS = 25;

/** The kernel tells of carriers a little later. */
async function compare(kernel: Kernel, world: World, history: readonly string[]): Promise<void> {
  const own = await ownFacts(world);
  let facts = kernelFacts(kernel);
  for (let i = 0; i < 8 && JSON.stringify(facts) !== JSON.stringify(own); i++) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    facts = kernelFacts(kernel);
  }
  expect(own, history.join('\n')).toEqual(facts);
}

/** A pair goes, and all that was by it. */
async function leave(kernel: Kernel, world: World, history: string[]): Promise<void> {
  history.push('link del v2');
  kernel.must('link del v2');
  world.remove('v2');
  await compare(kernel, world, history);
  expectAgreement(world, PROBES, history.join('\n'));
}

async function contest(seed: number, mix: Mix, promotes: boolean): Promise<void> {
  const random = generator(seed);
  const kernel = new Kernel(`sluice-rd-${process.pid}-${seed}`);
  const world = new World(seed % 1000);
  const history: string[] = [];
  try {
    prepare(world);
    if (promotes) {
      spawnSync('ip', `netns exec ${kernel.name} sysctl -qw net.ipv4.conf.all.promote_secondaries=1`.split(' '), {
        env: ENVIRONMENT,
      });
      world.settings.set('net.ipv4.conf.all.promote_secondaries', 1);
    }
    for (const link of LINKS) {
      kernel.must(`link set ${link} up`);
      world.setUp(link, true);
    }
    await compare(kernel, world, history);
    for (let i = 0; i < STEPS; i++) {
      const next = command(random, mix);
      history.push(next.words);
      const { status, err } = kernel.carryOut(next.words);
      // A link whose MTU is too small for IPv6 has no settings of it.
      if (next.words.startsWith('sysctl ') && status !== 0) continue;
      const refusal = await refusalOf(world, next);
      if (status === 1) {
        // iproute2 itself refused it: the words are not worth comparing.
        if (refusal === '') throw new Error(`ip took no part in "${next.words}": ${err}`);
        history.pop();
      } else expect(alike(refusal), history.join('\n')).toBe(status === 0 ? '' : alike(err.split('\n')[0]));
      await compare(kernel, world, history);
      expectAgreement(world, PROBES, history.join('\n'));
      if (i % 30 === 29) await compareAnswers(kernel, world, questions(random), history);
    }
    await leave(kernel, world, history);
  } finally {
    kernel.end();
    world.end();
  }
}

const seeds = ONLY === undefined ? Array.from({ length: SEEDS }, (_, i) => i + 1) : [Number(ONLY)];
const LONGEST_MS = 600_000;

describe.skipIf(missing !== '')(titled('addresses, routes and rules are as the kernel has them', missing), () => {
  afterAll(() => {
    for (const seed of seeds)
      spawnSync('ip', ['netns', 'del', `sluice-rd-${process.pid}-${seed}`], { env: ENVIRONMENT });
  });

  test.each(seeds)('mixed commands, seed %i', (seed) => contest(seed, EVERYTHING, seed % 2 === 0), LONGEST_MS);
  test.each(seeds)('many addresses, seed %i', (seed) => contest(seed + 100, ADDRESSES, seed % 2 === 0), LONGEST_MS);
  test.each(seeds)('rules, too, seed %i', (seed) => contest(seed + 200, WITH_RULES, false), LONGEST_MS);
});
