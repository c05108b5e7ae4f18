/*
 * A router on a LAN, for tests of neighbours: hosts say things in ARP and neighbour discovery, and what comes out is read as sentences.
 */
import { Address6, Scope } from '../../src/route/addresses.js';
import { ProxyRow } from '../../src/route/neighbour-proxy.js';
import { Neighbour, NeighbourFamily, NeighbourFlag, Nud } from '../../src/tables/neighbours.js';
import { formatIpv4At, formatIpv6, formatMacAt, parseAddress, parseMac } from '../../src/wire/format.js';
import { icmp, ip4, ip6, pattern, udp } from './packets.js';
import { Router, wordsOf } from './router.js';

export const BROADCAST = 'ff:ff:ff:ff:ff:ff';
/** The router's link e0, and hosts behind it. */
export const R = '02:00:00:00:00:01';
export const A = '02:00:00:00:00:0a';
export const B = '02:00:00:00:00:0b';
/** Of e1, and a host there. */
export const S = '02:00:00:00:01:01';
export const X = '02:00:00:00:01:0a';

const NAMES: Record<number, string> = {
  [Nud.NONE]: 'NONE',
  [Nud.INCOMPLETE]: 'INCOMPLETE',
  [Nud.REACHABLE]: 'REACHABLE',
  [Nud.STALE]: 'STALE',
  [Nud.DELAY]: 'DELAY',
  [Nud.PROBE]: 'PROBE',
  [Nud.FAILED]: 'FAILED',
  [Nud.NOARP]: 'NOARP',
  [Nud.PERMANENT]: 'PERMANENT',
};

function bytesOf(text: string): Uint8Array {
  const bytes = text.includes(':') && text.split(':').length === 6 ? parseMac(text) : parseAddress(text);
  if (bytes === undefined) throw new Error(`"${text}" is no address`);
  return bytes;
}

export interface ArpOptions {
  operation?: number;
  /** Ethernet addresses; as a rule the sender's, and broadcast. */
  from?: string;
  to?: string;
  /** The sender, then the target. */
  mac: string;
  ip: string;
  targetMac?: string;
  target: string;
  hardware?: number;
}

export function arp(o: ArpOptions): Uint8Array {
  const frame = new Uint8Array(42);
  frame.set(bytesOf(o.to ?? BROADCAST), 0);
  frame.set(bytesOf(o.from ?? o.mac), 6);
  frame.set([0x08, 0x06, 0, o.hardware ?? 1, 0x08, 0, 6, 4, 0, o.operation ?? 1], 12);
  frame.set(bytesOf(o.mac), 22);
  frame.set(bytesOf(o.ip), 28);
  frame.set(bytesOf(o.targetMac ?? '00:00:00:00:00:00'), 32);
  frame.set(bytesOf(o.target), 38);
  return frame;
}

export interface NdOptions {
  /** 135, 136 and so on. */
  type: number;
  from: string;
  to: string;
  source: string;
  destination: string;
  hopLimit?: number;
  code?: number;
  /** Of an advertisement: R 0x80, S 0x40, O 0x20. */
  flags?: number;
  target?: string;
  /** Behind the target: a redirect's destination. */
  more?: string;
  options?: number[];
}

/** The option that gives a link-layer address: 1 source, 2 target. */
export function macOption(kind: number, mac: string): number[] {
  return [kind, 1, ...bytesOf(mac)];
}

export function nd(o: NdOptions): Uint8Array {
  const data = Uint8Array.of(
    ...(o.target === undefined ? [] : bytesOf(o.target)),
    ...(o.more === undefined ? [] : bytesOf(o.more)),
    ...(o.options ?? []),
  );
  const rest = (o.flags ?? 0) << 24;
  const payload = icmp(o.type, o.code ?? 0, rest, data, [o.source, o.destination]);
  return ip6({ ...o, hopLimit: o.hopLimit ?? 255, nextHeader: 58, payload });
}

/** ff02::1:ffXX:XXXX, and its MAC. */
export function solicitedNode(address: string): [group: string, mac: string] {
  const bytes = bytesOf(address);
  const [x, y, z] = [bytes[13], bytes[14], bytes[15]];
  const group = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, x, y, z);
  return [formatIpv6(group), formatMacAt(Uint8Array.of(0x33, 0x33, 0xff, x, y, z), 0)];
}

function arpText(frame: Uint8Array): string {
  const target = formatIpv4At(frame, 38);
  const sender = `${formatIpv4At(frame, 28)}/${formatMacAt(frame, 22)}`;
  const isRequest = frame[21] === 1;
  if (!isRequest) return `${sender} is-at, to ${target}/${formatMacAt(frame, 32)}`;
  const targetMac = formatMacAt(frame, 32);
  return `who-has ${target}${targetMac === '00:00:00:00:00:00' ? '' : `/${targetMac}`} tell ${sender}`;
}

function ndText(frame: Uint8Array): string {
  const from = formatIpv6(frame.subarray(22, 38));
  const to = formatIpv6(frame.subarray(38, 54));
  const target = formatIpv6(frame.subarray(62, 78));
  const flags = [0x80, 0x40, 0x20].map((bit, i) => ((frame[58] & bit) === 0 ? '' : 'RSO'[i])).join('');
  let options = '';
  for (let at = 78; at < frame.length; at += frame[at + 1] * 8) {
    options += frame[at] === 14 ? ' nonce' : ` ${['', 'source', 'target'][frame[at]]} ${formatMacAt(frame, at + 2)}`;
  }
  const hops = frame[21] === 255 ? '' : ` hops ${frame[21]}`;
  const what = frame[54] === 135 ? 'solicits' : 'advertises';
  return `${from} > ${to} ${what} ${target}${flags === '' ? '' : ` ${flags}`}${options}${hops}`;
}

/** A frame in a line: link-layer destination, then what it says. */
export function text(frame: Uint8Array): string {
  const to = formatMacAt(frame, 0);
  const type = (frame[12] << 8) | frame[13];
  if (type === 0x0806) return `${to} ${arpText(frame)}`;
  if (type === 0x86dd && frame[20] === 58 && (frame[54] === 135 || frame[54] === 136)) return `${to} ${ndText(frame)}`;
  if (type === 0x86dd) {
    const what = frame[20] === 58 ? `icmp6 ${frame[54]}/${frame[55]}` : `protocol ${frame[20]}`;
    return `${to} ${formatIpv6(frame.subarray(22, 38))} > ${formatIpv6(frame.subarray(38, 54))} ${what}`;
  }
  const what = frame[23] === 1 ? `icmp ${frame[34]}/${frame[35]}` : `id ${(frame[18] << 8) | frame[19]}`;
  return `${to} ${formatIpv4At(frame, 26)} > ${formatIpv4At(frame, 30)} ${what}`;
}

/** Two subnets of a router that forwards: 10.0.0.1/24 and fd00::1/64 on e0, 10.0.1.1/24 and fd01::1/64 on e1. */
export class Lan extends Router {
  constructor() {
    super({ heads: 2048 });
    this.interface('e0', R).interface('e1', S);
    this.address('e0', '10.0.0.1/24').address('e1', '10.0.1.1/24');
    for (const [name, own, local] of [
      ['e0', 'fd00::1', 'fe80::1'],
      ['e1', 'fd01::1', 'fe80::2'],
    ]) {
      this.address(name, `${own}/64`);
      this.linkLocal(name, local);
      this.join6(name, own, local);
    }
    this.known('e1', '10.0.1.9', X);
    this.known('e1', 'fd01::9', X);
  }

  linkLocal(name: string, address: string): void {
    this.address(name, `${address}/64`);
    const list = this.dataplane.inet.addresses.of6[this.link(name)];
    list[list.length - Address6.WORDS + Address6.SCOPE] = Scope.LINK;
  }

  /** The groups that solicitations for addresses go to. */
  join6(name: string, ...addresses: string[]): void {
    const groups = addresses.flatMap((address) => wordsOf(solicitedNode(address)[0]));
    const before = this.dataplane.inet.addresses.groups6[this.link(name)];
    this.dataplane.inet.addresses.groups6[this.link(name)] = Int32Array.of(...before, ...groups);
  }

  group6(name: string, group: string): void {
    const { groups6 } = this.dataplane.inet.addresses;
    groups6[this.link(name)] = Int32Array.of(...groups6[this.link(name)], ...wordsOf(group));
  }

  /** `ip neigh add proxy` on e0. */
  proxy(address: string): void {
    const words = wordsOf(address);
    const row = new Int32Array(ProxyRow.WORDS);
    row[ProxyRow.FAMILY] = words.length === 1 ? NeighbourFamily.IPV4 : NeighbourFamily.IPV6;
    row.set(words, ProxyRow.A);
    this.dataplane.inet.neighbour.proxies.set(this.link('e0'), row);
  }

  private slotOf(link: string, address: string): number {
    const { neighbours } = this.dataplane.inet;
    const [a, b, c, d] = wordsOf(address);
    return b === undefined ? neighbours.lookup4(this.link(link), a) : neighbours.lookup6(this.link(link), a, b, c, d);
  }

  /** A permanent neighbour. */
  known(link: string, address: string, mac: string): void {
    const { neighbours, neighbour } = this.dataplane.inet;
    const [a, b, c, d] = wordsOf(address);
    const { states } = neighbour;
    const isIpv4 = b === undefined;
    const slot = isIpv4
      ? states.create4(this.link(link), a, true, this.now)
      : states.create6(this.link(link), a, b, c, d, true, this.now);
    const bytes = bytesOf(mac);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    states.update(slot, true, view.getUint16(0, true), view.getInt32(2, true), Nud.PERMANENT, 16 | 1, this.now);
    if (!neighbours.isUsable(slot)) throw new Error(`${address} is not known`);
  }

  /** "STATE mac flags" of a neighbour of e0 (or another link), or 'absent'. */
  neighbour(address: string, link = 'e0'): string {
    const { neighbours } = this.dataplane.inet;
    const slot = this.slotOf(link, address);
    if (slot < 0) return 'absent';
    const state = neighbours.state(slot);
    if ((state & Nud.VALID) === 0) return NAMES[state];
    const bytes = new DataView(new ArrayBuffer(6));
    bytes.setUint16(0, neighbours.macHigh(slot), true);
    bytes.setInt32(2, neighbours.macLow(slot), true);
    const router = (neighbours.flags(slot) & NeighbourFlag.ROUTER) !== 0 ? ' router' : '';
    return `${NAMES[state]} ${formatMacAt(new Uint8Array(bytes.buffer), 0)}${router}`;
  }

  row(address: string, word: Neighbour, link = 'e0'): number {
    const { rows } = this.dataplane.inet.neighbours;
    return rows[(this.slotOf(link, address) << Neighbour.SHIFT) + word];
  }

  /** From the host on e1 to an address on e0, by IPv4 or IPv6: numbered, so that order is seen. */
  toHost(id: number, destination = '10.0.0.9'): this {
    if (destination.includes(':')) {
      const source = 'fd01::9';
      const payload = udp(source, destination, 1000, 9, pattern(8));
      return this.send('e1', ip6({ to: S, from: X, source, destination, nextHeader: 17, flowLabel: id, payload }));
    }
    const source = '10.0.1.9';
    const payload = udp(source, destination, 1000, 9, pattern(8));
    return this.send('e1', ip4({ to: S, from: X, source, destination, protocol: 17, id, payload }));
  }

  /** A host's answer to what e0 asked. */
  answers(ip: string, mac: string): this {
    return this.send('e0', arp({ operation: 2, mac, ip, to: R, targetMac: R, target: '10.0.0.1' }));
  }

  advertises(target: string, mac: string | undefined, flags: number, options: Partial<NdOptions> = {}): this {
    const own = mac === undefined ? [] : macOption(2, mac);
    const from = mac ?? A;
    return this.send(
      'e0',
      nd({ type: 136, from, to: R, source: target, destination: 'fd00::1', target, flags, options: own, ...options }),
    );
  }

  /** What came out of a link, in sentences. */
  out(name = 'e0'): string[] {
    return this.take(name).map(text);
  }

  set4(key: number, value: number, link = 'e0'): this {
    this.dataplane.inet.conf.set('link4', this.link(link), key, value);
    return this;
  }

  set6(key: number, value: number, link = 'e0'): this {
    this.dataplane.inet.conf.set('link6', this.link(link), key, value);
    return this;
  }

  count(family = NeighbourFamily.IPV4): number {
    return this.dataplane.inet.neighbours.count(0, family);
  }
}
