/*
 * The services that namespaces' own stacks offer: ping and traceroute, DHCP servers and clients, router advertisements. Those of
 * a link go with it, and when it moves to another namespace.
 */
import { SluiceError } from '../core/errors.js';
import type { AddressInfo } from './api/address.js';
import type { Done } from './api/answer.js';
import type { EndpointRequest } from './api/endpoint.js';
import type { PingRequest } from './api/ping.js';
import type { TracerouteRequest } from './api/traceroute.js';
import { LeasedLink } from './dhcp/leasing.js';
import { ServedLink } from './dhcp/serving.js';
import { ping } from './ping.js';
import type { ProbedNamespace } from './probing.js';
import { AdvertisedLink } from './radv.js';
import type { ServiceHost, ServiceLink } from './service-host.js';
import { traceroute } from './traceroute.js';

export type StreamRequest = PingRequest | TracerouteRequest;

/** A namespace as services need it. */
export interface ServiceNamespace extends ProbedNamespace {
  readonly name: string;
  readonly links: ReadonlyMap<string, ServiceLink>;
}

const OPS = /^(dhcp|ra)\./;

export function isServiceRequest(request: { op: string }): request is Exclude<EndpointRequest, StreamRequest> {
  return OPS.test(request.op);
}

/** Many answers, until it ends of itself or the client goes. */
export function isServiceStream(request: { op: string }): request is StreamRequest {
  return request.op === 'ping' || request.op === 'traceroute';
}

interface Named {
  readonly link: ServiceLink;
}

function refuse(errno: string, verb: string, what: string, dev: string, cause: string): never {
  throw new SluiceError(errno, `cannot ${verb} ${what} on "${dev}": ${cause}`);
}

/** One service of each kind per link. */
class Table<S extends Named> {
  private readonly all = new Map<number, S>();

  constructor(private readonly what: string) {}

  /** Starts a service; one that does not start is none. */
  async add<T>(link: ServiceLink, make: () => S, start: (service: S) => Promise<T>): Promise<T> {
    if (this.all.has(link.number)) refuse('EEXIST', 'add', this.what, link.name, 'there is one; delete it first');
    const service = make();
    this.all.set(link.number, service);
    try {
      return await start(service);
    } catch (error) {
      this.all.delete(link.number);
      throw error;
    }
  }

  take(link: ServiceLink): S | undefined {
    const service = this.all.get(link.number);
    this.all.delete(link.number);
    return service;
  }

  get(link: ServiceLink, verb: string): S {
    const service = this.all.get(link.number);
    if (service !== undefined) return service;
    return refuse('ENOENT', verb, this.what, link.name, 'there is none');
  }

  of(link: ServiceLink): S | undefined {
    return this.all.get(link.number);
  }

  in(namespace: ServiceNamespace): S[] {
    return [...this.all.values()].filter(({ link }) => link.namespace.number === namespace.number);
  }
}

export class Services {
  private readonly servers = new Table<ServedLink>('a DHCP server');
  private readonly clients = new Table<LeasedLink>('a DHCP client');
  private readonly advertisers = new Table<AdvertisedLink>('router advertisements');

  constructor(private readonly host: ServiceHost) {}

  private link(namespace: ServiceNamespace, dev: string): ServiceLink {
    const link = namespace.links.get(dev);
    if (link !== undefined) return link;
    throw new SluiceError('ENODEV', `cannot find device "${dev}": there is no such link; "sluice ip link" lists them`);
  }

  /** Those asked for by name, else all of a namespace. */
  private chosen<S extends Named>(table: Table<S>, namespace: ServiceNamespace, dev: string | undefined): S[] {
    return dev === undefined ? table.in(namespace) : [table.get(this.link(namespace, dev), 'show')];
  }

  async execute(request: Exclude<EndpointRequest, StreamRequest>, namespace: ServiceNamespace): Promise<unknown> {
    switch (request.op) {
      case 'dhcp.server.add':
        return this.serve(this.link(namespace, request.dev), request.options);
      case 'dhcp.server.del':
        await this.end(this.servers, namespace, request.dev);
        return {};
      case 'dhcp.server.list':
        return this.chosen(this.servers, namespace, request.dev).map((served) => served.info());
      case 'dhcp.leases':
        return this.chosen(this.servers, namespace, request.dev).flatMap((served) => served.leases());
      case 'dhcp.lease.del':
        this.servers.get(this.link(namespace, request.dev), 'delete a lease of').forget(request.address);
        return {};
      case 'dhcp.client.add':
        return this.lease(this.link(namespace, request.dev), request.options);
      case 'dhcp.client.del':
        await this.end(this.clients, namespace, request.dev);
        return {};
      case 'dhcp.client.list':
        return this.chosen(this.clients, namespace, request.dev).map((leased) => leased.info());
      case 'ra.add':
        return this.advertise(this.link(namespace, request.dev), request.options);
      case 'ra.del':
        await this.end(this.advertisers, namespace, request.dev);
        return {};
      case 'ra.list':
        return this.chosen(this.advertisers, namespace, request.dev).map((advertised) => advertised.info());
    }
  }

  private async serve(link: ServiceLink, options: ServedLink['options']): Promise<Done> {
    await this.servers.add(
      link,
      () => new ServedLink(link, options, this.host),
      (served) => served.start(),
    );
    return {};
  }

  private async lease(link: ServiceLink, options: LeasedLink['options']): Promise<Done> {
    await this.clients.add(
      link,
      () => new LeasedLink(link, options, this.host),
      (leased) => leased.start(),
    );
    return {};
  }

  private async advertise(link: ServiceLink, options: AdvertisedLink['options']): Promise<Done> {
    const warnings = await this.advertisers.add(
      link,
      () => new AdvertisedLink(link, options, this.host),
      (advertised) => advertised.start(),
    );
    return warnings.length === 0 ? {} : { warnings };
  }

  private async end<S extends Named & { stop(): Promise<void> }>(
    table: Table<S>,
    namespace: ServiceNamespace,
    dev: string,
  ): Promise<void> {
    const link = this.link(namespace, dev);
    const service = table.get(link, 'delete');
    table.take(link);
    await service.stop();
  }

  /** The requests that would make the services of a namespace anew: what a configuration has to keep. */
  requests(namespace: ServiceNamespace): EndpointRequest[] {
    const { servers, clients, advertisers } = this;
    return [
      ...servers
        .in(namespace)
        .map(({ link: { name: dev }, options }) => ({ op: 'dhcp.server.add' as const, dev, options })),
      ...clients
        .in(namespace)
        .map(({ link: { name: dev }, options }) => ({ op: 'dhcp.client.add' as const, dev, options })),
      ...advertisers.in(namespace).map(({ link: { name: dev }, options }) => ({ op: 'ra.add' as const, dev, options })),
    ];
  }

  /** Whether a DHCP client has set an address of a link: that is leased again, and not kept. */
  isLeased(link: ServiceLink, { local, prefixlen }: Pick<AddressInfo, 'local' | 'prefixlen'>): boolean {
    return this.clients.of(link)?.info().address === `${local}/${prefixlen}`;
  }

  mtuWithoutLease(link: ServiceLink): number {
    return this.clients.of(link)?.ownMtu ?? link.mtu;
  }

  /** Runs until it ends of itself, or `stopped` resolves: the client has gone. */
  stream(
    request: StreamRequest,
    namespace: ServiceNamespace,
    send: (result: unknown) => void,
    stopped: Promise<void>,
  ): Promise<void> {
    if (request.op === 'ping') return ping(request, namespace, this.host.sockets, send, stopped);
    return traceroute(request, namespace, this.host.sockets, send, stopped);
  }

  /** Up, down, its carrier, or whether it forwards IPv6. */
  linkChanged(link: ServiceLink): void {
    this.clients.of(link)?.linkChanged();
    this.advertisers.of(link)?.linkChanged();
  }

  /** It has other IPv6 addresses than before. */
  addressesChanged(link: ServiceLink): void {
    this.advertisers.of(link)?.addressesChanged();
  }

  /** It is gone, or in another namespace now. */
  linkRemoved(link: ServiceLink): void {
    const ended = [
      this.servers.take(link)?.stop(),
      this.clients.take(link)?.abandon(),
      this.advertisers.take(link)?.abandon(),
    ];
    // What fails now is the engine, which says so itself.
    for (const one of ended) one?.catch(() => {});
  }
}
