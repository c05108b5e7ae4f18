/* Targets that change packets, answer them, or say how the walk goes on. */
import { type Case, rulesOf } from '../../support/filtered-routers.js';
import { datagram, type Ends, echo, packet, sctp, segment, syn } from '../../support/netfilter-cases.js';
import { pattern, udp } from '../../support/packets.js';
import type { Sent } from '../../support/two-routers.js';
import { client, client6, traffic4, traffic6 } from './common.js';

/** From port 0 to port 1, one of each. */
function sampler(destination = '10.0.1.9', base = 0): Sent[] {
  return [
    ...[22, 80, 443, 8080].map((dport, n) => syn(client(base + n, destination), 1000 + 4 * n, dport)),
    ...['A', 'U', 'T', 'M'].map((wish, n) =>
      datagram(client(base + 4 + n, destination), 2000 + n, 53, wish.repeat(30)),
    ),
    echo(client(base + 8, destination), 3, 200),
    segment(client(base + 9, destination), 3000, 80, 0x10, 55),
    packet({ ...client(base + 10, destination), protocol: 132, payload: sctp(5, 80, 0, 1, pattern(16)) }, 'SCTP'),
    packet({ ...client(base + 11, destination), protocol: 253, payload: pattern(30) }, 'protocol 253'),
  ];
}

function sampler6(destination = '2001:db8:1::9'): Sent[] {
  return [
    ...[22, 80, 443, 8080].map((dport, n) => syn(client6(destination), 1000 + 4 * n, dport)),
    ...['A', 'U', 'T', 'M'].map((wish, n) => datagram(client6(destination), 2000 + n, 53, wish.repeat(30))),
    echo(client6(destination), 3, 200),
    segment(client6(destination), 3000, 80, 0x10, 55),
    packet({ ...client6(destination), protocol: 253, payload: pattern(30) }, 'protocol 253'),
  ];
}

const JUMPS = `
:one - [0:0]
:two - [0:0]
:three - [0:0]
:empty - [0:0]
-A FORWARD -j empty
-A FORWARD -p tcp -j one
-A FORWARD -p udp -g two
-A FORWARD -p icmp -j RETURN
-A FORWARD -p 132 -j three
-A FORWARD
-A one -p tcp --dport 22 -j RETURN
-A one -p tcp --dport 80 -g two
-A one -p tcp --dport 443 -j three
-A one
-A two -s 10.0.0.100 -j DROP
-A two -p udp -m udp --sport 2001 -j RETURN
-A two -p tcp -j three
-A two
-A three -j empty
-A three -p tcp --dport 8080 -j DROP
-A three -p tcp -g empty
-A three -j ACCEPT
`;

const REJECTS4 = [
  'icmp-net-unreachable',
  'icmp-host-unreachable',
  'icmp-port-unreachable',
  'icmp-proto-unreachable',
  'icmp-net-prohibited',
  'icmp-host-prohibited',
  'icmp-admin-prohibited',
];
const REJECTS6 = ['icmp6-no-route', 'icmp6-adm-prohibited', 'icmp6-addr-unreachable', 'icmp6-port-unreachable'];

const CHANGES = `
-A PREROUTING -p udp --dport 53 -j TTL --ttl-set 12
-A PREROUTING -p tcp --dport 22 -j TTL --ttl-dec 5
-A PREROUTING -p tcp --dport 80 -j TTL --ttl-inc 5
-A PREROUTING -p icmp -j TOS --set-tos 0x10
-A FORWARD -p tcp --dport 443 -j DSCP --set-dscp 0x2e
-A FORWARD -p tcp --dport 8080 -j DSCP --set-dscp-class AF21
-A POSTROUTING -p udp --dport 53 -j TOS --set-tos 0x08/0x3c
-A POSTROUTING -p udp --sport 53 -j TOS --or-tos 0x04
-A POSTROUTING -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1200
-A POSTROUTING -p tcp --dport 80 --syn -j ECN --ecn-tcp-remove
-A PREROUTING -p tcp --dport 22 -j TCPOPTSTRIP --strip-options wscale,sack-permitted
-A POSTROUTING -p udp --dport 53 -j CHECKSUM --checksum-fill
`;

const MARKS = `
-A PREROUTING -p tcp --dport 22 -j MARK --set-mark 0x11
-A PREROUTING -p tcp --dport 80 -j MARK --set-xmark 0xff00/0xffff
-A PREROUTING -p tcp --dport 443 -j MARK --or-mark 0x3
-A PREROUTING -p udp -j MARK --set-mark 0xf0f0
-A PREROUTING -p udp -j MARK --and-mark 0xff
-A PREROUTING -p udp -j MARK --xor-mark 0x1
-A PREROUTING -m mark --mark 0x11
-A PREROUTING -m mark --mark 0xff00/0xff00
-A PREROUTING -m mark --mark 0xf1
-A PREROUTING -p tcp -m conntrack --ctstate NEW -j CONNMARK --save-mark
-A PREROUTING -p udp -j CONNMARK --save-mark --nfmask 0xf0 --ctmask 0xff
-A PREROUTING -p icmp -j CONNMARK --set-xmark 0x7/0xf
-A FORWARD -m connmark --mark 0x11 -j CONNMARK --or-mark 0x100
-A FORWARD -m connmark --mark 0x7 -j CONNMARK --xor-mark 0x3
-A POSTROUTING -m conntrack --ctdir REPLY -j CONNMARK --restore-mark --mask 0xffff
-A POSTROUTING -m mark --mark 0x111
-A POSTROUTING -m conntrack --ctdir REPLY -m mark --mark 0xf0
`;

export const TARGETS: Case[] = [
  {
    title: 'jumps, gotos, returns and policies',
    rules: rulesOf({ filter: `:FORWARD DROP [0:0]\n${JUMPS}` }),
    steps: [sampler(), sampler('10.0.2.9', 20), traffic4(40, 31)],
  },
  {
    title: 'policies of drop everywhere',
    rules: rulesOf({
      filter:
        ':INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT DROP [0:0]\n-A FORWARD -p udp -j ACCEPT\n-A INPUT -p icmp -j ACCEPT\n-A OUTPUT -p tcp -j ACCEPT',
      mangle: ':INPUT ACCEPT [0:0]\n-A POSTROUTING -o p2 -j DROP',
    }),
    steps: [traffic4(80, 32)],
  },
  {
    title: 'counters that were loaded',
    rules:
      '*filter\n:INPUT ACCEPT [5:500]\n:FORWARD DROP [7:700]\n:OUTPUT ACCEPT [0:0]\n[3:300] -A FORWARD -p tcp -j ACCEPT\n[0:0] -A FORWARD -p udp\nCOMMIT\n',
    steps: [sampler()],
  },
  ...REJECTS4.map((type, n) => ({
    title: `REJECT with ${type}`,
    rules: rulesOf({
      filter: `-A FORWARD -j REJECT --reject-with ${type}\n-A INPUT -p udp -j REJECT --reject-with ${type}\n-A OUTPUT -p tcp -j REJECT --reject-with ${type}`,
    }),
    steps: [
      [
        ...sampler('10.0.1.9', n),
        datagram(client(30, '10.0.0.1'), 1, 53, 'A'),
        echo(client(31, '10.0.0.1'), 1),
        syn(client(33, '10.0.0.1'), 1, 22),
        ...[0x2000, 0x0004].map((fragment) =>
          packet({ ...client(32, '10.0.1.9'), protocol: 17, payload: pattern(16), fragment }, 'a fragment'),
        ),
      ],
    ],
  })),
  {
    title: 'REJECT with tcp-reset',
    rules: rulesOf({
      filter:
        '-A FORWARD -p tcp --dport 443 -m conntrack --ctstate ESTABLISHED -j REJECT --reject-with tcp-reset\n-A FORWARD -p tcp ! --dport 443 --sport 1000:3000 -j REJECT --reject-with tcp-reset\n-A INPUT -p tcp -j REJECT --reject-with tcp-reset',
    }),
    steps: [
      [
        ...sampler(),
        syn(client(20, '10.0.0.1'), 5, 22),
        segment(client(21, '10.0.1.9'), 9, 80, 0x04, 5),
        segment(client(22, '10.0.1.9'), 9, 80, 0x11, 5, 77),
      ],
    ],
  },
  {
    title: 'REJECT of IPv6',
    rules6: rulesOf({
      filter: [
        ...REJECTS6.map((type, n) => `-A FORWARD -p udp --sport ${2000 + n} -j REJECT --reject-with ${type}`),
        '-A FORWARD -p tcp -j REJECT --reject-with tcp-reset',
        '-A FORWARD -p icmpv6 -j REJECT',
        '-A INPUT -p udp -j REJECT --reject-with icmp6-adm-prohibited',
        '-A FORWARD -j REJECT --reject-with icmp6-reject-route',
      ].join('\n'),
    }),
    steps: [[...sampler6(), datagram(client6('2001:db8:0::1'), 5, 53, 'A')]],
  },
  {
    title: 'REJECT behind conntrack and NAT',
    rules: rulesOf({
      filter: '-A FORWARD -p tcp -d 10.0.2.130 -j REJECT --reject-with tcp-reset\n-A FORWARD -d 10.0.2.130 -j REJECT',
      nat: '-A PREROUTING -d 198.51.100.7 -j DNAT --to-destination 10.0.2.130\n-A POSTROUTING -o p2 -j MASQUERADE',
    }),
    steps: [sampler('198.51.100.7')],
  },
  {
    title: 'REJECT of what is not tracked, and of what is INVALID',
    rules: rulesOf({
      raw: '-A PREROUTING -p udp -j CT --notrack\n-A PREROUTING -p tcp --dport 22 -j CT --notrack',
      filter: `-A FORWARD -p udp -j REJECT
-A FORWARD -p tcp --dport 22 -j REJECT --reject-with tcp-reset
-A FORWARD -m conntrack --ctstate INVALID -j REJECT
${['UNTRACKED', 'INVALID', 'RELATED', 'NEW', 'ESTABLISHED'].map((state) => `-A OUTPUT -m conntrack --ctstate ${state}`).join('\n')}`,
    }),
    steps: [
      [...sampler(), segment(client(20, '10.0.1.9'), 9, 80, 0x29, 5), segment(client(21, '10.0.1.9'), 9, 80, 0x12, 5)],
    ],
  },
  {
    title: 'TTL, TOS, DSCP, TCPMSS and the like',
    rules: rulesOf({ mangle: CHANGES }),
    steps: [sampler(), traffic4(40, 33)],
  },
  {
    title: 'TCPMSS to what fits',
    rules: rulesOf({ mangle: '-A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu' }),
    rules6: rulesOf({ mangle: '-A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu' }),
    lines: ['link set p1 mtu 1300'],
    undo: ['link set p1 mtu 1500'],
    steps: [[...sampler(), ...sampler6()]],
  },
  {
    title: 'marks of packets and of flows',
    rules: rulesOf({ mangle: MARKS }),
    steps: [sampler(), sampler('10.0.1.8')],
  },
  {
    title: 'a mark chooses the route',
    rules: rulesOf({
      mangle:
        '-A PREROUTING -p tcp --dport 80 -j MARK --set-mark 7\n-A PREROUTING -p udp -j MARK --set-mark 8\n-A OUTPUT -p icmp -j MARK --set-mark 7\n-A OUTPUT -p tcp -j TOS --set-tos 0x10',
    }),
    lines: ['rule add fwmark 7 table 100', 'rule add fwmark 8 blackhole', 'route add default via 10.0.3.9 table 100'],
    undo: ['rule del fwmark 7 table 100', 'rule del fwmark 8 blackhole', 'route flush table 100'],
    steps: [[...sampler(), ...sampler('10.0.0.1', 20)]],
  },
  {
    title: 'not tracked, zones',
    rules: rulesOf({
      raw: '-A PREROUTING -p udp -j CT --notrack\n-A PREROUTING -p tcp --dport 22 -j NOTRACK\n-A PREROUTING -i p0 -p tcp --dport 80 -j CT --zone 3\n-A PREROUTING -i p1 -p tcp --sport 80 -j CT --zone 3\n-A PREROUTING -i p0 -p tcp --dport 443 -j CT --zone-orig 5\n-A PREROUTING -p icmp -j CT --zone 9',
      filter:
        '-A FORWARD -m conntrack --ctstate UNTRACKED\n-A FORWARD -m conntrack --ctstate NEW\n-A FORWARD -m conntrack --ctstate ESTABLISHED\n-A FORWARD -m conntrack --ctstate INVALID\n-A FORWARD -m conntrack --ctstate RELATED',
    }),
    steps: [sampler(), sampler('10.0.1.8')],
  },
  {
    title: 'marks that follow from each other',
    rules: rulesOf({
      mangle:
        '-A PREROUTING -p udp -j CONNMARK --set-mark 0x3\n-A FORWARD -m connmark --mark 3 -j MARK --set-mark 9\n-A POSTROUTING -m mark --mark 9',
    }),
    steps: [sampler()],
  },
  {
    title: 'LOG, NFLOG and TRACE let pass',
    rules: rulesOf({
      raw: '-A PREROUTING -p tcp --dport 22 -j TRACE',
      filter:
        '-A FORWARD -p udp -j LOG --log-prefix "udp: " --log-level 7\n-A FORWARD -p tcp -j NFLOG --nflog-group 5\n-A FORWARD -p icmp -j DROP',
    }),
    steps: [sampler()],
  },
  {
    title: 'TEE sends a copy',
    rules: rulesOf({
      mangle: '-A PREROUTING -i p0 -p udp -j TEE --gateway 10.0.3.9\n-A FORWARD -p icmp -j TEE --gateway 10.0.2.9',
    }),
    steps: [sampler()],
  },
  {
    title: 'IPv6: hop limit, marks, jumps',
    rules6: rulesOf({
      mangle:
        '-A PREROUTING -p udp -j HL --hl-set 12\n-A PREROUTING -p tcp --dport 22 -j HL --hl-dec 5\n-A PREROUTING -p icmpv6 -j TOS --set-tos 0x10\n-A FORWARD -p tcp --dport 443 -j DSCP --set-dscp 0x2e\n-A POSTROUTING -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1200\n-A PREROUTING -p tcp --dport 80 -j MARK --set-mark 7\n-A PREROUTING -p tcp -j CONNMARK --save-mark',
      filter:
        ':one - [0:0]\n-A FORWARD -p tcp -j one\n-A one -p tcp --dport 8080 -j DROP\n-A one -m mark --mark 7 -j ACCEPT\n-A one -p tcp --dport 22 -j RETURN',
      raw: '-A PREROUTING -p icmpv6 --icmpv6-type 128 -j CT --notrack\n-A PREROUTING -p udp -j CT --zone 4',
    }),
    steps: [sampler6(), traffic6(40, 34)],
  },
];

/** The same of IPv6. */
export function pieces6(ends: Ends, length: number, order: number[], id: number): Sent[] {
  const data = Uint8Array.from(pattern(length), (byte, n) => (n === 0 ? 0x41 : byte));
  const whole = udp(ends.source, ends.destination, 4000 + id, 53, data);
  const size = 512;
  const count = Math.ceil(whole.length / size);
  return order.map((n) => {
    const part = whole.subarray(n * size, (n + 1) * size);
    const payload = new Uint8Array(8 + part.length);
    const view = new DataView(payload.buffer);
    view.setUint8(0, 17);
    view.setUint16(2, (n * size) | (n < count - 1 ? 1 : 0));
    view.setUint32(4, id);
    payload.set(part, 8);
    return packet({ ...ends, protocol: 44, payload }, `piece ${n} of ${count}`);
  });
}

/** A datagram in pieces, in a given order. */
export function pieces(ends: Ends, length: number, order: number[], id: number): Sent[] {
  const whole = udp(
    ends.source,
    ends.destination,
    4000 + id,
    53,
    Uint8Array.from(pattern(length), (byte, n) => (n === 0 ? 0x41 : byte)),
  );
  const size = 512;
  const count = Math.ceil(whole.length / size);
  return order.map((n) =>
    packet(
      {
        ...ends,
        protocol: 17,
        payload: whole.subarray(n * size, (n + 1) * size),
        fragment: ((n * size) >> 3) | (n < count - 1 ? 0x2000 : 0),
        id,
      },
      `piece ${n} of ${count}`,
    ),
  );
}
