/*
 * A DHCP client on a link: its socket, and what it sets: the address, routes and the MTU, as a dhclient would with `ip`.
 */
import { build, type DhcpMessage, DhcpPort, parse } from '../../wire/dhcp.js';
import { Protocol } from '../../wire/ipv4.js';
import type { DhcpClientInfo, DhcpClientOptions } from '../api/dhcp.js';
import type { Request } from '../api/request.js';
import type { RouteChange } from '../api/route.js';
import { BROADCAST_MAC, frameOf, udpPacket } from '../packets.js';
import { Alarm, isReady, type ServiceHost, type ServiceLink } from '../service-host.js';
import type { Datagram, Socket } from '../sockets.js';
import { type ClientLease, DhcpClient } from './client.js';
import { addressText, bytesOf } from './serving.js';

const BROADCAST = 0xffffffff;
const FOREVER_S = 0xffffffff;
/** RTPROT_DHCP. */
const PROTOCOL = 16;
const MAIN = 254;
const LINK_SCOPE = 253;
const GLOBAL_SCOPE = 0;
const MAX_MESSAGE = 548;

export class LeasedLink {
  private readonly client: DhcpClient;
  private readonly alarm: Alarm;
  private socket: Socket | undefined;
  private isRunning = false;
  /** MTU of the link before a lease changed it. */
  ownMtu: number | undefined;
  /** Changes of the link are made one after the other. */
  private last: Promise<void> = Promise.resolve();
  /** By a request: what is changed then is part of it, and does not wait for its end. */
  private isStopping = false;
  private ended: Promise<void> = Promise.resolve();

  constructor(
    readonly link: ServiceLink,
    readonly options: DhcpClientOptions,
    private readonly host: ServiceHost,
  ) {
    this.alarm = new Alarm(host.nowMs, () => this.turn(() => this.client.timer(host.nowMs())));
    const { hostname } = options;
    this.client = new DhcpClient(
      { mac: link.address, random: Math.random, ...(hostname === undefined ? {} : { hostname }) },
      {
        send: (message, to, from) => void this.send(message, to, from).catch(() => {}),
        bind: (lease, before) => this.change(() => this.bind(lease, before)),
        unbind: (lease) => {
          if (this.isStopping) this.ended = this.unbind(lease);
          else this.change(() => this.unbind(lease));
        },
      },
    );
  }

  async start(): Promise<void> {
    const { number, namespace } = this.link;
    this.socket = await this.host.sockets.open(
      { namespace: namespace.number, family: 4, protocol: Protocol.UDP, port: DhcpPort.CLIENT, link: number },
      { onPacket: (datagram) => this.receive(datagram) },
    );
    this.linkChanged();
  }

  /** Gives the address back; resolves when the link is as before. */
  async stop(): Promise<void> {
    this.isStopping = true;
    this.client.stop();
    this.alarm.set(Number.POSITIVE_INFINITY);
    await this.ended;
    await this.socket?.close();
  }

  /** The link is gone, and with it all that was set. */
  async abandon(): Promise<void> {
    this.client.suspend();
    this.alarm.set(Number.POSITIVE_INFINITY);
    await this.socket?.close();
  }

  /** Up, down, or with a carrier again. */
  linkChanged(): void {
    const isRunning = isReady(this.link);
    if (isRunning === this.isRunning) return;
    this.isRunning = isRunning;
    this.turn(() => (isRunning ? this.client.start(this.host.nowMs()) : this.client.suspend()));
  }

  private turn(action: () => void): void {
    action();
    this.alarm.set(this.client.dueMs);
  }

  private receive({ payload }: Datagram): void {
    const reply = parse(payload);
    if (reply !== undefined) this.turn(() => this.client.receive(reply, this.host.nowMs()));
  }

  private async send(message: DhcpMessage, to: number, from: number): Promise<void> {
    const addresses = { source: bytesOf(from), destination: bytesOf(to) };
    const ports = { sourcePort: DhcpPort.CLIENT, destinationPort: DhcpPort.SERVER };
    const packet = udpPacket(addresses, ports, build(message, MAX_MESSAGE), { tos: 0x10 });
    if (to !== BROADCAST) await this.socket?.send(packet);
    else await this.host.sockets.sendFrame(this.link.number, frameOf(BROADCAST_MAC, this.link.address, packet));
  }

  // --- what a lease sets --------------------------------------------------------------------------

  private change(action: () => Promise<void>): void {
    const due = (): Promise<void> => (this.isStopping ? Promise.resolve() : action());
    this.last = this.last.then(due).catch((error: Error) => this.host.log('warn', this.link, error.message));
  }

  private request(request: Request): Promise<unknown> {
    return this.host.execute(this.link.namespace.name, request, this.isStopping);
  }

  private async bind(lease: ClientLease, before: ClientLease | undefined): Promise<void> {
    if (before !== undefined && !isSameConfiguration(lease, before)) await this.clear(before);
    if (lease.mtu !== undefined && lease.mtu !== this.link.mtu) await this.setMtu(lease.mtu);
    const { leaseS, broadcast } = lease;
    const lifetime = leaseS === FOREVER_S ? {} : { valid_lft: leaseS, preferred_lft: leaseS };
    await this.request({
      op: 'addr.replace',
      dev: this.link.name,
      local: `${addressText(lease.address)}/${lease.length}`,
      ...(broadcast === undefined ? { broadcast: '+' } : { broadcast: addressText(broadcast) }),
      ...lifetime,
    });
    for (const route of this.routes(lease)) await this.request({ op: 'route.change', verb: 'replace', route });
    if (before === undefined || before.address !== lease.address)
      this.host.log('info', this.link, `DHCP: leased ${addressText(lease.address)} from ${addressText(lease.server)}`);
  }

  private async setMtu(mtu: number): Promise<void> {
    this.ownMtu ??= this.link.mtu;
    await this.request({ op: 'link.set', name: this.link.name, mtu });
  }

  private async unbind(lease: ClientLease): Promise<void> {
    this.host.log('info', this.link, `DHCP: the lease of ${addressText(lease.address)} has ended`);
    await this.clear(lease);
    const { ownMtu } = this;
    this.ownMtu = undefined;
    if (ownMtu !== undefined) await this.request({ op: 'link.set', name: this.link.name, mtu: ownMtu });
  }

  /** What somebody else has taken away meanwhile is no error. */
  private async clear(lease: ClientLease): Promise<void> {
    for (const route of this.routes(lease).reverse())
      await this.request({ op: 'route.change', verb: 'del', route }).catch(() => {});
    const local = `${addressText(lease.address)}/${lease.length}`;
    await this.request({ op: 'addr.del', dev: this.link.name, local }).catch(() => {});
  }

  /** Routes on the link first: gateways of the others lie behind them. */
  private routes(lease: ClientLease): RouteChange[] {
    const { metric = 0 } = this.options;
    const dev = this.link.name;
    const base = { family: 4 as const, table: MAIN, protocol: PROTOCOL, metric };
    const routes = lease.routes.map(({ destination, length, router }) => ({
      ...base,
      dst: `${addressText(destination >>> 0)}/${length}`,
      scope: router === 0 ? LINK_SCOPE : GLOBAL_SCOPE,
      nexthops: [router === 0 ? { dev } : { dev, gateway: addressText(router >>> 0) }],
    }));
    const [gateway] = lease.routers;
    if (gateway !== undefined)
      routes.push({ ...base, dst: '0.0.0.0/0', scope: GLOBAL_SCOPE, nexthops: this.by(lease, gateway) });
    return routes.sort((a, b) => b.scope - a.scope);
  }

  /** A router outside of the subnet is on the link all the same: some networks lease /32 addresses. */
  private by(
    { address, length }: ClientLease,
    gateway: number,
  ): Array<{ dev: string; gateway: string; onlink?: boolean }> {
    const isNear = length === 0 || (address ^ gateway) >>> (32 - length) === 0;
    return [{ dev: this.link.name, gateway: addressText(gateway), ...(isNear ? {} : { onlink: true }) }];
  }

  info(): DhcpClientInfo {
    const { state, lease } = this.client;
    const base = { dev: this.link.name, ...this.options, state };
    if (lease === undefined) return base;
    const expires = Math.max(0, Math.ceil((lease.endMs - this.host.nowMs()) / 1000));
    return {
      ...base,
      address: `${addressText(lease.address)}/${lease.length}`,
      server: addressText(lease.server),
      routers: lease.routers.map(addressText),
      dns: lease.dns.map(addressText),
      ...(lease.domain === '' ? {} : { domain: lease.domain }),
      ...(lease.mtu === undefined ? {} : { mtu: lease.mtu }),
      lease_s: lease.leaseS,
      ...(Number.isFinite(expires) ? { expires } : {}),
    };
  }
}

function isSameConfiguration(a: ClientLease, b: ClientLease): boolean {
  const parts = ({ address, length, routers, routes }: ClientLease): string =>
    JSON.stringify([address, length, routers, routes]);
  return parts(a) === parts(b);
}
