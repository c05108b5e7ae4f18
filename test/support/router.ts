/*
 * The memory network of network.ts with the IP stack's things: namespaces, addresses, routes and neighbours, written straight
 * into the datapath, as the control plane would.
 */
import { Counter, LinkKind, type Namespace } from '../../src/core/links.js';
import { Address4, Address6, Scope } from '../../src/route/addresses.js';
import { Conf4, Conf6, Net4, Net6 } from '../../src/route/conf.js';
import { FibOp, NextHop, Route, RouteType } from '../../src/route/fib.js';
import { formatMac, parseAddress } from '../../src/wire/format.js';
import { Network, type NetworkOptions, numbersOf } from './network.js';

/** The words of an address: one or four. */
export function wordsOf(text: string): number[] {
  const bytes = parseAddress(text);
  if (bytes === undefined) throw new Error(`"${text}" is no address`);
  const words: number[] = [];
  for (let i = 0; i < bytes.length; i += 4)
    words.push((bytes[i] << 24) | (bytes[i + 1] << 16) | (bytes[i + 2] << 8) | bytes[i + 3]);
  return words;
}

function prefixOf(text: string): { words: number[]; length: number } {
  const [address, length] = text.split('/');
  const words = wordsOf(address);
  return { words, length: length === undefined ? words.length * 32 : Number(length) };
}

export interface RouteOptions {
  type?: RouteType;
  via?: string;
  dev?: string;
  /** Several next hops: [gateway, device, weight]. */
  hops?: Array<[string | undefined, string, number]>;
  mtu?: number;
  src?: string;
  namespace?: Namespace;
}

const LINK4: Array<[Conf4, number]> = [
  [Conf4.SEND_REDIRECTS, 1],
  [Conf4.SHARED_MEDIA, 1],
  [Conf4.NEIGH_MCAST_SOLICIT, 3],
  [Conf4.NEIGH_UCAST_SOLICIT, 3],
  [Conf4.NEIGH_RETRANS_MS, 1000],
  [Conf4.NEIGH_BASE_REACHABLE_MS, 30_000],
  [Conf4.NEIGH_DELAY_PROBE_MS, 5000],
  [Conf4.NEIGH_GC_STALE_MS, 60_000],
  [Conf4.NEIGH_QUEUE_BYTES, 212_992],
  [Conf4.NEIGH_LOCKTIME_MS, 1000],
];

const LINK6: Array<[Conf6, number]> = [
  [Conf6.HOP_LIMIT, 64],
  [Conf6.NEIGH_MCAST_SOLICIT, 3],
  [Conf6.NEIGH_UCAST_SOLICIT, 3],
  [Conf6.NEIGH_RETRANS_MS, 1000],
  [Conf6.NEIGH_BASE_REACHABLE_MS, 30_000],
  [Conf6.NEIGH_DELAY_PROBE_MS, 5000],
  [Conf6.NEIGH_GC_STALE_MS, 60_000],
  [Conf6.NEIGH_QUEUE_BYTES, 212_992],
];

const NET4: Array<[Net4, number]> = [
  [Net4.DEFAULT_TTL, 64],
  [Net4.ICMP_ECHO_IGNORE_BROADCASTS, 1],
  [Net4.ICMP_RATELIMIT_MS, 1000],
  [Net4.ICMP_RATEMASK, 6168],
  [Net4.ICMP_MSGS_PER_SEC, 1000],
  [Net4.ICMP_MSGS_BURST, 50],
  [Net4.IPFRAG_HIGH_THRESH, 4_194_304],
  [Net4.IPFRAG_LOW_THRESH, 3_145_728],
  [Net4.IPFRAG_TIME_MS, 30_000],
  [Net4.IPFRAG_MAX_DIST, 64],
  [Net4.ROUTE_MIN_PMTU, 552],
  [Net4.ROUTE_MTU_EXPIRES_MS, 600_000],
  [Net4.ROUTE_REDIRECT_LOAD_MS, 20],
  [Net4.ROUTE_REDIRECT_NUMBER, 9],
  [Net4.ROUTE_REDIRECT_SILENCE_MS, 20_480],
  [Net4.ROUTE_ERROR_COST_MS, 1000],
  [Net4.ROUTE_ERROR_BURST_MS, 5000],
  [Net4.NEIGH_GC_THRESH1, 128],
  [Net4.NEIGH_GC_THRESH2, 512],
  [Net4.NEIGH_GC_THRESH3, 1024],
  [Net4.NEIGH_GC_INTERVAL_MS, 30_000],
];

const NET6: Array<[Net6, number]> = [
  [Net6.ICMP_RATELIMIT_MS, 1000],
  [Net6.IPFRAG_HIGH_THRESH, 4_194_304],
  [Net6.IPFRAG_LOW_THRESH, 3_145_728],
  [Net6.IPFRAG_TIME_MS, 60_000],
  [Net6.MAX_DST_OPTS, 8],
  [Net6.MAX_HBH_OPTS, 8],
  [Net6.MAX_DST_OPTS_LENGTH, 0x7fffffff],
  [Net6.MAX_HBH_LENGTH, 0x7fffffff],
  [Net6.NEIGH_GC_THRESH1, 128],
  [Net6.NEIGH_GC_THRESH2, 512],
  [Net6.NEIGH_GC_THRESH3, 1024],
  [Net6.NEIGH_GC_INTERVAL_MS, 30_000],
];

export class Router extends Network {
  private readonly slots = new Map<string, number>();
  private nextSlot = 1;
  private nextRoute = 1;
  private nextHop = 1;
  private readonly own = new Map<string, { of4: number[]; of6: number[] }>();

  constructor(options: NetworkOptions = {}) {
    super(options);
    this.namespace(0, 'lo');
  }

  private get inet() {
    return this.dataplane.inet;
  }

  /** A namespace with a `lo` that is up, one table for each family, and Linux's settings. */
  namespace(number: Namespace, lo: string): this {
    const link = this.newLink(lo);
    this.dataplane.addNamespace(number, link);
    this.dataplane.setUp(link, true);
    const { conf, fib } = this.inet;
    for (const [key, value] of NET4) conf.set('net4', number, key, value);
    for (const [key, value] of NET6) conf.set('net6', number, key, value);
    for (const family of [4, 6]) {
      const slot = this.nextSlot++;
      this.slots.set(`${number}/${family}`, slot);
      fib.apply(Int32Array.of(FibOp.ADD_TABLE, slot, family, FibOp.MERGED, number, family, slot));
    }
    this.settings(lo);
    return this;
  }

  private settings(name: string): void {
    const link = this.link(name);
    for (const [key, value] of LINK4) this.inet.conf.set('link4', link, key, value);
    for (const [key, value] of LINK6) this.inet.conf.set('link6', link, key, value);
  }

  /** A memory port of the IP stack, up, with forwarding on. */
  interface(name: string, mac: string, mtu = 1500, namespace: Namespace = 0): this {
    this.port(name, mtu);
    return this.equip(name, mac, namespace);
  }

  veth(name: string, mac: string, namespace: Namespace, peer: string, peerMac: string, peerNamespace: Namespace): this {
    for (const [end, of] of [
      [name, namespace],
      [peer, peerNamespace],
    ] as const)
      this.dataplane.addVirtual(this.newLink(end), LinkKind.VETH, 1500, of);
    this.dataplane.setPeer(this.link(name), this.link(peer));
    this.equip(name, mac, namespace);
    return this.equip(peer, peerMac, peerNamespace);
  }

  /** MAC, settings, up and with carrier. */
  equip(name: string, mac: string, namespace: Namespace): this {
    const link = this.link(name);
    const { high, low } = numbersOf(mac);
    this.dataplane.links.namespace[link] = namespace;
    this.dataplane.setMac(link, high, low);
    this.settings(name);
    this.inet.conf.set('link4', link, Conf4.FORWARDING, 1);
    this.inet.conf.set('link6', link, Conf6.FORWARDING, 1);
    this.inet.conf.set('all6', namespace, Conf6.FORWARDING, 1);
    this.dataplane.setCarrier(link, true);
    return this.up(name);
  }

  private namespaceOf(name: string): Namespace {
    return this.dataplane.links.namespace[this.link(name)];
  }

  /** An address with its local and connected routes. */
  address(name: string, cidr: string): this {
    const { words, length } = prefixOf(cidr);
    const link = this.link(name);
    const namespace = this.namespaceOf(name);
    const own = this.own.get(name) ?? { of4: [], of6: [] };
    this.own.set(name, own);
    if (words.length === 1) {
      const row = new Array<number>(Address4.WORDS).fill(0);
      row[Address4.ADDRESS] = words[0];
      row[Address4.PEER] = words[0];
      row[Address4.LENGTH] = length;
      own.of4.push(...row);
      this.inet.addresses.set4(link, Int32Array.from(own.of4), namespace);
    } else {
      const row = new Array<number>(Address6.WORDS).fill(0);
      words.forEach((word, i) => {
        row[i] = word;
      });
      row[Address6.LENGTH] = length;
      row[Address6.SCOPE] = cidr.startsWith('fe80:') ? Scope.LINK : Scope.UNIVERSE;
      own.of6.push(...row);
      this.inet.addresses.of6[link] = Int32Array.from(own.of6);
    }
    const [address] = cidr.split('/');
    this.route(address, { type: RouteType.LOCAL, dev: name, namespace, src: address });
    return this.route(cidr, { dev: name, namespace, src: address });
  }

  /** A route; a prefix's host bits do not count. */
  route(prefix: string, options: RouteOptions): this {
    const { words, length } = prefixOf(prefix === 'default' ? '0.0.0.0/0' : prefix);
    const namespace = options.namespace ?? (options.dev === undefined ? 0 : this.namespaceOf(options.dev));
    const hops = options.hops ?? (options.dev === undefined ? [] : [[options.via, options.dev, 1] as const]);
    const ops: number[] = [];
    const first = this.nextHop;
    const total = hops.reduce((sum, [, , weight]) => sum + weight, 0);
    let sum = 0;
    for (const [via, dev, weight] of hops) {
      sum += weight;
      ops.push(FibOp.SET_NEXTHOP, this.nextHop++, ...this.hopRow(via, dev, weight, (sum / total) * 2 ** 31 - 1));
    }
    const row = new Array<number>(Route.WORDS).fill(0);
    row[Route.TYPE] = options.type ?? RouteType.UNICAST;
    row[Route.LENGTH] = length;
    row[Route.TABLE] = 254;
    row[Route.MTU] = options.mtu ?? 0;
    row[Route.NEXTHOP] = first;
    row[Route.COUNT] = hops.length;
    if (options.src !== undefined)
      wordsOf(options.src).forEach((word, i) => {
        row[Route.PREFSRC + i] = word;
      });
    const route = this.nextRoute++;
    ops.push(FibOp.SET_ROUTE, route, ...row);
    const isIpv4 = words.length === 1;
    const slot = this.slots.get(`${namespace}/${isIpv4 ? 4 : 6}`) ?? -1;
    ops.push(isIpv4 ? FibOp.INSERT4 : FibOp.INSERT6, slot, ...words, length, route);
    if (!this.inet.fib.apply(Int32Array.from(ops))) throw new Error(`no room for ${prefix}`);
    return this;
  }

  private hopRow(via: string | undefined, dev: string, weight: number, bound: number): number[] {
    const row = new Array<number>(NextHop.WORDS).fill(0);
    row[NextHop.LINK] = this.link(dev);
    row[NextHop.WEIGHT] = weight;
    row[NextHop.UPPER_BOUND] = Math.round(bound);
    if (via === undefined) return row;
    const words = wordsOf(via);
    row[NextHop.FAMILY] = words.length === 1 ? 4 : 6;
    words.forEach((word, i) => {
      row[NextHop.GATEWAY + i] = word;
    });
    return row;
  }

  macOf(name: string): string {
    const { macHigh, macLow } = this.dataplane.links;
    const [high, low] = [macHigh[this.link(name)], macLow[this.link(name)]];
    const swapped = ((low & 0xff) << 24) | ((low & 0xff00) << 8) | ((low >>> 8) & 0xff00) | (low >>> 24);
    return formatMac(((high & 0xff) << 8) | (high >>> 8), swapped);
  }

  received(name: string): number {
    return this.counter(name, Counter.RX_PACKETS);
  }
}
