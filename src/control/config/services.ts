/*
 * Services of links in a configuration: DHCP servers, DHCP clients and router advertisements, one of each kind for a link. Options
 * are those of `sluice dhcp` and `sluice radv`, as they were said; what a client has leased is not kept.
 */
import type { DhcpClientOptions, DhcpHost, DhcpServerOptions } from '../api/dhcp.js';
import type { EndpointRequest } from '../api/endpoint.js';
import type { AdvertiserOptions } from '../api/radv.js';
import { isSame, keyFrom, present } from './model.js';

/** Sections of a file. */
interface Options {
  dhcp_servers: DhcpServerOptions;
  dhcp_clients: DhcpClientOptions;
  radv: AdvertiserOptions;
}

export type ServiceKind = keyof Options;

export type ServiceConfig = {
  [K in ServiceKind]: { space?: string; kind: K; dev: string; options: Options[K] };
}[ServiceKind];

type RawServer = Omit<DhcpServerOptions, 'hosts'> & { hosts?: Array<Omit<DhcpHost, 'id'> & { client_id?: string }> };

/** What a file says of the services of one namespace. */
export interface RawServices {
  dhcp_servers?: Record<string, RawServer | null> | null;
  dhcp_clients?: Record<string, DhcpClientOptions | null> | null;
  radv?: Record<string, AdvertiserOptions | null> | null;
}

export const SERVICE_KINDS = ['dhcp_servers', 'dhcp_clients', 'radv'] as const;

const OBJECTS = { dhcp_servers: 'dhcp.server', dhcp_clients: 'dhcp.client', radv: 'ra' } as const;

function serverOf({ hosts, ...rest }: RawServer): DhcpServerOptions {
  const all = hosts?.map(({ client_id: id, ...host }) => present<DhcpHost>({ id, ...host }));
  return present<DhcpServerOptions>({ ...rest, hosts: all });
}

function serverText({ hosts, ...rest }: DhcpServerOptions): RawServer {
  return present<RawServer>({ ...rest, hosts: hosts?.map(({ id, ...host }) => present({ client_id: id, ...host })) });
}

/** `names`: of the links of a section, in the file's order. */
export function servicesOf(
  raw: RawServices,
  space: string | undefined,
  names: (kind: ServiceKind) => string[],
): ServiceConfig[] {
  return SERVICE_KINDS.flatMap((kind) =>
    names(kind).map((dev) => {
      const said = raw[kind]?.[dev] ?? {};
      const options = kind === 'dhcp_servers' ? serverOf(said as RawServer) : said;
      return present({ space, kind, dev, options }) as ServiceConfig;
    }),
  );
}

function optionsText({ kind, options }: ServiceConfig): object {
  return kind === 'dhcp_servers' ? serverText(options) : options;
}

/** The sections of one namespace. */
export function servicesText(services: readonly ServiceConfig[]): Partial<Record<ServiceKind, Map<string, object>>> {
  const sections = SERVICE_KINDS.map((kind) => {
    const own = services.filter((service) => service.kind === kind);
    return [kind, new Map(own.map((service) => [service.dev, optionsText(service)]))] as const;
  });
  return Object.fromEntries(sections.filter(([, section]) => section.size > 0));
}

/** `requests`: those that would make the services of a namespace anew. */
export function servicesFrom(requests: readonly EndpointRequest[], space: string | undefined): ServiceConfig[] {
  return requests.flatMap((request) => {
    const kind = kindOfRequest(request.op);
    if (kind === undefined || !('options' in request)) return [];
    const { dev, options } = request;
    return [present({ space, kind, dev, options }) as ServiceConfig];
  });
}

export interface ServiceStep {
  space?: string;
  request: EndpointRequest;
}

function addition({ space, kind, dev, options }: ServiceConfig): ServiceStep {
  return present<ServiceStep>({ space, request: { op: `${OBJECTS[kind]}.add`, dev, options } as EndpointRequest });
}

function deletion({ space, kind, dev }: ServiceConfig): ServiceStep {
  return present<ServiceStep>({ space, request: { op: `${OBJECTS[kind]}.del`, dev } });
}

/** `gone`: links that are deleted, and their services with them. One that is another begins anew. */
export function serviceChanges(
  there: readonly ServiceConfig[],
  target: readonly ServiceConfig[],
  gone: ReadonlySet<string>,
): { gone: ServiceStep[]; fresh: ServiceStep[] } {
  const left = there.filter(({ space, dev }) => !gone.has(keyFrom(space, dev)));
  const without = (all: readonly ServiceConfig[], others: readonly ServiceConfig[]): ServiceConfig[] =>
    all.filter((one) => !others.some((other) => isSame(one, other)));
  return { gone: without(left, target).map(deletion), fresh: without(target, left).map(addition) };
}

/** What is wrong with a service's options, as far as it shows without the link, if anything. */
export function serviceProblem({ kind, options }: ServiceConfig): string | undefined {
  if (kind !== 'dhcp_servers') return undefined;
  const { pool = ['', ''], hosts = [] } = options;
  if (pool.length !== 2) return `its pool has ${pool.length} addresses; say the first and the last`;
  const unclear = hosts.find(({ mac, id }) => (mac === undefined) === (id === undefined));
  return unclear === undefined ? undefined : `the host of ${unclear.address} needs either mac or client_id; say one`;
}

/** The section that a request is of. */
export function kindOfRequest(op: string): ServiceKind | undefined {
  return SERVICE_KINDS.find((kind) => op.startsWith(`${OBJECTS[kind]}.`));
}
