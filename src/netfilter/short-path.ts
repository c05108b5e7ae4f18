/*
 * The short path: IPv4 packets of established flows in namespaces with netfilter, as many as possible of a burst at once.
 *
 *   headers ─► flows, looked up together ─► path still good? ─► tracker ─► addresses and ports ─► TTL, MACs ─► out
 *                      │                          │
 *                      └── none ──────────────────┴── no ─► the long path, in its turn
 *
 * It takes what needs no thought: packets without IP options, whole, TCP and UDP of a flow whose last packet in this direction went
 * through all hooks, or where flows are not tracked a packet with the same headers did, and whose rules asked nothing that may differ from packet to packet (Packet.isVolatile). It does for it what the hooks
 * and the router would do, counts included (paths.ts). What a packet on the long path changes meanwhile is seen by those behind it:
 * a flow is taken only while its row still says what the look-up found.
 */
import type { Conntrack } from '../conntrack/conntrack.js';
import { Flow, Status } from '../conntrack/flows.js';
import { CtVerdict, type Tracker } from '../conntrack/tracker.js';
import { CtInfo, type Frame, NONE } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import type { Link, Namespace } from '../core/links.js';
import { Key, type Packet } from '../core/packet.js';
import { NextHop } from '../route/fib.js';
import type { Inet } from '../route/inet.js';
import { compilePlain4 } from '../route/plain4.js';
import { Ethernet } from '../wire/ethernet.js';
import { swap32 } from '../wire/field.js';
import { Ipv4, Protocol } from '../wire/ipv4.js';
import { TcpFlag } from '../wire/tcp.js';
import { hasPorts } from './headers.js';
import type { Nat } from './nat.js';
import { mangle4, Side } from './nat-mangle.js';
import { Path, type Paths } from './paths.js';
import { Family, Hook } from './rule.js';
import { CachedWalk, kindOf, type WalkCache } from './walk-cache.js';

/** Ethernet, IPv4, and the two ports. */
const HEADERS = Ethernet.BYTES + Ipv4.BYTES + 4;
/** More fragments, and the offset, as a little-endian machine reads the word of identification and offset. */
const FRAGMENT = 0xff3f0000 | 0;
/** What a flow may not have for its packets to be taken: a helper, sequence numbers to adjust. */
const SLOW = Status.SEQ_ADJUST | Status.HELPER | Status.DYING;

export interface ShortPathParts {
  inet: Inet;
  conntrack: Conntrack;
  nat: Nat;
  paths: Paths;
  walks: WalkCache;
  packet: Packet;
  /** Of the configuration (paths.ts), as it is now: a packet on the long path may change a set that others asked. */
  generation: () => number;
}

/** Takes the first `n` frames of arena.burst, of whatever protocol, that came in by `link`. */
type Receive = (link: Link, n: number, now: number) => void;

export interface ShortPath {
  /** In a namespace that tracks flows. */
  receiveTracked: Receive;
  /** In one that does not: paths are those of packets with the same headers (walk-cache.ts). */
  receiveUntracked: Receive;
}

export function compileShortPath(parts: ShortPathParts): ShortPath {
  const { inet, conntrack, nat, paths, walks, packet } = parts;
  const { arena, fib, neighbours } = inet;
  const { burst, offset, words32 } = arena;
  const { isPlain, trim, send } = compilePlain4(inet);
  const { namespace: namespaces, macHigh, macLow, mtu } = inet.links;
  const { nexthops } = fib;
  const table = conntrack.tables[Family.IPV4];
  const flows = table.flows.words;
  const { words: pathWords, counters } = paths;
  const { trackers, events } = conntrack;
  const tcp = trackers[Protocol.TCP];
  const udp = trackers[Protocol.UDP];

  /** Reads the headers into the table's tuples; a frame that is not plain gets a key that no flow has. */
  function readHeaders(link: Link, namespace: Namespace, n: number): void {
    const high = macHigh[link];
    const low = macLow[link];
    const kind = (namespace << Flow.NAMESPACE_SHIFT) | Flow.KEY_FLAG;
    for (let i = 0; i < n; i++) {
      const frame = burst[i];
      const header = (offset[frame] + Ethernet.BYTES) >> 2;
      const protocol = (words32[header + 2] >>> 8) & 0xff;
      const isFine = isRepeatable(words32, header) && isPlain(frame, high, low, HEADERS);
      table.source[i] = swap32(words32[header + 3]);
      table.destination[i] = swap32(words32[header + 4]);
      table.ports[i] = shortHeader(protocol, swap32(words32[header + 5]));
      table.key[i] = isFine ? kind | protocol : 0;
    }
  }

  /** Whether a row still has the tuple that the look-up found it by. */
  function isStill(i: number, tuple: number, row: number): boolean {
    const differs =
      (flows[tuple] ^ table.source[i]) |
      (flows[tuple + 1] ^ table.destination[i]) |
      (flows[tuple + 2] ^ table.ports[i]) |
      ((flows[row + Flow.KIND] ^ table.key[i]) & Flow.KEY_MASK);
    return differs === 0;
  }

  function track(i: number, frame: Frame, tracker: Tracker, found: number, row: number, total: number): boolean {
    packet.key[Key.SOURCE] = table.source[i];
    packet.key[Key.DESTINATION] = table.destination[i];
    packet.frame = frame;
    packet.network = offset[frame] + Ethernet.BYTES;
    packet.transport = packet.network + Ipv4.BYTES;
    packet.length = total;
    const isAccepted = tracker.track(found >>> 1, flows, row, found & 1, packet) === CtVerdict.ACCEPT;
    if (events.isWatched) events.deliver();
    return isAccepted;
  }

  /** Writes the addresses and ports that the flow has on its other side: what answers to this packet come to, turned round. False: that cannot be. */
  function translate(frame: Frame, protocol: number, tuple: number, other: number, total: number): boolean {
    const network = offset[frame] + Ethernet.BYTES;
    const transport = network + Ipv4.BYTES;
    const room = total - Ipv4.BYTES;
    const source = flows[other + 1];
    const destination = flows[other];
    const ports = flows[other + 2];
    const sourcePort = ports & 0xffff;
    const destinationPort = ports >>> 16;
    const isSource = source !== flows[tuple] || sourcePort !== flows[tuple + 2] >>> 16;
    if (isSource && !mangle4(arena, frame, network, transport, room, protocol, Side.SOURCE, source, sourcePort))
      return false;
    const isOther = destination !== flows[tuple + 1] || destinationPort !== (flows[tuple + 2] & 0xffff);
    if (!isOther) return true;
    return mangle4(arena, frame, network, transport, room, protocol, Side.DESTINATION, destination, destinationPort);
  }

  function count(path: number, bytes: number): void {
    counters[path << 1]++;
    counters[(path << 1) + 1] += bytes;
  }

  /** The rest of a frame's way. False: it has to take the long one, and nothing has changed that this would not change, too. */
  function forward(
    i: number,
    frame: Frame,
    link: Link,
    found: number,
    generation: number,
    isUndisturbed: boolean,
  ): boolean {
    const direction = found & 1;
    const row = Math.imul(found >>> 1, Flow.WORDS4);
    const cache = row + Flow.CACHE + (direction << 1);
    if (flows[cache] !== generation) return false;
    const tuple = row + Flow.ORIGINAL + Math.imul(direction, Flow.TUPLE_WORDS4);
    const status = flows[row + Flow.STATUS];
    const path = flows[cache + 1] << Path.SHIFT;
    const info =
      direction !== 0 ? CtInfo.ESTABLISHED_REPLY : (status & Status.SEEN_REPLY) === 0 ? CtInfo.NEW : CtInfo.ESTABLISHED;
    if (pathWords[path + Path.IN] !== link || pathWords[path + Path.INFO] !== info || (status & SLOW) !== 0)
      return false;
    if (((flows[row + Flow.EXPIRES] - packet.now) | 0) <= 0) return false;
    if (!isUndisturbed && !isStill(i, tuple, row)) return false;
    const out = pathWords[path + Path.OUT];
    const hop = pathWords[path + Path.HOP];
    const other = row + Flow.ORIGINAL + Math.imul(direction ^ 1, Flow.TUPLE_WORDS4);
    const gateway = nexthops[hop + NextHop.FAMILY] === 0 ? flows[other] : nexthops[hop + NextHop.GATEWAY];
    const neighbour = neighbours.lookup4(out, gateway);
    if (neighbour === NONE || !neighbours.isUsable(neighbour)) return false;
    const total = trim(frame, pathWords[path + Path.MTU] || mtu[out]);
    const protocol = table.key[i] & 0xff;
    if (total === 0 || !track(i, frame, protocol === Protocol.TCP ? tcp : udp, found, row, total)) return false;
    if ((status & Status.NAT_MASK) !== 0 && !translate(frame, protocol, tuple, other, total)) {
      arena.ingress[frame] = link;
      inet.drop(frame, DropReason.NAT_FAILED);
      return true;
    }
    count(flows[cache + 1], total);
    send(frame, out, neighbour);
    return true;
  }

  function begin(namespace: Namespace, link: Link, now: number): void {
    packet.family = Family.IPV4;
    packet.hook = Hook.PREROUTING;
    packet.namespace = namespace;
    packet.in = link;
    packet.out = 0;
    packet.now = now;
  }

  /** As `forward`, for a packet without a flow. */
  function forwardUntracked(i: number, frame: Frame, link: Link, generation: number): boolean {
    const source = table.source[i];
    const destination = table.destination[i];
    const ports = table.ports[i];
    const kind = kindOf(table.key[i] & 0xff, link);
    const slot = walks.find(generation, source, destination, ports, kind);
    if (slot === NONE || walks.words[slot + CachedWalk.PATH] === 0) return false;
    const leave = walks.words[slot + CachedWalk.LEAVE];
    const out = leave & CachedWalk.LEAVE_MASK;
    const hop = walks.words[slot + CachedWalk.HOP];
    const gateway = nexthops[hop + NextHop.FAMILY] === 0 ? destination : nexthops[hop + NextHop.GATEWAY];
    const neighbour = neighbours.lookup4(out, gateway);
    if (neighbour === NONE || !neighbours.isUsable(neighbour)) return false;
    const total = trim(frame, leave >>> CachedWalk.LEAVE_SHIFT || mtu[out]);
    if (total === 0) return false;
    count(walks.words[slot + CachedWalk.PATH], total);
    send(frame, out, neighbour);
    return true;
  }

  function receiveUntracked(link: Link, n: number, now: number): void {
    let generation = parts.generation();
    readHeaders(link, namespaces[link], n);
    for (let i = 0; i < n; i++) {
      const frame = burst[i];
      if (table.key[i] !== 0 && forwardUntracked(i, frame, link, generation)) continue;
      inet.receiveOther(frame, link, now);
      generation = parts.generation();
    }
  }

  function receiveTracked(link: Link, n: number, now: number): void {
    const namespace = namespaces[link];
    let generation = parts.generation();
    readHeaders(link, namespace, n);
    table.lookupBurst(n);
    nat.touch4(table, n);
    begin(namespace, link, now);
    // None of the burst has taken the long path, on which flows may end and others take their rows.
    let isUndisturbed = true;
    for (let i = 0; i < n; i++) {
      const frame = burst[i];
      const found = table.found[i];
      if (found !== 0 && forward(i, frame, link, found, generation, isUndisturbed)) continue;
      isUndisturbed = false;
      inet.receiveOther(frame, link, now);
      generation = parts.generation();
      begin(namespace, link, now);
    }
  }

  return { receiveTracked, receiveUntracked };
}

/** What of the first word of a transport header, as a number, rules may ask about without making a packet volatile: ports, or type and code. */
export function shortHeader(protocol: number, word: number): number {
  if (hasPorts(protocol)) return word;
  return protocol === Protocol.ICMP ? word >>> 16 : 0;
}

/**
 * Whether packets like the one whose IPv4 header, without options, starts at word `header` may go the way that one of them has gone: it is
 * whole, and in TCP one of many.
 */
export function isRepeatable(words32: Int32Array, header: number): boolean {
  if ((words32[header + 1] & FRAGMENT) !== 0) return false;
  return ((words32[header + 2] >>> 8) & 0xff) !== Protocol.TCP || isData(words32[header + 8]);
}

/** Whether the word of a TCP header with the flags says ACK, and neither SYN, FIN nor RST: rules may tell those apart. */
function isData(word: number): boolean {
  return ((word >>> 8) & (TcpFlag.ACK | TcpFlag.SYN | TcpFlag.FIN | TcpFlag.RST)) === TcpFlag.ACK;
}
