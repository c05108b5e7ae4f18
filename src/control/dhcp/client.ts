/*
 * A DHCP client for one link (RFC 2131 §4.4), without sockets and clocks: it is told of messages and of time, and says
 * what is to be done.
 *
 *            ┌────────── NAK, lease over ◄───────────────┬──────────────┐
 *            ▼                                           │              │
 *   INIT ─► SELECTING ─ offer ─► REQUESTING ─ ACK ─► BOUND ─ T1 ─► RENEWING ─ T2 ─► REBINDING
 *            ▲                      │ no answer         ▲ └─ ACK ◄──────┴─── ACK ◄────┘
 *            └──────────────────────┘                   │
 *                              link up again ─► REBOOTING (asks whether the lease still holds; without an answer it does)
 *
 * It asks for answers by broadcast: a link without an address hears no unicast IP packet. Waiting times are those of
 * RFC 2131 §4.1: 4, 8, 16, 32, 64 s, each ± 1 s.
 */
import {
  type ClasslessRoute,
  classlessRoutes,
  DHCP_BROADCAST,
  type DhcpMessage,
  DhcpOp,
  DhcpOption,
  DhcpType,
  message,
  option,
  option16,
  option32,
  optionAddresses,
  typeOf,
  value8,
  value16,
  value32,
  valueText,
} from '../../wire/dhcp.js';

export type ClientState = 'off' | 'selecting' | 'requesting' | 'bound' | 'renewing' | 'rebinding' | 'rebooting';

/** What a server has given. Addresses are unsigned numbers, times those of the clock handed in. */
export interface ClientLease {
  address: number;
  length: number;
  broadcast?: number;
  server: number;
  /** Option 121 in place of option 3, where it was sent. */
  routers: number[];
  routes: ClasslessRoute[];
  dns: number[];
  domain: string;
  mtu?: number;
  leaseS: number;
  startMs: number;
  renewMs: number;
  rebindMs: number;
  /** Infinity: it is for ever. */
  endMs: number;
}

/** What is to be done. */
export interface ClientActions {
  /** To 255.255.255.255 from 0.0.0.0, or (RENEWING) to the server from the lease's address. */
  send(message: DhcpMessage, to: number, from: number): void;
  /** The link has this lease now; `before` is what it replaces. */
  bind(lease: ClientLease, before: ClientLease | undefined): void;
  /** The link has it no more. */
  unbind(lease: ClientLease): void;
}

export interface ClientSettings {
  mac: Uint8Array;
  hostname?: string;
  /** Random number from 0 to below 1. */
  random(): number;
}

const BROADCAST = 0xffffffff;
const FIRST_WAIT_MS = 4000;
const LAST_WAIT_MS = 64_000;
/** Requests for an offer before another one is looked for. */
const REQUEST_TRIES = 4;
/** Without an answer the lease that the link had still holds. */
const REBOOT_TRIES = 2;
/** Between two requests while renewing and rebinding, at least (§4.4.5). */
const MIN_RENEW_MS = 60_000;
const FOREVER_S = 0xffffffff;
/** The longest IP packet that we take. */
const MAX_SIZE = 1500;
const PARAMETERS = [
  DhcpOption.CLASSLESS_ROUTES,
  DhcpOption.SUBNET_MASK,
  DhcpOption.ROUTER,
  DhcpOption.DNS,
  DhcpOption.DOMAIN_NAME,
  DhcpOption.MTU,
  DhcpOption.BROADCAST,
  DhcpOption.RENEWAL_TIME,
  DhcpOption.REBINDING_TIME,
];

/** Prefix length of a mask; 0 bits may only follow 1 bits. */
function lengthOf(mask: number): number | undefined {
  const zeros = ~mask >>> 0;
  return (zeros & (zeros + 1)) === 0 ? Math.clz32(zeros) : undefined;
}

/** The length that an address had before masks were sent. */
function classLength(address: number): number {
  if (address >>> 31 === 0) return 8;
  return address >>> 30 === 2 ? 16 : 24;
}

function leaseOf(reply: DhcpMessage, nowMs: number): ClientLease | undefined {
  const address = reply.yiaddr >>> 0;
  const server = option32(reply, DhcpOption.SERVER);
  const leaseS = option32(reply, DhcpOption.LEASE_TIME);
  if (address === 0 || server === undefined || leaseS === undefined) return undefined;
  const mask = option32(reply, DhcpOption.SUBNET_MASK);
  const length = mask === undefined ? classLength(address) : lengthOf(mask);
  if (length === undefined) return undefined;
  const value = option(reply, DhcpOption.CLASSLESS_ROUTES);
  const routes = value === undefined ? undefined : classlessRoutes(value);
  const broadcast = option32(reply, DhcpOption.BROADCAST);
  const mtu = option16(reply, DhcpOption.MTU);
  return {
    address,
    length,
    ...(broadcast === undefined ? {} : { broadcast: broadcast >>> 0 }),
    server: server >>> 0,
    routers: routes === undefined ? optionAddresses(reply, DhcpOption.ROUTER).map((router) => router >>> 0) : [],
    routes: routes ?? [],
    dns: optionAddresses(reply, DhcpOption.DNS).map((server) => server >>> 0),
    domain: Buffer.from(option(reply, DhcpOption.DOMAIN_NAME) ?? [])
      .toString('latin1')
      .replace(/[^\w.-]/g, ''),
    // RFC 2132 §5.1: 68 at least.
    ...(mtu === undefined || mtu < 68 ? {} : { mtu }),
    ...times(reply, leaseS >>> 0, nowMs),
  };
}

function times(
  reply: DhcpMessage,
  leaseS: number,
  startMs: number,
): Pick<ClientLease, 'leaseS' | 'startMs' | 'renewMs' | 'rebindMs' | 'endMs'> {
  if (leaseS === FOREVER_S) {
    const never = Number.POSITIVE_INFINITY;
    return { leaseS, startMs, renewMs: never, rebindMs: never, endMs: never };
  }
  const t2 = (option32(reply, DhcpOption.REBINDING_TIME) ?? 0) >>> 0;
  const rebindS = t2 > 0 && t2 < leaseS ? t2 : leaseS * 0.875;
  const t1 = (option32(reply, DhcpOption.RENEWAL_TIME) ?? 0) >>> 0;
  const renewS = t1 > 0 && t1 < rebindS ? t1 : Math.min(leaseS * 0.5, rebindS);
  const at = (s: number): number => startMs + s * 1000;
  return { leaseS, startMs, renewMs: at(renewS), rebindMs: at(rebindS), endMs: at(leaseS) };
}

export class DhcpClient {
  state: ClientState = 'off';
  lease: ClientLease | undefined;
  /** When `timer` is due. */
  dueMs = Number.POSITIVE_INFINITY;
  private offer: ClientLease | undefined;
  private xid = 0;
  private tries = 0;
  /** When this exchange began: what `secs` counts from, and a lease from its last request. */
  private startMs = 0;
  private sentMs = 0;

  constructor(
    private readonly settings: ClientSettings,
    private readonly actions: ClientActions,
  ) {}

  /** The link is up. */
  start(nowMs: number): void {
    if (this.lease !== undefined && this.lease.endMs <= nowMs) this.unbind();
    this.begin(this.lease === undefined ? 'selecting' : 'rebooting', nowMs);
  }

  /** The link is down: the lease is kept, as it may still hold when the link comes back. */
  suspend(): void {
    this.state = 'off';
    this.dueMs = Number.POSITIVE_INFINITY;
  }

  /** For good: gives the address back. */
  stop(): void {
    if (this.lease !== undefined && this.state !== 'off') {
      const release = this.message(DhcpType.RELEASE, 0);
      release.flags = 0;
      release.ciaddr = this.lease.address | 0;
      release.options.push(value32(DhcpOption.SERVER, this.lease.server));
      this.actions.send(release, this.lease.server, this.lease.address);
    }
    this.suspend();
    this.unbind();
  }

  private unbind(): void {
    const { lease } = this;
    this.lease = undefined;
    if (lease !== undefined) this.actions.unbind(lease);
  }

  /** Time has come: sends again, or goes on to the next state. */
  timer(nowMs: number): void {
    if (nowMs < this.dueMs) return;
    switch (this.state) {
      case 'selecting':
        return this.retry(nowMs);
      case 'requesting':
        return this.tries >= REQUEST_TRIES ? this.begin('selecting', nowMs) : this.retry(nowMs);
      case 'rebooting':
        return this.tries >= REBOOT_TRIES ? this.keep(nowMs) : this.retry(nowMs);
      case 'bound':
      case 'renewing':
      case 'rebinding':
        return this.renew(nowMs);
      case 'off':
        return;
    }
  }

  private begin(state: ClientState, nowMs: number): void {
    this.state = state;
    this.xid = Math.floor(this.settings.random() * 2 ** 32) | 0;
    this.startMs = nowMs;
    this.tries = 0;
    this.retry(nowMs);
  }

  /** Sends what the state sends, and waits twice as long as before. */
  private retry(nowMs: number): void {
    this.sentMs = nowMs;
    if (this.state === 'selecting') this.discover(nowMs);
    else this.request(nowMs);
    const wait = Math.min(FIRST_WAIT_MS * 2 ** this.tries, LAST_WAIT_MS);
    this.dueMs = nowMs + wait + (this.settings.random() * 2 - 1) * 1000;
    this.tries++;
  }

  /** No server has objected: the lease holds as long as it was given for. */
  private keep(nowMs: number): void {
    this.state = 'bound';
    this.dueMs = this.lease?.renewMs ?? nowMs;
    if (this.lease !== undefined) this.actions.bind(this.lease, undefined);
  }

  private renew(nowMs: number): void {
    const { lease } = this;
    if (lease === undefined || nowMs >= lease.endMs) {
      this.unbind();
      return this.begin('selecting', nowMs);
    }
    const isRebinding = nowMs >= lease.rebindMs;
    if (this.state === 'bound' || (this.state === 'renewing' && isRebinding)) {
      this.state = isRebinding ? 'rebinding' : 'renewing';
      this.xid = Math.floor(this.settings.random() * 2 ** 32) | 0;
      this.startMs = nowMs;
    }
    this.sentMs = nowMs;
    this.request(nowMs);
    const untilMs = isRebinding ? lease.endMs : lease.rebindMs;
    this.dueMs = Math.min(untilMs, nowMs + Math.max((untilMs - nowMs) / 2, MIN_RENEW_MS));
  }

  private message(type: DhcpType, secs: number): DhcpMessage {
    const { mac, hostname } = this.settings;
    const request = message(DhcpOp.REQUEST, this.xid, mac);
    request.secs = Math.min(Math.floor(secs), 0xffff);
    request.flags = DHCP_BROADCAST;
    request.options.push(
      value8(DhcpOption.TYPE, type),
      { code: DhcpOption.CLIENT_ID, value: Uint8Array.of(1, ...mac) },
      ...(hostname === undefined || type === DhcpType.RELEASE ? [] : [valueText(DhcpOption.HOST_NAME, hostname)]),
    );
    return request;
  }

  private discover(nowMs: number): void {
    const discover = this.message(DhcpType.DISCOVER, (nowMs - this.startMs) / 1000);
    this.ask(discover);
    this.actions.send(discover, BROADCAST, 0);
  }

  private ask(request: DhcpMessage): void {
    const parameters = { code: DhcpOption.PARAMETERS, value: Uint8Array.from(PARAMETERS) };
    request.options.push(value16(DhcpOption.MAX_SIZE, MAX_SIZE), parameters);
  }

  /** Which of the four kinds of request it is, its fields say (§4.3.6). */
  private request(nowMs: number): void {
    const request = this.message(DhcpType.REQUEST, (nowMs - this.startMs) / 1000);
    const wanted = this.state === 'requesting' ? this.offer : this.lease;
    if (wanted === undefined) return;
    if (this.state === 'requesting') request.options.push(value32(DhcpOption.SERVER, wanted.server));
    const isInUse = this.state === 'renewing' || this.state === 'rebinding';
    if (isInUse) request.ciaddr = wanted.address | 0;
    else request.options.push(value32(DhcpOption.REQUESTED_ADDRESS, wanted.address));
    this.ask(request);
    if (isInUse) request.flags = 0;
    if (this.state === 'renewing') this.actions.send(request, wanted.server, wanted.address);
    else this.actions.send(request, BROADCAST, isInUse ? wanted.address : 0);
  }

  receive(reply: DhcpMessage, nowMs: number): void {
    if (reply.op !== DhcpOp.REPLY || reply.xid !== this.xid || this.state === 'off') return;
    if (!this.settings.mac.every((byte, i) => byte === reply.chaddr[i])) return;
    switch (typeOf(reply)) {
      case DhcpType.OFFER:
        return this.receiveOffer(reply, nowMs);
      case DhcpType.ACK:
        return this.receiveAck(reply, nowMs);
      case DhcpType.NAK:
        return this.receiveNak(reply, nowMs);
    }
  }

  /** The first offer is taken. */
  private receiveOffer(reply: DhcpMessage, nowMs: number): void {
    const offer = this.state === 'selecting' ? leaseOf(reply, nowMs) : undefined;
    if (offer === undefined) return;
    this.offer = offer;
    this.state = 'requesting';
    this.tries = 0;
    this.retry(nowMs);
  }

  private receiveAck(reply: DhcpMessage, nowMs: number): void {
    if (this.state === 'selecting' || this.state === 'bound') return;
    // A lease counts from when it was asked for (§4.4.1).
    const lease = leaseOf(reply, this.sentMs);
    if (lease === undefined || (this.state === 'requesting' && lease.server !== this.offer?.server)) return;
    const before = this.lease;
    this.lease = lease;
    this.offer = undefined;
    this.state = 'bound';
    this.dueMs = Math.max(lease.renewMs, nowMs);
    this.actions.bind(lease, before);
  }

  private receiveNak(reply: DhcpMessage, nowMs: number): void {
    if (this.state === 'selecting' || this.state === 'bound') return;
    const server = option32(reply, DhcpOption.SERVER);
    if (this.state === 'requesting' && server !== undefined && server >>> 0 !== this.offer?.server) return;
    this.offer = undefined;
    this.unbind();
    this.begin('selecting', nowMs);
  }

  /** Somebody else has the lease's address: gives it back as unusable and begins anew. */
  decline(nowMs: number): void {
    const { lease } = this;
    if (lease === undefined) return;
    const decline = this.message(DhcpType.DECLINE, 0);
    decline.options.push(
      value32(DhcpOption.REQUESTED_ADDRESS, lease.address),
      value32(DhcpOption.SERVER, lease.server),
    );
    this.actions.send(decline, BROADCAST, 0);
    this.unbind();
    // §3.1: waits, so that a loop with a broken server costs little.
    this.state = 'selecting';
    this.tries = 0;
    this.startMs = nowMs;
    this.dueMs = nowMs + 10_000;
  }
}
