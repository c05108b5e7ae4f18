import { describe, expect, it } from 'vitest';
import { AddressConfiguration } from '../../src/control/addrconf/addrconf.js';
import type { Host6, LearnedRoute, Link6, NewAddress, Tables6 } from '../../src/control/addrconf/host6.js';
import {
  bytesOfWords,
  eui64,
  isSame,
  linkLocal,
  prefixOf,
  solicitedNodeEnd,
} from '../../src/control/addrconf/interface-id.js';
import type { Call } from '../../src/control/engine-thread.js';
import { Conf6 } from '../../src/route/conf.js';
import { formatIpv6, parseIpv6 } from '../../src/wire/format.js';
import { INFINITY, type RouterAdvertisement } from '../../src/wire/nd.js';

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
const LINK_LOCAL = 'fe80::ff:fe00:1';
const ROUTER = parseIpv6('fe80::1') as Uint8Array;

interface Own extends NewAddress {
  isTentative: boolean;
  hasFailed: boolean;
}

/** One link in virtual time; its addresses and routes are lists. */
class World implements Tables6<Link6>, Host6<Link6> {
  now = 0;
  readonly own: Own[] = [];
  readonly routes: LearnedRoute[] = [];
  readonly solicitedAt: number[] = [];
  readonly probedAt: number[] = [];
  readonly logged: string[] = [];
  isListening = false;
  isDisabled = false;
  groups: string[] = [];
  isGenerating = true;
  readonly settings = new Map<Conf6, number>([
    [Conf6.ACCEPT_RA, 1],
    [Conf6.ACCEPT_DAD, 1],
    [Conf6.DAD_TRANSMITS, 1],
    [Conf6.AUTOCONF, 1],
    [Conf6.NEIGH_RETRANS_MS, 1000],
    [Conf6.HOP_LIMIT, 64],
    [Conf6.MTU, 1500],
  ]);
  readonly link = { number: 1, name: 'e0', kind: 'tap', mtu: 1500, address: MAC, isUp: true, hasCarrier: true };
  readonly addrconf = new AddressConfiguration<Link6>(this, this);
  private readonly timers: Array<{ at: number; action: () => void }> = [];

  ready(): void {
    this.run((calls) => this.addrconf.linkReady(this.link, calls));
  }

  down(): void {
    this.own.length = 0;
    this.addrconf.linkDown(this.link);
  }

  set(key: Conf6, name: string, value: number): void {
    this.settings.set(key, value);
    this.run((calls) => this.addrconf.settingChanged(this.link, name, calls));
  }

  run(action: (calls: Call[]) => void): void {
    const calls: Call[] = [];
    action(calls);
    this.post(calls);
  }

  pass(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      this.timers.sort((a, b) => a.at - b.at);
      const [next] = this.timers;
      if (next === undefined || next.at > end) break;
      this.timers.shift();
      this.now = next.at;
      next.action();
    }
    this.now = end;
  }

  advertise(more: Partial<RouterAdvertisement> = {}): void {
    const none = { managed: false, other: false, preference: 0, reachableMs: 0, retransMs: 0 };
    const lists = { prefixes: [], routes: [], dns: [], search: [] };
    this.addrconf.advertised(this.link, ROUTER, { hopLimit: 0, lifetimeS: 1800, ...none, ...lists, ...more });
  }

  texts(): string[] {
    return this.own.map(
      ({ address, isTentative, hasFailed }) =>
        `${formatIpv6(address)}${isTentative ? ' tentative' : ''}${hasFailed ? ' dadfailed' : ''}`,
    );
  }

  // --- Tables6 ------------------------------------------------------------------------------------

  addresses(): Own[] {
    return this.own;
  }

  addAddress(link: Link6, address: NewAddress, calls: Call[]): void {
    const known = this.own.find((other) => isSame(other.address, address.address));
    if (known !== undefined) Object.assign(known, address);
    else {
      this.own.push({ ...address, isTentative: true, hasFailed: false });
      this.addrconf.startDad(link, address.address, calls);
    }
  }

  dadCompleted(_: Link6, address: Uint8Array): void {
    for (const each of this.own) if (isSame(each.address, address)) each.isTentative = false;
  }

  dadFailed(_: Link6, address: Uint8Array): void {
    for (const each of this.own) if (isSame(each.address, address)) each.hasFailed = true;
  }

  learnRoute(_: Link6, route: LearnedRoute): void {
    const isOther = (other: LearnedRoute): boolean =>
      other.length !== route.length || !isSame(other.prefix, route.prefix);
    this.routes.splice(0, this.routes.length, ...this.routes.filter(isOther));
    if (route.lifetimeS > 0) this.routes.push(route);
  }

  // --- Host6 --------------------------------------------------------------------------------------

  conf(_: Link6, key: Conf6): number {
    return this.settings.get(key) ?? 0;
  }

  maxConf(link: Link6, key: Conf6): number {
    return this.conf(link, key);
  }

  setConf(_: Link6, key: Conf6, value: number): void {
    this.settings.set(key, value);
  }

  generates(): boolean {
    return this.isGenerating;
  }

  disable(): void {
    this.isDisabled = true;
  }

  post(calls: Call[]): void {
    for (const call of calls) {
      if (call[0] === 'detectDuplicate') this.probedAt.push(this.now);
      if (call[0] === 'setGroups6') this.groups = groupsOf(call[2]);
    }
  }

  solicitRouters(_: Link6, source: Uint8Array): void {
    expect(formatIpv6(source)).toBe(LINK_LOCAL);
    this.solicitedAt.push(this.now);
  }

  listen(_: Link6, isOn: boolean): void {
    this.isListening = isOn;
  }

  addressesChanged(): void {}

  log(_: Link6, text: string): void {
    this.logged.push(text);
  }

  after(ms: number, action: () => void): () => void {
    const timer = { at: this.now + ms, action };
    this.timers.push(timer);
    return () => {
      const at = this.timers.indexOf(timer);
      if (at >= 0) this.timers.splice(at, 1);
    };
  }

  random(): number {
    return 0.5;
  }
}

function groupsOf(words: Int32Array): string[] {
  const texts: string[] = [];
  for (let at = 0; at < words.length; at += 4)
    texts.push(formatIpv6(bytesOfWords(words[at], words[at + 1], words[at + 2], words[at + 3])));
  return texts;
}

const PREFIX = {
  prefix: parseIpv6('2001:db8:1::') as Uint8Array,
  length: 64,
  onLink: true,
  autonomous: true,
  validS: 86_400,
  preferredS: 14_400,
};

describe('interface identifiers', () => {
  it('are made of MAC addresses', () => {
    expect(formatIpv6(linkLocal(eui64(Uint8Array.of(0x82, 0x88, 0x7c, 0xc9, 0xf6, 0x45))))).toBe(
      'fe80::8088:7cff:fec9:f645',
    );
    expect(solicitedNodeEnd(parseIpv6('2001:db8::12:3456') as Uint8Array)).toBe(0xff123456 | 0);
    expect(formatIpv6(prefixOf(parseIpv6('2001:db8:ffff:ffff::1') as Uint8Array, 45))).toBe('2001:db8:fff8::');
  });
});

describe('a link that comes up', () => {
  it('has a link-local address, which it tries out before it uses it', () => {
    const world = new World();
    world.ready();
    expect(world.texts()).toEqual([`${LINK_LOCAL} tentative`]);
    world.pass(499);
    expect(world.probedAt).toEqual([]);
    world.pass(1);
    expect(world.probedAt).toEqual([500]);
    world.pass(999);
    expect(world.texts()).toEqual([`${LINK_LOCAL} tentative`]);
    world.pass(1);
    expect(world.texts()).toEqual([LINK_LOCAL]);
  });

  it('asks as often as dad_transmits says', () => {
    const world = new World();
    world.settings.set(Conf6.DAD_TRANSMITS, 3);
    world.ready();
    world.pass(10_000);
    expect(world.probedAt).toEqual([500, 1500, 2500]);
  });

  it.each([Conf6.DAD_TRANSMITS, Conf6.ACCEPT_DAD])('does not ask where setting %i is 0', (key) => {
    const world = new World();
    world.settings.set(key, 0);
    world.ready();
    expect(world.texts()).toEqual([LINK_LOCAL]);
    expect(world.probedAt).toEqual([]);
  });

  it('has no address where addr_gen_mode is none, until it is not', () => {
    const world = new World();
    world.isGenerating = false;
    world.ready();
    expect(world.texts()).toEqual([]);
    world.isGenerating = true;
    world.run((calls) => world.addrconf.settingChanged(world.link, 'addr_gen_mode', calls));
    expect(world.texts()).toEqual([`${LINK_LOCAL} tentative`]);
  });

  it('keeps a link-local address that it was given', () => {
    const world = new World();
    const address = parseIpv6('fe80::5') as Uint8Array;
    world.own.push({
      address,
      length: 64,
      validS: INFINITY,
      preferredS: INFINITY,
      isAutoconfigured: false,
      isTentative: false,
      hasFailed: false,
    });
    world.ready();
    expect(world.texts()).toEqual(['fe80::5']);
  });

  it('joins the groups of all nodes and of its addresses, and as a router those of routers', () => {
    const world = new World();
    world.ready();
    expect(world.groups).toEqual(['ff01::1', 'ff02::1', 'ff02::1:ff00:1']);
    world.set(Conf6.FORWARDING, 'forwarding', 1);
    expect(world.groups).toEqual([
      'ff01::1',
      'ff02::1',
      'ff01::2',
      'ff02::2',
      'ff05::2',
      'ff02::1:ff00:1',
      'ff02::1:ff00:0',
    ]);
    world.set(Conf6.FORWARDING, 'forwarding', 0);
    expect(world.groups).toHaveLength(3);
  });
});

describe('an address that another node has', () => {
  it('is not used', () => {
    const world = new World();
    world.ready();
    world.pass(600);
    world.addrconf.conflict(1, parseIpv6(LINK_LOCAL) as Uint8Array);
    world.pass(10_000);
    expect(world.texts()).toEqual([`${LINK_LOCAL} tentative dadfailed`]);
    expect(world.logged).toHaveLength(1);
    expect(world.solicitedAt).toEqual([]);
    expect(world.isDisabled).toBe(false);
  });

  it('disables IPv6 where accept_dad is 2 and it was made of the MAC', () => {
    const world = new World();
    world.settings.set(Conf6.ACCEPT_DAD, 2);
    world.ready();
    world.addrconf.conflict(1, parseIpv6(LINK_LOCAL) as Uint8Array);
    expect(world.isDisabled).toBe(true);
  });

  it('is of no interest once it is ours', () => {
    const world = new World();
    world.ready();
    world.pass(2000);
    world.addrconf.conflict(1, parseIpv6(LINK_LOCAL) as Uint8Array);
    expect(world.texts()).toEqual([LINK_LOCAL]);
  });

  it('is of no interest when the link has gone down', () => {
    const world = new World();
    world.ready();
    world.down();
    world.addrconf.conflict(1, parseIpv6(LINK_LOCAL) as Uint8Array);
    world.pass(10_000);
    expect(world.probedAt).toEqual([]);
    expect(world.logged).toEqual([]);
  });
});

describe('a host', () => {
  it('asks for routers when its address is ready, and ever more rarely until one answers', () => {
    const world = new World();
    world.ready();
    world.pass(100_000);
    expect(world.solicitedAt).toEqual([1500, 5500, 13_500, 29_500, 61_500]);
    world.advertise();
    world.pass(10_000_000);
    expect(world.solicitedAt).toHaveLength(5);
  });

  it('never waits longer than an hour, more or less', () => {
    const world = new World();
    world.ready();
    world.pass(40_000_000);
    const pauses = world.solicitedAt.slice(1).map((at, i) => at - world.solicitedAt[i]);
    expect(Math.max(...pauses)).toBe(3_600_000);
  });

  it('takes a router as default, with its hop limit and MTU, for as long as it says', () => {
    const world = new World();
    world.ready();
    world.pass(2000);
    world.advertise({ hopLimit: 33, mtu: 1400, reachableMs: 20_000, retransMs: 500, preference: 1 });
    expect(world.routes).toEqual([
      {
        prefix: new Uint8Array(16),
        length: 0,
        gateway: ROUTER,
        lifetimeS: 1800,
        preference: 1,
        hopLimit: 33,
        mtu: 1400,
      },
    ]);
    const { settings } = world;
    expect(settings.get(Conf6.HOP_LIMIT)).toBe(33);
    expect(settings.get(Conf6.MTU)).toBe(1400);
    expect(settings.get(Conf6.NEIGH_RETRANS_MS)).toBe(500);
    expect(settings.get(Conf6.NEIGH_BASE_REACHABLE_MS)).toBe(20_000);
    world.advertise({ lifetimeS: 0 });
    expect(world.routes).toEqual([]);
  });

  it.each([1279, 1501])('does not believe an MTU of %i', (mtu) => {
    const world = new World();
    world.ready();
    world.pass(2000);
    world.advertise({ mtu });
    expect(world.settings.get(Conf6.MTU)).toBe(1500);
    expect(world.routes[0].mtu).toBeUndefined();
  });

  it('makes an address of a prefix, tries it out, and has a route to the prefix', () => {
    const world = new World();
    world.ready();
    world.pass(2000);
    world.advertise({ prefixes: [PREFIX] });
    expect(world.texts()).toEqual([LINK_LOCAL, '2001:db8:1::ff:fe00:1 tentative']);
    expect(world.routes[1]).toMatchObject({ length: 64, lifetimeS: 86_400 });
    world.pass(2000);
    expect(world.texts()[1]).toBe('2001:db8:1::ff:fe00:1');
    expect(world.own[1]).toMatchObject({ validS: 86_400, preferredS: 14_400, isAutoconfigured: true });
  });

  it('does not let an advertisement end an address sooner than in two hours', () => {
    const world = new World();
    world.ready();
    world.pass(2000);
    world.advertise({ prefixes: [PREFIX] });
    world.advertise({ prefixes: [{ ...PREFIX, validS: 10, preferredS: 0 }] });
    expect(world.own[1]).toMatchObject({ validS: 7200, preferredS: 0 });
    world.own[1].validS = 100;
    world.advertise({ prefixes: [{ ...PREFIX, validS: 0, preferredS: 0 }] });
    expect(world.own[1].validS).toBe(100);
    world.advertise({ prefixes: [{ ...PREFIX, validS: INFINITY, preferredS: INFINITY }] });
    expect(world.own[1]).toMatchObject({ validS: INFINITY, preferredS: INFINITY });
  });

  it.each([
    ['is preferred longer than it is valid', { validS: 10, preferredS: 11 }],
    ['is link-local', { prefix: parseIpv6('fe80::') as Uint8Array }],
    ['is multicast', { prefix: parseIpv6('ff02::') as Uint8Array }],
  ])('passes over a prefix that %s', (_, more) => {
    const world = new World();
    world.ready();
    world.pass(2000);
    world.advertise({ lifetimeS: 0, prefixes: [{ ...PREFIX, ...more }] });
    expect(world.own).toHaveLength(1);
    expect(world.routes).toEqual([]);
  });

  it.each([
    ['is not autonomous', { autonomous: false }],
    ['has not 64 bits', { length: 48 }],
    ['is over already', { validS: 0, preferredS: 0 }],
  ])('makes no address of a prefix that %s', (_, more) => {
    const world = new World();
    world.ready();
    world.pass(2000);
    world.advertise({ prefixes: [{ ...PREFIX, ...more }] });
    expect(world.own).toHaveLength(1);
  });

  it('makes 16 addresses at most', () => {
    const world = new World();
    world.ready();
    world.pass(2000);
    for (let n = 0; n < 30; n++) {
      const prefix = PREFIX.prefix.slice();
      prefix[7] = n;
      world.advertise({ prefixes: [{ ...PREFIX, prefix }] });
    }
    expect(world.own).toHaveLength(16);
  });

  it('listens no more when it forwards, unless accept_ra is 2', () => {
    const world = new World();
    world.ready();
    expect(world.isListening).toBe(true);
    world.set(Conf6.FORWARDING, 'forwarding', 1);
    expect(world.isListening).toBe(false);
    world.pass(2000);
    expect(world.solicitedAt).toEqual([]);
    world.advertise();
    expect(world.routes).toEqual([]);
    world.set(Conf6.ACCEPT_RA, 'accept_ra', 2);
    expect(world.isListening).toBe(true);
    world.advertise();
    expect(world.routes).toHaveLength(1);
  });

  it('forgets its default router when it begins to forward', () => {
    const world = new World();
    world.ready();
    world.pass(2000);
    world.advertise({ prefixes: [PREFIX] });
    expect(world.routes).toHaveLength(2);
    world.set(Conf6.FORWARDING, 'forwarding', 1);
    expect(world.routes).toMatchObject([{ length: 64 }]);
  });

  it('listens no more when the link is down', () => {
    const world = new World();
    world.ready();
    world.pass(2000);
    world.down();
    expect(world.isListening).toBe(false);
    world.pass(1_000_000);
    expect(world.solicitedAt).toHaveLength(1);
  });
});
