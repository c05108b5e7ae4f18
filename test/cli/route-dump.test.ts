/* Files of `ip route save` and `ip rule save`: the real tool reads ours, and we read its. */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decode as decodeRoute, encode as encodeRoute, FILE as ROUTE_FILE } from '../../src/cli/ip-route-dump.js';
import { decode as decodeRule, encode as encodeRule, FILE as RULE_FILE } from '../../src/cli/ip-rule-dump.js';
import { main } from '../../src/cli/main.js';
import { parseMessages, u32 } from '../../src/cli/netlink-file.js';
import type { RouteInfo } from '../../src/control/api/route.js';
import type { RuleInfo } from '../../src/control/api/rule.js';
import { FakeDaemon, Many } from './fake-daemon.js';
import { Namespace, unavailable } from './kernel.js';
import { kernelRoutes, kernelRules } from './kernel-routes.js';
import { words } from './run.js';

const reason = unavailable('iproute2');

const ROUTES = [
  'default via 10.0.0.2 metric 100',
  '10.1.0.0/16 via 10.0.0.3 dev v0 proto static src 10.0.0.1 mtu 1400 hoplimit 33',
  '10.2.0.0/16 nexthop via 10.0.0.3 dev v0 weight 3 nexthop via 10.0.0.4 dev v0 onlink',
  '10.7.0.0/16 via inet6 fe80::1 dev v0',
  '10.8.0.0/16 nexthop via inet6 fe80::1 dev v0 nexthop dev v0',
  'blackhole 10.3.0.0/16 table 1000',
  '2001:db8:1::/48 via 2001:db8::2 mtu 1400',
  '2001:db8:2::/48 via fe80::2 dev v0 pref high',
  'unreachable 2001:db8:3::/48',
  '2001:db8:8::/48 nexthop via fe80::5 dev v0 weight 5 nexthop via fe80::6 dev v0',
];

const RULES = [
  'not from 10.1.1.1 to 10.2.0.0/16 table 1000 pref 50',
  'fwmark 0x10/0xf0 lookup main suppress_prefixlength 0 suppress_ifgroup 3 pref 53',
  'fwmark 1 table 5 pref 54',
  'iif v0 oif nosuch table 7 protocol static pref 55',
  'ipproto tcp sport 10-20 dport 80 table 9 pref 56',
  'goto 999 pref 10',
  'nop pref 12',
  'prohibit pref 15 tos 0x10',
];

describe.skipIf(reason !== '')(`saved routes and rules, beside iproute2${reason === '' ? '' : ` (${reason})`}`, () => {
  let kernel: Namespace;
  let routes: RouteInfo[];
  let rules: RuleInfo[];
  const indices = new Map<string, number>();

  beforeAll(async () => {
    kernel = new Namespace();
    kernel.set(
      'ip link set lo up',
      'ip link add v0 type veth peer name v1',
      'sysctl -q -w net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.v0.accept_dad=0 net.ipv6.conf.v1.accept_dad=0',
      'ip link set v0 up',
      'ip link set v1 up',
      'ip addr add 10.0.0.1/24 dev v0',
      'ip addr add 2001:db8::1/64 dev v0 nodad',
      ...ROUTES.map((route) => `ip ${route.includes('db8') ? '-6' : '-4'} route add ${route}`),
      ...RULES.map((rule) => `ip rule add ${rule}`),
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    routes = [...kernelRoutes(kernel, 4), ...kernelRoutes(kernel, 6)];
    rules = kernelRules(kernel, 4);
    for (const { ifname, ifindex } of kernel.json<Array<{ ifname: string; ifindex: number }>>('ip -j link'))
      indices.set(ifname, ifindex);
  });

  afterAll(() => kernel?.remove());

  function real(line: string, input: Buffer = Buffer.alloc(0)): Buffer {
    const { stdout } = spawnSync('ip', ['netns', 'exec', kernel.name, ...words(line)], { input });
    return stdout;
  }

  it('routes of ours are what it shows', () => {
    const file = Buffer.concat([u32(ROUTE_FILE.magic), ...routes.map((route) => encodeRoute(route, indices))]);
    expect(real('ip route showdump', file).toString()).toBe(real('ip route show table all').toString());
  });

  it('routes of its are what we know', () => {
    const names = new Map([...indices].map(([name, index]) => [index, name]));
    const messages = parseMessages(real('ip route save table all'), ROUTE_FILE, 'restore');
    expect(messages.map((one) => decodeRoute(one, names))).toEqual(routes);
  });

  it('rules of its are what we know, and ours are its', () => {
    const decoded = parseMessages(real('ip rule save'), RULE_FILE, 'restore').map(decodeRule);
    expect(decoded).toEqual(rules);
    const ours = Buffer.concat([u32(RULE_FILE.magic), ...rules.map(encodeRule)]);
    expect(parseMessages(ours, RULE_FILE, 'restore').map(decodeRule)).toEqual(rules);
    // The kernel would add another rule of priority 0, which a flush leaves where it is.
    const added = rules.filter(({ priority }) => priority !== 0).map(encodeRule);
    kernel.set('ip rule flush');
    real('ip rule restore', Buffer.concat([u32(RULE_FILE.magic), ...added]));
    expect(kernelRules(kernel, 4)).toEqual(rules);
  });
});

describe('saving', () => {
  it('writes what was selected', async () => {
    const route: RouteInfo = {
      family: 4,
      type: 'unicast',
      dst: '10.1.0.0/16',
      table: 254,
      protocol: 4,
      scope: 0,
      metric: 0,
      flags: ['onlink'],
      nexthops: [{ gateway: '10.0.0.1', dev: 'v0', flags: ['onlink'] }],
    };
    const daemon = await FakeDaemon.start((request) =>
      request.op === 'link.list' ? [{ ifname: 'v0', ifindex: 7 }] : new Many([[route, { ...route, protocol: 2 }]]),
    );
    let raw = Buffer.alloc(0);
    const terminal = {
      out: () => {},
      err: () => {},
      raw: (bytes: Uint8Array) => {
        raw = Buffer.concat([raw, bytes]);
      },
      socket: daemon.socket,
    };
    const status = await main(words('ip route save proto static'), terminal);
    daemon.stop();
    expect(status).toBe(0);
    expect(parseMessages(raw, ROUTE_FILE, 'restore').map((one) => decodeRoute(one, new Map([[7, 'v0']])))).toEqual([
      route,
    ]);
  });

  it.each([
    ['', 'Magic mismatch (0 elems, 0 magic)'],
    ['abcdefg', 'Magic mismatch (1 elems, 64636261 magic)'],
  ])('refuses "%s" as iproute2 does', (text, line) => {
    expect(() => parseMessages(Buffer.from(text), ROUTE_FILE, 'restore')).toThrow(
      expect.objectContaining({ tool: line, status: 1 }),
    );
  });

  it('refuses a file that is cut off', () => {
    const file = Buffer.concat([
      u32(ROUTE_FILE.magic),
      encodeRule({ family: 4, priority: 1, action: 'nop', protocol: 0 }),
    ]);
    expect(() => parseMessages(file.subarray(0, -4), ROUTE_FILE, 'restore')).toThrow('cut off');
  });
});
