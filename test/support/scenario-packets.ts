/*
 * Packets as a scenario writes them, between the Ethernet addresses and the end of the line:
 *
 *   vlan 7                                      a tag (`qinq 7`: of 802.1ad) in front of all else
 *   arp who-has 10.0.0.1 tell 10.0.0.9          arp 10.0.0.1 is-at A tell 10.0.0.9
 *   ip SOURCE > DESTINATION udp|tcp|proto N     IPv4 or IPv6, by its addresses
 *   ip SOURCE > DESTINATION echo|reply          as ping sends and receives them, with 56 bytes of data
 *   ip SOURCE > DESTINATION icmp ERROR          an ICMP error (names below) that quotes the last packet from DESTINATION, `mtu N`,
 *                                               `gateway ADDRESS` or `pointer N` with it; `quoting-ttl N`: what it had been changed to
 *   ip SOURCE > DESTINATION nd who-has ADDRESS  nd ADDRESS is-at A [router] [solicited] [override]
 *                                               nd redirect ADDRESS to ADDRESS [lladdr A], quoting as an error does
 *
 * behind which may follow: ttl N (also the hop limit; 64), tos N, id N, df, len N (bytes of the IP packet), gso N (it is a TCP superframe
 * with so many bytes a segment); of a fragment `len N of WHOLE`, mf, offset N (both in bytes). What is not said is the same on every line, so
 * that a packet that is forwarded differs in what the line says: its TTL. Identifications of what the router makes are its own.
 */
import { Gso, Vnet } from '../../src/core/arena.js';
import { formatIpv4At, formatIpv6, formatMacAt, parseAddress } from '../../src/wire/format.js';
import { arp, macOption, nd } from './lan.js';
import { icmp, ip4, ip6, pattern, seal4, tcp, udp } from './packets.js';
import { wordsOf } from './router.js';

/** Words from left to right. */
export class Words {
  private at = 0;

  constructor(private readonly words: readonly string[]) {}

  get isAtEnd(): boolean {
    return this.at >= this.words.length;
  }

  next(what: string): string {
    if (this.isAtEnd) throw new Error(`"${this.words.join(' ')}" ends where ${what} should be`);
    return this.words[this.at++];
  }

  /** Takes a word if it comes next. */
  skip(word: string): boolean {
    if (this.words[this.at] !== word) return false;
    this.at++;
    return true;
  }

  demand(word: string): void {
    const found = this.next(`"${word}"`);
    if (found !== word) throw new Error(`"${found}" stands where "${word}" should be`);
  }

  number(): number {
    const word = this.next('a number');
    const value = Number(word);
    if (!Number.isInteger(value) || value < 0) throw new Error(`"${word}" is no number`);
    return value;
  }

  address(): string {
    const word = this.next('an address');
    if (parseAddress(word) === undefined) throw new Error(`"${word}" is no address`);
    return word;
  }
}

/** What a packet's words refer to. */
export interface Symbols {
  /** The MAC address of a station or link. */
  mac(word: string): string;
  /** The word for a MAC address. */
  wordOf(mac: string): string;
  /** The latest frame that came in with this source, without tags. */
  latestFrom(address: string): Uint8Array;
}

export interface SymbolicFrame {
  bytes: Uint8Array;
  vnet: number[];
  /** The router makes it, as an answer: its identification is any. */
  hasAnyId: boolean;
}

interface Ends {
  from: string;
  to: string;
}

interface Fields {
  source: string;
  destination: string;
  isIpv4: boolean;
  ttl: number;
  tos?: number;
  id?: number;
  df: boolean;
  mf: boolean;
  offset: number;
  length?: number;
  whole?: number;
  gso: number;
  quotingTtl?: number;
  /** The 32 bits behind an ICMP error's checksum. */
  info: number;
}

const ERRORS4: Record<string, [type: number, code: number]> = {
  'net-unreachable': [3, 0],
  'host-unreachable': [3, 1],
  'protocol-unreachable': [3, 2],
  'port-unreachable': [3, 3],
  'frag-needed': [3, 4],
  'admin-prohibited': [3, 13],
  redirect: [5, 1],
  'ttl-exceeded': [11, 0],
  'reassembly-time-exceeded': [11, 1],
  'parameter-problem': [12, 0],
};

const ERRORS6: Record<string, [type: number, code: number]> = {
  'no-route': [1, 0],
  'admin-prohibited': [1, 1],
  'beyond-scope': [1, 2],
  'address-unreachable': [1, 3],
  'port-unreachable': [1, 4],
  'too-big': [2, 0],
  'ttl-exceeded': [3, 0],
  'reassembly-time-exceeded': [3, 1],
  'unknown-next-header': [4, 1],
};

const MTU_OF_ERRORS = { ipv4: 576, ipv6: 1280 };
/** Data of a ping, and of what else has a length not given. */
const PING_BYTES = 56;
const DATA_BYTES = 18;
/** Identification of a packet whose line gives none. */
const USUAL_ID = 0x1234;
const [SPORT, DPORT] = [1000, 9];

/** The frame that words behind the Ethernet addresses describe; undefined: they begin with none of a packet. */
export function parsePacket(words: Words, ends: Ends, symbols: Symbols): SymbolicFrame | undefined {
  for (const [word, type] of [
    ['vlan', 0x8100],
    ['qinq', 0x88a8],
  ] as const) {
    if (!words.skip(word)) continue;
    const id = words.number();
    const inner = parsePacket(words, ends, symbols);
    if (inner === undefined) throw new Error('a tag needs a packet behind it');
    return { ...inner, bytes: tagged(inner.bytes, type, id) };
  }
  if (words.skip('arp')) return { bytes: parseArp(words, ends, symbols), vnet: [], hasAnyId: false };
  return words.skip('ip') ? parseIp(words, ends, symbols) : undefined;
}

function tagged(bytes: Uint8Array, type: number, id: number): Uint8Array {
  return Uint8Array.of(...bytes.subarray(0, 12), type >> 8, type & 255, id >> 8, id & 255, ...bytes.subarray(12));
}

function parseArp(words: Words, { from, to }: Ends, symbols: Symbols): Uint8Array {
  if (words.skip('who-has')) {
    const target = words.address();
    words.demand('tell');
    return arp({ from, to, mac: from, ip: words.address(), target });
  }
  const ip = words.address();
  words.demand('is-at');
  const mac = symbols.mac(words.next('a station'));
  words.demand('tell');
  return arp({ operation: 2, from, to, mac, ip, targetMac: to, target: words.address() });
}

function parseIp(words: Words, ends: Ends, symbols: Symbols): SymbolicFrame {
  const source = words.address();
  words.demand('>');
  const destination = words.address();
  const isIpv4 = !destination.includes(':');
  const kind = words.next('a protocol');
  if (kind === 'nd') return { bytes: parseNd(words, ends, source, destination, symbols), vnet: [], hasAnyId: false };
  const argument = kind === 'icmp' || kind === 'proto' ? words.next('what it is') : '';
  const fields: Fields = { source, destination, isIpv4, ttl: 64, df: false, mf: false, offset: 0, gso: 0, info: 0 };
  while (!words.isAtEnd) parseField(words, fields);
  const packet = transport(kind, argument, fields, symbols);
  const at = fields.whole === undefined ? 0 : fields.offset;
  const end = fields.whole === undefined ? packet.bytes.length : at + (fields.length ?? 0) - 20;
  const hasAnyId = isIpv4 && fields.id === undefined && (kind === 'icmp' || kind === 'reply');
  return { bytes: whole(fields, packet, packet.bytes.subarray(at, end), ends), vnet: vnetOf(fields), hasAnyId };
}

function parseField(words: Words, fields: Fields): void {
  const name = words.next('a field');
  if (name === 'df' || name === 'mf') fields[name] = true;
  else if (name === 'ttl' || name === 'tos' || name === 'id' || name === 'offset' || name === 'gso')
    fields[name] = words.number();
  else if (name === 'len') fields.length = words.number();
  else if (name === 'of') fields.whole = words.number();
  else if (name === 'quoting-ttl') fields.quotingTtl = words.number();
  else if (name === 'mtu') fields.info = words.number();
  else if (name === 'pointer') fields.info = words.number() << (fields.isIpv4 ? 24 : 0);
  else if (name === 'gateway') [fields.info] = wordsOf(words.address());
  else throw new Error(`a packet has no "${name}"`);
}

interface Transport {
  protocol: number;
  bytes: Uint8Array;
  tos?: number;
}

/** All of the transport layer, of which a fragment is a part. */
function transport(kind: string, argument: string, fields: Fields, symbols: Symbols): Transport {
  const { source, destination, isIpv4 } = fields;
  const total = fields.whole ?? fields.length;
  const data = (header: number, usual: number): Uint8Array =>
    pattern(total === undefined ? usual : total - (isIpv4 ? 20 : 40) - header);
  const between: [string, string] | undefined = isIpv4 ? undefined : [source, destination];
  const protocol = isIpv4 ? 1 : 58;
  switch (kind) {
    case 'udp':
      return { protocol: 17, bytes: udp(source, destination, SPORT, DPORT, data(8, DATA_BYTES)) };
    case 'tcp':
      return {
        protocol: 6,
        bytes: tcp(source, destination, SPORT, DPORT, { flags: 0x10, data: data(20, DATA_BYTES) }),
      };
    case 'proto':
      return { protocol: Number(argument), bytes: data(0, DATA_BYTES) };
    case 'echo':
      return { protocol, bytes: icmp(isIpv4 ? 8 : 128, 0, 0x70001, data(8, PING_BYTES), between) };
    case 'reply':
      return { protocol, bytes: icmp(isIpv4 ? 0 : 129, 0, 0x70001, data(8, PING_BYTES), between) };
    case 'icmp':
      return { protocol, bytes: icmpError(argument, fields, symbols, between), tos: isIpv4 ? 0xc0 : 0 };
    default:
      throw new Error(`"${kind}" is no protocol: udp, tcp, proto N, echo, reply, icmp, nd`);
  }
}

function icmpError(name: string, fields: Fields, symbols: Symbols, between: [string, string] | undefined): Uint8Array {
  const found = (fields.isIpv4 ? ERRORS4 : ERRORS6)[name];
  if (found === undefined) throw new Error(`there is no ICMP error "${name}"`);
  const packet = Uint8Array.from(symbols.latestFrom(fields.destination).subarray(14));
  const length = fields.isIpv4 ? (packet[2] << 8) | packet[3] : 40 + ((packet[4] << 8) | packet[5]);
  const room = fields.isIpv4 ? MTU_OF_ERRORS.ipv4 - 28 : MTU_OF_ERRORS.ipv6 - 48;
  if (fields.quotingTtl !== undefined) changeTtl(packet, fields.quotingTtl);
  return icmp(found[0], found[1], fields.info, packet.subarray(0, Math.min(length, room)), between);
}

function changeTtl(packet: Uint8Array, ttl: number): void {
  if (packet[0] >>> 4 === 6) packet[7] = ttl;
  else {
    const frame = new Uint8Array(14 + packet.length);
    frame.set(packet, 14);
    frame[22] = ttl;
    packet.set(seal4(frame).subarray(14));
  }
}

function whole(fields: Fields, { protocol, tos }: Transport, payload: Uint8Array, { from, to }: Ends): Uint8Array {
  const { source, destination, ttl, id = USUAL_ID } = fields;
  const ends = { from, to, source, destination, payload };
  const trafficClass = fields.tos ?? tos ?? 0;
  if (!fields.isIpv4) return ip6({ ...ends, hopLimit: ttl, trafficClass, nextHeader: protocol });
  const fragment = (fields.df ? 0x4000 : 0) | (fields.mf ? 0x2000 : 0) | (fields.offset >> 3);
  return ip4({ ...ends, ttl, tos: trafficClass, id, fragment, protocol });
}

function vnetOf({ gso, isIpv4 }: Fields): number[] {
  if (gso === 0) return [];
  const transport = isIpv4 ? 34 : 54;
  return [Vnet.NEEDS_CSUM | ((isIpv4 ? Gso.TCPV4 : Gso.TCPV6) << 8), transport + 20, gso, transport, 16];
}

function parseNd(words: Words, ends: Ends, source: string, destination: string, symbols: Symbols): Uint8Array {
  if (words.skip('who-has')) {
    const target = words.address();
    return nd({ type: 135, ...ends, source, destination, target, options: macOption(1, ends.from) });
  }
  if (words.skip('redirect')) return parseRedirect(words, ends, source, destination, symbols);
  const target = words.address();
  words.demand('is-at');
  const options = macOption(2, symbols.mac(words.next('a station')));
  let flags = 0;
  while (!words.isAtEnd) flags |= flagOf(words.next('a flag'));
  return nd({ type: 136, ...ends, source, destination, target, flags, options });
}

/** Target, destination, then the target's link-layer address, and what fits of the packet, in units of 8 bytes. */
function parseRedirect(words: Words, ends: Ends, source: string, destination: string, symbols: Symbols): Uint8Array {
  const more = words.address();
  words.demand('to');
  const target = words.address();
  const options = words.skip('lladdr') ? macOption(2, symbols.mac(words.next('a station'))) : [];
  const packet = symbols.latestFrom(destination).subarray(14);
  const room = Math.min(MTU_OF_ERRORS.ipv6 - 80 - options.length, packet.length + 8) >> 3;
  options.push(4, room, 0, 0, 0, 0, 0, 0, ...packet.subarray(0, room * 8 - 8));
  return nd({ type: 137, ...ends, source, destination, target, more, options });
}

function flagOf(word: string): number {
  const flag = { router: 0x80, solicited: 0x40, override: 0x20 }[word];
  if (flag === undefined) throw new Error(`an advertisement has no "${word}"`);
  return flag;
}

// --- comparing and showing -----------------------------------------------------------------------------

/** A frame that came out with the identification of the expected one, if it may have any; its checksum stays as right or wrong as it was. */
export function likened(found: Uint8Array, expected: SymbolicFrame): Uint8Array {
  const at = isTagged(found) ? 18 : 14;
  if (!expected.hasAnyId || found.length < at + 20 || !isSealed(found.subarray(at - 14))) return found;
  const copy = Uint8Array.from(found);
  copy.set(expected.bytes.subarray(at + 4, at + 6), at + 4);
  seal4(copy.subarray(at - 14));
  return copy;
}

/** A frame without its tags. */
export function untagged(bytes: Uint8Array): Uint8Array {
  return isTagged(bytes) ? untagged(Uint8Array.of(...bytes.subarray(0, 12), ...bytes.subarray(16))) : bytes;
}

function isTagged(bytes: Uint8Array): boolean {
  const type = (bytes[12] << 8) | bytes[13];
  return type === 0x8100 || type === 0x88a8;
}

function isSealed(frame: Uint8Array): boolean {
  return Buffer.compare(seal4(Uint8Array.from(frame)), frame) === 0;
}

/** The words for what is behind a frame's Ethernet addresses; undefined: it is no packet that they can describe. */
export function showPacket(bytes: Uint8Array, symbols: Symbols): string | undefined {
  const type = (bytes[12] << 8) | bytes[13];
  if (isTagged(bytes)) {
    const tag = `${type === 0x8100 ? 'vlan' : 'qinq'} ${((bytes[14] & 15) << 8) | bytes[15]}`;
    return `${tag} ${showPacket(untagged(bytes), symbols) ?? 'something'}`;
  }
  if (type === 0x0806 && bytes.length >= 42) return showArp(bytes, symbols);
  if (type === 0x0800 && bytes.length >= 34) return showIpv4(bytes);
  return type === 0x86dd && bytes.length >= 54 ? showIpv6(bytes, symbols) : undefined;
}

function showArp(bytes: Uint8Array, symbols: Symbols): string {
  const [sender, target] = [formatIpv4At(bytes, 28), formatIpv4At(bytes, 38)];
  if (bytes[21] === 1) return `arp who-has ${target} tell ${sender}`;
  return `arp ${sender} is-at ${symbols.wordOf(formatMacAt(bytes, 22))} tell ${target}`;
}

function showIpv4(bytes: Uint8Array): string {
  const at = 14 + ((bytes[14] & 15) << 2);
  const fragment = (bytes[20] << 8) | bytes[21];
  const fields = [`ip ${formatIpv4At(bytes, 26)} > ${formatIpv4At(bytes, 30)}`];
  const isFirst = (fragment & 0x1fff) === 0;
  fields.push(isFirst ? protocolOf(bytes, bytes[23], at) : `proto ${bytes[23]}`);
  if (bytes[22] !== 64) fields.push(`ttl ${bytes[22]}`);
  if (((bytes[18] << 8) | bytes[19]) !== USUAL_ID) fields.push(`id ${(bytes[18] << 8) | bytes[19]}`);
  if (bytes[15] !== 0) fields.push(`tos ${bytes[15]}`);
  if ((fragment & 0x4000) !== 0) fields.push('df');
  if ((fragment & 0x2000) !== 0) fields.push('mf');
  if (!isFirst) fields.push(`offset ${(fragment & 0x1fff) << 3}`);
  fields.push(`len ${(bytes[16] << 8) | bytes[17]}`);
  if (!isSealed(bytes)) fields.push('(with a wrong header checksum)');
  return fields.join(' ');
}

function showIpv6(bytes: Uint8Array, symbols: Symbols): string {
  const fields = [`ip ${formatIpv6(bytes, 22)} > ${formatIpv6(bytes, 38)}`, protocolOf(bytes, bytes[20], 54)];
  if (bytes[20] === 58 && bytes[54] === 137) {
    return `${fields[0]} nd redirect ${formatIpv6(bytes, 78)} to ${formatIpv6(bytes, 62)} (with ${bytes.length - 94} bytes of options)`;
  }
  if (bytes[20] === 58 && (bytes[54] === 135 || bytes[54] === 136)) {
    const target = formatIpv6(bytes, 62);
    fields[1] = `nd ${bytes[54] === 135 ? `who-has ${target}` : `${target} is-at ${symbols.wordOf(formatMacAt(bytes, 80))}`}`;
    ['router', 'solicited', 'override'].forEach((name, i) => {
      if ((bytes[58] & (0x80 >> i)) !== 0) fields.push(name);
    });
    return fields.join(' ');
  }
  if (bytes[21] !== 64) fields.push(`ttl ${bytes[21]}`);
  fields.push(`len ${40 + ((bytes[18] << 8) | bytes[19])}`);
  return fields.join(' ');
}

function protocolOf(bytes: Uint8Array, protocol: number, at: number): string {
  if (protocol === 17) return 'udp';
  if (protocol === 6) return 'tcp';
  if (protocol !== 1 && protocol !== 58) return `proto ${protocol}`;
  const [type, code] = [bytes[at], bytes[at + 1]];
  if (type === (protocol === 1 ? 8 : 128)) return 'echo';
  if (type === (protocol === 1 ? 0 : 129)) return 'reply';
  const errors = Object.entries(protocol === 1 ? ERRORS4 : ERRORS6);
  const name = errors.find(([, of]) => of[0] === type && of[1] === code)?.[0] ?? `${type}/${code}`;
  return `icmp ${name}${infoOf(bytes, type, code, at)}`;
}

function infoOf(bytes: Uint8Array, type: number, code: number, at: number): string {
  const word = new DataView(bytes.buffer, bytes.byteOffset).getUint32(at + 4);
  if ((type === 3 && code === 4) || (type === 2 && code === 0)) return ` mtu ${word}`;
  return type === 5 ? ` gateway ${formatIpv4At(bytes, at + 4)}` : '';
}
