/*
 * A DHCP server for one subnet (RFC 2131 §4.3), without sockets and clocks: a message in, at most one message out.
 *
 * It is the only server of its subnet, and says so: whoever asks for an address that it cannot have is told so at once
 * (NAK), and a client that it does not know is given the address it uses, if that is free. So clients outlive a restart of
 * the server, whose leases are in memory.
 */
import {
  build,
  DHCP_BROADCAST,
  type DhcpMessage,
  DhcpOp,
  DhcpOption,
  DhcpPort,
  DhcpType,
  message,
  type OptionValue,
  option,
  option16,
  option32,
  typeOf,
  value8,
  value16,
  value32,
  valueText,
} from '../../wire/dhcp.js';
import { formatMacAt } from '../../wire/format.js';
import { type Client, type Lease, Leases, type Pool, type StaticLease } from './leases.js';

/** Addresses are unsigned numbers. */
export interface ServerSettings {
  /** Of the subnet: its address and length. */
  subnet: number;
  length: number;
  pool: Pool;
  routers: number[];
  dns: number[];
  domain?: string;
  mtu?: number;
  leaseS: number;
  statics: StaticLease[];
}

/** A message to send, and where to. */
export interface Reply {
  payload: Uint8Array;
  /** What is in it, for the log. */
  type: DhcpType;
  /** 255.255.255.255, or an address. */
  destination: number;
  port: number;
  /** Straight to this hardware address: the client does not answer ARP yet. */
  mac?: Uint8Array;
}

const BROADCAST = 0xffffffff;
/** What a client takes at least (RFC 2131 §2): 576 bytes of IP packet. */
const MIN_PACKET = 576;
const MAX_PACKET = 1500;
const HEADERS = 28;

/** The key of a client: its identifier, or its hardware address (RFC 2131 §4.2). */
export function clientKey(bytes: Uint8Array | undefined, request: DhcpMessage): string {
  if (bytes !== undefined && bytes.length > 0) return `id:${Buffer.from(bytes).toString('hex')}`;
  return `hw:${request.htype}:${Buffer.from(request.chaddr.subarray(0, request.hlen)).toString('hex')}`;
}

function clientOf(request: DhcpMessage): Client {
  const name = option(request, DhcpOption.HOST_NAME);
  return {
    client: clientKey(option(request, DhcpOption.CLIENT_ID), request),
    mac: formatMacAt(request.chaddr, 0),
    // Names come from anybody: what is no name is not shown.
    hostname:
      name === undefined
        ? ''
        : Buffer.from(name)
            .toString('latin1')
            .replace(/[^\w.-]/g, '')
            .slice(0, 255),
  };
}

export class DhcpServer {
  readonly leases: Leases;

  constructor(private readonly settings: ServerSettings) {
    this.leases = new Leases(settings.pool, settings.statics, settings.routers);
  }

  /** `own`: the server's address, which identifies it. undefined: nothing to say. */
  receive(request: DhcpMessage, own: number, nowMs: number): Reply | undefined {
    if (request.op !== DhcpOp.REQUEST || request.htype !== 1 || request.hlen !== 6) return undefined;
    if (request.giaddr !== 0 && !this.contains(request.giaddr >>> 0)) return undefined;
    const client = clientOf(request);
    this.leases.reserve(own);
    switch (typeOf(request)) {
      case DhcpType.DISCOVER:
        return this.discover(request, client, own, nowMs);
      case DhcpType.REQUEST:
        return this.request(request, client, own, nowMs);
      case DhcpType.DECLINE:
        if (this.isMeant(request, own)) this.leases.decline(client, this.wished(request) ?? 0, nowMs);
        return undefined;
      case DhcpType.RELEASE:
        if (this.isMeant(request, own)) this.leases.free(client, request.ciaddr >>> 0, nowMs);
        return undefined;
      case DhcpType.INFORM:
        return this.inform(request, own);
      default:
        return undefined;
    }
  }

  private contains(address: number): boolean {
    const { subnet, length } = this.settings;
    return length === 0 || (address ^ subnet) >>> (32 - length) === 0;
  }

  private wished(request: DhcpMessage): number | undefined {
    const wished = option32(request, DhcpOption.REQUESTED_ADDRESS);
    return wished === undefined ? undefined : wished >>> 0;
  }

  private isMeant(request: DhcpMessage, own: number): boolean {
    return (option32(request, DhcpOption.SERVER) ?? own) >>> 0 === own;
  }

  private discover(request: DhcpMessage, client: Client, own: number, nowMs: number): Reply | undefined {
    const wished = this.wished(request);
    const lease = this.leases.offer(client, wished, nowMs);
    if (lease === undefined) return undefined;
    return this.give(request, DhcpType.OFFER, lease.address, own);
  }

  /** SELECTING, INIT-REBOOT, RENEWING and REBINDING are told apart by what the message has (RFC 2131 §4.3.2). */
  private request(request: DhcpMessage, client: Client, own: number, nowMs: number): Reply | undefined {
    const server = option32(request, DhcpOption.SERVER);
    const address = request.ciaddr === 0 ? this.wished(request) : request.ciaddr >>> 0;
    if (address === undefined) return undefined;
    if (server !== undefined && server >>> 0 !== own) {
      // Another server's offer was taken: ours is void.
      const lease = this.leases.of(client);
      if (lease?.state === 'offered') this.leases.free(client, lease.address, nowMs);
      return undefined;
    }
    if (!this.contains(address) || !this.leases.isFor(client, address, nowMs)) return this.refuse(request, own);
    const lease = this.leases.bind(client, address, nowMs + this.leaseS(request) * 1000);
    return this.give(request, DhcpType.ACK, lease.address, own);
  }

  /** A client with an address of its own asks for the rest. */
  private inform(request: DhcpMessage, own: number): Reply | undefined {
    if (request.ciaddr === 0) return undefined;
    const reply = this.reply(request, DhcpType.ACK, own);
    reply.options.push(...this.wanted(request));
    return { ...this.packed(request, reply), destination: request.ciaddr >>> 0, port: DhcpPort.CLIENT };
  }

  private reply(request: DhcpMessage, type: DhcpType, own: number): DhcpMessage {
    const { xid, chaddr, flags, giaddr } = request;
    const options = [value8(DhcpOption.TYPE, type), value32(DhcpOption.SERVER, own)];
    return { ...message(DhcpOp.REPLY, xid, chaddr), flags, giaddr, options };
  }

  private give(request: DhcpMessage, type: DhcpType, address: number, own: number): Reply {
    const reply = this.reply(request, type, own);
    const leaseS = this.leaseS(request);
    reply.yiaddr = address | 0;
    if (type === DhcpType.ACK) reply.ciaddr = request.ciaddr;
    reply.options.push(
      value32(DhcpOption.LEASE_TIME, leaseS),
      value32(DhcpOption.RENEWAL_TIME, Math.floor(leaseS / 2)),
      value32(DhcpOption.REBINDING_TIME, Math.floor((leaseS * 7) / 8)),
      ...this.wanted(request),
    );
    return { ...this.packed(request, reply), ...this.way(request, reply, address) };
  }

  private refuse(request: DhcpMessage, own: number): Reply {
    const reply = this.reply(request, DhcpType.NAK, own);
    reply.options.push(valueText(DhcpOption.MESSAGE, 'address not available'));
    this.echo(request, reply);
    // The relay must broadcast it too (RFC 2131 §4.3.2).
    if (request.giaddr !== 0) reply.flags |= DHCP_BROADCAST;
    const payload = build(reply, this.room(request));
    if (request.giaddr !== 0)
      return { payload, type: DhcpType.NAK, destination: request.giaddr >>> 0, port: DhcpPort.SERVER };
    return { payload, type: DhcpType.NAK, destination: BROADCAST, port: DhcpPort.CLIENT };
  }

  /** RFC 2131 §4.1. */
  private way(request: DhcpMessage, reply: DhcpMessage, address: number): Omit<Reply, 'payload' | 'type'> {
    if (request.giaddr !== 0) return { destination: request.giaddr >>> 0, port: DhcpPort.SERVER };
    if (request.ciaddr !== 0) return { destination: request.ciaddr >>> 0, port: DhcpPort.CLIENT };
    if ((reply.flags & DHCP_BROADCAST) !== 0) return { destination: BROADCAST, port: DhcpPort.CLIENT };
    return { destination: address, port: DhcpPort.CLIENT, mac: request.chaddr.slice(0, 6) };
  }

  private packed(request: DhcpMessage, reply: DhcpMessage): Pick<Reply, 'payload' | 'type'> {
    this.echo(request, reply);
    return { payload: build(reply, this.room(request)), type: typeOf(reply) };
  }

  /** What a server sends back as it came: the client's identifier (RFC 6842), and last of all the relay's (RFC 3046). */
  private echo(request: DhcpMessage, reply: DhcpMessage): void {
    for (const code of [DhcpOption.CLIENT_ID, DhcpOption.RELAY_AGENT]) {
      const value = option(request, code);
      if (value !== undefined && (code === DhcpOption.CLIENT_ID || request.giaddr !== 0))
        reply.options.push({ code, value });
    }
  }

  private room(request: DhcpMessage): number {
    const limit = option16(request, DhcpOption.MAX_SIZE) ?? MIN_PACKET;
    return Math.min(Math.max(limit, MIN_PACKET), MAX_PACKET) - HEADERS;
  }

  private leaseS(request: DhcpMessage): number {
    const asked = option32(request, DhcpOption.LEASE_TIME);
    return asked === undefined ? this.settings.leaseS : Math.min(asked >>> 0, this.settings.leaseS);
  }

  /** What the subnet's hosts should know, of it what the client asks for, in its order (RFC 2131 §3.5). */
  private wanted(request: DhcpMessage): OptionValue[] {
    const known = this.known();
    const asked = option(request, DhcpOption.PARAMETERS);
    if (asked === undefined) return known;
    const mask = known.filter(({ code }) => code === DhcpOption.SUBNET_MASK && !asked.includes(code));
    return [...mask, ...[...new Set(asked)].flatMap((code) => known.filter((option) => option.code === code))];
  }

  private known(): OptionValue[] {
    const { subnet, length, routers, dns, domain, mtu } = this.settings;
    const mask = length === 0 ? 0 : -1 << (32 - length);
    return [
      value32(DhcpOption.SUBNET_MASK, mask),
      ...(routers.length > 0 ? [value32(DhcpOption.ROUTER, ...routers)] : []),
      ...(dns.length > 0 ? [value32(DhcpOption.DNS, ...dns)] : []),
      ...(mtu === undefined ? [] : [value16(DhcpOption.MTU, mtu)]),
      ...(domain === undefined ? [] : [valueText(DhcpOption.DOMAIN_NAME, domain)]),
      ...(length < 31 ? [value32(DhcpOption.BROADCAST, (subnet | ~mask) >>> 0)] : []),
    ];
  }

  /** Leases as they are now. */
  list(nowMs: number): Lease[] {
    return this.leases.list(nowMs);
  }
}
