/*
 * IP packets for tests, in Ethernet frames: whole ones with right checksums, unless the test spoils them.
 */
import { finish, fold, pseudo4, pseudo6, sumBytes } from '../../src/wire/checksum.js';
import { parseAddress, parseMac } from '../../src/wire/format.js';

const read32 = (bytes: Uint8Array, at: number): number => new DataView(bytes.buffer, bytes.byteOffset).getInt32(at);

function mac(text: string): Uint8Array {
  const bytes = parseMac(text);
  if (bytes === undefined) throw new Error(`"${text}" is no MAC address`);
  return bytes;
}

function address(text: string): Uint8Array {
  const bytes = parseAddress(text);
  if (bytes === undefined) throw new Error(`"${text}" is no address`);
  return bytes;
}

export interface Ip4Options {
  /** Destination and source at the link layer. */
  to: string;
  from: string;
  source: string;
  destination: string;
  ttl?: number;
  tos?: number;
  id?: number;
  /** Bits of the fragment field: 0x4000 DF, 0x2000 MF, and the offset in units of 8 bytes. */
  fragment?: number;
  protocol?: number;
  /** A multiple of four bytes. */
  options?: Uint8Array;
  payload?: Uint8Array;
  /** Bytes of padding behind the packet. */
  padding?: number;
}

function ethernet(to: string, from: string, type: number, length: number): Uint8Array {
  const frame = new Uint8Array(14 + length);
  frame.set(mac(to), 0);
  frame.set(mac(from), 6);
  frame[12] = type >>> 8;
  frame[13] = type;
  return frame;
}

export function ip4(o: Ip4Options): Uint8Array {
  const { options = new Uint8Array(0), payload = new Uint8Array(0), padding = 0 } = o;
  const header = 20 + options.length;
  const frame = ethernet(o.to, o.from, 0x0800, header + payload.length + padding);
  const view = new DataView(frame.buffer, 14);
  view.setUint8(0, 0x40 | (header >> 2));
  view.setUint8(1, o.tos ?? 0);
  view.setUint16(2, header + payload.length);
  view.setUint16(4, o.id ?? 0x1234);
  view.setUint16(6, o.fragment ?? 0);
  view.setUint8(8, o.ttl ?? 64);
  view.setUint8(9, o.protocol ?? 253);
  frame.set(address(o.source), 26);
  frame.set(address(o.destination), 30);
  frame.set(options, 34);
  frame.set(payload, 14 + header);
  return seal4(frame);
}

/** Writes the header checksum anew. */
export function seal4(frame: Uint8Array): Uint8Array {
  frame[24] = 0;
  frame[25] = 0;
  const sum = finish(sumBytes(frame, 14, (frame[14] & 15) << 2));
  frame[24] = sum >>> 8;
  frame[25] = sum;
  return frame;
}

export interface Ip6Options {
  to: string;
  from: string;
  source: string;
  destination: string;
  hopLimit?: number;
  trafficClass?: number;
  flowLabel?: number;
  nextHeader?: number;
  payload?: Uint8Array;
}

export function ip6(o: Ip6Options): Uint8Array {
  const { payload = new Uint8Array(0) } = o;
  const frame = ethernet(o.to, o.from, 0x86dd, 40 + payload.length);
  const view = new DataView(frame.buffer, 14);
  view.setUint32(0, (0x60000000 | ((o.trafficClass ?? 0) << 20) | (o.flowLabel ?? 0)) >>> 0);
  view.setUint16(4, payload.length);
  view.setUint8(6, o.nextHeader ?? 253);
  view.setUint8(7, o.hopLimit ?? 64);
  frame.set(address(o.source), 22);
  frame.set(address(o.destination), 38);
  frame.set(payload, 54);
  return frame;
}

function pseudo(source: string, destination: string, protocol: number, length: number): number {
  const [from, to] = [address(source), address(destination)];
  if (from.length === 4) return pseudo4(read32(from, 0), read32(to, 0), protocol, length);
  const both = new Uint8Array(32);
  both.set(from);
  both.set(to, 16);
  return pseudo6(both, 0, protocol, length);
}

function check(bytes: Uint8Array, at: number, sum: number): Uint8Array {
  const value = finish(sum + fold(sumBytes(bytes, 0, bytes.length)));
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
  return bytes;
}

export function udp(source: string, destination: string, sport: number, dport: number, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, sport);
  view.setUint16(2, dport);
  view.setUint16(4, bytes.length);
  bytes.set(data, 8);
  return check(bytes, 6, pseudo(source, destination, 17, bytes.length));
}

export interface TcpOptions {
  sequence?: number;
  acknowledgement?: number;
  flags: number;
  data?: Uint8Array;
  /** A multiple of four bytes. */
  options?: Uint8Array;
  window?: number;
}

export function tcp(source: string, destination: string, sport: number, dport: number, o: TcpOptions): Uint8Array {
  const { data = new Uint8Array(0), options = new Uint8Array(0) } = o;
  const header = 20 + options.length;
  const bytes = new Uint8Array(header + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, sport);
  view.setUint16(2, dport);
  view.setUint32(4, o.sequence ?? 1000);
  view.setUint32(8, o.acknowledgement ?? 0);
  view.setUint8(12, header << 2);
  view.setUint8(13, o.flags);
  view.setUint16(14, o.window ?? 8192);
  bytes.set(options, 20);
  bytes.set(data, header);
  return check(bytes, 16, pseudo(source, destination, 6, bytes.length));
}

/** An ICMP message; of ICMPv6 with `between`: its source and destination. */
export function icmp(
  type: number,
  code: number,
  rest: number,
  data: Uint8Array,
  between?: [string, string],
): Uint8Array {
  const bytes = new Uint8Array(8 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, type);
  view.setUint8(1, code);
  view.setUint32(4, rest >>> 0);
  bytes.set(data, 8);
  return check(bytes, 2, between === undefined ? 0 : pseudo(between[0], between[1], 58, bytes.length));
}

/** Bytes that differ from place to place. */
export function pattern(length: number, first = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = first + i;
  return bytes;
}
