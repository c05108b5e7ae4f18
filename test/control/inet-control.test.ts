/*
 * Addresses, routes and rules where no kernel is needed to know what is right: batches, lifetimes, detection, refusals,
 * what monitors are told. test/e2e/route-differential.test.ts holds the rest against the kernel.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AddressInfo, ChangeAddress } from '../../src/control/api/address.js';
import type { Family } from '../../src/control/api/family.js';
import type {
  ChangeRoute,
  GetRoute,
  RouteChange,
  RouteInfo,
  RouteTemplate,
  RouteVerb,
} from '../../src/control/api/route.js';
import type { Call } from '../../src/control/engine-thread.js';
import type { Addrconf, InetLink } from '../../src/control/inet/host.js';
import { parseAddressBytes, RoutePacker } from '../../src/control/route-batch.js';
import { SluiceError } from '../../src/core/errors.js';
import { MAX_NAMESPACES } from '../../src/core/links.js';
import { MAX_OWN_ADDRESSES } from '../../src/route/addresses.js';
import { World } from './inet-world.js';

let world: World;

beforeEach(() => {
  world = new World(30);
  world.addPair('v0', 'v1');
  world.setUp('v0', true);
  world.setUp('v1', true);
});

afterEach(() => world.end());

function address(op: ChangeAddress['op'], local: string, more: Partial<ChangeAddress> = {}): Promise<void> {
  return world.control.changeAddress(world.namespace, { op, dev: 'v0', local, ...more });
}

const add = (local: string, more: Partial<ChangeAddress> = {}): Promise<void> => address('addr.add', local, more);

function route(verb: RouteVerb, dst: string, more: Partial<RouteChange> = {}): Promise<void> {
  const change: RouteChange = { family: dst.includes(':') ? 6 : 4, dst, nexthops: [], ...more };
  const request: ChangeRoute = { op: 'route.change', verb, route: change };
  return world.control.changeRoute(world.namespace, request);
}

const via = (gateway: string): Partial<RouteChange> => ({ nexthops: [{ gateway }] });

async function routes(family: Family, table?: number): Promise<RouteInfo[]> {
  const all: RouteInfo[] = [];
  const request = { op: 'route.list' as const, family, ...(table !== undefined && { table }) };
  await world.control.listRoutes(world.namespace, request, (page) => all.push(...page));
  return all;
}

const destinations = async (family: Family, table = 254): Promise<string[]> =>
  (await routes(family, table)).map(({ dst }) => dst);

const addresses = (link = 'v0'): AddressInfo[] => world.control.addressesOf(world.link(link));

async function refusal(act: () => Promise<unknown>): Promise<SluiceError> {
  const error = await act().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof SluiceError) return error;
  throw new Error(`it was not refused: ${error}`);
}

describe('the room for IPv4 addresses', () => {
  const size = MAX_OWN_ADDRESSES - MAX_NAMESPACES;
  const at = (n: number): string => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}/32`;

  it('is for all links together; an address that finds none leaves nothing behind', async () => {
    for (let n = 0; n < size; n++) {
      const name = `d${n >> 9}`;
      if ((n & 511) === 0) world.addLink(name);
      await add(at(n), { dev: name });
    }
    const before = [addresses(), await destinations(4), await destinations(4, 255)];
    world.isWatched = true;
    expect(await refusal(() => add('192.0.2.1/24'))).toMatchObject({
      errno: 'ENOBUFS',
      message: `cannot add address 192.0.2.1/24 of "v0": the datapath has room for ${size} IPv4 addresses, and all is taken; delete some`,
    });
    expect([addresses(), await destinations(4), await destinations(4, 255)]).toEqual(before);
    expect(world.events).toEqual([]);
    // One that is there may be changed, IPv6 has no part in it, and lo's own address has a place.
    await address('addr.replace', at(0), { dev: 'd0', valid_lft: 100, preferred_lft: 100 });
    await add('2001:db8::1/64');
    world.setUp('lo', true);
    expect(addresses('lo').map(({ local }) => local)).toContain('127.0.0.1');
    await address('addr.del', at(0), { dev: 'd0' });
    await add('192.0.2.1/24');
    expect((await refusal(() => add('192.0.2.2/24'))).errno).toBe('ENOBUFS');
    world.remove('d1');
    await add('192.0.2.2/24');
    expect(addresses().filter(({ family }) => family === 'inet')).toHaveLength(2);
  });
});

describe('a refusal', () => {
  it('says what, why and what helps, with errno and extack of the kernel', async () => {
    await add('10.0.0.1/24');
    const error = await refusal(() => route('add', '10.1.0.0/16', via('192.0.2.1')));
    expect(error.errno).toBe('ENETUNREACH');
    expect(error.extack).toBe('Nexthop has invalid gateway');
    expect(error.message).toBe(
      'cannot add route 10.1.0.0/16: its gateway is not on a link of ours; add a route to the gateway first, or say onlink',
    );
  });

  it('names a link that is not there', async () => {
    expect((await refusal(() => add('10.0.0.1/24', { dev: 'nosuch' }))).message).toBe(
      'cannot add address 10.0.0.1/24 of "nosuch": there is no link "nosuch"; "ip link" lists them',
    );
  });

  it.each([
    ['10.0.0.300/24', 'EINVAL'],
    ['10.0.0.1/33', 'EINVAL'],
    ['10.0.0.1/x', 'EINVAL'],
    ['2001:db8::1/129', 'EINVAL'],
    ['::/64', 'EADDRNOTAVAIL'],
    ['ff02::1/64', 'EADDRNOTAVAIL'],
    ['::1/128', 'EADDRNOTAVAIL'],
  ])('of the address %s leaves nothing behind', async (local, errno) => {
    expect((await refusal(() => add(local))).errno).toBe(errno);
    expect(addresses()).toEqual([]);
  });

  it('of a label that is too long is given', async () => {
    expect((await refusal(() => add('10.0.0.1/24', { label: 'v0:0123456789abcdef' }))).errno).toBe('ERANGE');
  });
});

describe('a batch of routes', () => {
  const gateways = ['10.0.0.2', '10.0.0.3'];
  const template = (gateway: string, verb: RouteVerb = 'add'): RouteTemplate => ({
    verb,
    route: { nexthops: [{ gateway }] },
  });

  function batch(lines: Array<[string, RouteTemplate]>, stopAtFirst = false, family: Family = 4) {
    const packer = new RoutePacker(family);
    for (const [dst, each] of lines) {
      const [text, length] = dst.split('/');
      packer.addresses.set(parseAddressBytes(text) as Uint8Array, packer.addressAt);
      packer.add(Number(length), packer.template(each));
    }
    return world.control.changeRoutes(world.namespace, packer.take(stopAtFirst));
  }

  beforeEach(async () => {
    await add('10.0.0.1/24');
    await add('2001:db8::1/64', { nodad: true });
  });

  it('does what single requests would', async () => {
    const lines = Array.from({ length: 200 }, (_, i): [string, RouteTemplate] => [
      `10.${1 + (i >> 4)}.${i & 15}.0/24`,
      template(gateways[i & 1]),
    ]);
    expect(await batch(lines)).toEqual({ failures: [] });
    const bulk = await routes(4, 254);
    for (const [dst] of lines) await route('del', dst);
    for (const [dst, { route: like }] of lines) await route('add', dst, like);
    expect(bulk).toEqual(await routes(4, 254));
    expect(bulk.length).toBe(201);
  });

  it('tells which routes failed, and goes on', async () => {
    const { failures } = await batch([
      ['10.1.0.0/24', template('10.0.0.2')],
      ['10.1.0.0/24', template('10.0.0.2')],
      ['10.1.1.1/24', template('10.0.0.2')],
      ['10.2.0.0/24', template('192.0.2.1')],
      ['10.3.0.0/24', template('10.0.0.2')],
      ['10.9.0.0/24', template('10.0.0.2', 'del')],
    ]);
    expect(failures.map(([index, { errno, extack }]) => [index, errno, extack])).toEqual([
      [1, 'EEXIST', undefined],
      [2, 'EINVAL', 'Invalid prefix for given prefix length'],
      [3, 'ENETUNREACH', 'Nexthop has invalid gateway'],
      [5, 'ESRCH', undefined],
    ]);
    expect(failures[0][1].message).toContain('cannot add route 10.1.0.0/24');
    expect(await destinations(4)).toEqual(['10.0.0.0/24', '10.1.0.0/24', '10.3.0.0/24']);
  });

  it('ends with its first failure if it is to', async () => {
    const lines: Array<[string, RouteTemplate]> = [
      ['10.1.0.0/24', template('10.0.0.2')],
      ['10.1.0.0/24', template('10.0.0.2')],
      ['10.2.0.0/24', template('10.0.0.2')],
    ];
    const error = await refusal(() => batch(lines, true));
    expect(error).toMatchObject({ errno: 'EEXIST', index: 1 });
    expect(await destinations(4)).toEqual(['10.0.0.0/24', '10.1.0.0/24']);
  });

  it('sees what its own routes change for those after them', async () => {
    const elsewhere = (verb: RouteVerb): RouteTemplate => ({ verb, route: { nexthops: [{ dev: 'v1' }] } });
    const { failures } = await batch([
      ['10.1.0.0/24', template('10.0.0.2')],
      // From here on the gateway is on another link.
      ['10.0.0.2/32', elsewhere('add')],
      ['10.2.0.0/24', template('10.0.0.2')],
      ['10.0.0.2/32', elsewhere('del')],
      ['10.3.0.0/24', template('10.0.0.2')],
    ]);
    expect(failures).toEqual([]);
    const links = (await routes(4, 254)).slice(1).map(({ nexthops: [{ dev }] }) => dev);
    expect(links).toEqual(['v0', 'v1', 'v0']);
  });

  it('works for IPv6, where a route more to a prefix is a next hop more', async () => {
    const via6 = (gateway: string): RouteTemplate => template(gateway, 'append');
    await batch([['2001:db8:1::/48', via6('2001:db8::2')]], false, 6);
    await batch([['2001:db8:1::5/48', via6('2001:db8::3')]], false, 6);
    const found = (await routes(6)).find(({ dst }) => dst === '2001:db8:1::/48');
    expect(found?.nexthops.map(({ gateway }) => gateway)).toEqual(['2001:db8::2', '2001:db8::3']);
  });

  it('that is malformed is refused whole', async () => {
    const request = { op: 'route.bulk' as const, family: 4 as const, templates: [], routes: 'AAAA' };
    expect((await refusal(() => world.control.changeRoutes(world.namespace, request))).errno).toBe('EINVAL');
  });

  it('of half a million routes takes less than 60 bytes each', async () => {
    const packer = new RoutePacker(4);
    for (let n = 0; n < 100_000; ) {
      const number = packer.template(template('10.0.0.2'));
      for (; n < 100_000 && !packer.isFull; n++) {
        packer.addresses.set([20 + (n >> 16), n >> 8, n, 0], packer.addressAt);
        packer.add(24, number);
      }
      await world.control.changeRoutes(world.namespace, packer.take(true));
    }
    const { routes: count, bytes, infos } = world.control.measure();
    expect(count).toBeGreaterThan(100_000);
    expect(infos).toBeLessThan(20);
    expect(bytes / count).toBeLessThan(60);
  });
});

describe('lifetimes', () => {
  it('deprecate an address, then end it', async () => {
    await add('10.0.0.1/24', { valid_lft: 20, preferred_lft: 10 });
    await add('2001:db8::1/64', { valid_lft: 20, preferred_lft: 10, nodad: true });
    expect(addresses().map(({ deprecated }) => deprecated)).toEqual([undefined, undefined]);
    world.time += 10_000;
    await world.control.expire();
    expect(addresses().map(({ deprecated, valid_life_time: left }) => [deprecated, left])).toEqual([
      [true, 10],
      [true, 10],
    ]);
    world.time += 10_000;
    await world.control.expire();
    expect(addresses()).toEqual([]);
    expect(await destinations(4)).toEqual([]);
  });

  it('end a route, too', async () => {
    await add('2001:db8::1/64', { nodad: true });
    await route('add', '2001:db8:1::/48', { ...via('2001:db8::2'), expires: 5 });
    world.time += 4_000;
    await world.control.expire();
    expect((await routes(6, 254)).map(({ dst, expires }) => [dst, expires])).toContainEqual(['2001:db8:1::/48', 1]);
    world.time += 1_000;
    await world.control.expire();
    expect(await destinations(6)).not.toContain('2001:db8:1::/48');
  });

  it('are taken anew by a change', async () => {
    await add('10.0.0.1/24', { valid_lft: 20, preferred_lft: 10 });
    world.time += 15_000;
    await address('addr.change', '10.0.0.1/24', { valid_lft: 4294967295, preferred_lft: 4294967295 });
    world.time += 15_000;
    await world.control.expire();
    expect(addresses()[0]).toMatchObject({ valid_life_time: 4294967295 });
    expect(addresses()[0].dynamic).toBeUndefined();
  });
});

/** Notes what is asked of it. */
class Detection implements Addrconf {
  readonly asked: string[] = [];
  linkReady = (link: InetLink): void => void this.asked.push(`ready ${link.name}`);
  linkDown = (link: InetLink): void => void this.asked.push(`down ${link.name}`);
  joinGroups = (): void => {};
  startDad = (_link: InetLink, bytes: Uint8Array): void => void this.asked.push(`dad ${bytes[15]}`);
  addressRemoved = (_link: InetLink, bytes: Uint8Array): void => void this.asked.push(`removed ${bytes[15]}`);
}

describe('duplicate address detection', () => {
  const bytes = Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
  let detection: Detection;

  beforeEach(() => {
    detection = new Detection();
    world.settings.set('net.ipv6.conf.all.accept_dad', 1);
    world.control.setAddrconf(detection);
  });

  const local = async (): Promise<string[]> =>
    (await routes(6, 255)).filter(({ type }) => type === 'local').map(({ dst }) => dst);

  it('keeps an address from being local until it has ended well', async () => {
    await add('2001:db8::1/64');
    expect(detection.asked).toEqual(['dad 1']);
    expect(addresses()[0].tentative).toBe(true);
    expect(await local()).toEqual([]);
    const calls: Call[] = [];
    world.control.tables6.dadCompleted(world.link('v0') as never, bytes, calls);
    expect(calls.map(([method]) => method)).toContain('setAddresses6');
    expect(addresses()[0].tentative).toBeUndefined();
    expect(await local()).toEqual(['2001:db8::1/128']);
  });

  it('that fails leaves a permanent address, unused', async () => {
    await add('2001:db8::1/64');
    world.control.tables6.dadFailed(world.link('v0') as never, bytes, []);
    expect(addresses()[0]).toMatchObject({ dadfailed: true, tentative: true });
    expect(await local()).toEqual([]);
  });

  it('waits for the carrier', async () => {
    world.setUp('v1', false);
    world.setUp('v0', false);
    world.setUp('v0', true);
    detection.asked.length = 0;
    await add('2001:db8::1/64');
    expect(detection.asked).toEqual([]);
    world.setUp('v1', true);
    expect(detection.asked).toEqual(['ready v1', 'ready v0', 'dad 1']);
  });

  it('is left out with nodad', async () => {
    await add('2001:db8::1/64', { nodad: true });
    expect(detection.asked).toEqual([]);
    expect(await local()).toEqual(['2001:db8::1/128']);
  });

  it('is ended with its address', async () => {
    await add('2001:db8::1/64');
    await address('addr.del', '2001:db8::1/64');
    expect(detection.asked).toEqual(['dad 1', 'removed 1']);
  });
});

describe('an address that a router brings about', () => {
  const prefix = Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  const learned = Uint8Array.of(...prefix.subarray(0, 15), 9);
  const given = { address: learned, length: 64, validS: 3600, preferredS: 1800, isAutoconfigured: true };

  it('looks as the kernel’s, and its prefix has the route that the router told of, or none', async () => {
    const link = world.link('v0') as never;
    const { tables6 } = world.control;
    tables6.addAddress(link, given, []);
    const [own] = addresses();
    expect(own).toMatchObject({ local: '2001:db8:7::9', dynamic: true, mngtmpaddr: true, protocol: 2 });
    expect(own.noprefixroute).toBeUndefined();
    expect(await destinations(6)).toEqual([]);
    tables6.learnRoute(link, { prefix, length: 64, lifetimeS: 3600, preference: 0 }, []);
    expect(await routes(6, 254)).toMatchObject([{ dst: '2001:db8:7::/64', expires: 3600 }]);
    await address('addr.del', '2001:db8:7::9/64');
    expect(await destinations(6)).toEqual(['2001:db8:7::/64']);
  });
});

describe('a router', () => {
  it('has the anycast address of each subnet, and no more when it stops forwarding', async () => {
    await add('2001:db8::1/64', { nodad: true });
    world.set(6, 'v0', 'forwarding', 1);
    const anycast = async (): Promise<string[]> =>
      (await routes(6, 255)).filter(({ type }) => type === 'anycast').map(({ dst }) => dst);
    expect(await anycast()).toEqual(['2001:db8::/128']);
    await add('2001:db8:1::1/64', { nodad: true });
    expect(await anycast()).toEqual(['2001:db8::/128', '2001:db8:1::/128']);
    world.set(6, 'v0', 'forwarding', 0);
    expect(await anycast()).toEqual([]);
  });
});

describe('what the engine is told', () => {
  it('are the addresses of a link, primary ones first', async () => {
    await add('10.0.0.1/24');
    await add('10.0.0.2/24');
    await add('10.1.0.1/16', { broadcast: '+' });
    const words = world.addresses4.get(world.link('v0').number) as Int32Array;
    const list = Array.from({ length: 3 }, (_, i) => [...words.subarray(i * 6, i * 6 + 6)].map((word) => word >>> 0));
    expect(list.map(([local, length, , , , flags]) => [local.toString(16), length, flags & 1])).toEqual([
      ['a000001', 24, 0],
      ['a010001', 16, 0],
      ['a000002', 24, 1],
    ]);
    expect(list[1][2]).toBe(0x0a01ffff);
  });
});

describe('monitors', () => {
  it('are told of addresses, routes and rules as they come and go', async () => {
    world.isWatched = true;
    await add('10.0.0.1/24');
    await route('add', '10.1.0.0/16', via('10.0.0.2'));
    await world.control.changeRule(world.namespace, { op: 'rule.add', family: 4, rule: { priority: 9, table: 7 } });
    await route('del', '10.1.0.0/16');
    await address('addr.del', '10.0.0.1/24');
    const told = world.events.map((event) => {
      const what =
        event.object === 'route' ? event.route.dst : event.object === 'address' ? event.address.local : event.object;
      return `${event.deleted ? '-' : '+'}${what}`;
    });
    expect(told).toEqual([
      '+10.0.0.1',
      '+10.0.0.1/32',
      '+10.0.0.0/24',
      '+10.0.0.255/32',
      '+10.1.0.0/16',
      '+rule',
      '-10.1.0.0/16',
      '-10.0.0.1',
      '-10.0.0.0/24',
      '-10.0.0.255/32',
      '-10.0.0.1/32',
    ]);
  });

  it('are told of an IPv6 address before its route, and of the next hop that a multipath route loses', async () => {
    world.isWatched = true;
    await add('2001:db8::1/64');
    await route('add', '2001:db8:1::/48', via('2001:db8::2'));
    await route('append', '2001:db8:1::/48', via('2001:db8::3'));
    await route('del', '2001:db8:1::/48', via('2001:db8::2'));
    await address('addr.del', '2001:db8::1/64');
    const told = world.events.map((event) => {
      const sign = event.deleted ? '-' : '+';
      if (event.object === 'address')
        return `${sign}${event.address.local}${event.address.tentative ? ' tentative' : ''}`;
      if (event.object !== 'route') return event.object;
      return `${sign}${[event.route.dst, ...event.route.nexthops.map(({ gateway }) => gateway)].join(' ').trim()}`;
    });
    expect(told).toEqual([
      '+2001:db8::/64',
      '+2001:db8::1 tentative',
      '+2001:db8::1',
      '+2001:db8::1/128',
      '+2001:db8:1::/48 2001:db8::2',
      '+2001:db8:1::/48 2001:db8::3 2001:db8::2',
      '-2001:db8:1::/48 2001:db8::2',
      '-2001:db8::1',
      '-2001:db8::1/128',
      '-2001:db8::/64',
    ]);
  });

  it('cost nothing while nobody watches', async () => {
    await add('10.0.0.1/24');
    expect(world.events).toEqual([]);
  });
});

describe('route.get', () => {
  const get = (request: Omit<GetRoute, 'op'>): Promise<RouteInfo> =>
    world.control.getRoute(world.namespace, { op: 'route.get', ...request });

  it('follows rules by mark, by source and by link', async () => {
    await add('10.0.0.1/24');
    await route('add', '0.0.0.0/0', via('10.0.0.2'));
    await route('add', '0.0.0.0/0', { ...via('10.0.0.3'), table: 100 });
    await route('add', '0.0.0.0/0', { ...via('10.0.0.4'), table: 101 });
    const rule = (rest: object): Promise<void> =>
      world.control.changeRule(world.namespace, { op: 'rule.add', family: 4, rule: { action: 'lookup', ...rest } });
    await rule({ priority: 10, fwmark: 5, table: 100 });
    await rule({ priority: 11, src: '10.0.0.0/24', table: 101 });
    expect((await get({ family: 4, dst: '8.8.8.8' })).nexthops[0].gateway).toBe('10.0.0.2');
    expect((await get({ family: 4, dst: '8.8.8.8', mark: 5 })).nexthops[0].gateway).toBe('10.0.0.3');
    expect((await get({ family: 4, dst: '8.8.8.8', from: '10.0.0.1' })).nexthops[0].gateway).toBe('10.0.0.4');
  });

  it('answers as a router for a packet that comes in', async () => {
    await add('10.0.0.1/24');
    await route('add', '10.1.0.0/16', via('10.0.0.2'));
    const asked = { family: 4 as const, dst: '10.1.0.1', from: '10.0.0.9', iif: 'v0' };
    expect((await refusal(() => get(asked))).errno).toBe('EHOSTUNREACH');
    world.settings.set('net.ipv4.conf.v0.forwarding', 1);
    world.settings.set('net.ipv4.conf.v0.rp_filter', 1);
    world.settings.set('net.ipv4.conf.v0.send_redirects', 1);
    world.settings.set('net.ipv4.conf.v0.shared_media', 1);
    expect(await get(asked)).toMatchObject({ iif: 'v0', src: '10.0.0.9', cache: ['redirect'] });
    expect((await refusal(() => get({ ...asked, from: '172.16.0.1' }))).errno).toBe('EXDEV');
  });

  it('refuses what is no address', async () => {
    expect((await refusal(() => get({ family: 4, dst: 'here' }))).message).toContain('"here" is no IPv4 address');
  });
});

describe('rules', () => {
  const rule = (op: 'rule.add' | 'rule.del', rest: object, family: Family = 4): Promise<void> =>
    world.control.changeRule(world.namespace, { op, family, rule: rest });
  const priorities = (family: Family = 4): number[] =>
    world.control.listRules(world.namespace, family).map(({ priority }) => priority);

  it('get the priority below the lowest but 0', async () => {
    await rule('rule.add', { table: 100 });
    await rule('rule.add', { table: 101 });
    expect(priorities()).toEqual([0, 32764, 32765, 32766, 32767]);
  });

  it('of one link are detached while it is not there', async () => {
    await rule('rule.add', { priority: 5, iif: 'v7', table: 100 });
    expect(world.control.listRules(world.namespace, 4)[1]).toMatchObject({ iif: 'v7', iif_detached: true });
    world.addLink('v7');
    expect(world.control.listRules(world.namespace, 4)[1].iif_detached).toBeUndefined();
  });

  it('that lead to a rule which is not there say so', async () => {
    await rule('rule.add', { priority: 5, action: 'goto', goto: 10 });
    expect(world.control.listRules(world.namespace, 4)[1]).toMatchObject({ goto: 10, unresolved: true });
    await rule('rule.add', { priority: 10, action: 'nop' });
    expect(world.control.listRules(world.namespace, 4)[1].unresolved).toBeUndefined();
  });

  it('may all be deleted: nothing is routed then', async () => {
    await add('10.0.0.1/24');
    for (const priority of [0, 32766, 32767]) await rule('rule.del', { priority });
    expect(world.fib.lookup4(30, 0x0a000002, 0)).toBe(0);
    expect((await refusal(() => rule('rule.del', { priority: 0 }))).errno).toBe('ENOENT');
  });
});

describe('a FIB without room', () => {
  it('refuses the routes that it could not take, and keeps the others', async () => {
    await add('10.0.0.1/24');
    await route('add', '10.1.0.0/16', via('10.0.0.2'));
    const { fib } = world;
    const apply = fib.apply.bind(fib);
    let isFull = true;
    fib.apply = (ops) => {
      if (!isFull) return apply(ops);
      isFull = false;
      return false;
    };
    try {
      expect((await refusal(() => route('add', '10.2.0.0/16', via('10.0.0.2')))).errno).toBe('ENOSPC');
    } finally {
      fib.apply = apply;
    }
    expect(await destinations(4)).toEqual(['10.0.0.0/24', '10.1.0.0/16']);
    expect(fib.lookup4(30, 0x0a010001, 0)).not.toBe(0);
    expect(fib.lookup4(30, 0x0a020001, 0)).toBe(0);
  });
});
