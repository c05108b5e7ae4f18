/*
 * The control plane's handle on the datapath's endpoints (route/endpoints.ts): what the host itself says and hears, as
 * messages.
 *
 * The engine has a window of packets for each socket. What was dealt with is acknowledged once every ACK_MS, all at once:
 * so a flood to a port costs the main thread one window in that time at most, and the rest is dropped in the engine.
 */
import { SluiceError } from '../core/errors.js';
import type { EndpointPacket } from '../route/endpoints.js';
import { ANY_LINK, ND, Told } from '../route/endpoints.js';
import { Icmp } from '../wire/icmp.js';
import * as ipv4 from '../wire/ipv4.js';
import { Ipv4, Protocol } from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import { Ipv6 } from '../wire/ipv6.js';
import { Udp } from '../wire/udp.js';
import type { EngineThread } from './engine-thread.js';

export { ANY_LINK, ND, Told };

const ACK_MS = 20;
const NO_NEXT_HEADER = 59;
const FRAGMENT_BYTES = 8;

/** What a socket listens to. */
export interface Binding {
  /** Number of a namespace. */
  namespace: number;
  family: 4 | 6;
  /** Protocol, or ND. */
  protocol: number;
  /** UDP or TCP port, identifier of an echo, ICMPv6 type. */
  port: number;
  /** Number of a link; absent: any. */
  link?: number;
}

/** A packet that was received, or an ICMP error about one that was sent. */
export interface Datagram {
  link: number;
  source: Uint8Array;
  destination: Uint8Array;
  ttl: number;
  tos: number;
  /** The engine's clock. */
  timeUs: number;
  /** From the IP header on. */
  packet: Uint8Array;
  /** Where the transport header starts in `packet`. */
  transport: number;
  /** What follows the transport header of UDP and ICMP. */
  payload: Uint8Array;
}

/** What an ICMP error quotes of the packet that it is about. */
export interface Quoted {
  type: number;
  code: number;
  /** The second word: MTU, pointer, or gateway. */
  info: number;
  destination: Uint8Array;
  protocol: number;
  /** From the transport header on, as much as there is. */
  transport: Uint8Array;
}

export interface Listener {
  onPacket(datagram: Datagram): void;
  onError?(quoted: Quoted, datagram: Datagram): void;
}

/** How a packet left: the engine's clock, and 0 or a negative errno. */
export interface Sent {
  timeUs: number;
  errno: number;
}

const NAMES: Record<number, string> = {
  1: 'EPERM',
  13: 'EACCES',
  19: 'ENODEV',
  22: 'EINVAL',
  90: 'EMSGSIZE',
  97: 'EAFNOSUPPORT',
  99: 'EADDRNOTAVAIL',
  100: 'ENETDOWN',
  101: 'ENETUNREACH',
  105: 'ENOBUFS',
  113: 'EHOSTUNREACH',
};

/** The kernel's name of a negative errno of the engine. */
export function errnoName(errno: number): string {
  return NAMES[-errno] ?? 'EIO';
}

function addressesOf(packet: Uint8Array): Pick<Datagram, 'source' | 'destination' | 'ttl' | 'tos'> | undefined {
  if (ipv4.check(packet, 0, packet.length)) {
    return {
      source: packet.slice(Ipv4.SOURCE, Ipv4.DESTINATION),
      destination: packet.slice(Ipv4.DESTINATION, Ipv4.BYTES),
      ttl: packet[Ipv4.TTL],
      tos: packet[Ipv4.TOS],
    };
  }
  if (!ipv6.check(packet, 0, packet.length)) return undefined;
  return {
    source: packet.slice(Ipv6.SOURCE, Ipv6.DESTINATION),
    destination: packet.slice(Ipv6.DESTINATION, Ipv6.BYTES),
    ttl: packet[Ipv6.HOP_LIMIT],
    tos: ((packet[0] & 15) << 4) | (packet[1] >>> 4),
  };
}

/** Protocol and place of the transport header. */
function transportOf(packet: Uint8Array): { protocol: number; at: number } {
  if (packet[0] >>> 4 === 4) return { protocol: ipv4.protocol(packet, 0), at: ipv4.headerLength(packet, 0) };
  const found = ipv6.transport(packet, 0, packet.length);
  if (found < 0) return { protocol: NO_NEXT_HEADER, at: packet.length };
  const at = found >> 8;
  // Of a packet that an error quotes: its first fragment.
  if ((found & 255) === ipv6.Extension.FRAGMENT) return { protocol: packet[at], at: at + FRAGMENT_BYTES };
  return { protocol: found & 255, at };
}

/** The parts of a packet; undefined where it is too short for a transport header. */
export function datagramOf({ bytes, link, timeUs }: EndpointPacket): Datagram | undefined {
  const addresses = addressesOf(bytes);
  if (addresses === undefined) return undefined;
  const { protocol, at } = transportOf(bytes);
  if (at + Icmp.BYTES > bytes.length) return undefined;
  const end = protocol === Protocol.UDP ? at + ((bytes[at + Udp.LENGTH] << 8) | bytes[at + Udp.LENGTH + 1]) : Infinity;
  return { ...addresses, link, timeUs, packet: bytes, transport: at, payload: bytes.subarray(at + Udp.BYTES, end) };
}

/** What an ICMP error is about; undefined where it quotes too little. */
export function quotedBy({ packet, transport: at }: Datagram): Quoted | undefined {
  const inner = packet.subarray(at + Icmp.BYTES);
  const addresses = addressesOf(inner);
  if (addresses === undefined) return undefined;
  const { protocol, at: start } = transportOf(inner);
  const info = new DataView(packet.buffer, packet.byteOffset + at + 4, 4).getUint32(0);
  const { destination } = addresses;
  return { type: packet[at], code: packet[at + 1], info, destination, protocol, transport: inner.subarray(start) };
}

/** The datagrams of a UDP superframe, or the one there is. */
function* datagramsIn(datagram: Datagram, segmentBytes: number): Generator<Datagram> {
  if (segmentBytes === 0) return yield datagram;
  const start = datagram.transport + Udp.BYTES;
  for (let at = start; at < datagram.packet.length; at += segmentBytes)
    yield { ...datagram, payload: datagram.packet.subarray(at, at + segmentBytes) };
}

export class Socket {
  private doneCount = 0;
  private doneBytes = 0;
  private acknowledging: NodeJS.Timeout | undefined;
  private isClosed = false;

  /** Made by Sockets.open. */
  constructor(
    readonly id: number,
    readonly binding: Binding,
    private readonly listener: Listener,
    private readonly engine: EngineThread,
    private readonly onClose: () => void,
  ) {}

  /** Sends a whole IP packet, bound to the socket's link if it has one. */
  send(packet: Uint8Array): Promise<Sent> {
    return this.engine.call('sendPacket', this.binding.namespace, packet, this.binding.link ?? ANY_LINK);
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    clearTimeout(this.acknowledging);
    this.onClose();
    this.engine.post([['closeEndpoint', this.id]]);
    await this.engine.settled();
  }

  receive(packet: EndpointPacket): void {
    this.doneCount++;
    this.doneBytes += packet.bytes.length;
    this.acknowledging ??= setTimeout(() => this.acknowledge(), ACK_MS);
    const datagram = datagramOf(packet);
    if (datagram === undefined) return;
    if (packet.told === Told.PACKET) {
      for (const one of datagramsIn(datagram, packet.segmentBytes)) this.listener.onPacket(one);
      return;
    }
    const quoted = quotedBy(datagram);
    if (quoted !== undefined) this.listener.onError?.(quoted, datagram);
  }

  private acknowledge(): void {
    this.acknowledging = undefined;
    // A call that fails means that the engine has ended.
    void this.engine.call('ackEndpoint', this.id, this.doneCount, this.doneBytes).catch(() => {});
    this.doneCount = 0;
    this.doneBytes = 0;
  }
}

/** Echo identifiers and ports that are given out when nobody asks for a certain one. */
const FIRST_EPHEMERAL = 32768;
const LAST_EPHEMERAL = 60999;

export class Sockets {
  private readonly sockets = new Map<number, Socket>();
  private nextId = 1;
  private nextPort = FIRST_EPHEMERAL;

  constructor(private readonly engine: EngineThread) {
    engine.onPackets = (packets) => {
      for (const packet of packets) this.sockets.get(packet.id)?.receive(packet);
    };
  }

  async open(binding: Binding, listener: Listener): Promise<Socket> {
    const id = this.nextId++;
    const socket = new Socket(id, binding, listener, this.engine, () => this.sockets.delete(id));
    this.sockets.set(id, socket);
    const { namespace, family, protocol, port, link = ANY_LINK } = binding;
    if (await this.engine.call('openEndpoint', id, namespace, family, protocol, port, link)) return socket;
    this.sockets.delete(id);
    throw new SluiceError('EADDRINUSE', `cannot listen on port ${port}: it is taken; end what listens there`);
  }

  /** As open, without waiting: for a port that nobody else opens. */
  listen(binding: Binding, listener: Listener): Socket {
    const id = this.nextId++;
    const socket = new Socket(id, binding, listener, this.engine, () => this.sockets.delete(id));
    this.sockets.set(id, socket);
    const { namespace, family, protocol, port, link = ANY_LINK } = binding;
    this.engine.post([['openEndpoint', id, namespace, family, protocol, port, link]]);
    return socket;
  }

  /** A free port or echo identifier is chosen. */
  async openEphemeral(binding: Omit<Binding, 'port'>, listener: Listener): Promise<Socket> {
    for (let tries = FIRST_EPHEMERAL; tries <= LAST_EPHEMERAL; tries++) {
      const port = this.nextPort;
      this.nextPort = port === LAST_EPHEMERAL ? FIRST_EPHEMERAL : port + 1;
      try {
        return await this.open({ ...binding, port }, listener);
      } catch (error) {
        if ((error as SluiceError).errno !== 'EADDRINUSE') throw error;
      }
    }
    throw new SluiceError('EADDRINUSE', 'cannot open a socket: all ports are taken; end some programs');
  }

  /** Sends a whole IP packet as its namespace routes it, or bound to a link. `isWhole`: of IPv6, not in fragments. */
  send(namespace: number, packet: Uint8Array, link = ANY_LINK, isWhole = false): Promise<Sent> {
    return this.engine.call('sendPacket', namespace, packet, link, isWhole);
  }

  /** Sends a whole Ethernet frame. Answers 0 or a negative errno. */
  sendFrame(link: number, frame: Uint8Array): Promise<number> {
    return this.engine.call('sendFrame', link, frame);
  }

  /** Resolves when sockets have heard of all that the engine had received when this was called. */
  settled(): Promise<unknown> {
    return this.engine.transact([]);
  }

  /** The longest packet that gets to a destination whole, as far as is known; 0: there is no route. */
  mtuTo(namespace: number, destination: Uint8Array, link = ANY_LINK): Promise<number> {
    return this.engine.call('mtuTo', namespace, destination, link);
  }

  /** The source that a packet to a destination gets; or a negative errno: EACCES for broadcast unless wanted. */
  sourceAddress(
    namespace: number,
    destination: Uint8Array,
    link = ANY_LINK,
    mayBroadcast = true,
  ): Promise<Uint8Array | number> {
    return this.engine.call('sourceAddress', namespace, destination, link, mayBroadcast);
  }
}
