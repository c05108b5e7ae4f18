/* NAT: where outcomes are fixed they are compared as they are; where the kernel draws lots, what it drew is hidden, and checked to be in the range. */

import { finish, fold, pseudo4, sumBytes } from '../../../src/wire/checksum.js';
import { type Case, rulesOf } from '../../support/filtered-routers.js';
import { datagram, echo, packet, sctp, segment, syn } from '../../support/netfilter-cases.js';
import { pattern } from '../../support/packets.js';
import type { Hide, Sent } from '../../support/two-routers.js';
import { client, client6, traffic4, traffic6 } from './common.js';
import { pieces, pieces6 } from './targets.js';

/** Client ports whose owners do not say what conntrack finds INVALID, which nobody would translate. */
const LET_IN = [1000, 1005, 1010, 1004];

/** All that answers can be, of clients that follow each other. */
function sampler(destination: string, base = 0, port = 0): Sent[] {
  return [
    ...[22, 80, 443, 8080].map((dport, n) => syn(client(base + n, destination, port), LET_IN[n], dport)),
    ...['A', 'U', 'T', 'M', 'D'].map((wish, n) =>
      datagram(client(base + 4 + n, destination, port), 2000 + n, 53, wish.repeat(30)),
    ),
    echo(client(base + 9, destination, port), 3, 200),
    segment(client(base + 10, destination, port), 3000, 80, 0x10, 55),
    packet({ ...client(base + 11, destination, port), protocol: 132, payload: sctp(5, 80, 0, 1, pattern(16)) }, 'SCTP'),
    packet({ ...client(base + 12, destination, port), protocol: 253, payload: pattern(30) }, 'protocol 253'),
    packet(
      { ...client(base + 13, destination, port), protocol: 47, payload: Uint8Array.of(0x20, 0, 8, 0, 0, 0, 0, 7) },
      'GRE',
    ),
  ];
}

function sampler6(destination: string): Sent[] {
  return [
    ...[22, 80, 443, 8080].map((dport, n) => syn(client6(destination), LET_IN[n], dport)),
    ...['A', 'U', 'T', 'M', 'D'].map((wish, n) => datagram(client6(destination), 2000 + n, 53, wish.repeat(30))),
    echo(client6(destination), 3, 200),
    packet({ ...client6(destination), protocol: 253, payload: pattern(30) }, 'protocol 253'),
  ];
}

const read16 = (bytes: Uint8Array, at: number): number => (bytes[at] << 8) | bytes[at + 1];
const read32 = (bytes: Uint8Array, at: number): number => (read16(bytes, at) << 16) | read16(bytes, at + 2);

/** Whether the transport checksum is right, of IPv4. */
function isWhole(bytes: Uint8Array, at: number, protocol: number): boolean {
  const length = 14 + read16(bytes, 16) - at;
  const pseudo = protocol === 1 ? 0 : pseudo4(read32(bytes, 26), read32(bytes, 30), protocol, length);
  return finish(pseudo + fold(sumBytes(bytes, at, length))) === 0;
}

/** Hides ports (of ICMP: the id) that are in a range, of packets whose checksums are right. */
export function ports(first: number, last: number): Hide {
  return (bytes) => {
    if (bytes[12] !== 8 || bytes[13] !== 0) return;
    const protocol = bytes[23];
    const at = 14 + (bytes[14] & 15) * 4;
    if (![1, 6, 17].includes(protocol) || !isWhole(bytes, at, protocol)) return;
    for (const where of protocol === 1 ? [at + 4] : [at, at + 2]) {
      const port = read16(bytes, where);
      if (port >= first && port <= last) bytes.set([0xee, 0xee], where);
    }
    const sum = { 1: 2, 6: 16, 17: 6 }[protocol] ?? 0;
    bytes.fill(0, at + sum, at + sum + 2);
  };
}

export const hidePorts =
  (first: number, last: number) =>
  (line: string): string =>
    line.replace(/\b(sport|dport|id)=(\d+)/g, (text, key, port) => (port >= first && port <= last ? `${key}=#` : text));

/** Addresses 10.0.N.A of a range, whichever was chosen; and the header checksum, which must be right, with it. */
function addresses(first: number, last: number): Hide {
  return (bytes) => {
    if (bytes[12] !== 8 || bytes[13] !== 0) return;
    const protocol = bytes[23];
    const at = 14 + (bytes[14] & 15) * 4;
    const isRight =
      finish(fold(sumBytes(bytes, 14, at - 14))) === 0 &&
      (![1, 6, 17].includes(protocol) || isWhole(bytes, at, protocol));
    if (!isRight) return;
    let isHidden = false;
    for (const where of [26, 30]) {
      if (bytes[where] !== 10 || bytes[where + 3] < first || bytes[where + 3] > last) continue;
      bytes[where + 3] = 0xff;
      isHidden = true;
    }
    if (!isHidden) return;
    bytes.fill(0, 24, 26);
    const sum = { 6: 16, 17: 6 }[protocol] ?? 0;
    if (sum !== 0) bytes.fill(0, at + sum, at + sum + 2);
  };
}

const hideAddresses =
  (first: number, last: number) =>
  (line: string): string =>
    line.replace(/10\.0\.(\d)\.(\d+)/g, (text, net, host) => (host >= first && host <= last ? `10.0.${net}.#` : text));

export const NAT: Case[] = [
  {
    title: 'MASQUERADE',
    rules: rulesOf({ nat: '-A POSTROUTING -s 10.0.0.0/24 -o p1 -j MASQUERADE' }),
    steps: [sampler('10.0.1.9'), sampler('172.16.1.1', 20), sampler('10.0.2.9', 20)],
  },
  {
    title: 'SNAT to one address',
    rules: rulesOf({ nat: '-A POSTROUTING -s 10.0.0.0/24 -d 10.0.1.0/24 -j SNAT --to-source 10.0.1.1' }),
    hide: ports(600, 1023),
    hideFlow: hidePorts(600, 1023),
    steps: [sampler('10.0.1.9'), traffic4(40, 51)],
  },
  {
    title: 'SNAT to one port',
    rules: rulesOf({
      nat: '-A POSTROUTING -p udp -j SNAT --to-source 10.0.1.1:5555\n-A POSTROUTING -p tcp --dport 80 -j SNAT --to-source 10.0.1.1:6000',
    }),
    // One flow only to each destination, for there is one port.
    steps: [
      [datagram(client(0, '10.0.1.9'), 2000, 53, 'A'), datagram(client(1, '10.0.1.8'), 2000, 53, 'A')],
      [syn(client(0, '10.0.1.9'), 1000, 80), syn(client(1, '10.0.1.8'), 1000, 80)],
    ],
  },
  {
    title: 'a full range of ports drops',
    rules: rulesOf({ nat: '-A POSTROUTING -p udp -j SNAT --to-source 10.0.1.1:5555' }),
    steps: [
      [datagram(client(0, '10.0.1.9'), 2000, 53, 'A')],
      [datagram(client(1, '10.0.1.9'), 2000, 53, 'A')],
      [datagram(client(2, '10.0.1.9'), 2000, 53, 'Q')],
    ],
  },
  {
    title: 'DNAT of published ports',
    rules: rulesOf({
      nat: `-A PREROUTING -d 10.0.0.1 -p tcp --dport 8080 -j DNAT --to-destination 10.0.2.130:80
-A PREROUTING -d 10.0.0.1 -p udp --dport 53 -j DNAT --to-destination 10.0.2.131
-A PREROUTING -d 198.51.100.7 -p tcp -j DNAT --to-destination :9090
-A PREROUTING -d 198.51.100.7 -p icmp -j DNAT --to-destination 10.0.2.132
-A PREROUTING -d 172.17.0.0/16 -p udp -j DNAT --to-destination 10.0.1.9:7-7`,
    }),
    steps: [sampler('10.0.0.1'), sampler('198.51.100.7', 20), sampler('172.17.0.5', 0, 2), traffic4(40, 52)],
  },
  {
    title: 'DNAT with shifted ports',
    rules: rulesOf({ nat: '-A PREROUTING -p tcp --dport 1000:9000 -j DNAT --to-destination 10.0.1.9:2000-10000/1000' }),
    steps: [sampler('10.0.0.1')],
  },
  {
    title: 'REDIRECT',
    rules: rulesOf({
      nat: '-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080\n-A PREROUTING -p udp --dport 53 -j REDIRECT\n-A PREROUTING -p icmp -j REDIRECT',
    }),
    steps: [sampler('10.0.1.9')],
  },
  {
    title: 'NETMAP',
    rules: rulesOf({
      nat: '-A PREROUTING -d 198.51.100.0/24 -j NETMAP --to 10.0.2.0/24\n-A POSTROUTING -s 10.0.0.0/24 -o p1 -j NETMAP --to 10.77.5.0/24',
    }),
    lines: ['route add 10.77.5.0/24 via 10.0.0.9'],
    undo: ['route del 10.77.5.0/24 via 10.0.0.9'],
    steps: [sampler('198.51.100.130'), sampler('10.0.1.9', 20)],
  },
  {
    title: 'both ends: DNAT and MASQUERADE, hairpin',
    rules: rulesOf({
      nat: `-A PREROUTING -d 10.0.3.1 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.130:8080
-A PREROUTING -d 10.0.3.1 -p udp -j DNAT --to-destination 10.0.0.131
-A PREROUTING -d 10.0.3.1 -p icmp -j DNAT --to-destination 10.0.0.132
-A POSTROUTING -s 10.0.0.0/24 -d 10.0.0.0/24 -j MASQUERADE
-A POSTROUTING -o p1 -j MASQUERADE`,
    }),
    sysctls: ['net.ipv4.conf.all.send_redirects=0', 'net.ipv4.conf.p0.send_redirects=0'],
    reset: ['net.ipv4.conf.all.send_redirects=1', 'net.ipv4.conf.p0.send_redirects=1'],
    steps: [sampler('10.0.3.1'), sampler('10.0.3.1', 10, 2)],
  },
  {
    title: 'source ports that are taken: what is drawn is in the range of the class',
    rules: rulesOf({ nat: '-A POSTROUTING -o p1 -j MASQUERADE' }),
    hide: ports(1024, 65535),
    hideFlow: hidePorts(1024, 65535),
    steps: [0, 1, 2, 3].map((n) => [
      syn(client(n, '10.0.1.9'), 5000, 8080),
      datagram(client(n, '10.0.1.9'), 5000, 5353, 'A'),
      datagram(client(n, '10.0.1.9'), 5001, 5353, 'U'),
    ]),
  },
  {
    title: 'source ports that are taken, of the lowest class',
    rules: rulesOf({ nat: '-A POSTROUTING -o p1 -j MASQUERADE' }),
    hide: ports(1, 511),
    hideFlow: hidePorts(1, 511),
    steps: [0, 1, 2].map((n) => [syn(client(n, '10.0.1.9'), 500, 80), datagram(client(n, '10.0.1.9'), 500, 53, 'A')]),
  },
  {
    title: 'source ports that are taken, of the second class',
    rules: rulesOf({ nat: '-A POSTROUTING -o p1 -j MASQUERADE' }),
    hide: ports(600, 1023),
    hideFlow: hidePorts(600, 1023),
    steps: [0, 1, 2].map((n) => [syn(client(n, '10.0.1.9'), 700, 80), datagram(client(n, '10.0.1.9'), 700, 53, 'A')]),
  },
  {
    title: 'a range of ports, and random ones',
    rules: rulesOf({
      nat: '-A POSTROUTING -p tcp -o p1 -j MASQUERADE --to-ports 40000-40099\n-A POSTROUTING -p udp -o p1 -j SNAT --to-source 10.0.1.1:40000-40099 --random\n-A POSTROUTING -p icmp -j MASQUERADE --random-fully',
    }),
    hide: ports(1, 65535),
    hideFlow: hidePorts(40000, 40099),
    steps: [
      sampler('10.0.1.9').filter(({ what }) => !what.includes('echo')),
      sampler('10.0.1.8', 20).filter(({ what }) => !what.includes('echo')),
    ],
  },
  {
    title: 'several addresses to choose from',
    rules: rulesOf({
      nat: '-A PREROUTING -d 198.51.100.7 -j DNAT --to-destination 10.0.2.130-10.0.2.140\n-A POSTROUTING -o p1 -j SNAT --to-source 10.0.1.200-10.0.1.210 --persistent',
    }),
    lines: ['route add 10.0.1.192/27 via 10.0.0.9'],
    undo: ['route del 10.0.1.192/27 via 10.0.0.9'],
    hide: addresses(130, 210),
    hideFlow: hideAddresses(130, 210),
    steps: [
      // What is quoted in errors is not looked at.
      sampler('198.51.100.7').filter(({ what }) => !/UDP.* [UTMD]+$/.test(what)),
    ],
  },
  {
    title: 'the same source keeps its port to several destinations',
    rules: rulesOf({ nat: '-A POSTROUTING -o p1 -j MASQUERADE' }),
    steps: [
      [8, 9, 130, 131].map((last) => datagram(client(0, `10.0.1.${last}`), 5000, 53, 'A')),
      [8, 9, 130].map((last) => syn(client(0, `10.0.1.${last}`), 5000, 80)),
      [53, 54, 55].map((port) => datagram(client(0, '10.0.1.9'), 6000, port, 'A')),
    ],
  },
  {
    title: 'NAT of what the router says itself, and of what is for it',
    rules: rulesOf({
      nat: '-A OUTPUT -p icmp -d 10.0.0.0/24 -j DNAT --to-destination 10.0.1.9\n-A INPUT -p udp -j SNAT --to-source 10.0.0.77\n-A INPUT -p tcp -j SNAT --to-source 10.0.0.78',
    }),
    steps: [sampler('10.0.0.1')],
  },
  {
    title: 'ICMP errors of routers on the way, about translated flows',
    rules: rulesOf({
      nat: '-A PREROUTING -d 198.51.100.7 -j DNAT --to-destination 10.0.2.130\n-A POSTROUTING -s 10.0.0.0/24 -j MASQUERADE',
    }),
    steps: [
      ['T', 'M', 'U', 'D'].flatMap((wish, n) => [
        datagram(client(n, '198.51.100.7'), 33000 + n, 33434, wish.repeat(50)),
        datagram(client(n, '10.0.1.9'), 33000 + n, 33434, wish.repeat(50)),
      ]),
      // As traceroute asks, and what is too long for the next link.
      [1, 2, 3].map((ttl) => datagram(client(10, '198.51.100.7'), 34000 + ttl, 33434 + ttl, 'T'.repeat(20), { ttl })),
      [1, 2, 3].map((ttl) => echo(client(10, '10.0.1.9'), 40 + ttl, 20, { ttl })),
    ],
  },
  {
    title: 'too long for the next link, behind NAT',
    rules: rulesOf({
      nat: '-A PREROUTING -d 198.51.100.7 -j DNAT --to-destination 10.0.2.130\n-A POSTROUTING -s 10.0.0.0/24 -j MASQUERADE',
    }),
    lines: ['link set p1 mtu 1280', 'link set p2 mtu 1000'],
    undo: ['link set p1 mtu 1500', 'link set p2 mtu 1500'],
    steps: [
      [
        datagram(client(0, '198.51.100.7'), 5000, 53, 'Q'.repeat(1200), { fragment: 0x4000 }),
        datagram(client(1, '198.51.100.7'), 5000, 53, 'Q'.repeat(1200)),
        datagram(client(2, '10.0.1.9'), 5000, 53, 'Q'.repeat(1400), { fragment: 0x4000 }),
        echo(client(3, '10.0.1.9'), 9, 1400, { fragment: 0x4000 }),
        echo(client(4, '10.0.1.9'), 9, 1400),
      ],
    ],
  },
  {
    title: 'fragments are put together for conntrack, and cut again',
    rules: rulesOf({
      nat: '-A PREROUTING -d 198.51.100.7 -j DNAT --to-destination 10.0.2.130\n-A POSTROUTING -o p1 -j MASQUERADE',
      filter: '-A FORWARD -p udp -m udp --dport 53 -j ACCEPT\n-A FORWARD -f\n-A FORWARD -m length --length 2000:3000',
    }),
    steps: [
      pieces(client(0, '10.0.1.9'), 1500, [0, 1, 2], 1),
      pieces(client(1, '10.0.1.9'), 1500, [2, 0, 1], 2),
      pieces(client(2, '198.51.100.7'), 2500, [4, 3, 2, 1, 0], 3),
      pieces(client(3, '10.0.1.9'), 1500, [0, 0, 1, 2], 4),
      pieces(client(4, '10.0.0.1'), 700, [0, 1], 5),
    ],
  },
  {
    title: 'fragments of IPv6, and errors about what is too far',
    // What is cut again has an identification by chance.
    hide: (bytes) => {
      if (bytes[12] === 0x86 && bytes[20] === 44) bytes.fill(0, 58, 62);
    },
    rules6: rulesOf({
      nat: '-A PREROUTING -d 2001:db8:101::7 -j DNAT --to-destination 2001:db8:2::9\n-A POSTROUTING -o p1 -j MASQUERADE',
      filter: '-A FORWARD -p udp --dport 53 -j ACCEPT\n-A FORWARD -m frag\n-A FORWARD -m length --length 2000:3000',
    }),
    steps: [
      pieces6(client6('2001:db8:1::9'), 1500, [0, 1, 2], 1),
      pieces6(client6('2001:db8:1::9'), 1500, [2, 0, 1], 2),
      pieces6(client6('2001:db8:101::7'), 2500, [4, 3, 2, 1, 0], 3),
      pieces6(client6('2001:db8:0::1'), 700, [0, 1], 4),
      [1, 2, 3].map((ttl) => datagram(client6('2001:db8:101::7'), 34000 + ttl, 33434 + ttl, 'T'.repeat(20), { ttl })),
      [1, 2, 3].map((ttl) => echo(client6('2001:db8:1::9'), 40 + ttl, 20, { ttl })),
    ],
  },
  {
    title: 'out of the window, and no flow at all, are INVALID',
    rules: rulesOf({
      nat: '-A POSTROUTING -o p1 -j MASQUERADE',
      filter:
        '-A FORWARD -m conntrack --ctstate INVALID -j DROP\n-A FORWARD -m conntrack --ctstate NEW\n-A FORWARD -m conntrack --ctstate ESTABLISHED',
    }),
    steps: [
      [
        syn(client(0, '10.0.1.9'), 1003, 80),
        syn(client(1, '10.0.1.9'), 1007, 80),
        segment(client(2, '10.0.1.9'), 1, 80, 0x12, 5, 5),
        segment(client(3, '10.0.1.9'), 1, 80, 0x10, 5, 5),
        segment(client(4, '10.0.1.9'), 1, 80, 0x04, 5, 5),
        segment(client(5, '10.0.1.9'), 1, 80, 0x29, 5, 5),
      ],
      [
        segment(client(0, '10.0.1.9'), 1003, 80, 0x10, 0x30000000, 5),
        segment(client(0, '10.0.1.9'), 1003, 80, 0x04, 0x30000000, 5),
      ],
    ],
  },
  {
    title: 'no pick-up of flows in the middle (tcp_loose=0), liberal windows',
    sysctls: ['net.netfilter.nf_conntrack_tcp_loose=0', 'net.netfilter.nf_conntrack_tcp_be_liberal=1'],
    reset: ['net.netfilter.nf_conntrack_tcp_loose=1', 'net.netfilter.nf_conntrack_tcp_be_liberal=0'],
    rules: rulesOf({
      filter: '-A FORWARD -m conntrack --ctstate INVALID -j DROP\n-A FORWARD -m conntrack --ctstate NEW',
    }),
    steps: [
      [syn(client(0, '10.0.1.9'), 1003, 80), segment(client(2, '10.0.1.9'), 1, 80, 0x10, 5, 5)],
      [segment(client(0, '10.0.1.9'), 1003, 80, 0x10, 0x30000000, 5)],
    ],
  },
  {
    title: 'NAT of IPv6',
    rules6: rulesOf({
      nat: `-A PREROUTING -d 2001:db8:101::7 -p tcp --dport 80 -j DNAT --to-destination [2001:db8:2::9]:8080
-A PREROUTING -d 2001:db8:101::7 -p udp -j DNAT --to-destination 2001:db8:2::8
-A PREROUTING -d 2001:db8:101::7 -p icmpv6 -j DNAT --to-destination 2001:db8:2::9
-A PREROUTING -d 2001:db8:100::/64 -j NETMAP --to 2001:db8:2::/64
-A POSTROUTING -s 2001:db8:0::/64 -o p2 -j MASQUERADE
-A POSTROUTING -s 2001:db8:0::/64 -o p1 -j SNAT --to-source 2001:db8:1::1`,
    }),
    steps: [sampler6('2001:db8:101::7'), sampler6('2001:db8:100::9'), sampler6('2001:db8:1::9'), traffic6(40, 53)],
  },
  {
    title: 'IPv6: REDIRECT, and too long for the next link behind NAT',
    rules6: rulesOf({
      nat: '-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080\n-A POSTROUTING -o p1 -j MASQUERADE',
    }),
    lines: ['link set p1 mtu 1280'],
    undo: ['link set p1 mtu 1500'],
    steps: [
      [
        ...sampler6('2001:db8:1::9'),
        datagram(client6('2001:db8:1::9'), 7000, 53, 'Q'.repeat(1400)),
        echo(client6('2001:db8:1::9'), 77, 1350),
      ],
    ],
  },
  {
    title: 'rules that come later do not change flows that are bound',
    rules: rulesOf({
      nat: '-A PREROUTING -p udp --dport 53 -m statistic --mode nth --every 2 --packet 0 -j DNAT --to-destination 10.0.2.130',
    }),
    steps: [1, 2, 3].map(() => [0, 1, 2, 3].map((n) => datagram(client(n, '10.0.1.9'), 4000, 53, 'A'))),
  },
];
