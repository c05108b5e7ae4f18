/*
 * A DHCP server on a link: its options checked, its socket, and its answers on their way.
 */
import { SluiceError } from '../../core/errors.js';
import { DhcpPort, DhcpType, parse } from '../../wire/dhcp.js';
import { read32 } from '../../wire/field.js';
import { formatIpv4, parseIpv4, parseMac, parsePrefix } from '../../wire/format.js';
import { Protocol } from '../../wire/ipv4.js';
import type { DhcpHost, DhcpLeaseInfo, DhcpServerInfo, DhcpServerOptions } from '../api/dhcp.js';
import { BROADCAST_MAC, frameOf, udpPacket } from '../packets.js';
import { isReady, type ServiceHost, type ServiceLink } from '../service-host.js';
import type { Datagram, Socket } from '../sockets.js';
import type { Lease, Pool, StaticLease } from './leases.js';
import { DhcpServer, type Reply, type ServerSettings } from './server.js';

const DEFAULT_LEASE_S = 3600;
const MIN_LEASE_S = 60;
const MAX_LEASE_S = 0xffffffff;
/** Addresses of a pool at most: each that was given once is remembered. */
const MAX_POOL = 65_536;
const BROADCAST = 0xffffffff;

function refuse(dev: string, cause: string, errno = 'EINVAL'): never {
  throw new SluiceError(errno, `cannot add a DHCP server on "${dev}": ${cause}; see "sluice dhcp --help"`);
}

function unsigned(dev: string, what: string, text: string): number {
  const address = parseIpv4(text);
  return address === undefined ? refuse(dev, `${what} "${text}" is no IPv4 address`) : address >>> 0;
}

export function addressText(address: number): string {
  return formatIpv4(address | 0);
}

export function bytesOf(address: number): Uint8Array {
  return Uint8Array.of(address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255);
}

interface Subnet {
  address: number;
  length: number;
}

function maskOf(length: number): number {
  return length === 0 ? 0 : (-1 << (32 - length)) >>> 0;
}

function contains({ address, length }: Subnet, other: number): boolean {
  return ((address ^ other) & maskOf(length)) >>> 0 === 0;
}

function subnets(link: ServiceLink, host: ServiceHost): Subnet[] {
  return host
    .addresses(link)
    .filter(({ address }) => address.length === 4)
    .map(({ address, length }) => ({ address: read32(address, 0) >>> 0, length }));
}

/** What was said, or what the link's first address says. */
function subnetOf(link: ServiceLink, text: string | undefined, host: ServiceHost): Subnet {
  if (text === undefined) {
    const own = subnets(link, host).find(({ length }) => length < 31);
    return (
      own ?? refuse(link.name, 'it has no IPv4 address with a subnet; add one, or name the subnet', 'EADDRNOTAVAIL')
    );
  }
  const prefix = parsePrefix(text);
  if (prefix === undefined || prefix.address.length !== 4 || prefix.length > 30 || !text.includes('/'))
    return refuse(link.name, `subnet "${text}" is no IPv4 prefix of at most 30 bits`);
  return { address: read32(prefix.address, 0) >>> 0, length: prefix.length };
}

/** What was said, or all addresses of the subnet but the first (the network's) and the last (broadcast). */
function poolOf(dev: string, subnet: Subnet, words: [string, string] | undefined): Pool {
  const network = (subnet.address & maskOf(subnet.length)) >>> 0;
  const broadcast = (network | ~maskOf(subnet.length)) >>> 0;
  const first = words === undefined ? network + 1 : unsigned(dev, 'pool', words[0]);
  const last = words === undefined ? Math.min(broadcast - 1, network + MAX_POOL) : unsigned(dev, 'pool', words[1]);
  if (first > last || first <= network || last >= broadcast)
    refuse(dev, `its pool is not a range inside of ${addressText(network)}/${subnet.length}`);
  if (last - first >= MAX_POOL) refuse(dev, `its pool has more than ${MAX_POOL} addresses`);
  return { first, last };
}

function staticOf(dev: string, subnet: Subnet, { mac, id, address, name }: DhcpHost): StaticLease {
  const fixed = unsigned(dev, 'host', address);
  if (!contains(subnet, fixed)) refuse(dev, `host ${address} is not in its subnet`);
  if ((mac === undefined) === (id === undefined)) refuse(dev, `host ${address} needs a MAC address or a client id`);
  const bytes = mac === undefined ? undefined : parseMac(mac);
  if (mac !== undefined && bytes === undefined) refuse(dev, `"${mac}" is no MAC address`);
  if (id !== undefined && !/^([0-9a-f]{2}:?)+$/i.test(id)) refuse(dev, `client id "${id}" is not hexadecimal`);
  return {
    address: fixed,
    ...(bytes === undefined ? {} : { mac: [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':') }),
    ...(id === undefined ? {} : { client: `id:${id.replaceAll(':', '').toLowerCase()}` }),
    ...(name === undefined ? {} : { hostname: name }),
  };
}

function leaseTime(dev: string, seconds: number): number {
  if (Number.isInteger(seconds) && seconds >= MIN_LEASE_S && seconds <= MAX_LEASE_S) return seconds;
  return refuse(dev, `a lease of ${seconds} s is not possible; use ${MIN_LEASE_S} to ${MAX_LEASE_S} (for ever)`);
}

function checkOptions(dev: string, { mtu, domain }: DhcpServerOptions): void {
  if (mtu !== undefined && !(mtu >= 68 && mtu <= 65535)) refuse(dev, `mtu ${mtu} is not from 68 to 65535`);
  if (domain !== undefined && !/^[\w-]+(\.[\w-]+)*$/.test(domain)) refuse(dev, `"${domain}" is no domain`);
}

export function settingsOf(link: ServiceLink, options: DhcpServerOptions, host: ServiceHost): ServerSettings {
  const { name: dev } = link;
  checkOptions(dev, options);
  const subnet = subnetOf(link, options.subnet, host);
  const own = subnets(link, host).find((each) => contains(subnet, each.address))?.address;
  const routers = options.router?.map((text) => unsigned(dev, 'router', text)) ?? (own === undefined ? [] : [own]);
  return {
    subnet: (subnet.address & maskOf(subnet.length)) >>> 0,
    length: subnet.length,
    pool: poolOf(dev, subnet, options.pool),
    routers,
    dns: (options.dns ?? []).map((text) => unsigned(dev, 'dns', text)),
    ...(options.domain === undefined ? {} : { domain: options.domain }),
    ...(options.mtu === undefined ? {} : { mtu: options.mtu }),
    leaseS: leaseTime(dev, options.lease_s ?? DEFAULT_LEASE_S),
    statics: (options.hosts ?? []).map((each) => staticOf(dev, subnet, each)),
  };
}

export class ServedLink {
  private readonly server: DhcpServer;
  private readonly settings: ServerSettings;
  private socket: Socket | undefined;

  constructor(
    readonly link: ServiceLink,
    readonly options: DhcpServerOptions,
    private readonly host: ServiceHost,
  ) {
    this.settings = settingsOf(link, options, host);
    this.server = new DhcpServer(this.settings);
  }

  async start(): Promise<void> {
    const { number, namespace } = this.link;
    this.socket = await this.host.sockets.open(
      { namespace: namespace.number, family: 4, protocol: Protocol.UDP, port: DhcpPort.SERVER, link: number },
      { onPacket: (datagram) => this.receive(datagram) },
    );
  }

  async stop(): Promise<void> {
    await this.socket?.close();
  }

  /** The link's address that the server is known by: of its subnet, or for a relay's subnet the first. */
  private own(): number | undefined {
    const { subnet, length } = this.settings;
    const all = subnets(this.link, this.host);
    return (all.find(({ address }) => contains({ address: subnet, length }, address)) ?? all[0])?.address;
  }

  private receive({ payload, destination }: Datagram): void {
    const request = parse(payload);
    const own = this.own();
    if (request === undefined || own === undefined) return;
    // Who asks without a relay is on this link, and may only get an address of this link.
    const isHere = contains({ address: this.settings.subnet, length: this.settings.length }, own);
    if (request.giaddr === 0 && request.ciaddr === 0 && !isHere) return;
    const isOwn = read32(destination, 0) === -1 || read32(destination, 0) >>> 0 === own;
    if (!isOwn && request.giaddr === 0) return;
    const reply = this.server.receive(request, own, this.host.nowMs());
    if (reply === undefined) return;
    if (reply.type === DhcpType.NAK) this.host.log('info', this.link, 'DHCP: refused an address that is not available');
    void this.send(reply, own).catch(() => {});
  }

  private async send({ payload, destination, port, mac }: Reply, own: number): Promise<void> {
    const { sockets } = this.host;
    const addresses = { source: bytesOf(own), destination: bytesOf(destination) };
    const packet = udpPacket(addresses, { sourcePort: DhcpPort.SERVER, destinationPort: port }, payload, { tos: 0x10 });
    const to = destination === BROADCAST ? BROADCAST_MAC : mac;
    if (to === undefined) await sockets.send(this.link.namespace.number, packet);
    else await sockets.sendFrame(this.link.number, frameOf(to, this.link.address, packet));
  }

  info(): DhcpServerInfo {
    const { pool, subnet, length, routers, leaseS } = this.settings;
    const problem = this.problem();
    return {
      dev: this.link.name,
      ...this.options,
      subnet: `${addressText(subnet)}/${length}`,
      pool: [addressText(pool.first), addressText(pool.last)],
      router: routers.map(addressText),
      lease_s: leaseS,
      ...(problem === undefined ? {} : { problem }),
      leases: this.server.list(this.host.nowMs()).filter(({ state }) => state === 'bound').length,
    };
  }

  private problem(): string | undefined {
    if (this.own() === undefined) return 'the link has no IPv4 address';
    return isReady(this.link) ? undefined : 'the link is down or has no carrier';
  }

  leases(): DhcpLeaseInfo[] {
    const now = this.host.nowMs();
    return this.server.list(now).map((lease) => this.leaseInfo(lease, now));
  }

  private leaseInfo({ address, mac, client, hostname, state, endMs }: Lease, now: number): DhcpLeaseInfo {
    const id = client.startsWith('id:') ? client.slice(3) : '';
    const expires = Math.ceil((endMs - now) / 1000);
    return { dev: this.link.name, address: addressText(address), mac, id, name: hostname, state, expires };
  }

  /** Ends a lease before its time; the client will not know before it renews. */
  forget(address: string): void {
    if (this.server.leases.remove(unsigned(this.link.name, 'lease', address))) return;
    throw new SluiceError(
      'ENOENT',
      `cannot delete lease ${address} on "${this.link.name}": there is none; see "sluice dhcp leases"`,
    );
  }
}
