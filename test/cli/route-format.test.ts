/*
 * Routes and rules beside the real tool: the kernel's own, read as JSON, must come out as iproute2
 * prints them, byte for byte, under every combination of options and selectors.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Family } from '../../src/control/api/family.js';
import type { RouteInfo } from '../../src/control/api/route.js';
import type { RuleInfo } from '../../src/control/api/rule.js';
import { FakeDaemon, Many, type Received, refusal } from './fake-daemon.js';
import { Namespace, unavailable } from './kernel.js';
import { kernelGet, kernelRoutes, kernelRules } from './kernel-routes.js';
import { sluice, words } from './run.js';

const reason = unavailable('iproute2');

const ROUTES = [
  'default via 10.0.0.2 metric 100',
  '10.1.0.0/16 via 10.0.0.3 dev v0 proto static src 10.0.0.1 mtu 1400 hoplimit 33',
  '10.2.0.0/16 mtu lock 1300 nexthop via 10.0.0.3 dev v0 weight 3 nexthop via 10.0.0.4 dev v0 onlink',
  'blackhole 10.3.0.0/16',
  'unreachable 10.4.0.0/16 metric 7',
  'prohibit 10.5.0.0/16 table 100',
  'throw 10.6.0.0/16 table 1000',
  '10.7.0.0/16 via inet6 fe80::1 dev v0',
  '10.71.0.0/16 nexthop via inet6 fe80::1 dev v0 nexthop via 10.0.0.9 dev v0',
  'multicast 224.0.0.0/8 dev v0',
  '10.8.0.0/16 dev v0 scope 77 proto 77',
  '10.8.0.0/16 dev v0 metric 5 proto bird',
  '10.12.0.0/16 dev v2',
  '1.2.3.4 via 10.0.0.9 dev v0 onlink',
  'broadcast 10.9.0.0/16 dev v0',
  'local 10.10.0.0/16 dev lo table 254',
  '2001:db8:1::/48 via 2001:db8::2 mtu 1400',
  '2001:db8:2::/48 via fe80::2 dev v0 expires 500 pref high',
  'unreachable 2001:db8:3::/48',
  'blackhole 2001:db8:4::/48 metric 5',
  'prohibit 2001:db8:5::/48',
  'throw 2001:db8:55::/48',
  'local 2001:db8:6::/48 dev lo',
  'local 2001:db8:66::/48 dev lo table main',
  'anycast 2001:db8:7::1/128 dev v0',
  '2001:db8:8::/48 nexthop via fe80::5 dev v0 weight 5 nexthop via fe80::6 dev v0',
  'default via fe80::1 dev v0 table 200',
  '2001:db8:9::/48 dev v0 src 2001:db8::1 pref low',
];

const RULES = [
  '-4 rule add from 10.0.0.0/24 table 100 pref 40',
  '-4 rule add not from 10.1.1.1 to 10.2.0.0/16 table 100 pref 50',
  '-4 rule add fwmark 1 table 5 pref 51',
  '-4 rule add fwmark 0/0xff table 6 pref 52',
  '-4 rule add fwmark 0x10/0xf0 lookup main suppress_prefixlength 0 pref 53',
  '-4 rule add iif v0 oif nosuch table 7 protocol static pref 54',
  '-4 rule add ipproto tcp sport 10-20 dport 80 table 9 pref 55',
  '-4 rule add ipproto 200 table 9 pref 56',
  '-4 rule add goto 999 pref 10',
  '-4 rule add goto 32766 pref 11',
  '-4 rule add nop pref 12',
  '-4 rule add blackhole pref 13',
  '-4 rule add from 0/0 unreachable pref 14',
  '-4 rule add prohibit pref 15 tos 0x10',
  '-4 rule add from 0/8 table 4000000000 pref 16',
  '-4 rule add table main suppress_ifgroup 3 pref 17',
  '-4 rule add iif nosuch table main suppress_ifgroup default pref 18',
  '-6 rule add from 2001:db8::/32 to 2001:db8::1 table 200 pref 60',
];

const SHOWS = ['route', 'route show table all', '-6 route', '-4 route show table all', '-6 route show table all'];
const ALL_OPTIONS = ['', '-d', '-j', '-j -p', '-o', '-N', '-d -N', '-j -d', '-s', '-o -d -j', '-j -N'];
const FEW_OPTIONS = ['', '-d -j', '-o -N'];
const GET_OPTIONS = ['', '-d', '-j', '-o -N', '-s'];

const SELECTIONS = [
  'r s',
  'r l t 255',
  'route show table local',
  '-6 route show table local',
  'route show table 100',
  '-6 route show table 200',
  'route show dev v0',
  '-6 route show dev v0',
  'route show table all dev lo',
  'route show via 10.0.0.3',
  'route show via 10.0.0.0/24',
  'route show via inet6 fe80::1',
  '-6 route show via fe80::2',
  'route show src 10.0.0.1',
  'route show src 10/8',
  'route show proto static',
  'route show proto kernel table all',
  'route show proto all',
  'route show scope link',
  'route show scope global table all',
  'route show type blackhole',
  'route show type unicast',
  'route show type local table all',
  'route show type 7',
  'route show type nat',
  'route show type x',
  'route show type 99',
  'route show metric 100',
  '-6 route show metric 1024 dev v0',
  'route show 10.1.0.0/16',
  'route show to 10.1.0.0/16',
  'route show exact 10.8/16',
  'route show root 10.0.0.0/8',
  'route show match 10.1.2.3',
  'route show to match 10.1.2.3',
  'route show default',
  'route show any',
  '-4 route show any',
  '-6 route show default table all',
  '-6 route show root 2001:db8:4::/46',
  '-6 route show match 2001:db8:1::9',
  'route show 2001:db8::/64',
  'route show tos 0',
  'route show tos 0x10',
  'route show realms 3',
  'route show mark 3',
  'route show iif v0',
  'route show from 10/8',
  'route show from root 10/8',
  'route show cache',
  'route show table cache',
  '-6 route show cached',
  '-0 route',
  '-0 -j route',
  'route show 9.9.9.9',
];

const GETS: Array<[Family, string]> = [
  [4, '10.0.0.1'],
  [4, '10.0.0.2'],
  [4, '10.1.0.1'],
  [4, 'fibmatch 10.1.0.1'],
  [4, 'fibmatch 10.2.0.1'],
  [4, '10.7.1.1'],
  [4, '224.0.0.1'],
  [4, '10.0.0.255'],
  [4, '127.0.0.1'],
  [4, '10.1.0.1 from 10.0.0.1'],
  [4, '10.1.0.1 mark 3'],
  [4, '10.1.0.1 mark 0x30'],
  [4, '10.1.0.1 oif v0'],
  [4, '10.1.0.1 connected'],
  [4, '10.0.0.1 from 10.0.0.77 iif v0'],
  [6, '2001:db8::1'],
  [6, '2001:db8:1::1'],
  [6, 'fibmatch 2001:db8:2::1'],
  [6, '2001:db8:1::1 from 2001:db8::1'],
  [6, 'ff02::1 oif v0'],
];

const RULE_SHOWS = [
  'rule',
  'ru l',
  '-6 rule',
  'rule show table 100',
  'rule show pref 50',
  'rule show order 50',
  'rule show from 10.0.0.0/8',
  'rule show from all',
  'rule show to 10.2/16',
  'rule show 10.2/16',
  'rule show iif v0',
  'rule show oif nosuch',
  'rule show fwmark 1',
  'rule show fwmark 0x10/0xf0',
  'rule show not',
  'rule show sport 10-20',
  'rule show dport 80',
  'rule show ipproto tcp',
  'rule show tos 0x10',
  'rule show proto static',
  'rule show uidrange 1-2',
  'rule show l3mdev',
  '-6 rule show from 2001:db8::/16',
];

/** Seconds that run down between the two readings, and counters of references. */
function still(text: string): string {
  return text
    .replace(/expires \d+sec/g, 'expires Nsec')
    .replace(/"expires": ?\d+/g, '"expires":N')
    .replace(/ users \d+| used \d+| age \d+sec/g, '');
}

describe.skipIf(reason !== '')(`routes and rules as iproute2 prints them${reason === '' ? '' : ` (${reason})`}`, () => {
  let kernel: Namespace;
  let daemon: FakeDaemon;
  const routes: Partial<Record<Family, RouteInfo[]>> = {};
  const rules: Partial<Record<Family, RuleInfo[]>> = {};

  beforeAll(async () => {
    kernel = new Namespace();
    kernel.set(
      'ip link set lo up',
      'ip link add v0 type veth peer name v1',
      'ip link add v2 type veth peer name v3',
      'sysctl -q -w net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.v0.accept_dad=0 net.ipv6.conf.v1.accept_dad=0',
      'ip link set v0 up',
      'ip link set v1 up',
      'ip link set v2 up',
      'ip addr add 10.0.0.1/24 dev v0',
      'ip addr add 2001:db8::1/64 dev v0 nodad',
      ...ROUTES.map(
        (route) => `ip ${route.includes('db8') || route.includes('via fe80') ? '-6' : '-4'} route add ${route}`,
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, 200));
    kernel.set(...RULES.map((rule) => `ip ${rule}`));
    for (const family of [4, 6] as const) {
      routes[family] = kernelRoutes(kernel, family).map(withLock);
      rules[family] = kernelRules(kernel, family);
    }
    daemon = await FakeDaemon.start(answer);
  }, 30000);

  afterAll(() => {
    daemon?.stop();
    kernel?.remove();
  });

  /** JSON does not say that a metric is locked. */
  function withLock(route: RouteInfo): RouteInfo {
    return route.dst === '10.2.0.0/16' ? { ...route, metrics: { ...route.metrics, lock: ['mtu'] } } : route;
  }

  function answer(request: Received): unknown {
    if (request.op === 'link.list') return ['v0', 'lo'].includes(request.name ?? '') ? [{}] : refusal('ENODEV', 'no');
    if (request.op === 'rule.list') return rules[request.family];
    if (request.op !== 'route.list') return refusal('EINVAL', `cannot ${request.op}`);
    const { table, cached } = request;
    const all = cached
      ? []
      : (routes[request.family] ?? []).filter((route) => table === undefined || route.table === table);
    // In pieces, as a daemon sends a large table.
    return new Many([all.slice(0, 3), all.slice(3, 4), [], all.slice(4)]);
  }

  async function compare(line: string): Promise<void> {
    const real = kernel.run(`ip ${line}`);
    const ours = await sluice(['ip', ...words(line)], daemon.socket);
    expect(still(ours.out)).toBe(still(real.out));
    expect(ours.err).toBe(real.err);
    expect(ours.status).toBe(real.status);
  }

  for (const show of SHOWS) {
    it.each(ALL_OPTIONS)(`ip %s ${show}`, (options) => compare(`${options} ${show}`));
  }

  it.each(SELECTIONS)('ip %s', async (selection) => {
    for (const options of FEW_OPTIONS) await compare(`${options} ${selection}`);
  });

  it.each(GETS)('ip -%i route get %s', async (family, line) => {
    const route = withLock(kernelGet(kernel, line, family));
    daemon.answerWith((request) => (request.op === 'route.get' ? route : answer(request)));
    for (const options of GET_OPTIONS) await compare(`${options} -${family} route get ${line}`);
  });

  it('warns of a prefix, and looks up its address', async () => {
    const route = kernelGet(kernel, '10.1.0.1', 4);
    daemon.answerWith((request) => (request.op === 'route.get' ? route : answer(request)));
    await compare('route get 10.1.0.1/24');
    expect(daemon.requests).toEqual([{ op: 'route.get', family: 4, dst: '10.1.0.1' }]);
  });

  it.each(RULE_SHOWS)('ip %s', async (show) => {
    daemon.answerWith(answer);
    for (const options of show.includes('show') ? FEW_OPTIONS : ALL_OPTIONS) await compare(`${options} ${show}`);
  });
});
