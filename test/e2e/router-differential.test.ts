/*
 * Routing as the kernel does it: the same commands, the same frames, and every frame that comes out compared (see two-routers.ts).
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { captureFiles, framesOf, NO_FIXTURES } from '../support/capture-files.js';
import { icmp, ip4, ip6, pattern, seal4, tcp, udp } from '../support/packets.js';
import { lackingNamespaces, titled } from '../support/requirements.js';
import { expectConserved, sceneOfAll } from '../support/scene.js';
import {
  CROWD,
  FORWARDING,
  generator,
  host,
  INTERFACES,
  many,
  own,
  PORTS,
  pick,
  type Random,
  type Sent,
  TwoRouters,
} from '../support/two-routers.js';

const missing = lackingNamespaces('python3', 'ethtool');
const SEED = 20_261_122;

const ROUTES = [
  'route add 172.16.0.0/16 via 10.0.1.9',
  'route add 172.16.5.0/24 via 10.0.2.9',
  'route add 172.17.0.0/16 via 10.0.0.9',
  'route add blackhole 172.20.0.0/16',
  'route add unreachable 172.21.0.0/16',
  'route add prohibit 172.22.0.0/16',
  'route add throw 172.23.0.0/16',
  'route add 172.24.0.0/16 via 10.0.3.9 mtu 1000',
  'route add 172.25.0.0/16 via inet6 2001:db8:2::9 dev p2',
  'route add 2001:db8:100::/48 via 2001:db8:1::9',
  'route add 2001:db8:100:5::/64 via 2001:db8:2::9',
  'route add 2001:db8:101::/48 via fe80::9 dev p3',
  'route add 2001:db8:102::/48 via 2001:db8:::9'.replace(':::', ':0::'),
  'route add blackhole 2001:db8:110::/48',
  'route add unreachable 2001:db8:111::/48',
  'route add prohibit 2001:db8:112::/48',
];

// --- frames --------------------------------------------------------------------------------------

const DESTINATIONS4 = [
  ...PORTS.flatMap((port) => [`10.0.${port}.9`, `10.0.${port}.8`, `10.0.${port}.1`, `10.0.${port}.255`]),
  '172.16.1.1',
  '172.16.5.1',
  '172.17.0.1',
  '172.20.0.1',
  '172.21.0.1',
  '172.22.0.1',
  '172.23.0.1',
  '172.24.0.1',
  '172.25.0.1',
  '192.0.2.1',
  '255.255.255.255',
  '127.0.0.1',
  '0.0.0.0',
  '224.0.0.1',
  '224.0.0.251',
  '239.1.2.3',
  '240.0.0.1',
];

const SOURCES4 = (port: number): string[] => [
  ...CROWD.map((n) => `10.0.${port}.${n}`),
  `10.0.${port}.8`,
  `10.0.${(port + 1) % 4}.9`,
  '172.16.1.1',
  '192.0.2.7',
  `10.0.${port}.1`,
  '0.0.0.0',
  '127.0.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '240.0.0.5',
];

function payload4(
  random: Random,
  source: string,
  destination: string,
): { protocol: number; payload: Uint8Array; what: string } {
  const data = pattern(pick(random, [0, 8, 56, 100, 500, 900, 952, 1200, 1400, 1452]), random(256));
  switch (random(7)) {
    case 0:
      return { protocol: 1, payload: icmp(8, 0, (random(65536) << 16) | 1, data), what: `echo ${data.length}` };
    case 1:
      return {
        protocol: 6,
        payload: tcp(source, destination, 1000 + random(9), 80, {
          flags: pick(random, [2, 16, 4, 18, 1, 0]),
          data: data.subarray(0, 20),
        }),
        what: 'tcp',
      };
    case 2:
      return { protocol: pick(random, [2, 47, 50, 132, 253]), payload: data, what: 'other protocol' };
    case 3:
      return { protocol: 1, payload: icmp(pick(random, [0, 3, 11, 5, 12, 17, 40]), random(3), 0, data), what: 'icmp' };
    default:
      return {
        protocol: 17,
        payload: udp(source, destination, 1000 + random(9), pick(random, [9, 33434]), data),
        what: `udp ${data.length}`,
      };
  }
}

const OPTIONS4: Uint8Array[] = [
  Uint8Array.of(1, 1, 1, 0),
  Uint8Array.of(7, 7, 4, 0, 0, 0, 0, 0),
  Uint8Array.of(7, 11, 8, 10, 0, 0, 9, 0, 0, 0, 0, 0),
  Uint8Array.of(148, 4, 0, 0),
  Uint8Array.of(7, 40, 4, 0),
  Uint8Array.of(7, 2, 4, 0),
  Uint8Array.of(7, 7, 3, 0, 0, 0, 0, 0),
  Uint8Array.of(131, 7, 4, 10, 0, 1, 9, 0),
  Uint8Array.of(137, 7, 4, 10, 0, 1, 9, 0),
  Uint8Array.of(30, 4, 1, 2),
  Uint8Array.of(30, 0, 1, 2),
];

function spoil4(random: Random, frame: Uint8Array): string {
  switch (random(8)) {
    case 0:
      frame[24] ^= 1;
      return 'bad checksum';
    case 1:
      frame[14] = 0x55;
      seal4(frame);
      return 'version 5';
    case 2:
      frame[14] = 0x44;
      seal4(frame);
      return 'short header';
    case 3:
      frame[16] = 0xff;
      seal4(frame);
      return 'total length beyond the frame';
    case 4:
      frame[16] = 0;
      frame[17] = 19;
      seal4(frame);
      return 'total length within the header';
    case 5:
      frame[14] = 0x4f;
      return 'header beyond';
    case 6:
      frame[0] = 0x01;
      return 'to a link-layer group';
    default:
      frame.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 0);
      return 'to the link-layer broadcast';
  }
}

function frame4(random: Random): Sent {
  const port = random(4);
  const source = pick(random, SOURCES4(port));
  const destination = pick(random, DESTINATIONS4);
  const { protocol, payload, what } = payload4(random, source, destination);
  const options = random(8) === 0 ? pick(random, OPTIONS4) : undefined;
  // Fragments for the router itself would wait for the others, and be answered half a minute later.
  const isForUs = /^10\.0\.\d\.(1|255)$|^2[245]/.test(destination);
  const fragment = isForUs ? 0 : pick(random, [0, 0, 0, 0x4000, 0x4000, 0x2000, 0x0001, 0x2010, 0x6000]);
  const ttl = pick(random, [64, 64, 64, 64, 64, 255, 2, 1, 0]);
  const short = payload.subarray(0, Math.min(payload.length, 1480 - (options?.length ?? 0)));
  const padding = random(6) === 0 ? random(20) : 0;
  const bytes = ip4({
    to: random(30) === 0 ? host(port, 7) : own(port),
    from: host(port),
    source,
    destination,
    protocol,
    payload: short,
    ttl,
    tos: pick(random, [0, 0, 0x10, 0xb8, 3]),
    id: random(65536),
    fragment,
    padding: Math.min(padding, 1500 - 20 - (options?.length ?? 0) - short.length),
    ...(options === undefined ? {} : { options }),
  });
  const spoiled = random(12) === 0 ? `, ${spoil4(random, bytes)}` : '';
  return {
    port,
    bytes,
    what: `p${port}: ${source} > ${destination} ${what}, ttl ${ttl}, fragment ${fragment.toString(16)}, options ${options?.join(' ') ?? 'none'}${spoiled}`,
  };
}

const DESTINATIONS6 = [
  ...PORTS.flatMap((port) => [`2001:db8:${port}::9`, `2001:db8:${port}::8`, `2001:db8:${port}::1`]),
  '2001:db8:100::1',
  '2001:db8:100:5::1',
  '2001:db8:101::1',
  '2001:db8:102::1',
  '2001:db8:110::1',
  '2001:db8:111::1',
  '2001:db8:112::1',
  '2001:db8:ffff::1',
  'fe80::9',
  'ff02::1',
  'ff02::2',
  'ff02::fb',
  'ff05::2',
  'ff01::1',
  '::1',
  '::',
];

const SOURCES6 = (port: number): string[] => [
  ...Array.from({ length: 12 }, () => `2001:db8:${port}::9`),
  `2001:db8:${port}::8`,
  `2001:db8:${(port + 1) % 4}::9`,
  '2001:db8:100::1',
  'fe80::9',
  '::',
  '::1',
  'ff02::1',
];

const HOP_BY_HOP: Uint8Array[] = [
  Uint8Array.of(0, 0, 1, 4, 0, 0, 0, 0),
  Uint8Array.of(0, 0, 5, 2, 0, 0, 1, 0),
  Uint8Array.of(0, 0, 0x1e, 4, 0, 0, 0, 0),
  Uint8Array.of(0, 0, 0x5e, 4, 0, 0, 0, 0),
  Uint8Array.of(0, 0, 0x9e, 4, 0, 0, 0, 0),
  Uint8Array.of(0, 0, 0xde, 4, 0, 0, 0, 0),
  Uint8Array.of(0, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
  Uint8Array.of(0, 9, 1, 4, 0, 0, 0, 0),
];

function payload6(
  random: Random,
  source: string,
  destination: string,
): { nextHeader: number; payload: Uint8Array; what: string } {
  const data = pattern(pick(random, [0, 8, 56, 100, 500, 900, 1200, 1400, 1432]), random(256));
  switch (random(7)) {
    case 0:
      return {
        nextHeader: 58,
        payload: icmp(128, 0, (random(65536) << 16) | 1, data, [source, destination]),
        what: `echo ${data.length}`,
      };
    case 1:
      return {
        nextHeader: 6,
        payload: tcp(source, destination, 1000 + random(9), 80, {
          flags: pick(random, [2, 16, 4, 18, 1]),
          data: data.subarray(0, 20),
        }),
        what: 'tcp',
      };
    case 2:
      return { nextHeader: pick(random, [47, 50, 132, 253, 59]), payload: data, what: 'other protocol' };
    case 3:
      return {
        nextHeader: 58,
        payload: icmp(pick(random, [1, 2, 3, 4, 100, 127, 129, 200]), 0, 1280, data.subarray(0, 100), [
          source,
          destination,
        ]),
        what: 'icmpv6',
      };
    default:
      return {
        nextHeader: 17,
        payload: udp(source, destination, 1000 + random(9), pick(random, [9, 33434]), data),
        what: `udp ${data.length}`,
      };
  }
}

function frame6(random: Random): Sent {
  const port = random(4);
  const source = pick(random, SOURCES6(port));
  const destination = pick(random, DESTINATIONS6);
  let { nextHeader, payload, what } = payload6(random, source, destination);
  if (random(8) === 0) {
    const header = Uint8Array.from(pick(random, HOP_BY_HOP));
    header[0] = nextHeader;
    what += ` behind hop-by-hop ${header.join(' ')}`;
    nextHeader = 0;
    payload = Uint8Array.from([...header, ...payload.subarray(0, 1440 - header.length)]);
  }
  const hopLimit = pick(random, [64, 64, 64, 64, 255, 2, 1, 0]);
  const bytes = ip6({
    to: random(30) === 0 ? host(port, 7) : own(port),
    from: host(port),
    source,
    destination,
    nextHeader,
    payload,
    hopLimit,
    trafficClass: pick(random, [0, 0, 0xb8, 3]),
    flowLabel: random(0xfffff),
  });
  const spoiled = random(12) === 0 ? `, ${spoil6(random, bytes)}` : '';
  return { port, bytes, what: `p${port}: ${source} > ${destination} ${what}, hop limit ${hopLimit}${spoiled}` };
}

function spoil6(random: Random, frame: Uint8Array): string {
  switch (random(4)) {
    case 0:
      frame[14] = 0x50;
      return 'version 5';
    case 1:
      frame[18] = 0x7f;
      return 'payload length beyond the frame';
    case 2:
      frame[0] = 0x33;
      return 'to a link-layer group';
    default:
      frame.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 0);
      return 'to the link-layer broadcast';
  }
}

/** What the router only passes on: what it says itself has partial checksums where offloads are on. */
function forwarded(random: Random): Sent {
  for (;;) {
    const sent = random(2) === 0 ? frame4(random) : frame6(random);
    if (
      /> (172\.(16|17|24)|2001:db8:10[01]).*(ttl|hop limit) (64|255), fragment [02]|> 2001:db8:10[01].*hop limit (64|255)$/.test(
        sent.what,
      )
    )
      return sent;
  }
}

/** Of devices: what differs because one is a veth of the kernel's and the other a packet port. */
const IGNORED = new Set(['link_index', 'link_netnsid', 'link', 'link_netns', 'qdisc', 'ifindex', 'txqlen']);

// --- cases -------------------------------------------------------------------------------------------

interface Case {
  title: string;
  /** Words of `ip` beside INTERFACES and ROUTES. */
  lines?: string[];
  undo?: string[];
  sysctls?: string[];
  reset?: string[];
  frames: Sent[];
}

/**
 * Frames of real captures, most of them odd, sent from hosts of ours to destinations of ours; transport checksums are then wrong,
 * which no router looks at.
 */
function captured(most: number): Sent[] {
  const random = generator(SEED);
  const frames = captureFiles(most).flatMap((file) => framesOf(file).slice(0, 2));
  return frames
    .filter((bytes) => bytes.length >= 34 && bytes.length <= 1514)
    .flatMap((bytes, n): Sent[] => {
      const port = random(4);
      bytes.set(Buffer.from(own(port).replaceAll(':', ''), 'hex'), 0);
      bytes.set(Buffer.from(host(port).replaceAll(':', ''), 'hex'), 6);
      const isWhole4 = bytes[12] === 8 && bytes[13] === 0 && bytes[14] === 0x45;
      const to = pick(random, [1, 5, 17, 24]);
      if (isWhole4) {
        bytes.set([10, 0, port, pick(random, CROWD)], 26);
        bytes.set(to === 5 ? [172, 16, 5, 1] : [172, to === 1 ? 16 : to, 1, 1], 30);
        seal4(bytes);
      } else if (bytes[12] === 0x86 && bytes[13] === 0xdd && bytes.length >= 54) {
        bytes.set([0x20, 1, 0xd, 0xb8, 0, port, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9], 22);
        bytes.set([0x20, 1, 0xd, 0xb8, 1, to & 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 38);
      } else return [];
      return [{ port, bytes, what: `frame ${n} of the captures, into p${port}` }];
    });
}

const CASES: Case[] = [
  ...[1, 2, 3].map((n) => ({ title: `IPv4, seed ${n}`, frames: many(120, SEED + n, frame4) })),
  ...[1, 2, 3].map((n) => ({ title: `IPv6, seed ${n}`, frames: many(120, SEED + n * 100, frame6) })),
  {
    title: 'a small MTU on the way out',
    lines: ['link set p1 mtu 1280', 'link set p2 mtu 1280'],
    undo: ['link set p1 mtu 1500', 'link set p2 mtu 1500'],
    // What is too long for p1 and p2 cannot be sent to them either.
    frames: [...many(120, SEED + 11, frame4), ...many(120, SEED + 12, frame6)].filter(({ port }) => port % 3 === 0),
  },
  {
    title: 'strict reverse path filter',
    sysctls: ['net.ipv4.conf.all.rp_filter=1'],
    reset: ['net.ipv4.conf.all.rp_filter=0'],
    frames: many(100, SEED + 13, frame4),
  },
  {
    title: 'loose reverse path filter',
    sysctls: ['net.ipv4.conf.all.rp_filter=2'],
    reset: ['net.ipv4.conf.all.rp_filter=0'],
    frames: many(100, SEED + 14, frame4),
  },
  {
    title: 'forwarding off',
    sysctls: ['net.ipv4.ip_forward=0', 'net.ipv6.conf.all.forwarding=0'],
    reset: ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'],
    frames: [...many(60, SEED + 15, frame4), ...many(60, SEED + 16, frame6)],
  },
  {
    title: 'rules',
    lines: [
      'rule add from 10.0.0.0/24 table 100',
      'rule add to 172.17.0.0/16 iif p1 prohibit',
      'rule add ipproto udp dport 9 blackhole',
      'rule add iif p3 unreachable',
      'route add default via 10.0.3.9 table 100',
      'route add 172.16.0.0/16 via 10.0.2.8 table 100',
    ],
    undo: [
      'rule del from 10.0.0.0/24 table 100',
      'rule del to 172.17.0.0/16 iif p1 prohibit',
      'rule del ipproto udp dport 9 blackhole',
      'rule del iif p3 unreachable',
      'route flush table 100',
    ],
    frames: many(120, SEED + 17, frame4),
  },
  {
    title: 'rules and a strict filter',
    sysctls: ['net.ipv4.conf.all.rp_filter=1'],
    reset: ['net.ipv4.conf.all.rp_filter=0'],
    lines: [
      'rule add from 10.0.0.0/24 table 100',
      'rule add to 172.17.0.0/16 iif p1 prohibit',
      'rule add ipproto udp dport 9 blackhole',
      'rule add iif p3 unreachable',
      'route add default via 10.0.3.9 table 100',
      'route add 172.16.0.0/16 via 10.0.2.8 table 100',
    ],
    undo: [
      'rule del from 10.0.0.0/24 table 100',
      'rule del to 172.17.0.0/16 iif p1 prohibit',
      'rule del ipproto udp dport 9 blackhole',
      'rule del iif p3 unreachable',
      'route flush table 100',
    ],
    frames: many(120, SEED + 18, frame4),
  },
  {
    title: 'rules that see the way back',
    lines: [
      'rule add iif p2 to 10.0.0.0/24 blackhole',
      'rule add dport 80 prohibit',
      'rule add to 10.0.1.0/25 unreachable',
    ],
    undo: [
      'rule del iif p2 to 10.0.0.0/24 blackhole',
      'rule del dport 80 prohibit',
      'rule del to 10.0.1.0/25 unreachable',
    ],
    sysctls: ['net.ipv4.conf.all.rp_filter=2'],
    reset: ['net.ipv4.conf.all.rp_filter=0'],
    frames: many(120, SEED + 19, frame4),
  },
];

describe.skipIf(missing)(titled('beside the kernel’s router', missing), () => {
  let routers: TwoRouters;

  sceneOfAll(async (scene) => {
    routers = await TwoRouters.build(scene);
  });

  beforeAll(async () => {
    await routers.sysctl(FORWARDING);
    await routers.configure([...INTERFACES, ...ROUTES]);
    await routers.haveCarriers();
  });

  test.each(CASES.map((one): [string, Case] => [one.title, one]))(
    '%s',
    async (_, { lines, undo, sysctls, reset, frames }) => {
      await routers.configure(lines ?? []);
      await routers.sysctl(sysctls ?? []);
      try {
        await routers.expectAlike(frames);
      } finally {
        await routers.sysctl(reset ?? []);
        await routers.configure(undo ?? []);
      }
    },
    120_000,
  );

  const real = captured(150);

  test.skipIf(real.length === 0)(
    `real captures, re-addressed (${real.length === 0 ? NO_FIXTURES : 'of 150 files'})`,
    () => routers.expectAlike(real),
    90_000,
  );

  test('and with the checksums and superframes that veths leave to each other', async () => {
    for (const port of PORTS) await routers.kernel.must(`ethtool -K p${port} tx on`);
    try {
      await routers.expectAlike(many(60, SEED + 21, forwarded));
    } finally {
      for (const port of PORTS) await routers.kernel.must(`ethtool -K p${port} tx off`);
    }
  });

  test('the tables are alike', async () => {
    for (const words of ['route show table all', '-6 route show', 'addr show', 'rule']) {
      const [theirs, ours] = [await routers.kernel.must(`ip -j ${words}`), await routers.daemon.must(`ip -j ${words}`)];
      const part = (text: string): unknown => JSON.parse(text, (key, value) => (IGNORED.has(key) ? undefined : value));
      expect(part(ours), words).toEqual(part(theirs));
    }
  });

  test('at rest every frame is accounted for', () => expectConserved(routers.daemon));
});
