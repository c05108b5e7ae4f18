/*
 * Carries out the requests of api.ts on the network. One request at a time, whatever connection it comes from: each finds
 * the network as the one before left it.
 */
import { SluiceError } from '../core/errors.js';
import type { ApiError, Done, Request, StatusInfo } from './api.js';
import type { DataplaneConfig, Running } from './config.js';
import type { EngineThread } from './engine-thread.js';
import type { Network } from './network.js';
import { Stations } from './stations.js';
import { ethtoolOf, statusOf } from './status.js';

export function apiErrorOf(error: unknown): ApiError {
  if (error instanceof SluiceError) {
    return {
      errno: error.errno,
      message: error.message,
      ...(error.extack === undefined ? {} : { extack: error.extack }),
    };
  }
  return { errno: 'EIO', message: `cannot carry out the request: ${(error as Error).stack ?? error}; this is a bug` };
}

export class Handler {
  private readonly stations: Stations;
  private last: Promise<unknown> = Promise.resolve();

  /** `dataplane`: the settings that the engine was started with. */
  constructor(
    readonly network: Network,
    private readonly engine: EngineThread,
    private readonly dataplane: Required<DataplaneConfig>,
  ) {
    this.stations = new Stations(network, engine);
  }

  /** Waits for the requests before it, then carries it out. */
  handle(request: Request): Promise<unknown> {
    const result = this.last.then(() => this.execute(request));
    this.last = result.catch(() => {});
    return result;
  }

  private async execute(request: Request): Promise<unknown> {
    switch (request.op) {
      case 'link.add':
        return this.done(await this.network.add(request));
      case 'link.del':
        await this.network.remove(request);
        return {};
      case 'link.set':
        await this.network.set(request);
        return {};
      case 'link.list':
        return this.network.list(request.name);
      case 'fdb.add':
      case 'fdb.append':
      case 'fdb.replace':
      case 'fdb.del':
        await this.stations.change(request);
        return {};
      case 'fdb.flush':
        await this.stations.flush(request);
        return {};
      case 'fdb.list':
        return this.stations.list(request);
      case 'ethtool':
        return ethtoolOf(this.network.get(request.name, 'show'), this.engine.counters);
      case 'config.show':
        return (await import('./config.js')).showConfig(this.running());
      case 'config.apply':
        return (await import('./config.js')).applyConfig(request, this.running());
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
      links: () => this.network.all(),
      stations: () => this.stations.list({ op: 'fdb.list' }),
      dataplane: this.dataplane,
      execute: (request) => this.execute(request),
    };
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
