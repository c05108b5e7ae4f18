/*
 * What clients send through a router with rules: flows of all kinds, whose other ends answer (responders.ts).
 */
import { icmp, ip4, ip6, pattern, tcp, udp } from './packets.js';
import { bytesOf, opening } from './responders.js';
import { CROWD, host, own, pick, type Random, type Sent } from './two-routers.js';

/** An Internet checksum over the whole of SCTP's is not what it has; CRC32c, bit by bit. */
function crc32c(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0x82f63b78 & -(crc & 1));
  }
  return ~crc >>> 0;
}

/** An SCTP packet with one chunk. */
export function sctp(sport: number, dport: number, tag: number, type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(16 + value.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, sport);
  view.setUint16(2, dport);
  view.setUint32(4, tag);
  view.setUint8(12, type);
  view.setUint16(14, 4 + value.length);
  bytes.set(value, 16);
  view.setUint32(8, crc32c(bytes), true);
  return bytes;
}

export interface Flow {
  port: number;
  source: string;
  destination: string;
  protocol: number;
  payload: Uint8Array;
  ttl?: number;
  tos?: number;
  fragment?: number;
  id?: number;
  options?: Uint8Array;
  /** The host at the link layer. */
  from?: number;
}

/** A frame of a client's. */
export function packet(flow: Flow, what = ''): Sent {
  const { port, source, destination, protocol, payload, ttl = 64, tos = 0, fragment = 0, id = 0x1234 } = flow;
  const common = { to: own(port), from: host(port, flow.from ?? 9), source, destination, payload };
  const title = `p${port}: ${source} > ${destination} protocol ${protocol}, ttl ${ttl}, tos ${tos} ${what}`;
  const more = flow.options === undefined ? {} : { options: flow.options };
  const bytes = source.includes(':')
    ? ip6({ ...common, nextHeader: protocol, hopLimit: ttl, trafficClass: tos })
    : ip4({ ...common, protocol, ttl, tos, fragment, id, ...more });
  return { port, bytes, what: title };
}

export interface Ends {
  port: number;
  source: string;
  destination: string;
}

type More = Partial<Flow>;

export function syn({ port, source, destination }: Ends, sport: number, dport: number, more: More = {}): Sent {
  const payload = opening(source, destination, sport, dport);
  return packet({ port, source, destination, protocol: 6, payload, ...more }, `SYN ${sport} > ${dport}`);
}

export function segment(
  ends: Ends,
  sport: number,
  dport: number,
  flags: number,
  sequence = 1,
  acknowledgement = 0,
): Sent {
  const { port, source, destination } = ends;
  const payload = tcp(source, destination, sport, dport, { flags, sequence, acknowledgement });
  return packet({ ...ends, protocol: 6, payload, port }, `TCP ${sport} > ${dport} flags ${flags}`);
}

export function datagram(ends: Ends, sport: number, dport: number, text: string, more: More = {}): Sent {
  const payload = udp(ends.source, ends.destination, sport, dport, bytesOf(text));
  return packet({ ...ends, protocol: 17, payload, ...more }, `UDP ${sport} > ${dport} ${text.slice(0, 8)}`);
}

export function echo(ends: Ends, id: number, length = 16, more: More = {}): Sent {
  const is6 = ends.source.includes(':');
  const between: [string, string] | undefined = is6 ? [ends.source, ends.destination] : undefined;
  const payload = icmp(is6 ? 128 : 8, 0, (id << 16) | 1, pattern(length), between);
  return packet({ ...ends, protocol: is6 ? 58 : 1, payload, ...more }, `echo ${id}`);
}

// --- by chance -------------------------------------------------------------------------------------

const DESTINATIONS4 = [
  ...[0, 1, 2, 3].flatMap((port) => [`10.0.${port}.9`, `10.0.${port}.8`, `10.0.${port}.130`, `10.0.${port}.1`]),
  '172.16.1.1',
  '172.16.5.1',
  '172.17.0.1',
  '198.51.100.7',
];

const DESTINATIONS6 = [
  ...[0, 1, 2, 3].flatMap((port) => [`2001:db8:${port}::9`, `2001:db8:${port}::8`, `2001:db8:${port}::1`]),
  '2001:db8:100::1',
  '2001:db8:100:5::1',
  '2001:db8:101::1',
];

const DPORTS = [22, 53, 80, 80, 443, 8080, 33434];
const WISHES = ['A', 'A', 'A', 'Q', 'U', 'T', 'M', 'D', ''];
/** Of TCP segments of no flow. */
const STRAY = [0x10, 0x11, 0x04, 0x14, 0, 0x29, 0x12, 0x18, 0x03, 0x3f, 0xc2];

function odd(random: Random, ends: Ends): Sent {
  const is6 = ends.source.includes(':');
  switch (random(5)) {
    case 0: {
      const type = pick(random, is6 ? [1, 129, 200] : [0, 3, 5, 11, 13, 14, 17, 40]);
      const between: [string, string] | undefined = is6 ? [ends.source, ends.destination] : undefined;
      const payload = icmp(type, 0, random(65536), pattern(40, random(256)), between);
      return packet({ ...ends, protocol: is6 ? 58 : 1, payload }, `ICMP ${type}`);
    }
    case 1:
      return packet({ ...ends, protocol: 132, payload: sctp(1000 + random(8), 80, 0, 1, pattern(16)) }, 'SCTP INIT');
    case 2:
      return packet({ ...ends, protocol: 47, payload: Uint8Array.of(0, 0, 8, 0, 1, 2, 3, 4) }, 'GRE');
    case 3:
      // Of IPv6, 51 is an extension header. The kernel has a stack for 136 (UDP-Lite), which says nothing.
      return packet({ ...ends, protocol: pick(random, [50, is6 ? 253 : 51, 33, 253]), payload: pattern(40) }, 'other');
    default:
      return segment(ends, 1000 + random(8), pick(random, DPORTS), pick(random, STRAY), 77 + random(9));
  }
}

/** A packet of a flow, of a few that there are, or of none. */
export function chance(random: Random, ends: Ends): Sent {
  const more = { ttl: pick(random, [64, 64, 64, 128, 2]), tos: pick(random, [0, 0, 0, 0x10, 0xb8, 1]) };
  const sport = 1000 + random(8);
  switch (random(8)) {
    case 0:
    case 1:
    case 2:
      return syn(ends, sport, pick(random, DPORTS), more);
    case 3:
    case 4:
    case 5:
      return datagram(ends, sport, pick(random, DPORTS), pick(random, WISHES).repeat(1 + random(40)), more);
    case 6:
      return echo(ends, 1 + random(4), pick(random, [0, 16, 100]), more);
    default:
      return odd(random, ends);
  }
}

/** Not of the sender's own link: about redirects routers have clocks of their own. */
function elsewhere(random: Random, port: number, destinations: readonly string[]): string {
  const near = [`10.0.${port}.`, `2001:db8:${port}::`];
  const viaNear = [
    ['172.17.'],
    ['172.16.1.', '2001:db8:100::'],
    ['172.16.5.', '2001:db8:100:5:'],
    ['198.51.', '2001:db8:101:'],
  ];
  for (;;) {
    const found = pick(random, destinations);
    if (/[.:]1$/.test(found) && near.some((start) => found.startsWith(start))) return found;
    if (![...near, ...viaNear[port]].some((start) => found.startsWith(start))) return found;
  }
}

export function chance4(random: Random, port = random(4)): Sent {
  const source = `10.0.${port}.${pick(random, CROWD.slice(0, 40))}`;
  return chance(random, { port, source, destination: elsewhere(random, port, DESTINATIONS4) });
}

export function chance6(random: Random, port = random(4)): Sent {
  return chance(random, { port, source: `2001:db8:${port}::9`, destination: elsewhere(random, port, DESTINATIONS6) });
}
