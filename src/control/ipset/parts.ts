/*
 * The parts of a member, "10.0.0.0/8,tcp:80,eth0", and how each is read and written.
 *
 * A host may stand in brackets, as names may hold the "-" that ranges are written with.
 */
import { type Address, formatAddress } from '../iptables/addresses.js';
import { portNumber, protocolName, protocolNumber } from '../iptables/services.js';
import { Refused, syntax, Unreadable } from './failures.js';
import type { Hosts } from './hosts.js';
import { ICMP_NAMES, ICMPV6_NAMES, icmpText } from './icmp-names.js';
import { readLength, readNumber, tryNumber } from './numbers.js';
import { familyOf, type Values } from './values.js';

/**
 * any: an address, prefix or range; host: that with IPv4, one address with IPv6; net: that with IPv4, an address or prefix with
 * IPv6; single: one address.
 */
export type PartName =
  | 'any'
  | 'host'
  | 'net'
  | 'single'
  | 'host2'
  | 'net2'
  | 'port'
  | 'tcpUdpPort'
  | 'mark'
  | 'mac'
  | 'iface'
  | 'name';

/** How an address is written: as a number, or by its host's name. */
export type AddressText = (address: Address) => string;

export interface Part {
  read(values: Values, text: string, hosts: Hosts): void;
  write(values: Values, addressText?: AddressText): string;
  isGiven(values: Values): boolean;
}

const LONGEST_NAME = 31;
const LONGEST_IFACE = 15;
const PHYSDEV = 'physdev:';

const TCP = 6;
const UDP = 17;
const ICMP = 1;
const ICMPV6 = 58;
const WITH_PORTS = [TCP, UDP, 132, 136];

/** Where a separator is, unless the text begins or ends with it; -1: nowhere. */
export function separator(text: string, mark: string): number {
  return text.startsWith(mark) || text.endsWith(mark) ? -1 : text.indexOf(mark);
}

/** Where the "-" of a range is, behind a bracket if there is one. */
function rangeSeparator(text: string): number {
  if (!text.startsWith('[')) return separator(text, '-');
  const end = text.indexOf(']');
  if (end < 0) throw syntax(`cannot find closing escape character ']' in ${text}`);
  if (end === text.length - 1) return -1;
  if (text[end + 1] !== '-') throw syntax(`range separator expected after '${text.slice(0, end + 1)}'`);
  return end + 1;
}

function stripBrackets(text: string): string {
  if (!text.startsWith('[')) return text;
  if (!text.endsWith(']')) throw syntax(`cannot find closing escape character ']' in ${text}`);
  return text.slice(1, -1);
}

function hasRange(text: string): boolean {
  const end = text.startsWith('[') ? text.indexOf(']') : 0;
  return end >= 0 && separator(text.slice(end), '-') >= 0;
}

// --- addresses --------------------------------------------------------------------------------------

interface Range {
  ip: Address;
  to?: Address;
  cidr?: number;
}

function readRange(values: Values, text: string, hosts: Hosts): Range {
  const family = familyOf(values);
  const slash = separator(text, '/');
  if (slash >= 0) {
    const cidr = readLength(text.slice(slash + 1), 0, family === 6 ? 128 : 32);
    return { ip: hosts.address(stripBrackets(text.slice(0, slash)), family), cidr };
  }
  const dash = rangeSeparator(text);
  if (dash < 0) return { ip: hosts.address(stripBrackets(text), family) };
  const ip = hosts.address(stripBrackets(text.slice(0, dash)), family);
  return { ip, to: hosts.address(stripBrackets(text.slice(dash + 1)), family) };
}

function checkSingle(values: Values, text: string): void {
  const slash = separator(text, '/');
  const isWhole = slash < 0 || text.slice(slash) === (familyOf(values) === 6 ? '/128' : '/32');
  if (hasRange(text) || !isWhole) throw syntax(`plain IP address must be supplied: ${text}`);
}

function checkNet(values: Values, text: string): void {
  if (familyOf(values) === 6 && hasRange(text)) throw syntax(`IP address or IP/cidr must be specified: ${text}`);
}

function checkHost(values: Values, text: string): void {
  if (familyOf(values) === 6) checkSingle(values, text);
}

type Check = (values: Values, text: string) => void;

export function readFirst(values: Values, text: string, hosts: Hosts): void {
  Object.assign(values, readRange(values, text, hosts));
}

function first(check: Check): Part {
  return {
    read(values, text, hosts) {
      check(values, text);
      readFirst(values, text, hosts);
    },
    write: ({ family, ip, to, cidr }, addressText) => rangeText(family, ip, to, cidr, addressText),
    isGiven: ({ ip }) => ip !== undefined,
  };
}

function second(check: Check): Part {
  return {
    read(values, text, hosts) {
      check(values, text);
      const { ip, to, cidr } = readRange(values, text, hosts);
      values.ip2 = ip;
      if (to !== undefined) values.to2 = to;
      if (cidr !== undefined) values.cidr2 = cidr;
    },
    write: ({ family, ip2, cidr2 }, addressText) => rangeText(family, ip2, undefined, cidr2, addressText),
    isGiven: ({ ip2 }) => ip2 !== undefined,
  };
}

export function rangeText(
  family: number | undefined,
  ip: Address = [0],
  to?: Address,
  cidr?: number,
  addressText: AddressText = formatAddress,
): string {
  const length = cidr === undefined || cidr === (family === 6 ? 128 : 32) ? '' : `/${cidr}`;
  return `${addressText(ip)}${length}${to === undefined ? '' : `-${addressText(to)}${length}`}`;
}

export function readSingle(values: Values, text: string, hosts: Hosts): Address {
  checkSingle(values, text);
  return readRange(values, text, hosts).ip;
}

// --- ports ------------------------------------------------------------------------------------------

/** A number or a service's name. */
export function readPort(text: string, protocol: string): number {
  const number = tryNumber(text, 0xffffn);
  if (typeof number !== 'string') return Number(number);
  const lines = [`Syntax error: ${number}`];
  const asNumber = tryNumber(protocol, 255n);
  if (typeof asNumber === 'string') lines.push(`Syntax error: ${asNumber}`);
  const name = typeof asNumber === 'string' ? protocol : protocolName(Number(asNumber));
  const port = name === undefined ? undefined : servicePort(stripBrackets(text), name);
  if (port !== undefined) return port;
  throw new Unreadable(...lines, `cannot parse '${text}' as a ${protocol} port`);
}

function servicePort(text: string, protocol: string): number | undefined {
  return /^[0-9]/.test(text) ? undefined : portNumber(text, protocol);
}

function readPorts(values: Values, text: string, protocol: string): void {
  const dash = rangeSeparator(text);
  if (dash >= 0) values.portTo = readPort(text.slice(dash + 1), protocol);
  values.port = readPort(dash >= 0 ? text.slice(0, dash) : text, protocol);
}

function readProtocol(text: string): number {
  const number = tryNumber(text, 255n);
  if (typeof number !== 'string') return Number(number);
  const named = /^[0-9]/.test(text) ? undefined : protocolNumber(text.toLowerCase() === 'icmpv6' ? 'ipv6-icmp' : text);
  if (named === undefined) throw syntax(`cannot parse '${text}' as a protocol`);
  if (named === 0) throw syntax(`Unsupported protocol '${text}'`);
  return named;
}

function readIcmp(text: string, names: typeof ICMP_NAMES, family: string): number {
  const known = names.find(([name]) => name === text);
  if (known !== undefined) return known[1];
  const slash = separator(text, '/');
  if (slash < 0) throw new Refused(`Cannot parse ${text} as an ${family} type/code.`);
  return (readNumber(text.slice(0, slash), 255) << 8) | readNumber(text.slice(slash + 1), 255);
}

/** The tool goes on without a set once it has complained of these. */
function wrongFamily(what: string): Refused {
  return new Refused(`Syntax error: Protocol ${what} only`, 'Invalid add command: missing setname');
}

function readProtocolPort(values: Values, text: string): void {
  const colon = separator(text, ':');
  const name = colon < 0 ? 'tcp' : text.slice(0, colon);
  const rest = text.slice(colon + 1);
  values.protocol = colon < 0 ? TCP : readProtocol(name);
  if (WITH_PORTS.includes(values.protocol)) readPorts(values, rest, name);
  else if (values.protocol === ICMP) {
    if (values.family !== 4) throw wrongFamily('ICMP can be used with family inet');
    values.port = readIcmp(rest, ICMP_NAMES, 'ICMP');
  } else if (values.protocol === ICMPV6) {
    if (values.family !== 6) throw wrongFamily('ICMPv6 can be used with family inet6');
    values.port = readIcmp(rest, ICMPV6_NAMES, 'ICMPv6');
  } else {
    if (rest !== '0') throw syntax(`Protocol ${name} can be used with pseudo port value 0 only.`);
    values.port = 0;
  }
}

export function readTcpUdpPort(values: Values, text: string): void {
  readProtocolPort(values, text);
  if (values.protocol !== TCP && values.protocol !== UDP) throw syntax('Only protocols TCP and UDP are valid');
  delete values.protocol;
}

function portText({ protocol = 0, port = 0, portTo }: Values): string {
  const name = protocol === 0 ? 'ip' : (protocolName(protocol) ?? `${protocol}`);
  if (protocol === ICMP) return `${name}:${icmpText(ICMP_NAMES, port)}`;
  if (protocol === ICMPV6) return `${name}:${icmpText(ICMPV6_NAMES, port)}`;
  return `${name}:${port}${portTo === undefined ? '' : `-${portTo}`}`;
}

// --- the rest ---------------------------------------------------------------------------------------

function readMac(text: string): [high: number, low: number] {
  const bytes = text.split(':');
  const isGood = bytes.length === 6 && text.length <= 17 && bytes.every((byte) => /^[0-9a-fA-F]{1,2}$/.test(byte));
  if (!isGood) throw syntax(`cannot parse '${text}' as ethernet address`);
  const [a, b, c, d, e, f] = bytes.map((byte) => Number.parseInt(byte, 16));
  return [(a << 8) | b, (c << 24) | (d << 16) | (e << 8) | f];
}

function macText([high, low]: readonly [number, number]): string {
  const bytes = [high >> 8, high, low >> 24, low >> 16, low >> 8, low].map((byte) => byte & 0xff);
  return bytes.map((byte) => byte.toString(16).padStart(2, '0').toUpperCase()).join(':');
}

function readIface(values: Values, text: string): void {
  values.isPhysdev = text.startsWith(PHYSDEV);
  values.iface = values.isPhysdev ? text.slice(PHYSDEV.length) : text;
  if (values.iface.length <= LONGEST_IFACE) return;
  throw syntax(`interface name '${values.iface}' is longer than ${LONGEST_IFACE} characters`);
}

export function checkSetName(name: string): string {
  if (Buffer.byteLength(name) <= LONGEST_NAME) return name;
  throw syntax(`setname '${name}' is longer than ${LONGEST_NAME} characters`);
}

/** "NAME,before,NAME", the old way. */
export function readOldBeside(values: Values, text: string): void {
  const [name, place, reference, ...more] = text.split(',');
  if (reference === undefined || more.length > 0 || (place !== 'before' && place !== 'after')) {
    throw new Refused('you must specify elements as setname,[before|after],setname');
  }
  values.name = checkSetName(name);
  values.reference = checkSetName(reference);
  values.isBefore = place === 'before';
}

export const PARTS: Readonly<Record<PartName, Part>> = {
  any: first(() => {}),
  host: first(checkHost),
  net: first(checkNet),
  single: first(checkSingle),
  host2: second(checkSingle),
  net2: second(checkNet),
  port: { read: readProtocolPort, write: portText, isGiven: ({ port }) => port !== undefined },
  tcpUdpPort: {
    read: readTcpUdpPort,
    write: ({ port, portTo }) => `${port}${portTo === undefined ? '' : `-${portTo}`}`,
    isGiven: ({ port }) => port !== undefined,
  },
  mark: {
    read(values, text) {
      values.mark = readNumber(text, 0xffffffff);
    },
    write: ({ mark = 0 }) => `0x${(mark >>> 0).toString(16).padStart(8, '0')}`,
    isGiven: ({ mark }) => mark !== undefined,
  },
  mac: {
    read(values, text) {
      values.mac = readMac(text);
    },
    write: ({ mac = [0, 0] }) => macText(mac),
    isGiven: ({ mac }) => mac !== undefined,
  },
  iface: {
    read: readIface,
    write: ({ iface, isPhysdev }) => `${isPhysdev === true ? PHYSDEV : ''}${iface}`,
    isGiven: ({ iface }) => iface !== undefined,
  },
  name: {
    read(values, text) {
      values.name = checkSetName(text);
    },
    write: ({ name, reference }) => (reference === undefined ? `${name}` : `${name} after ${reference}`),
    isGiven: ({ name }) => name !== undefined,
  },
};
