/*
 * DHCP (RFC 2131 §2, options RFC 2132, long ones RFC 3396):
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +---------------+---------------+---------------+---------------+
 *   |      op       |     htype     |     hlen      |     hops      |
 *   +---------------+---------------+---------------+---------------+
 *   |                              xid                              |
 *   +-------------------------------+-------------------------------+
 *   |             secs              |             flags             |
 *   +-------------------------------+-------------------------------+
 *   |               ciaddr: the client's address, in use            |
 *   |               yiaddr: the client's address, given             |
 *   |               siaddr: of the server to boot from              |
 *   |               giaddr: of the relay agent                      |
 *   +---------------------------------------------------------------+
 *   |               chaddr, 16 bytes                                |
 *   |               sname, 64 bytes; file, 128 bytes                |
 *   +---------------------------------------------------------------+
 *   |   99.130.83.99, then options: code, length, value …; 255      |
 *   +---------------------------------------------------------------+
 *
 * Option 52 says that `file` and `sname` hold options too. An option that comes several times is one, cut in pieces. A
 * few messages a second at most, so a message is an object, not a place in the arena.
 */
import { read16, read32, write16, write32 } from './field.js';

const enum Dhcp {
  HTYPE = 1,
  HLEN = 2,
  HOPS = 3,
  XID = 4,
  SECS = 8,
  FLAGS = 10,
  CIADDR = 12,
  YIADDR = 16,
  SIADDR = 20,
  GIADDR = 24,
  CHADDR = 28,
  CHADDR_BYTES = 16,
  SNAME = 44,
  FILE = 108,
  MAGIC = 236,
  OPTIONS = 240,
  /** What BOOTP relays may expect at least (RFC 1542 §2.1). */
  MIN_BYTES = 300,
}

const MAGIC = 0x63825363;

export const enum DhcpPort {
  SERVER = 67,
  CLIENT = 68,
}

export const enum DhcpOp {
  REQUEST = 1,
  REPLY = 2,
}

/** The client cannot receive unicast packets before it has an address. */
export const DHCP_BROADCAST = 0x8000;

export const enum DhcpType {
  DISCOVER = 1,
  OFFER = 2,
  REQUEST = 3,
  DECLINE = 4,
  ACK = 5,
  NAK = 6,
  RELEASE = 7,
  INFORM = 8,
}

export const enum DhcpOption {
  PAD = 0,
  SUBNET_MASK = 1,
  ROUTER = 3,
  DNS = 6,
  HOST_NAME = 12,
  DOMAIN_NAME = 15,
  MTU = 26,
  BROADCAST = 28,
  REQUESTED_ADDRESS = 50,
  LEASE_TIME = 51,
  OVERLOAD = 52,
  TYPE = 53,
  SERVER = 54,
  PARAMETERS = 55,
  MESSAGE = 56,
  MAX_SIZE = 57,
  RENEWAL_TIME = 58,
  REBINDING_TIME = 59,
  VENDOR_CLASS = 60,
  CLIENT_ID = 61,
  RELAY_AGENT = 82,
  /** RFC 3442. */
  CLASSLESS_ROUTES = 121,
  END = 255,
}

export interface OptionValue {
  code: number;
  value: Uint8Array;
}

/** Addresses are int32. */
export interface DhcpMessage {
  op: number;
  htype: number;
  hlen: number;
  hops: number;
  xid: number;
  secs: number;
  flags: number;
  ciaddr: number;
  yiaddr: number;
  siaddr: number;
  giaddr: number;
  /** 16 bytes, of which `hlen` count. */
  chaddr: Uint8Array;
  /** In order of appearance, each code once. */
  options: OptionValue[];
}

/** A message over Ethernet without addresses and options. */
export function message(op: number, xid: number, mac: Uint8Array): DhcpMessage {
  const chaddr = new Uint8Array(Dhcp.CHADDR_BYTES);
  chaddr.set(mac);
  const none = { hops: 0, secs: 0, flags: 0, ciaddr: 0, yiaddr: 0, siaddr: 0, giaddr: 0 };
  return { op, htype: 1, hlen: 6, xid, ...none, chaddr, options: [] };
}

// --- reading --------------------------------------------------------------------------------------

/** The message that is a datagram's payload; undefined: it is none, or malformed. */
export function parse(bytes: Uint8Array): DhcpMessage | undefined {
  if (bytes.length < Dhcp.OPTIONS || read32(bytes, Dhcp.MAGIC) !== MAGIC) return undefined;
  if (bytes[Dhcp.HLEN] > Dhcp.CHADDR_BYTES) return undefined;
  const options: OptionValue[] = [];
  if (!parseOptions(bytes, Dhcp.OPTIONS, bytes.length, options)) return undefined;
  const overload = options.find(({ code }) => code === DhcpOption.OVERLOAD)?.value[0] ?? 0;
  if ((overload & 1) !== 0 && !parseOptions(bytes, Dhcp.FILE, Dhcp.MAGIC, options)) return undefined;
  if ((overload & 2) !== 0 && !parseOptions(bytes, Dhcp.SNAME, Dhcp.FILE, options)) return undefined;
  return {
    op: bytes[0],
    htype: bytes[Dhcp.HTYPE],
    hlen: bytes[Dhcp.HLEN],
    hops: bytes[Dhcp.HOPS],
    xid: read32(bytes, Dhcp.XID),
    secs: read16(bytes, Dhcp.SECS),
    flags: read16(bytes, Dhcp.FLAGS),
    ciaddr: read32(bytes, Dhcp.CIADDR),
    yiaddr: read32(bytes, Dhcp.YIADDR),
    siaddr: read32(bytes, Dhcp.SIADDR),
    giaddr: read32(bytes, Dhcp.GIADDR),
    chaddr: bytes.slice(Dhcp.CHADDR, Dhcp.SNAME),
    options,
  };
}

/** False: an option does not end before `end`. */
function parseOptions(bytes: Uint8Array, start: number, end: number, options: OptionValue[]): boolean {
  let at = start;
  while (at < end && bytes[at] !== DhcpOption.END) {
    if (bytes[at] === DhcpOption.PAD) {
      at++;
      continue;
    }
    if (at + 2 > end || at + 2 + bytes[at + 1] > end) return false;
    append(options, bytes[at], bytes.subarray(at + 2, at + 2 + bytes[at + 1]));
    at += 2 + bytes[at + 1];
  }
  return true;
}

function append(options: OptionValue[], code: number, piece: Uint8Array): void {
  const before = options.find((option) => option.code === code);
  if (before === undefined) options.push({ code, value: piece.slice() });
  else before.value = Uint8Array.of(...before.value, ...piece);
}

export function option(message: DhcpMessage, code: DhcpOption): Uint8Array | undefined {
  return message.options.find((option) => option.code === code)?.value;
}

/** An option of 4 bytes as int32; undefined where it is not there or of another length. */
export function option32(message: DhcpMessage, code: DhcpOption): number | undefined {
  const value = option(message, code);
  return value?.length === 4 ? read32(value, 0) : undefined;
}

export function option16(message: DhcpMessage, code: DhcpOption): number | undefined {
  const value = option(message, code);
  return value?.length === 2 ? read16(value, 0) : undefined;
}

/** An option that is a list of addresses; empty where it is not there or malformed. */
export function optionAddresses(message: DhcpMessage, code: DhcpOption): number[] {
  const value = option(message, code) ?? new Uint8Array(0);
  if (value.length % 4 !== 0) return [];
  return Array.from({ length: value.length >> 2 }, (_, i) => read32(value, i * 4));
}

/** DhcpType, or 0 for a BOOTP message without one. */
export function typeOf(message: DhcpMessage): number {
  return option(message, DhcpOption.TYPE)?.[0] ?? 0;
}

/** A destination of option 121 and the router there; 0.0.0.0: on the link. */
export interface ClasslessRoute {
  destination: number;
  length: number;
  router: number;
}

/** RFC 3442; undefined where it is malformed. */
export function classlessRoutes(value: Uint8Array): ClasslessRoute[] | undefined {
  const routes: ClasslessRoute[] = [];
  for (let at = 0; at < value.length; ) {
    const length = value[at];
    const significant = (length + 7) >> 3;
    if (length > 32 || at + 1 + significant + 4 > value.length) return undefined;
    const destination = new Uint8Array(4);
    destination.set(value.subarray(at + 1, at + 1 + significant));
    const mask = length === 0 ? 0 : -1 << (32 - length);
    routes.push({ destination: read32(destination, 0) & mask, length, router: read32(value, at + 1 + significant) });
    at += 1 + significant + 4;
  }
  return routes;
}

// --- writing --------------------------------------------------------------------------------------

export function value8(code: DhcpOption, value: number): OptionValue {
  return { code, value: Uint8Array.of(value) };
}

export function value16(code: DhcpOption, value: number): OptionValue {
  const bytes = new Uint8Array(2);
  write16(bytes, 0, value);
  return { code, value: bytes };
}

/** One or several 32-bit values: an address, a list of them, a time in s. */
export function value32(code: DhcpOption, ...values: number[]): OptionValue {
  const bytes = new Uint8Array(values.length * 4);
  for (const [i, value] of values.entries()) write32(bytes, i * 4, value);
  return { code, value: bytes };
}

export function valueText(code: DhcpOption, text: string): OptionValue {
  return { code, value: new TextEncoder().encode(text) };
}

/** A message as a datagram's payload. Options that find no room below `limit` bytes are left out: the important ones go first. */
export function build(message: DhcpMessage, limit: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(limit, Dhcp.MIN_BYTES));
  bytes.set([message.op, message.htype, message.hlen, message.hops]);
  write32(bytes, Dhcp.XID, message.xid);
  write16(bytes, Dhcp.SECS, message.secs);
  write16(bytes, Dhcp.FLAGS, message.flags);
  write32(bytes, Dhcp.CIADDR, message.ciaddr);
  write32(bytes, Dhcp.YIADDR, message.yiaddr);
  write32(bytes, Dhcp.SIADDR, message.siaddr);
  write32(bytes, Dhcp.GIADDR, message.giaddr);
  bytes.set(message.chaddr, Dhcp.CHADDR);
  write32(bytes, Dhcp.MAGIC, MAGIC);
  let at: number = Dhcp.OPTIONS;
  for (const option of message.options) at = writeOption(bytes, at, option);
  bytes[at++] = DhcpOption.END;
  return bytes.slice(0, Math.max(at, Dhcp.MIN_BYTES));
}

/** Answers where the next one goes: at the same place if this one has no room. */
function writeOption(bytes: Uint8Array, at: number, { code, value }: OptionValue): number {
  const pieces = Math.max(1, Math.ceil(value.length / 255));
  if (at + value.length + 2 * pieces + 1 > bytes.length) return at;
  for (let i = 0; i < pieces; i++) {
    const piece = value.subarray(i * 255, (i + 1) * 255);
    bytes.set([code, piece.length], at);
    bytes.set(piece, at + 2);
    at += 2 + piece.length;
  }
  return at;
}
