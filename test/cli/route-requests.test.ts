/* Good commands about routes and rules: what is asked of the daemon, and what a flush makes of the answers. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Request } from '../../src/control/api/request.js';
import type { ChangeRoutes, RouteChange, RouteInfo } from '../../src/control/api/route.js';
import type { RuleInfo } from '../../src/control/api/rule.js';
import { routeOf, unpackRoutes } from '../../src/control/route-batch.js';
import { FakeDaemon, Many, type Received, refusal } from './fake-daemon.js';
import { sluice, words } from './run.js';

/** What iproute2 sends where nothing else was said. */
function add(route: Partial<RouteChange> & { dst: string }, verb: 'add' | 'del' = 'add'): Request {
  const family = route.family ?? 4;
  const defaults = verb === 'add' ? { type: 'unicast' as const, protocol: 3, scope: 0 } : {};
  return { op: 'route.change', verb, route: { family, table: 254, nexthops: [], ...defaults, ...route } };
}

const V0 = [{ dev: 'v0' }];

const CHANGES: Record<string, Request> = {
  'route add 10.1.0.0/16 dev v0': add({ dst: '10.1.0.0/16', scope: 253, nexthops: V0 }),
  'r a 10.1/16 dev v0': add({ dst: '10.1.0.0/16', scope: 253, nexthops: V0 }),
  'route add to 10.0.0.9 oif v0': add({ dst: '10.0.0.9/32', scope: 253, nexthops: V0 }),
  'route add 012.0x1/255.255.0.0 dev v0': add({ dst: '10.1.0.0/16', scope: 253, nexthops: V0 }),
  'route add default via 10.0.0.1': add({ dst: '0.0.0.0/0', nexthops: [{ gateway: '10.0.0.1' }] }),
  'route add default via fe80::1 dev v0': add({
    family: 6,
    dst: '::/0',
    nexthops: [{ gateway: 'fe80::1', dev: 'v0' }],
  }),
  '-6 route add default dev v0': add({ family: 6, dst: '::/0', nexthops: V0 }),
  'route add 10.1.0.0/16 via inet6 FE80:0::1 dev v0': add({
    dst: '10.1.0.0/16',
    nexthops: [{ gateway: 'fe80::1', dev: 'v0' }],
  }),
  'route add 10.1.0.0/16 via 10.0.0.1 dev v0 onlink': add({
    dst: '10.1.0.0/16',
    nexthops: [{ gateway: '10.0.0.1', dev: 'v0', onlink: true }],
  }),
  'route add 10.1.0.0/16 dev v0 table 100 m 5 proto static src 10.0.0.1 scope host mtu lock 1400 hoplimit 9': add({
    dst: '10.1.0.0/16',
    table: 100,
    metric: 5,
    protocol: 4,
    prefsrc: '10.0.0.1',
    scope: 254,
    nexthops: V0,
    metrics: { lock: ['mtu'], mtu: 1400, hoplimit: 9 },
  }),
  'route add 10.1.0.0/16 dev v0 tab local prot bgp preference 0x10 tos 0': add({
    dst: '10.1.0.0/16',
    table: 255,
    metric: 16,
    protocol: 186,
    scope: 253,
    nexthops: V0,
  }),
  'route add 10.1.0.0/16 nexthop via 10.0.0.2 dev v0 weight 7 nexthop dev v1 onlink': add({
    dst: '10.1.0.0/16',
    nexthops: [
      { gateway: '10.0.0.2', dev: 'v0', weight: 7 },
      { dev: 'v1', onlink: true },
    ],
  }),
  'route add local 10.1.0.1 dev v0': add({
    dst: '10.1.0.1/32',
    type: 'local',
    table: 255,
    scope: 254,
    nexthops: V0,
  }),
  'route add brd 10.1.0.255 dev v0': add({
    dst: '10.1.0.255/32',
    type: 'broadcast',
    table: 255,
    scope: 253,
    nexthops: V0,
  }),
  'route add multicast 224.0.0.0/4 dev v0': add({
    dst: '224.0.0.0/4',
    type: 'multicast',
    scope: 253,
    nexthops: V0,
  }),
  'route add blackhole 10.1.0.0/16': add({ dst: '10.1.0.0/16', type: 'blackhole' }),
  'route add unr 2001:db8::/32 pref high expires 60': add({
    family: 6,
    dst: '2001:db8::/32',
    type: 'unreachable',
    pref: 'high',
    expires: 60,
  }),
  'route del 10.1.0.0/16': add({ dst: '10.1.0.0/16' }, 'del'),
  'route delete unicast 10.1.0.0/16 dev v0 proto static': add(
    { dst: '10.1.0.0/16', type: 'unicast', protocol: 4, nexthops: V0 },
    'del',
  ),
  'route del local 10.1.0.1': add({ dst: '10.1.0.1/32', type: 'local', table: 255, scope: 254 }, 'del'),
  'route del 2001:db8::/32': add({ family: 6, dst: '2001:db8::/32', scope: 0 }, 'del'),
  'route get 10.0.0.1': { op: 'route.get', family: 4, dst: '10.0.0.1' },
  'route get to 2001:db8::1 from 2001:db8::2 iif v0 oif v1 mark 7 tos 0x10 ipproto udp sport 1 dport 2 fibmatch': {
    op: 'route.get',
    family: 6,
    dst: '2001:db8::1',
    from: '2001:db8::2',
    iif: 'v0',
    oif: 'v1',
    mark: 7,
    tos: 16,
    ipproto: 17,
    sport: 1,
    dport: 2,
    fibmatch: true,
  },
  'rule add table 5': { op: 'rule.add', family: 4, rule: { action: 'lookup', table: 5 } },
  'rule add from 10.0.0.0/8 pref 7': {
    op: 'rule.add',
    family: 4,
    rule: { src: '10.0.0.0/8', priority: 7, action: 'lookup', table: 254 },
  },
  'rule add not from all to 10.1.1.1 fwmark 0x10/0xff iif v0 oif v1 lookup main': {
    op: 'rule.add',
    family: 4,
    rule: {
      not: true,
      dst: '10.1.1.1/32',
      fwmark: 16,
      fwmask: 255,
      iif: 'v0',
      oif: 'v1',
      action: 'lookup',
      table: 254,
    },
  },
  '-6 rule add to 2001:db8::/32 ipproto ipv6-icmp sport 1-2 dport 3 dsfield 10 sup_pl 0 sup_group default ta 3 proto 9':
    {
      op: 'rule.add',
      family: 6,
      rule: {
        dst: '2001:db8::/32',
        ipproto: 58,
        sport: [1, 2],
        dport: [3, 3],
        tos: 16,
        suppress_prefixlength: 0,
        suppress_ifgroup: 0,
        action: 'lookup',
        table: 3,
        protocol: 9,
      },
    },
  'rule add goto 100 pref 5': { op: 'rule.add', family: 4, rule: { priority: 5, action: 'goto', goto: 100 } },
  'rule add nop': { op: 'rule.add', family: 4, rule: { action: 'nop' } },
  'rule add type unreachable': { op: 'rule.add', family: 4, rule: { action: 'unreachable' } },
  'rule del pref 5': { op: 'rule.del', family: 4, rule: { priority: 5 } },
  'rule del from 10/8 table 5': { op: 'rule.del', family: 4, rule: { src: '10.0.0.0/8', table: 5 } },
};

describe('routes and rules', () => {
  let daemon: FakeDaemon;

  beforeEach(async () => {
    daemon = await FakeDaemon.start(() => ({}));
  });

  afterEach(() => daemon.stop());

  it.each(Object.entries(CHANGES))('ip %s', async (line, request) => {
    daemon.answerWith(() => (request.op === 'route.get' ? route('10.0.0.1') : {}));
    const { status, err } = await sluice(['ip', ...words(line)], daemon.socket);
    expect(err).toBe('');
    expect(status).toBe(0);
    expect(daemon.requests).toEqual([request]);
  });

  function route(dst: string, more: Partial<RouteInfo> = {}): RouteInfo {
    const rest = { type: 'unicast', table: 254, protocol: 4, scope: 0, metric: 0, flags: [] } as const;
    return { family: 4, dst, ...rest, flags: [], nexthops: [{ dev: 'v0', flags: [] }], ...more };
  }

  /** A daemon whose routes go when they are deleted. */
  function deleting(routes: RouteInfo[]): (request: Received) => unknown {
    return (request) => {
      if (request.op === 'route.list') return new Many([routes.filter(({ family }) => family === request.family)]);
      if (request.op !== 'route.bulk') return [{}];
      for (const { dst } of bulked(request))
        routes.splice(
          routes.findIndex((one) => one.dst === dst),
          1,
        );
      return { failures: [] };
    };
  }

  function bulked(request: ChangeRoutes): RouteChange[] {
    const batch = unpackRoutes(request);
    return Array.from({ length: batch.count }, (_, index) => routeOf(batch, index).route);
  }

  it('deletes what a flush selects, with all that is known of it, until nothing is left', async () => {
    const routes = [
      route('10.1.0.0/16'),
      route('10.2.0.0/16', { prefsrc: '10.0.0.1', metrics: { mtu: 1400 }, metric: 3 }),
      route('10.3.0.0/16', { protocol: 2 }),
    ];
    daemon.answerWith(deleting(routes));
    const { out, status } = await sluice(['ip', '-s', 'route', 'flush', 'proto', 'static'], daemon.socket);
    expect(out).toBe('\n*** Round 1, deleting 2 entries ***\n*** Flush is complete after 1 round ***\n');
    expect(status).toBe(0);
    expect(routes.map(({ dst }) => dst)).toEqual(['10.3.0.0/16']);
    const [request, ...others] = daemon.received.filter(({ op }) => op === 'route.bulk') as ChangeRoutes[];
    expect(others).toEqual([]);
    const common = { family: 4, type: 'unicast', table: 254, protocol: 4, scope: 0 };
    expect(bulked(request)).toEqual([
      { ...common, dst: '10.1.0.0/16', metric: 0, nexthops: V0 },
      { ...common, dst: '10.2.0.0/16', metric: 3, nexthops: V0, prefsrc: '10.0.0.1', metrics: { mtu: 1400 } },
    ]);
    expect(request.templates.every(({ verb }) => verb === 'del')).toBe(true);
  });

  it('flushes both families of all tables, and more routes than one request carries', async () => {
    const four = Array.from({ length: 700 }, (_, n) => route(`10.${n >> 8}.${n & 255}.0/24`));
    const six = route('2001:db8::/32', { family: 6, metric: 1024 });
    const kept = route('::/0', { family: 6, type: 'unreachable', metric: 0xffffffff });
    const routes = [...four, six, kept];
    daemon.answerWith(deleting(routes));
    expect((await sluice(['ip', 'route', 'flush', 'table', 'all'], daemon.socket)).status).toBe(0);
    expect(routes).toEqual([kept]);
    expect(daemon.received.filter(({ op }) => op === 'route.bulk')).toHaveLength(3);
  });

  it('ends a flush with what the kernel would not delete', async () => {
    const failed = refusal('EPERM', 'cannot delete route 10.1.0.0/16: it is mine; leave it').error;
    daemon.answerWith((request) =>
      request.op === 'route.list' ? new Many([[route('10.1.0.0/16')]]) : { failures: [[0, failed]] },
    );
    const { err, status } = await sluice(['ip', 'route', 'flush', '10.1.0.0/16'], daemon.socket);
    expect(err).toBe(`RTNETLINK answers: Operation not permitted\n${failed.message}\n`);
    expect(status).toBe(2);
  });

  it('flushes the cache of IPv4', async () => {
    const { out } = await sluice(['ip', '-s', 'route', 'flush', 'cache'], daemon.socket);
    expect(out).toBe('*** IPv4 routing cache is flushed.\n');
    expect(daemon.requests).toEqual([{ op: 'sysctl.set', key: 'net.ipv4.route.flush', value: '-1' }]);
  });

  it('asks for one table, for all of both families, or for what was learned', async () => {
    daemon.answerWith(() => new Many([[]]));
    await sluice(['ip', 'route', 'show', 'table', '100'], daemon.socket);
    await sluice(['ip', 'route', 'show', 'table', 'all'], daemon.socket);
    await sluice(['ip', '-6', 'route', 'show', 'cache'], daemon.socket);
    expect(daemon.requests).toEqual([
      { op: 'route.list', family: 4, table: 100 },
      { op: 'route.list', family: 4 },
      { op: 'route.list', family: 6 },
      { op: 'route.list', family: 6, table: 254, cached: true },
    ]);
  });

  it('shows exceptions without protocol and scope', async () => {
    const learned = route('10.0.0.9/32', { cache: ['redirected'], expires: 500, metrics: { mtu: 1300 }, scope: 253 });
    daemon.answerWith(() => new Many([[learned, route('10.1.0.0/16')]]));
    const { out } = await sluice(['ip', 'route', 'show', 'cache'], daemon.socket);
    expect(out).toBe('10.0.0.9 dev v0 \n    cache <redirected> expires 500sec mtu 1300 \n');
  });

  it('deletes rules one by one, but for those of priority 0', async () => {
    const rule = (priority: number, more: Partial<RuleInfo> = {}): RuleInfo => ({
      family: 4,
      priority,
      action: 'lookup',
      table: 254,
      protocol: 4,
      ...more,
    });
    const rules = [
      rule(0),
      rule(5, { iif: 'v9', iif_detached: true }),
      rule(6, { protocol: 2 }),
      rule(7, { table: 9 }),
    ];
    daemon.answerWith((request) => (request.op === 'rule.list' ? rules : {}));
    expect((await sluice(words('ip rule flush proto static table main'), daemon.socket)).status).toBe(0);
    expect(daemon.requests).toEqual([
      { op: 'rule.list', family: 4 },
      {
        op: 'rule.del',
        family: 4,
        rule: { priority: 5, action: 'lookup', table: 254, protocol: 4, iif: 'v9' },
      },
    ]);
  });
});
