/*
 * LOG: a packet in one line, as nf_log_syslog writes it into the kernel's log, character by character. And where it goes.
 *
 * The only place on a packet's way that makes text: who loads a LOG rule without a limit pays for it.
 */
import type { Arena } from '../core/arena.js';
import type { Link, Namespace } from '../core/links.js';
import { Key, type Packet } from '../core/packet.js';
import { Ethernet } from '../wire/ethernet.js';
import { formatIpv4At, formatIpv6 } from '../wire/format.js';
import { Family } from './rule.js';

/** Takes what LOG and NFLOG have to say. */
export interface LogSink {
  linkName(link: Link): string;
  /** A line without its newline; level as of syslog, 0 to 7. */
  log(namespace: Namespace, level: number, line: string): void;
  /** A packet, or its first bytes, from its IP header on; they are the receiver's. */
  nflog(namespace: Namespace, group: number, prefix: string, packet: Packet, bytes: Uint8Array): void;
  /** Absent: nobody wants to know. */
  trace?(step: TraceStep): void;
}

/** A rule holds the packet; a chain that rules call has come to its end; a base chain's policy decides. */
export type TraceKind = 'rule' | 'return' | 'policy';

/** A step of a packet that TRACE has told about. */
export interface TraceStep {
  kind: TraceKind;
  namespace: Namespace;
  family: Family;
  /** The dataplane's numbers; rule 0: none. */
  chain: number;
  rule: number;
  /** The packet, as LOG tells it. */
  line: string;
}

/** XT_LOG_*. */
const enum LogFlag {
  TCP_SEQUENCE = 1,
  TCP_OPTIONS = 2,
  IP_OPTIONS = 4,
  MAC_DECODE = 32,
}

/** TRACE tells what LOG with all its options does (NF_LOG_DEFAULT_MASK). */
export const TRACE_FLAGS = LogFlag.TCP_SEQUENCE | LogFlag.TCP_OPTIONS | LogFlag.IP_OPTIONS;

const ICMP = 1;
const TCP = 6;
const UDP = 17;
const ESP = 50;
const AH = 51;
const ICMPV6 = 58;
const UDP_LITE = 136;

const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const DESTINATION = 60;

/** Bytes that ICMP messages need to be complete, by type. */
const ICMP_LEAST: Record<number, number> = {
  0: 4,
  3: 28,
  4: 28,
  5: 28,
  8: 4,
  11: 28,
  12: 28,
  13: 20,
  14: 20,
  17: 12,
  18: 12,
};

/** The packet as bytes from its IP header on. */
class Reader {
  constructor(
    readonly view: DataView,
    readonly bytes: Uint8Array,
  ) {}

  has(at: number, length: number): boolean {
    return at + length <= this.bytes.length;
  }

  u8(at: number): number {
    return this.bytes[at];
  }

  u16(at: number): number {
    return this.view.getUint16(at);
  }

  u32(at: number): number {
    return this.view.getUint32(at);
  }

  hex(from: number, to: number): string {
    let text = '';
    for (let i = from; i < to; i++) text += hex2(this.bytes[i]).toUpperCase();
    return text;
  }
}

/** The packet at hand is cut short where the kernel says no more about it, not even its mark. */
let $isOver = false;

/** `text`, and nothing behind it. */
function over(text: string): string {
  $isOver = true;
  return text;
}

function hex2(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

function readerOf(bytes: Uint8Array): Reader {
  return new Reader(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), bytes);
}

/** The packet's bytes from its IP header on, at most `limit`. */
export function packetBytes(arena: Arena, packet: Packet, limit: number): Uint8Array {
  const before = packet.network - arena.offset[packet.frame];
  const length = Math.min(packet.length, limit, arena.length[packet.frame] - before);
  return arena.contents(packet.frame).slice(before, before + length);
}

/** A prefix as it lies in the pool: `length` bytes from `at` on. */
export function readText(pool: Int32Array, at: number, length: number): string {
  let text = '';
  for (let i = 0; i < length; i++) text += String.fromCharCode((pool[at + (i >> 2)] >>> ((i & 3) << 3)) & 0xff);
  return text;
}

/** The line of a packet at a hook. */
export function logLine(
  arena: Arena,
  packet: Packet,
  prefix: string,
  flags: number,
  name: LogSink['linkName'],
): string {
  const reader = readerOf(packetBytes(arena, packet, 0x10000));
  const nameOf = (link: Link): string => (link > 0 ? name(link) : '');
  let line = `${prefix}IN=${nameOf(packet.in)} OUT=${nameOf(packet.out)} `;
  if (packet.physicalIn > 0) line += `PHYSIN=${name(packet.physicalIn)} `;
  if (packet.physicalOut > 0) line += `PHYSOUT=${name(packet.physicalOut)} `;
  if (packet.in > 0) line += macText(arena, packet, flags);
  const mark = arena.mark[packet.frame];
  $isOver = false;
  line += packet.family === Family.IPV4 ? ipv4Text(reader, 0, flags) : ipv6Text(reader, 0, flags);
  return mark === 0 || $isOver ? line : `${line}MARK=0x${(mark >>> 0).toString(16)} `;
}

/** AUDIT: what the kernel's record NETFILTER_PKT says of a packet. */
export function auditLine(arena: Arena, packet: Packet): string {
  const { bytes } = arena;
  const { network } = packet;
  const isV4 = packet.family === Family.IPV4;
  const [source, destination] = isV4
    ? [formatIpv4At(bytes, network + 12), formatIpv4At(bytes, network + 16)]
    : [formatIpv6(bytes, network + 8), formatIpv6(bytes, network + 24)];
  const mark = arena.mark[packet.frame] || -1;
  const protocol = isV4 ? bytes[network + 9] : packet.key[Key.PROTOCOL];
  return `NETFILTER_PKT mark=0x${(mark >>> 0).toString(16)} saddr=${source} daddr=${destination} proto=${protocol}`;
}

function macText(arena: Arena, packet: Packet, flags: number): string {
  const at = packet.network - Ethernet.BYTES;
  const bytes = [...arena.bytes.subarray(at, at + Ethernet.BYTES)].map(hex2);
  if ((flags & LogFlag.MAC_DECODE) === 0) return `MAC=${bytes.join(':')} `;
  const source = bytes.slice(6, 12).join(':');
  return `MACSRC=${source} MACDST=${bytes.slice(0, 6).join(':')} MACPROTO=${bytes[12]}${bytes[13]} `;
}

function ipv4Address(reader: Reader, at: number): string {
  return `${reader.u8(at)}.${reader.u8(at + 1)}.${reader.u8(at + 2)}.${reader.u8(at + 3)}`;
}

function incomplete(reader: Reader, at: number): string {
  return `INCOMPLETE [${reader.bytes.length - at} bytes] `;
}

/** `at` is not 0 within an ICMP error. */
function ipv4Text(reader: Reader, at: number, flags: number): string {
  if (!reader.has(at, 20)) return over('TRUNCATED');
  const tos = reader.u8(at + 1);
  const word = reader.u16(at + 6);
  const header = (reader.u8(at) & 15) << 2;
  const offset = word & 0x1fff;
  let text = `SRC=${ipv4Address(reader, at + 12)} DST=${ipv4Address(reader, at + 16)} `;
  text += `LEN=${reader.u16(at + 2)} TOS=0x${hex2(tos & 0x1e).toUpperCase()} PREC=0x${hex2(tos & 0xe0).toUpperCase()} `;
  text += `TTL=${reader.u8(at + 8)} ID=${reader.u16(at + 4)} `;
  if ((word & 0x8000) !== 0) text += 'CE ';
  if ((word & 0x4000) !== 0) text += 'DF ';
  if ((word & 0x2000) !== 0) text += 'MF ';
  if (offset !== 0) text += `FRAG:${offset} `;
  if ((flags & LogFlag.IP_OPTIONS) !== 0 && header > 20) {
    if (!reader.has(at, header)) return over(`${text}TRUNCATED`);
    text += `OPT (${reader.hex(at + 20, at + header)}) `;
  }
  return text + transport4(reader, at, at + header, reader.u8(at + 9), offset !== 0, flags);
}

function transport4(
  reader: Reader,
  ip: number,
  at: number,
  protocol: number,
  isFragment: boolean,
  flags: number,
): string {
  switch (protocol) {
    case TCP:
      return tcpText(reader, at, isFragment, flags);
    case UDP:
    case UDP_LITE:
      return udpText(reader, at, protocol, isFragment);
    case ICMP:
      return isFragment ? 'PROTO=ICMP ' : `PROTO=ICMP ${icmpText(reader, ip, at, flags)}`;
    case AH:
      return spiText(reader, 'AH', at, 12, 4, isFragment);
    case ESP:
      return spiText(reader, 'ESP', at, 8, 0, isFragment);
    default:
      return `PROTO=${protocol} `;
  }
}

function spiText(reader: Reader, name: string, at: number, bytes: number, place: number, isFragment: boolean): string {
  if (isFragment) return `PROTO=${name} `;
  if (!reader.has(at, bytes)) return `PROTO=${name} ${incomplete(reader, at)}`;
  return `PROTO=${name} SPI=0x${reader.u32(at + place).toString(16)} `;
}

const TCP_FLAGS = ['CWR', 'ECE', 'URG', 'ACK', 'PSH', 'RST', 'SYN', 'FIN'];

function tcpText(reader: Reader, at: number, isFragment: boolean, flags: number): string {
  let text = 'PROTO=TCP ';
  if (isFragment) return text;
  if (!reader.has(at, 20)) return over(text + incomplete(reader, at));
  text += `SPT=${reader.u16(at)} DPT=${reader.u16(at + 2)} `;
  if ((flags & LogFlag.TCP_SEQUENCE) !== 0) text += `SEQ=${reader.u32(at + 4)} ACK=${reader.u32(at + 8)} `;
  text += `WINDOW=${reader.u16(at + 14)} `;
  text += `RES=0x${hex2((reader.u8(at + 12) & 0x0f) << 2)} `;
  const bits = reader.u8(at + 13);
  for (let i = 0; i < 8; i++) if ((bits & (0x80 >> i)) !== 0) text += `${TCP_FLAGS[i]} `;
  text += `URGP=${reader.u16(at + 18)} `;
  const header = (reader.u8(at + 12) >>> 4) << 2;
  if ((flags & LogFlag.TCP_OPTIONS) === 0 || header <= 20) return text;
  if (!reader.has(at, header)) return `${text}OPT (TRUNCATED)`;
  return `${text}OPT (${reader.hex(at + 20, at + header)}) `;
}

function udpText(reader: Reader, at: number, protocol: number, isFragment: boolean): string {
  const text = protocol === UDP ? 'PROTO=UDP ' : 'PROTO=UDPLITE ';
  if (isFragment) return text;
  if (!reader.has(at, 8)) return over(text + incomplete(reader, at));
  return `${text}SPT=${reader.u16(at)} DPT=${reader.u16(at + 2)} LEN=${reader.u16(at + 4)} `;
}

function icmpText(reader: Reader, ip: number, at: number, flags: number): string {
  if (!reader.has(at, 8)) return incomplete(reader, at);
  const type = reader.u8(at);
  const code = reader.u8(at + 1);
  let text = `TYPE=${type} CODE=${code} `;
  if (!reader.has(at, ICMP_LEAST[type] ?? 0)) return text + incomplete(reader, at);
  if (type === 0 || type === 8) return `${text}ID=${reader.u16(at + 4)} SEQ=${reader.u16(at + 6)} `;
  if (type === 12) return `${text}PARAMETER=${reader.u8(at + 4)} `;
  if (type === 5) text += `GATEWAY=${ipv4Address(reader, at + 4)} `;
  if (type !== 5 && type !== 3 && type !== 4 && type !== 11) return text;
  if (ip === 0) text += `[${ipv4Text(reader, at + 8, flags)}] `;
  return type === 3 && code === 4 ? `${text}MTU=${reader.u16(at + 6)} ` : text;
}

// --- IPv6 ----------------------------------------------------------------------------------------

function ipv6Address(reader: Reader, at: number): string {
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2)
    groups.push(
      reader
        .u16(at + i)
        .toString(16)
        .padStart(4, '0'),
    );
  return groups.join(':');
}

function ipv6Text(reader: Reader, at: number, flags: number): string {
  if (!reader.has(at, 40)) return over('TRUNCATED');
  const word = reader.u32(at);
  let text = `SRC=${ipv6Address(reader, at + 8)} DST=${ipv6Address(reader, at + 24)} `;
  text += `LEN=${reader.u16(at + 4) + 40} TC=${(word >>> 20) & 0xff} HOPLIMIT=${reader.u8(at + 7)} `;
  text += `FLOWLBL=${word & 0xfffff} `;
  const walk = { text, at: at + 40, kind: reader.u8(at + 6), isFragment: false, isOver: false };
  while (!walk.isOver && isExtension(walk.kind)) extensionText(reader, walk, flags);
  if (walk.isOver) return over(walk.text);
  return walk.text + transport6(reader, at, walk.at, walk.kind, walk.isFragment, flags);
}

function isExtension(kind: number): boolean {
  return (
    kind === HOP_BY_HOP || kind === ROUTING || kind === FRAGMENT || kind === AH || kind === ESP || kind === DESTINATION
  );
}

interface Walk {
  text: string;
  at: number;
  kind: number;
  isFragment: boolean;
  isOver: boolean;
}

function extensionText(reader: Reader, walk: Walk, flags: number): void {
  const isShown = (flags & LogFlag.IP_OPTIONS) !== 0;
  const { at, kind } = walk;
  if (!reader.has(at, 8)) return end(walk, 'TRUNCATED');
  if (isShown) walk.text += 'OPT ( ';
  let length = (reader.u8(at + 1) + 1) << 3;
  if (kind === FRAGMENT) {
    fragmentText(reader, walk);
    length = 8;
  } else if (kind === AH) {
    if (isShown && walk.isFragment) return end(walk, 'AH )');
    if (isShown) walk.text += reader.has(at, 12) ? `AH SPI=0x${reader.u32(at + 4).toString(16)} ` : 'AH ';
    length = (reader.u8(at + 1) + 2) << 2;
  } else if (kind === ESP) {
    if (!isShown) return end(walk, '');
    return end(walk, walk.isFragment ? 'ESP )' : `ESP SPI=0x${reader.u32(at).toString(16)} )`);
  } else if (walk.isFragment) return end(walk, isShown ? ')' : '');
  if (isShown) walk.text += ') ';
  walk.kind = reader.u8(at);
  walk.at += length;
}

function end(walk: Walk, text: string): void {
  walk.text += text;
  walk.isOver = true;
}

function fragmentText(reader: Reader, walk: Walk): void {
  const word = reader.u16(walk.at + 2);
  walk.text += `FRAG:${word & 0xfff8} `;
  if ((word & 1) !== 0) walk.text += 'INCOMPLETE ';
  walk.text += `ID:${reader
    .u32(walk.at + 4)
    .toString(16)
    .padStart(8, '0')} `;
  if ((word & 0xfff8) !== 0) walk.isFragment = true;
}

function transport6(
  reader: Reader,
  ip: number,
  at: number,
  protocol: number,
  isFragment: boolean,
  flags: number,
): string {
  if (protocol === TCP) return tcpText(reader, at, isFragment, flags);
  if (protocol === UDP || protocol === UDP_LITE) return udpText(reader, at, protocol, isFragment);
  if (protocol === ICMPV6) return isFragment ? 'PROTO=ICMPv6 ' : `PROTO=ICMPv6 ${icmp6Text(reader, ip, at, flags)}`;
  return `PROTO=${protocol} `;
}

function icmp6Text(reader: Reader, ip: number, at: number, flags: number): string {
  if (!reader.has(at, 8)) return incomplete(reader, at);
  const type = reader.u8(at);
  let text = `TYPE=${type} CODE=${reader.u8(at + 1)} `;
  if (type === 128 || type === 129) return `${text}ID=${reader.u16(at + 4)} SEQ=${reader.u16(at + 6)} `;
  if (type < 1 || type > 4) return text;
  if (type === 4)
    text += `POINTER=${reader
      .u32(at + 4)
      .toString(16)
      .padStart(8, '0')} `;
  if (ip === 0) text += `[${ipv6Text(reader, at + 8, flags)}] `;
  return type === 2 ? `${text}MTU=${reader.u32(at + 4)} ` : text;
}
