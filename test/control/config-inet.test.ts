/*
 * Configurations of more than ports: namespaces, veth pairs, vlans, addresses, routes, rules, neighbours, services and sysctls, from text to the running
 * network and back, over an engine that only writes down.
 */
import { describe, expect, it } from 'vitest';
import type { LinkAddresses } from '../../src/control/api/address.js';
import type { Done } from '../../src/control/api/answer.js';
import type { ConfigInfo } from '../../src/control/api/config.js';
import type { RouteInfo } from '../../src/control/api/route.js';
import type { SysctlInfo } from '../../src/control/api/sysctl.js';
import { type Config, DATAPLANE_DEFAULTS, parseConfig, renderConfig } from '../../src/control/config.js';
import { Handler } from '../../src/control/handler.js';
import { Network } from '../../src/control/network.js';
import { recordingEngine } from './recording-engine.js';

const ROUTER = `\
sysctl:
  net.ipv4.ip_forward: 1
  net.ipv6.conf.all.forwarding: 1
  net.ipv4.conf.v0.rp_filter: 2
links:
  lo:
    type: lo
    up: true
  br0:
    type: bridge
    addr: [192.0.2.1/24]
    up: true
  v0:
    type: veth
    peer: red/eth0
    addr: [10.0.0.1/24, 10.0.0.3/24, 2001:db8::1/64]
    up: true
  v0.7:
    type: vlan
    link: v0
    id: 7
    mtu: 1400
    addr: [10.7.0.1/24]
    up: true
  d0:
    type: dummy
    master: br0
    up: true
routes:
  - {to: default, via: 10.0.0.2, dev: v0}
  - {to: 10.9.0.0/16, nexthops: [{via: 10.0.0.2, dev: v0, weight: 2}, {via: 10.7.0.2, dev: v0.7}], metric: 5}
  - {to: 10.66.0.0/16, type: blackhole}
  - {to: ::/0, via: 2001:db8::2, dev: v0}
rules:
  - {priority: 100, from: 10.1.0.0/16, iif: v0, table: 100}
  - {priority: 100, from: 10.1.0.0/16, table: 101}
  - {priority: 200, not: true, fwmark: 0x1/0xff, tos: 16, ipproto: 6, dport: 80-90, table: 254, suppress_prefixlength: 0}
  - {priority: 300, to: 192.0.2.0/24, type: prohibit, proto: 4}
  - {priority: 300, fwmark: "0x7", goto: 400}
  - {priority: 500, family: 6, oif: ppp0, sport: "53", table: 102}
  - {priority: 501, from: 2001:db8::/32, table: 103}
neighbours:
  - {to: 10.0.0.9, dev: v0, lladdr: "02:00:00:00:00:09"}
  - {to: 2001:db8::9, dev: v0, lladdr: 02:00:00:00:00:0a, router: true}
  - {to: 10.0.0.10, dev: v0, proxy: true}
dhcp_servers:
  br0:
    pool: [192.0.2.10, 192.0.2.99]
    router: []
    dns: [192.0.2.1, 192.0.2.2]
    domain: example.net
    lease_s: 600
    hosts:
      - {mac: 02:00:00:00:00:0b, address: 192.0.2.11, name: printer}
      - {client_id: "0102", address: 192.0.2.12}
  v0: {}
radv:
  v0:
    prefixes:
      - {prefix: 2001:db8::/64, valid: 3600, autonomous: false}
    max_interval: 60
    preference: high
    dns: [2001:db8::1]
namespaces:
  red:
    sysctl:
      net.ipv6.conf.all.forwarding: 1
    links:
      eth0:
        type: veth
        peer: host/v0
        addrgenmode: none
        addr: [10.0.0.2/24, {address: 2001:db8::2/64, nodad: true}]
        up: true
      q:
        type: vlan
        link: eth0
        id: 7
        protocol: 802.1ad
    routes:
      - {to: 192.0.2.0/24, via: 10.0.0.1, dev: eth0, table: 100}
    rules:
      - {priority: 0, table: 255, absent: true}
      - {priority: 10, table: 255}
    neighbours:
      - {to: 10.0.0.1, dev: eth0, lladdr: "02:00:00:00:00:01"}
    dhcp_clients:
      eth0:
        hostname: web
        metric: 100
  blue: {}
`;

class Running {
  readonly engine = recordingEngine();
  readonly handler = new Handler(new Network(this.engine), this.engine, DATAPLANE_DEFAULTS);

  apply(text: string): Promise<Done> {
    return this.handler.handle({ op: 'config.apply', text, file: 'net.yaml' }) as Promise<Done>;
  }

  async show(): Promise<string> {
    return ((await this.handler.handle({ op: 'config.show' })) as ConfigInfo).text;
  }

  /** What is asked of the engine to get there, but for looks at stations, and what detection of duplicates does. */
  async callsFor(text: string): Promise<string[]> {
    this.engine.take();
    await this.apply(text);
    return this.engine
      .take()
      .map(([name]) => name)
      .filter((name) => !['stations', 'neighbours', 'proxies', 'setGroups6', 'detectDuplicate'].includes(name));
  }
}

async function built(text: string): Promise<Running> {
  const running = new Running();
  await running.apply(text);
  return running;
}

/** In one order: links, routes and namespaces of a running network come as the kernel lists them. */
function sorted(config: Config): Config {
  const by = (a: unknown, b: unknown): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
  const entries = Object.entries(config).map(([key, value]) => [
    key,
    Array.isArray(value) ? [...value].sort(by) : value,
  ]);
  return Object.fromEntries(entries) as Config;
}

describe('a configuration with namespaces and routes', () => {
  it('is written as it was read', () => {
    const config = parseConfig(ROUTER, 'net.yaml');
    expect(parseConfig(renderConfig(config), 'net.yaml')).toEqual(config);
    expect(renderConfig(config)).toBe(ROUTER);
  });

  it('is what the network is, once applied', async () => {
    const running = await built(ROUTER);
    expect(sorted(parseConfig(await running.show(), 'shown'))).toEqual(sorted(parseConfig(ROUTER, 'net.yaml')));
  });

  it('is what commands find', async () => {
    const { handler } = await built(ROUTER);
    const [{ link, addresses }] = (await handler.handle({
      op: 'addr.list',
      dev: 'eth0',
      ns: 'red',
    })) as LinkAddresses[];
    expect(link).toMatchObject({ link_netns: 'host', flags: ['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP'] });
    expect(addresses.map(({ local }) => local)).toEqual(['10.0.0.2', '2001:db8::2']);
    const value = (await handler.handle({ op: 'sysctl.get', key: 'net.ipv4.conf.d0.forwarding' })) as SysctlInfo;
    expect(value.value).toBe('1');
    const routes: RouteInfo[] = [];
    await handler.handle({ op: 'route.list', family: 4, table: 100, ns: 'red' }, (page) =>
      routes.push(...(page as RouteInfo[])),
    );
    expect(routes).toMatchObject([{ dst: '192.0.2.0/24', nexthops: [{ gateway: '10.0.0.1', dev: 'eth0' }] }]);
  });

  it('asks nothing of the engine when it is applied again', async () => {
    expect(await (await built(ROUTER)).callsFor(ROUTER)).toEqual([]);
  });

  it.each<[string, string, string]>([
    ['a namespace goes', '  blue: {}\n', ''],
    ['an address goes, and the routes that it brought', ', 10.0.0.3/24', ''],
    ['the first address goes', '10.0.0.1/24, ', ''],
    ['a link goes down', '    master: br0\n    up: true', '    master: br0'],
    ['a pair gets another end', 'peer: host/v0', 'peer: host/v0\n        mtu: 1300'],
    ['a vlan gets another id', 'id: 7\n    mtu', 'id: 8\n    mtu'],
    ['a route goes', '  - {to: 10.66.0.0/16, type: blackhole}\n', ''],
    ['a route gets another metric', 'metric: 5', 'metric: 6'],
    ['a sysctl goes', '  net.ipv4.ip_forward: 1\n', ''],
    ['a sysctl changes', 'rp_filter: 2', 'rp_filter: 1'],
    ['a rule goes', ', iif: v0, table: 100', ', table: 100'],
    ['rules go', ROUTER.slice(ROUTER.indexOf('  - {priority: 100, '), ROUTER.indexOf('  - {priority: 200')), ''],
    ['a rule that is there at first is back', '      - {priority: 0, table: 255, absent: true}\n', ''],
    ['a neighbour goes', '  - {to: 10.0.0.9, dev: v0, lladdr: "02:00:00:00:00:09"}\n', ''],
    ['a neighbour gets another address', 'lladdr: "02:00:00:00:00:01"', 'lladdr: "02:00:00:00:00:02"'],
    ['a proxy goes', '  - {to: 10.0.0.10, dev: v0, proxy: true}\n', ''],
    ['a server changes', 'lease_s: 600', 'lease_s: 1200'],
    ['a server goes', '  v0: {}\nradv', 'radv'],
    ['a client goes', '    dhcp_clients:\n      eth0:\n        hostname: web\n        metric: 100\n', ''],
    ['advertisements change', 'preference: high', 'preference: low'],
    ['all goes', ROUTER, ''],
  ])('changes in place: %s, and back', async (_, from, to) => {
    const running = await built(ROUTER);
    const changed = ROUTER.replace(from, to);
    await running.apply(changed);
    expect(sorted(parseConfig(await running.show(), 'shown'))).toEqual(sorted(parseConfig(changed, 'net.yaml')));
    await running.apply(ROUTER);
    expect(sorted(parseConfig(await running.show(), 'shown'))).toEqual(sorted(parseConfig(ROUTER, 'net.yaml')));
  });

  it('makes what goes with another anew, and says so', async () => {
    const running = await built(ROUTER);
    const done = await running.apply(ROUTER.replace('host/v0', 'host/w0').replaceAll('v0', 'w0'));
    expect(done.warnings).toEqual([
      'link "red/eth0" was made anew: its peer cannot be changed in place',
      'link "red/q" was made anew: its link or peer cannot be changed in place',
    ]);
  });

  it('puts everything back when a request is refused', async () => {
    const running = await built(ROUTER);
    const before = await running.show();
    const wrong = ROUTER.replace('via: 10.0.0.2, dev: v0}', 'via: 203.0.113.1, dev: v0}');
    await expect(running.apply(wrong)).rejects.toThrow(
      /^cannot apply configuration net\.yaml:30: routes\[0\]: cannot replace route 0\.0\.0\.0\/0: .*; what there was is put back$/,
    );
    expect(await running.show()).toBe(before);
  });

  it.each([
    ['sysctl: {net.ipv4.nosuch: 1}', '1: sysctl."net.ipv4.nosuch": there is no such sysctl; '],
    [
      'sysctl: {net.ipv4.ip_default_ttl: 0}',
      '1: sysctl."net.ipv4.ip_default_ttl": "0" is no value of it; use an integer from 1 to 255',
    ],
    [
      'sysctl: {net.ipv4.conf.x.rp_filter: 1}',
      '1: sysctl."net.ipv4.conf.x.rp_filter": there is no link "x"; add it to "links"',
    ],
    [
      'namespaces: {r: {sysctl: {net.ipv4.neigh.default.gc_thresh1: 1}}}',
      '1: namespaces.r.sysctl."net.ipv4.neigh.default.gc_thresh1": it is one for all',
    ],
    [
      'namespaces: {host: {}}',
      '1: namespaces.host: the namespace "host" is that of the top of the file; move it there',
    ],
    ['links: {a: {type: veth, peer: b}}', '1: links.a.peer: there is no link "b"; '],
    ['links: {a: {type: veth, peer: a}}', '1: links.a.peer: it cannot be its own other end; '],
    ['links: {a: {type: veth, peer: b}, b: {type: dummy}}', '1: links.a.peer: "b" is of type dummy, not a veth; '],
    [
      'links: {a: {type: veth, peer: r/b}}\nnamespaces: {r: {links: {b: {type: veth, peer: host/c}}}}',
      '1: links.a.peer: the peer of "r/b" is "host/c"; both ends must name each other',
    ],
    [
      'links: {a: {type: vlan, link: b, id: 1}, b: {type: vlan, link: a, id: 1}}',
      '1: links.a.link: it lies on itself; ',
    ],
    [
      'links: {a: {type: dummy}, b: {type: vlan, link: a, id: 1, up: on}}',
      '1: links.b.up: "a" is down; set that up, or this down',
    ],
    [
      'links: {a: {type: dummy}, b: {type: vlan, link: a, id: 1}, c: {type: vlan, link: a, id: 1}}',
      '1: links.c.id: "b" has that VLAN already; ',
    ],
    ['links: {lo: {type: dummy}}', '1: links.lo: the loopback is called "lo", and nothing else is; '],
    [
      'links: {a: {type: dummy, addr: 10.0.0.1/33}}',
      '1: links.a.addr: "10.0.0.1/33" is no address with a prefix length; ',
    ],
    ['routes: [{to: 10.0.0.0/8, dev: x}]', '1: routes[0]: there is no link "x"; '],
    ['routes: [{to: 10.0.0.0/8, src: "::1", dev: lo}]', '1: routes[0]: src "::1" is no IPv4 address; '],
    ['rules: [{table: 1}]', '1: rules[0]: "priority" is missing'],
    ['rules: [{priority: 1, from: 10.0.0.0/33}]', '1: rules[0]: "10.0.0.0/33" is no IPv4 prefix; '],
    ['rules: [{priority: 1, from: 10.0.0.0/8, family: 6}]', '1: rules[0]: "10.0.0.0/8" is no IPv6 prefix; '],
    [
      'rules: [{priority: 5, table: 255, absent: on}]',
      '1: rules[0]: only a rule that is there at first can be absent; ',
    ],
    ['rules: [{priority: 5, table: 1}, {priority: 5, table: 1}]', '1: rules[1]: the rule is there twice; '],
    ['neighbours: [{to: 10.0.0.9, dev: x, proxy: on}]', '1: neighbours[0].dev: there is no link "x"; '],
    ['neighbours: [{to: 10.0.0.9, dev: lo}]', '1: neighbours[0]: it has no lladdr; '],
    ['links: {d: {type: dummy}}\ndhcp_servers: {x: {}}', '2: dhcp_servers.x: there is no link "x"; '],
    [
      'links: {d: {type: dummy}}\ndhcp_servers: {d: {pool: [10.0.0.1]}}',
      '2: dhcp_servers.d: its pool has 1 addresses; ',
    ],
    [
      'links: {d: {type: dummy}}\ndhcp_servers: {d: {hosts: [{address: 10.0.0.1}]}}',
      '2: dhcp_servers.d: the host of 10.0.0.1 needs either mac or client_id; ',
    ],
    ['links: {d: {type: dummy}}\nradv: {d: {lifetime: 9001}}', '2: radv.d.lifetime: must be an integer from 0 to 9000'],
    ['routes: [{to: nowhere}]', '1: routes[0].to: must be a prefix, or default, not "nowhere"; '],
    [
      'namespaces: {r: {links: {a: {type: memory, master: b}}}}',
      '1: namespaces.r.links.a.master: there is no link "b"; ',
    ],
  ])('is refused: %s', (text, message) => {
    expect(() => parseConfig(text, 'net.yaml')).toThrow(`cannot read configuration net.yaml:${message}`);
  });
});
