/*
 * Carries out the requests of api/request.ts on the network. One request at a time, whatever connection it comes from: each finds
 * the network as the one before left it.
 */
import { SluiceError } from '../core/errors.js';
import type { ApiError, Done } from './api/answer.js';
import type { Envelope, Request } from './api/request.js';
import type { RouteInfo } from './api/route.js';
import type { StatusInfo } from './api/status.js';
import type { BuiltInet, DataplaneConfig, Running } from './config.js';
import { ConntrackTable, isConntrackRequest } from './conntrack.js';
import type { EngineThread } from './engine-thread.js';
import type { HostStackOwner } from './host-stack.js';
import { IpStack } from './ip-stack.js';
import type { Namespace } from './namespaces.js';
import type { Network } from './network.js';
import { RouteFailed } from './route-batch.js';
import { isServiceRequest } from './services.js';
import { Stations } from './stations.js';
import { ethtoolOf, statusOf } from './status.js';

export function apiErrorOf(error: unknown): ApiError {
  if (error instanceof SluiceError) {
    return {
      errno: error.errno,
      message: error.message,
      ...(error.extack === undefined ? {} : { extack: error.extack }),
      ...(error instanceof RouteFailed && { index: error.index }),
    };
  }
  return { errno: 'EIO', message: `cannot carry out the request: ${(error as Error).stack ?? error}; this is a bug` };
}

/** Requests about addresses, routes, rules and neighbours. */
type InetRequest = Extract<
  Request,
  { op: `addr.${string}` | `route.${string}` | `rule.${string}` | `neigh.${string}` }
>;

function isInetRequest(request: Request): request is InetRequest {
  return /^(addr|route|rule|neigh)\./.test(request.op);
}

/** A request, and the namespace of Sluice that it is for. */
export type Addressed = Request & Pick<Envelope, 'ns'>;

/** Sends one of several results. */
export type Send = (result: unknown) => void;

/** Requests with one result only have nowhere to send more. */
const NOWHERE: Send = () => {};

export class Handler {
  readonly stack: IpStack;
  readonly conntrack: ConntrackTable;
  private readonly stations: Stations;
  private last: Promise<unknown> = Promise.resolve();

  /** `dataplane`: the settings that the engine was started with. */
  constructor(
    readonly network: Network,
    private readonly engine: EngineThread,
    private readonly dataplane: Required<DataplaneConfig>,
    log: HostStackOwner['log'] = () => {},
  ) {
    this.stations = new Stations(network, engine);
    this.conntrack = new ConntrackTable(engine);
    this.stack = new IpStack(network, engine, {
      log,
      execute: async (ns, request, isNested) =>
        isNested ? this.execute({ ...request, ns }) : this.handle({ ...request, ns }),
    });
  }

  /** Waits for the requests before it, then carries it out: the engine may still be at it (Network.settled). */
  handle(request: Addressed, send = NOWHERE): Promise<unknown> {
    const result = this.last.then(() => this.execute(request, send));
    this.last = result.catch(() => {});
    return result;
  }

  private execute(request: Addressed, send = NOWHERE): Promise<unknown> {
    const namespace = this.network.namespaces.get(request.ns);
    if (isServiceRequest(request)) return this.stack.host.services.execute(request, namespace);
    if (isConntrackRequest(request)) return this.conntrack.execute(request, namespace, send);
    return isInetRequest(request) ? this.executeInet(request, namespace, send) : this.executeIn(request, namespace);
  }

  /** Addresses, routes, rules and neighbours. */
  private async executeInet(request: InetRequest, namespace: Namespace, send: Send): Promise<unknown> {
    const { inet, neighbours } = this.stack;
    switch (request.op) {
      case 'addr.list':
        return this.stack.linkAddresses(request.dev, namespace);
      case 'route.change':
        await inet.changeRoute(namespace, request);
        return {};
      case 'route.bulk':
        return inet.changeRoutes(namespace, request);
      case 'route.list':
        await inet.listRoutes(namespace, request, send);
        return null;
      case 'route.get':
        return inet.getRoute(namespace, request);
      case 'rule.add':
      case 'rule.del':
        await inet.changeRule(namespace, request);
        return {};
      case 'rule.list':
        return inet.listRules(namespace, request.family);
      case 'neigh.list':
        return neighbours.list(request, namespace);
      case 'neigh.add':
      case 'neigh.change':
      case 'neigh.replace':
      case 'neigh.del':
        await neighbours.change(request, namespace);
        return {};
      default:
        await this.stack.changeAddress(namespace, request);
        return {};
    }
  }

  private async executeIn(request: Request, namespace: Namespace): Promise<unknown> {
    switch (request.op) {
      case 'link.add':
        return this.done(await this.network.add(request, namespace));
      case 'link.del':
        await this.network.remove(request, namespace);
        return {};
      case 'link.set':
        await this.network.set(request, namespace);
        return {};
      case 'link.list':
        return this.network.list(request.name, namespace);
      case 'netns.add':
        this.network.addNamespace(request.name);
        return {};
      case 'netns.del':
        this.network.removeNamespace(request.name);
        return {};
      case 'netns.list':
        return this.network.listNamespaces(namespace);
      case 'sysctl.get':
        await this.conntrack.refresh(namespace, request.key);
        return namespace.sysctls.get(request.key);
      case 'sysctl.list':
        await this.conntrack.refresh(namespace, request.prefix);
        return namespace.sysctls.list(request.prefix);
      case 'sysctl.set':
        return this.network.setSysctl(request.key, request.value, namespace);
      case 'fdb.add':
      case 'fdb.append':
      case 'fdb.replace':
      case 'fdb.del':
        await this.stations.change(request, namespace);
        return {};
      case 'fdb.flush':
        await this.stations.flush(request, namespace);
        return {};
      case 'fdb.list':
        return this.stations.list(request, namespace);
      case 'ethtool':
        return ethtoolOf(this.network.get(request.name, 'show', namespace), this.engine.counters);
      case 'config.show':
        return (await import('./config.js')).showConfig(this.running());
      case 'config.apply':
        return (await import('./config.js')).applyConfig(request, this.running());
      case 'iptables.run':
        return this.stack.netfilter.execute(request, namespace);
      case 'ipset.run':
        return this.stack.netfilter.executeIpset(request, namespace);
      case 'explain':
        return this.stack.explain.execute(request, namespace);
      case 'status':
        return this.status();
      default:
        throw new SluiceError(
          'EOPNOTSUPP',
          `cannot carry out "${(request as { op: string }).op}": there is no such request; use a client of this version`,
        );
    }
  }

  /** The network as a configuration is applied to it: requests of a plan do not queue behind the one they are part of. */
  private running(): Running {
    return {
      links: () => this.network.namespaces.all().flatMap((namespace) => namespace.inOrder()),
      stations: () => this.ofAll(async (namespace) => this.stations.list({ op: 'fdb.list' }, namespace)),
      inet: () => this.builtInet(),
      dataplane: this.dataplane,
      execute: async (request) => this.execute(request),
    };
  }

  /** What each namespace has, with the name of those that are not the host. */
  private async ofAll<T extends object>(
    list: (namespace: Namespace) => T[] | Promise<T[]>,
  ): Promise<Array<T & { space?: string }>> {
    const found: Array<T & { space?: string }> = [];
    for (const namespace of this.network.namespaces.all()) {
      const space = namespace.isHost ? {} : { space: namespace.name };
      for (const one of await list(namespace)) found.push({ ...one, ...space });
    }
    return found;
  }

  private async builtInet(): Promise<BuiltInet> {
    const { savedNetfilter } = await import('./config/netfilter.js');
    const { inet, neighbours } = this.stack;
    const { services } = this.stack.host;
    const spaces = this.network.namespaces.all().filter(({ isHost }) => !isHost);
    return {
      namespaces: spaces.map(({ name }) => name),
      addresses: (link) => inet.addressesOf(link).filter((address) => !services.isLeased(link, address)),
      mtu: (link) => services.mtuWithoutLease(link),
      routes: await this.ofAll(async (namespace) => [{ routes: await this.routesOf(namespace) }]),
      rules: await this.ofAll((namespace) =>
        ([4, 6] as const).map((family) => ({ family, rules: inet.listRules(namespace, family) })),
      ),
      neighbours: await this.ofAll(async (namespace) => [
        {
          neighbours: [
            ...(await neighbours.list({}, namespace)),
            ...(await neighbours.list({ proxy: true }, namespace)),
          ],
        },
      ]),
      services: await this.ofAll((namespace) => [{ services: services.requests(namespace) }]),
      sysctls: await this.ofAll(({ sysctls }) => sysctls.changed()),
      netfilter: await this.ofAll(({ number }) => savedNetfilter(this.stack.netfilter, number)),
    };
  }

  private async routesOf(namespace: Namespace): Promise<RouteInfo[]> {
    const routes: RouteInfo[] = [];
    const take = (page: RouteInfo[]): void => {
      for (const route of page) routes.push(route);
    };
    for (const family of [4, 6] as const)
      await this.stack.inet.listRoutes(namespace, { op: 'route.list', family }, take);
    return routes;
  }

  private done(warnings: string[]): Done {
    return warnings.length === 0 ? {} : { warnings };
  }

  private async status(): Promise<StatusInfo> {
    const shared = await this.engine.call('snapshot');
    const warnings = this.network.warnings();
    const status = statusOf(this.network.all(), shared);
    return warnings.length === 0 ? status : { ...status, warnings };
  }
}
