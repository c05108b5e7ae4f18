/*
 * IP packets that a bridge forwards, at iptables' hooks, as the kernel's br_netfilter has them: the same bridge and rules in a kernel namespace and in one of
 * Sluice, the same flows through both, and frames, counters and conntrack's flows compared.
 *
 *   hosts 10.0.0.100 … 102 ── p0 … p2 ── br0 10.0.0.1 ── the same stack ── p3 10.0.3.1 ── 10.0.3.9
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { parseMac } from '../../src/wire/format.js';
import { type Case, FilteredRouters, rulesOf } from '../support/filtered-routers.js';
import { datagram, type Ends, echo, packet, syn } from '../support/netfilter-cases.js';
import { pattern, udp } from '../support/packets.js';
import { until } from '../support/program.js';
import { lackingNamespaces, titled } from '../support/requirements.js';
import { bytesOf } from '../support/responders.js';
import { expectConserved, sceneOfAll } from '../support/scene.js';
import { FORWARDING, host, type Sent, TwoRouters } from '../support/two-routers.js';

const missing = lackingNamespaces('python3', 'ethtool', 'nft', 'iptables', 'conntrack');
const BRIDGED = [0, 1, 2];
/** br0's own. */
const BRIDGE = '02:00:00:00:0b:f0';
const CALLS = ['net.bridge.bridge-nf-call-iptables=1', 'net.bridge.bridge-nf-call-ip6tables=1'];

const address = (port: number): string => `10.0.0.10${port}`;
const address6 = (port: number): string => `2001:db8:10::10${port}`;

const LINES = [
  ...BRIDGED.map((port) => `link set p${port} master br0`),
  `link set br0 address ${BRIDGE}`,
  ...[...BRIDGED, 3].map((port) => `link set p${port} up`),
  'link set br0 up',
  'link set lo up',
  'addr add 10.0.0.1/24 broadcast + dev br0',
  'addr add 2001:db8:10::1/64 dev br0 nodad',
  'addr add 10.0.3.1/24 broadcast + dev p3',
  ...BRIDGED.flatMap((port) => [
    `neigh replace ${address(port)} lladdr ${host(port)} dev br0 nud permanent`,
    `neigh replace ${address6(port)} lladdr ${host(port)} dev br0 nud permanent`,
  ]),
  `neigh replace 10.0.3.9 lladdr ${host(3)} dev p3 nud permanent`,
];

/** The frame with another destination: hosts speak to each other, not to a router. */
function to(mac: string, sent: Sent): Sent {
  sent.bytes.set(parseMac(mac) ?? [], 0);
  return sent;
}

const between = (from: number, other: number): Ends => ({
  port: from,
  source: address(from),
  destination: address(other),
});

const between6 = (from: number, other: number): Ends => ({
  port: from,
  source: address6(from),
  destination: address6(other),
});

/** By the bridge to br0's own stack, and beyond. */
const beyond = (from: number, destination: string): Ends => ({ port: from, source: address(from), destination });

/** Flows of all kinds from one host to another. */
function talk(from: number, other: number, ends = between(from, other)): Sent[] {
  return [
    ...[22, 80, 443].map((dport, n) => syn(ends, 1000 + 10 * from + n, dport)),
    ...['A', 'U'].map((wish, n) => datagram(ends, 2000 + n, 53 + n, wish.repeat(20))),
    echo(ends, 3 + from),
  ].map((sent) => to(host(other), sent));
}

const EVERYBODY = [...talk(0, 1), ...talk(0, 2), ...talk(1, 2), ...talk(2, 0)];

/** Of which no two need the same port once they have the same source: the port to choose instead is left to chance. */
const FROM_ONE = [...talk(0, 1), ...talk(0, 2)];

/** A datagram of 1600 bytes in two frames. */
function fragments(from: number, other: number): Sent[] {
  const ends = between(from, other);
  const whole = udp(ends.source, ends.destination, 2100, 53, bytesOf('A'.repeat(1600)));
  const part = (start: number, end: number, more: number): Sent =>
    packet({ ...ends, protocol: 17, payload: whole.subarray(start, end), fragment: (start >> 3) | more, id: 77 });
  return [part(0, 1000, 0x2000), part(1000, whole.length, 0)].map((sent) => to(host(other), sent));
}

const STATES = `
  -A FORWARD -m conntrack --ctstate INVALID -j DROP
  -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
  -A FORWARD -m conntrack --ctstate NEW -p tcp --dport 80 -j ACCEPT
  -A FORWARD -m conntrack --ctstate NEW -p udp -j ACCEPT
  -A FORWARD -j DROP`;

const CASES: Case[] = [
  {
    title: 'nothing is asked while the sysctls are off',
    sysctls: CALLS.map((call) => call.replace('=1', '=0')),
    reset: CALLS,
    rules: rulesOf({ filter: ':FORWARD DROP [0:0]', raw: '-A PREROUTING -p icmp -j DROP' }),
    steps: [EVERYBODY],
  },
  {
    title: 'DROP by port',
    rules: rulesOf({ filter: '-A FORWARD -p tcp --dport 22 -j DROP\n-A FORWARD -p udp --dport 53 -j DROP' }),
    steps: [EVERYBODY],
  },
  {
    title: 'all tables, by br0 as the link',
    rules: rulesOf({
      raw: '-A PREROUTING -i br0 -p icmp\n-A PREROUTING -i p0',
      mangle: `
        -A PREROUTING -i br0 -p tcp -j MARK --set-mark 5
        -A FORWARD -i br0 -o br0 -m mark --mark 5
        -A FORWARD -i p0
        -A INPUT -i br0
        -A POSTROUTING -o br0 -p tcp --dport 80 -j DSCP --set-dscp 10
        -A POSTROUTING -o p1`,
      filter: '-A FORWARD -i br0 -o br0 -m mark --mark 5 -p tcp --dport 443 -j DROP',
    }),
    steps: [EVERYBODY],
  },
  {
    title: 'physdev: in, out, is-bridged',
    rules: rulesOf({
      mangle: `
        -A PREROUTING -m physdev --physdev-in p0
        -A PREROUTING -m physdev --physdev-is-in
        -A POSTROUTING -m physdev --physdev-is-bridged
        -A POSTROUTING -m physdev --physdev-out p2 --physdev-is-bridged`,
      filter: `
        -A FORWARD -m physdev --physdev-in p0 --physdev-out p1 -p tcp -j DROP
        -A FORWARD -m physdev --physdev-in p2 -p icmp -j DROP
        -A FORWARD -m physdev --physdev-is-bridged
        -A FORWARD -m physdev ! --physdev-is-bridged
        -A FORWARD -m physdev ! --physdev-in p0 ! --physdev-out p0
        -A FORWARD -m physdev --physdev-is-in --physdev-is-out
        -A INPUT -m physdev --physdev-in p1
        -A INPUT -m physdev --physdev-is-bridged`,
    }),
    steps: [EVERYBODY, [to(BRIDGE, echo(beyond(1, '10.0.0.1'), 9))]],
  },
  { title: 'states of flows', rules: rulesOf({ filter: STATES }), steps: [EVERYBODY, talk(1, 0)] },
  {
    title: 'to br0’s own stack, and routed beyond: PREROUTING is asked once',
    rules: rulesOf({
      raw: '-A PREROUTING -i br0\n-A PREROUTING -i p3',
      mangle: '-A FORWARD -i br0 -o p3\n-A FORWARD -i p3 -o br0',
      filter: `-A FORWARD -m physdev --physdev-in p0 -p tcp --dport 22 -j DROP\n-A INPUT -i br0 -p icmp\n${STATES.trim()}`,
    }),
    steps: [
      [0, 1].flatMap((port) => talk(port, 3, beyond(port, '10.0.3.9')).map((sent) => to(BRIDGE, sent))),
      [to(BRIDGE, echo(beyond(0, '10.0.0.1'), 9))],
    ],
  },
  {
    title: 'MASQUERADE',
    rules: rulesOf({ nat: '-A POSTROUTING -p tcp -j MASQUERADE\n-A POSTROUTING -o br0 -p udp -j MASQUERADE' }),
    steps: [FROM_ONE],
  },
  {
    title: 'SNAT',
    rules: rulesOf({ nat: '-A POSTROUTING -o br0 -p tcp -j SNAT --to-source 10.0.0.1' }),
    steps: [FROM_ONE],
  },
  {
    title: 'DNAT to another host of the bridge',
    rules: rulesOf({
      nat: `-A PREROUTING -p tcp -d ${address(1)} --dport 80 -j DNAT --to-destination ${address(2)}:8080`,
    }),
    steps: [talk(0, 1), talk(2, 1)],
  },
  {
    title: 'DNAT to a host beyond',
    rules: rulesOf({ nat: `-A PREROUTING -d ${address(1)} -p udp -j DNAT --to-destination 10.0.3.9` }),
    steps: [talk(0, 1)],
  },
  {
    title: 'REDIRECT to br0 itself',
    rules: rulesOf({ nat: '-A PREROUTING -p udp --dport 53 -j REDIRECT --to-ports 5353' }),
    steps: [talk(0, 1)],
  },
  {
    title: 'REJECT',
    rules: rulesOf({
      filter: `
        -A FORWARD -p tcp --dport 22 -j REJECT --reject-with tcp-reset
        -A FORWARD -p tcp --dport 443 -j REJECT
        -A FORWARD -p udp --dport 54 -j REJECT --reject-with icmp-admin-prohibited`,
    }),
    steps: [talk(0, 1)],
  },
  {
    title: 'fragments are seen whole, and leave in fragments',
    rules: rulesOf({ filter: '-A FORWARD -p udp -m length --length 1500:2000\n-A FORWARD -m conntrack --ctstate NEW' }),
    steps: [fragments(0, 1)],
  },
  {
    title: 'fragments without flows',
    rules: rulesOf({ filter: '-A FORWARD -f\n-A FORWARD -p udp --dport 53 -j DROP' }),
    steps: [fragments(0, 1)],
  },
  {
    title: 'what is no IP, or has no right header',
    rules: rulesOf({ filter: ':FORWARD DROP [0:0]' }),
    steps: [
      [
        to(host(1), packet({ ...between(0, 1), protocol: 253, payload: pattern(40) })),
        ...[14, 24].map((at) => {
          const sent = to(host(1), echo(between(0, 1), 4));
          sent.bytes[at] ^= 0x55;
          return sent;
        }),
      ],
    ],
  },
  {
    title: 'broadcast and multicast',
    rules: rulesOf({
      filter:
        '-A FORWARD -m pkttype --pkt-type broadcast\n-A FORWARD -d 224.0.0.0/4 -m physdev --physdev-out p2 -j DROP',
    }),
    steps: [
      [
        to('ff:ff:ff:ff:ff:ff', datagram(beyond(0, '10.0.0.255'), 5, 6, 'x')),
        to('01:00:5e:01:02:03', datagram(beyond(1, '239.1.2.3'), 5, 6, 'x')),
      ],
    ],
  },
  {
    title: 'IPv6',
    rules: rulesOf({ filter: ':FORWARD DROP [0:0]' }),
    rules6: rulesOf({
      raw: '-A PREROUTING -i br0',
      filter: `
        -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
        -A FORWARD -p tcp --dport 22 -j DROP
        -A FORWARD -m physdev --physdev-in p0 --physdev-out p2 -p udp -j DROP
        -A FORWARD -p ipv6-icmp -m icmp6 --icmpv6-type echo-request -j ACCEPT`,
    }),
    steps: [[...talk(0, 1, between6(0, 1)), ...talk(0, 2, between6(0, 2)), ...talk(2, 1, between6(2, 1))]],
  },
  {
    title: 'IPv6: DNAT to another host of the bridge',
    rules6: rulesOf({ nat: `-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination ${address6(2)}` }),
    steps: [talk(0, 1, between6(0, 1))],
  },
];

/** Who is behind which port is known before it matters. */
const INTRODUCTIONS: Sent[] = BRIDGED.map((port) => {
  const bytes = new Uint8Array(60);
  bytes.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, ...(parseMac(host(port)) ?? []), 0x88, 0xb5]);
  return { port, bytes, what: `p${port} introduces itself` };
});

describe.skipIf(missing)(titled('beside the kernel’s br_netfilter', missing), () => {
  let filtered: FilteredRouters;

  sceneOfAll(async (scene) => {
    filtered = new FilteredRouters(await TwoRouters.build(scene));
  });

  beforeAll(async () => {
    const { routers } = filtered;
    await routers.kernel.ip('link add br0 type bridge mcast_snooping 0', 'link set br0 addrgenmode none');
    await routers.daemon.ip('link add br0 type bridge', 'link set br0 addrgenmode none');
    await routers.configure(LINES);
    await routers.sysctl([...FORWARDING, ...CALLS]);
    await routers.haveCarriers();
    const isReady = async (): Promise<boolean> =>
      (await routers.kernel.must('bridge link show')).split('state forwarding').length === BRIDGED.length + 1;
    await until('the kernel’s ports forward', isReady);
    await routers.rest();
    await routers.exchange(INTRODUCTIONS);
  });

  test.each(CASES.map((one): [string, Case] => [one.title, one]))(
    '%s',
    async (_, one) => {
      expect(await filtered.differencesIn(one)).toEqual([]);
    },
    60_000,
  );

  test('at rest every frame is accounted for', () => expectConserved(filtered.routers.daemon));
});
