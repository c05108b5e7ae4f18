/*
 * Endpoints: what the control plane listens to, and how it sends. They are to the datapath what sockets are to a kernel.
 *
 *    local · icmp4 · icmp6 ─ packet for (namespace, protocol, port) ─► endpoint ─► batch ─► control plane
 *    neighbour ─ router solicitation, advertisement, redirect ───────►    "          (sockets.ts acknowledges)
 *    control plane ─ send ─► ip4.send4 · ip6.send6,   sendFrame ─► link
 *
 * A *port* is a UDP or TCP port, the identifier of an ICMP echo (replies come here, requests are answered by icmp4 and
 * icmp6), or with protocol ND an ICMPv6 type. An endpoint bound to a link wins over one that is not.
 *
 * Packets are copied out of the arena, so their number is bounded: each endpoint has at most WINDOW of them under way, of
 * WINDOW_BYTES together, until the control plane acknowledges; what comes then is dropped (SOCKET_FULL). Endpoints are few
 * (a DHCP server for a link, a ping that runs), so those of a namespace are a list that is searched.
 */
import { type Frame, NONE, Slot, Vnet } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import { type Link, LinkFlag, MAX_NAMESPACES, type Namespace } from '../core/links.js';
import { Ethernet, EtherType, writeType } from '../wire/ethernet.js';
import { read16, read32, write32 } from '../wire/field.js';
import { Icmp } from '../wire/icmp.js';
import * as ipv4 from '../wire/ipv4.js';
import { Protocol } from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import { Errno, errnoOf } from './errno.js';
import { MTU_LOCK, NextHop, Route, RouteType } from './fib.js';
import type { Inet } from './inet.js';

/** Of the fragment header, which stands alone in front of a first fragment's transport header. */
const FRAGMENT_BYTES = 8;

const WINDOW = 128;
const WINDOW_BYTES = 512 * 1024;

/** The protocol number of endpoints for neighbour discovery: no IP protocol has it. The port is an ICMPv6 type. */
export const ND = 256;

/** Of an endpoint that is bound to no link: packets of all links of its namespace. */
export const ANY_LINK = -1;

/** Of a look-up: no source, and the destination behind it. */
const $addresses = new Uint8Array(32);

/** Groups and link-local addresses, of which a route does not tell the link. */
function isOnLink6(address: Uint8Array): boolean {
  return address[0] === 0xff || (address[0] === 0xfe && (address[1] & 0xc0) === 0x80);
}

function bytesOf(address: number): Uint8Array {
  const bytes = new Uint8Array(4);
  write32(bytes, 0, address);
  return bytes;
}

export const enum Told {
  /** A packet for the endpoint. */
  PACKET = 0,
  /** An ICMP error that quotes a packet which the endpoint sent. */
  ERROR = 1,
}

/** What an endpoint received. */
export interface EndpointPacket {
  id: number;
  told: Told;
  /** The link it came by. */
  link: Link;
  /** Received: whom its Ethernet destination meant. */
  received: number;
  /** The engine's clock, µs. */
  timeUs: number;
  /** From the IP header on. */
  bytes: Uint8Array;
  /** Of a UDP superframe: payload bytes of each datagram in it; else 0. */
  segmentBytes: number;
}

class Endpoint {
  underWay = 0;
  underWayBytes = 0;

  constructor(
    readonly id: number,
    readonly namespace: Namespace,
    readonly family: number,
    readonly protocol: number,
    readonly port: number,
    readonly link: Link,
  ) {}

  get isFull(): boolean {
    return this.underWay >= WINDOW || this.underWayBytes >= WINDOW_BYTES;
  }
}

export class Endpoints {
  /** The engine's clock in µs; only asked when a packet is taken. */
  clock: () => number = () => 0;
  private readonly lists: Array<Endpoint[] | undefined> = new Array(MAX_NAMESPACES).fill(undefined);
  private batch: EndpointPacket[] = [];

  constructor(private readonly inet: Inet) {}

  // --- from the stack ---------------------------------------------------------------------------

  /**
   * A complete IPv4 packet for this host, its transport header at `at`: a UDP datagram, a TCP segment, an echo reply. True: it is
   * taken, the frame ended. False: nobody listens, and the frame is still the caller's.
   */
  receive4(frame: Frame, protocol: number, at: number): boolean {
    return this.receive(frame, 4, protocol, this.localPort(protocol, at));
  }

  receive6(frame: Frame, protocol: number, at: number): boolean {
    return this.receive(frame, 6, protocol, this.localPort(protocol, at));
  }

  /** A router solicitation, router advertisement or redirect that is valid, its ICMPv6 header at `at`. Given. */
  receiveNd(frame: Frame, at: number): void {
    if (!this.receive(frame, 6, ND, this.inet.arena.bytes[at])) this.inet.drop(frame, DropReason.ICMP_IGNORED);
  }

  /** An ICMP error for this host that quotes an IPv4 header at `at`, all it quotes ending at `end`. Borrowed. */
  receiveError4(frame: Frame, at: number, end: number): void {
    const { bytes } = this.inet.arena;
    if (!ipv4.check(bytes, at, end) || ipv4.fragmentOffset(bytes, at) !== 0) return;
    const transport = at + ipv4.headerLength(bytes, at);
    if (transport + Icmp.BYTES <= end) this.tellError(frame, 4, ipv4.protocol(bytes, at), transport);
  }

  receiveError6(frame: Frame, at: number, end: number): void {
    const { bytes } = this.inet.arena;
    if (!ipv6.check(bytes, at, end)) return;
    const found = ipv6.transport(bytes, at, end);
    if (found < 0) return;
    const start = at + (found >> 8);
    const isFragment = (found & 255) === ipv6.Extension.FRAGMENT;
    const transport = isFragment ? start + FRAGMENT_BYTES : start;
    if (transport + Icmp.BYTES > end || (isFragment && read16(bytes, start + 2) >>> 3 !== 0)) return;
    this.tellError(frame, 6, isFragment ? bytes[start] : found & 255, transport);
  }

  /** The link goes, and with it the endpoints that were bound to it. */
  forgetLink(link: Link): void {
    for (let namespace = 0; namespace < MAX_NAMESPACES; namespace++) {
      const list = this.lists[namespace];
      if (list !== undefined) this.lists[namespace] = list.filter((endpoint) => endpoint.link !== link);
    }
  }

  private localPort(protocol: number, at: number): number {
    const isEcho = protocol === Protocol.ICMP || protocol === Protocol.ICMPV6;
    return read16(this.inet.arena.bytes, isEcho ? at + Icmp.ECHO_ID : at + 2);
  }

  private receive(frame: Frame, family: number, protocol: number, port: number): boolean {
    const link = this.inet.arena.ingress[frame];
    const endpoint = this.find(link, family, protocol, port);
    if (endpoint === undefined) return false;
    if (endpoint.isFull) this.inet.drop(frame, DropReason.SOCKET_FULL);
    else {
      this.take(endpoint, Told.PACKET, frame);
      this.inet.deliver(frame);
    }
    return true;
  }

  private tellError(frame: Frame, family: number, protocol: number, transport: number): void {
    const isEcho = protocol === Protocol.ICMP || protocol === Protocol.ICMPV6;
    const port = read16(this.inet.arena.bytes, isEcho ? transport + Icmp.ECHO_ID : transport);
    const endpoint = this.find(this.inet.arena.ingress[frame], family, protocol, port);
    if (endpoint !== undefined && !endpoint.isFull) this.take(endpoint, Told.ERROR, frame);
  }

  private find(link: Link, family: number, protocol: number, port: number): Endpoint | undefined {
    const list = this.lists[this.inet.namespaceOf(link)];
    if (list === undefined) return undefined;
    let found: Endpoint | undefined;
    for (let i = 0; i < list.length; i++) {
      const endpoint = list[i];
      if (endpoint.port !== port || endpoint.protocol !== protocol || endpoint.family !== family) continue;
      if (endpoint.link === link) return endpoint;
      if (endpoint.link === ANY_LINK) found = endpoint;
    }
    return found;
  }

  private take(endpoint: Endpoint, told: Told, frame: Frame): void {
    const { arena } = this.inet;
    const bytes = arena.contents(frame).subarray(Ethernet.BYTES);
    endpoint.underWay++;
    endpoint.underWayBytes += bytes.length;
    this.batch.push({
      id: endpoint.id,
      told,
      link: arena.ingress[frame],
      received: arena.received[frame],
      timeUs: this.clock(),
      bytes,
      segmentBytes: arena.isSuperframe(frame) ? arena.vnet[(frame << Vnet.SHIFT) + Vnet.GSO_SIZE] : 0,
    });
  }

  // --- calls of the control plane ---------------------------------------------------------------

  /** From now on packets come; `id` is chosen by the caller. False: the namespace has such an endpoint. */
  open(id: number, namespace: Namespace, family: number, protocol: number, port: number, link: Link): boolean {
    this.lists[namespace] ??= [];
    const list = this.lists[namespace];
    const isTaken = list.some(
      (other) => other.family === family && other.protocol === protocol && other.port === port && other.link === link,
    );
    if (!isTaken) list.push(new Endpoint(id, namespace, family, protocol, port, link));
    return !isTaken;
  }

  close(id: number): void {
    for (const [namespace, list] of this.lists.entries()) {
      if (list?.some((endpoint) => endpoint.id === id))
        this.lists[namespace] = list.filter((endpoint) => endpoint.id !== id);
    }
  }

  /** The control plane has dealt with so many packets: there is room for as many more. */
  ack(id: number, packets: number, bytes: number): void {
    for (const list of this.lists) {
      const endpoint = list?.find((other) => other.id === id);
      if (endpoint === undefined) continue;
      endpoint.underWay -= packets;
      endpoint.underWayBytes -= bytes;
    }
  }

  get hasPackets(): boolean {
    return this.batch.length > 0;
  }

  /** What was received since the last call. */
  packets(): EndpointPacket[] {
    const { batch } = this;
    this.batch = [];
    return batch;
  }

  /**
   * Sends a whole IP packet as this namespace routes it, or bound to a link: by a route that leads there, else (IPv4, groups and
   * link-local addresses) as if its destination were on that link. Its source must be set. `isWhole`: an IPv6 packet that would
   * have to be fragmented is refused, as one of IPv4 is that says so itself. Answers 0 or a negative errno.
   */
  send(namespace: Namespace, bytes: Uint8Array, link: Link, isWhole: boolean, now: number): number {
    if (this.inet.loopback[namespace] < 0) return Errno.ENODEV;
    const version = bytes[0] >>> 4;
    if (bytes.length < (version === 4 ? ipv4.Ipv4.BYTES : ipv6.Ipv6.BYTES)) return Errno.EINVAL;
    if (isWhole && version === 6 && this.isTooLong6(namespace, bytes, link, now)) return Errno.EMSGSIZE;
    const frame = this.frameOf(bytes, Ethernet.BYTES);
    if (frame === NONE) return Errno.ENOBUFS;
    const { bytes: memory, offset, ingress } = this.inet.arena;
    // Errors about it are for this namespace, and of a link-local sender for its link.
    ingress[frame] = link === ANY_LINK ? this.inet.loopback[namespace] : link;
    writeType(memory, offset[frame], version === 4 ? EtherType.IPV4 : EtherType.IPV6);
    if (version !== 4) return this.inet.ip6.send6(frame, namespace, now, link === ANY_LINK ? 0 : link);
    return link === ANY_LINK ? this.inet.ip4.send4(frame, namespace, now) : this.sendOn4(frame, link, now);
  }

  private isTooLong6(namespace: Namespace, bytes: Uint8Array, link: Link, now: number): boolean {
    const mtu = this.mtu(namespace, bytes.subarray(ipv6.Ipv6.DESTINATION, ipv6.Ipv6.BYTES), link, now);
    return mtu !== 0 && bytes.length > mtu;
  }

  private sendOn4(frame: Frame, link: Link, now: number): number {
    const { inet } = this;
    const at = inet.network(frame);
    const namespace = inet.namespaceOf(link);
    const destination = ipv4.destination(inet.arena.bytes, at);
    const isGroup = destination >>> 28 === 14 || destination === -1;
    this.setFlow(namespace, link);
    const route = isGroup ? 0 : inet.fib.lookup4(namespace, destination, ipv4.source(inet.arena.bytes, at));
    if (route > 0 && this.leadsOut(route, link)) return inet.ip4.send4(frame, namespace, now);
    if (inet.arena.length[frame] - Ethernet.BYTES > inet.links.mtu[link]) return this.refuse(frame, Errno.EMSGSIZE);
    inet.neighbour.output4(frame, link, destination, now);
    return 0;
  }

  private refuse(frame: Frame, errno: number): number {
    this.inet.drop(frame, errno === Errno.EMSGSIZE ? DropReason.TOO_BIG : DropReason.NO_ROUTE);
    return errno;
  }

  /** A local destination is reached whatever link the sender is bound to. */
  private leadsOut(route: number, link: Link): boolean {
    const { fib } = this.inet;
    return fib.routes[(route << Route.SHIFT) + Route.TYPE] === RouteType.LOCAL || fib.leadsTo(route, link);
  }

  /** What rules look at, of a packet that is not there yet. */
  private setFlow(namespace: Namespace, link: Link): void {
    this.inet.fib.setFlow(this.inet.loopback[namespace], link === ANY_LINK ? 0 : link, 0, 0);
  }

  /** The source that a packet to a destination gets, bound to a link or to none; or a negative errno: EACCES for broadcast unless wanted. */
  source(namespace: Namespace, destination: Uint8Array, link: Link, mayBroadcast: boolean): Uint8Array | number {
    if (this.inet.loopback[namespace] < 0) return Errno.ENODEV;
    return destination.length === 4
      ? this.source4(namespace, read32(destination, 0), link, mayBroadcast)
      : this.source6(namespace, destination, link);
  }

  private source4(namespace: Namespace, destination: number, link: Link, mayBroadcast: boolean): Uint8Array | number {
    const { inet } = this;
    this.setFlow(namespace, link);
    const route = inet.fib.lookup4(namespace, destination, 0);
    const errno = errnoOf(this.inet.fib, route);
    // Bound to a link, a destination without a route counts as on that link (ip_route_output_key_hash_rcu).
    if (errno !== 0 && (link === ANY_LINK || route > 0)) return errno;
    const type = route > 0 ? inet.fib.routes[(route << Route.SHIFT) + Route.TYPE] : RouteType.UNICAST;
    if (type === RouteType.LOCAL) return bytesOf(destination);
    if (!mayBroadcast && (type === RouteType.BROADCAST || destination === -1)) return Errno.EACCES;
    const out = link === ANY_LINK ? this.linkOf(route) : link;
    return bytesOf(inet.ip4.source(namespace, Math.max(route, 0), out, destination));
  }

  private source6(namespace: Namespace, destination: Uint8Array, link: Link): Uint8Array | number {
    const { inet } = this;
    const isBound = link !== ANY_LINK;
    if (!isBound && isOnLink6(destination)) return Errno.EINVAL;
    $addresses.set(destination, 16);
    if (!isBound) {
      this.setFlow(namespace, link);
      const route = inet.fib.lookup6(namespace, $addresses, 16, 0);
      const errno = errnoOf(this.inet.fib, route);
      if (errno !== 0) return errno;
    }
    const out = new Uint8Array(16);
    return inet.ip6.source(namespace, isBound ? link : 0, $addresses, 16, out) ? out : Errno.EADDRNOTAVAIL;
  }

  /** The longest packet that gets to a destination whole, as far as is known; 0: no route leads there. */
  mtu(namespace: Namespace, destination: Uint8Array, link: Link, now: number): number {
    const { inet } = this;
    const isIpv4 = destination.length === 4;
    this.setFlow(namespace, link);
    $addresses.set(destination, 16);
    const route = isIpv4
      ? inet.fib.lookup4(namespace, read32(destination, 0), 0)
      : inet.fib.lookup6(namespace, $addresses, 16, 0);
    const by = link === ANY_LINK && route > 0 ? this.linkOf(route) : link;
    if (by === ANY_LINK) return 0;
    const own = route > 0 ? inet.fib.routes[(route << Route.SHIFT) + Route.MTU] & ~MTU_LOCK : 0;
    const mtu = own === 0 ? inet.links.mtu[by] : own;
    if (isIpv4) return inet.pmtu.get4(namespace, read32(destination, 0), mtu, now);
    return inet.pmtu.get6(namespace, destination, 0, mtu, now);
  }

  /** The link of a route's first next hop. */
  private linkOf(route: number): Link {
    const { routes, nexthops } = this.inet.fib;
    return nexthops[(routes[(route << Route.SHIFT) + Route.NEXTHOP] << NextHop.SHIFT) + NextHop.LINK];
  }

  /** Sends a whole Ethernet frame on a link, whatever addresses and routes there are. Answers 0 or a negative errno. */
  sendFrame(link: Link, bytes: Uint8Array): number {
    if ((this.inet.links.flags[link] & LinkFlag.UP) === 0) return Errno.ENETDOWN;
    if (bytes.length < Ethernet.BYTES) return Errno.EINVAL;
    const frame = this.frameOf(bytes, 0);
    if (frame === NONE) return Errno.ENOBUFS;
    this.inet.transmit(frame, link);
    return 0;
  }

  /** A frame with so many bytes of room in front; in a tail slot what the head slot cannot hold. NONE: the arena is full. */
  private frameOf(bytes: Uint8Array, room: number): Frame {
    const { arena } = this.inet;
    const length = room + bytes.length;
    if (length > Slot.HEAD_CAPACITY && (arena.freeTailCount === 0 || length > Slot.TAIL_BYTES)) return NONE;
    const frame = this.inet.create(length);
    if (frame === NONE) return NONE;
    const head = arena.headLength(frame) - room;
    arena.bytes.set(bytes.subarray(0, head), arena.offset[frame] + room);
    if (head < bytes.length) {
      arena.tail[frame] = arena.freeTails[--arena.freeTailCount];
      arena.bytes.set(bytes.subarray(head), arena.tailOffset(frame));
    }
    return frame;
  }
}
