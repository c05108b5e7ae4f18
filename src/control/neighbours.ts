/*
 * Neighbours as commands see them: turns requests into calls of the engine and its rows into NeighbourInfo. The table is the
 * engine's alone; nothing is kept here.
 */
import { SluiceError } from '../core/errors.js';
import { Dump, NeighbourErrno } from '../route/neighbour-commands.js';
import { ProxyRow } from '../route/neighbour-proxy.js';
import { NeighbourFamily, NeighbourFlag, Nud } from '../tables/neighbours.js';
import { read32, write32 } from '../wire/field.js';
import { formatIpv4, formatIpv6, formatMacAt, parseAddress, parseMac } from '../wire/format.js';
import * as mac from '../wire/mac.js';
import type { Family } from './api/family.js';
import type { ChangeNeighbour, NeighbourInfo, NeighbourState } from './api/neighbour.js';
import type { EngineThread } from './engine-thread.js';
import type { Link } from './link.js';
import type { Namespace } from './namespaces.js';
import type { Network } from './network.js';

const STATES: Record<NeighbourState, Nud> = {
  none: Nud.NONE,
  incomplete: Nud.INCOMPLETE,
  reachable: Nud.REACHABLE,
  stale: Nud.STALE,
  delay: Nud.DELAY,
  probe: Nud.PROBE,
  failed: Nud.FAILED,
  noarp: Nud.NOARP,
  permanent: Nud.PERMANENT,
};

const STATE_NAMES = new Map(Object.entries(STATES).map(([name, bits]) => [bits, name as NeighbourState]));

type Address = [number, number, number, number];

export interface NeighbourFilter {
  family?: Family;
  proxy?: boolean;
}

/** A neighbour that changed, for `ip monitor`. */
export interface NeighbourEvent {
  namespace: Namespace;
  neighbour: NeighbourInfo;
  deleted: boolean;
}

export class NeighbourControl {
  constructor(
    private readonly network: Network,
    private readonly engine: EngineThread,
  ) {}

  async change(request: ChangeNeighbour, namespace: Namespace): Promise<void> {
    const verb = `${request.op.slice('neigh.'.length)} neighbour ${request.dst} on`;
    const link = this.network.get(request.dev, verb, namespace);
    const address = addressOf(request);
    if (request.proxy === true) return this.changeProxy(request, link, address);
    if (request.op === 'neigh.del') {
      const errno = await this.engine.call('removeNeighbour', link.number, familyOf(request.family), address);
      if (errno !== 0) refuse(request, errno);
      return;
    }
    const errno = await this.engine.call('setNeighbour', {
      link: link.number,
      family: familyOf(request.family),
      address,
      ...macOf(request),
      state: STATES[request.state ?? 'permanent'],
      flags: flagsOf(request),
      protocol: 0,
      creates: request.op !== 'neigh.change',
      isNew: request.op === 'neigh.add',
      replaces: request.op !== 'neigh.add',
    });
    if (errno !== 0) refuse(request, errno);
  }

  private async changeProxy(request: ChangeNeighbour, link: Link, address: Address): Promise<void> {
    const family = familyOf(request.family);
    if (request.op !== 'neigh.del') {
      const row = new Int32Array(ProxyRow.WORDS);
      row.set([family, ...address, flagsOf(request)]);
      row[ProxyRow.IS_PERMANENT] = request.state === 'permanent' ? 1 : 0;
      await this.engine.call('setProxy', link.number, row);
    } else if (!(await this.engine.call('removeProxy', link.number, family, address))) {
      refuse(request, NeighbourErrno.ENOENT);
    }
  }

  /** Those of both families, IPv4 first, each in the order they were made. */
  async list(filter: NeighbourFilter, namespace: Namespace): Promise<NeighbourInfo[]> {
    if (filter.proxy === true) return this.listProxies(filter, namespace);
    const families = filter.family === undefined ? ([4, 6] as const) : [filter.family];
    const lists: NeighbourInfo[] = [];
    for (const family of families) lists.push(...(await this.listFamily(namespace, family)));
    return lists;
  }

  private async listFamily(namespace: Namespace, family: Family): Promise<NeighbourInfo[]> {
    const found: NeighbourInfo[] = [];
    let after: number | undefined;
    for (;;) {
      const words = await this.engine.call('neighbours', namespace.number, familyOf(family), after);
      if (words.length === 0) return found;
      for (let at = 0; at < words.length; at += Dump.WORDS) {
        const info = this.infoOf(words, at);
        if (info !== undefined) found.push(info);
      }
      after = words[words.length - Dump.WORDS + Dump.SERIAL];
    }
  }

  /** What a row of the engine says; undefined: its link has gone meanwhile. */
  private infoOf(words: Int32Array, at: number): NeighbourInfo | undefined {
    const link = this.network.byNumber(words[at + Dump.LINK]);
    if (link === undefined) return undefined;
    const state = words[at + Dump.STATE];
    const flags = words[at + Dump.FLAGS];
    const protocol = words[at + Dump.PROTOCOL];
    const hasTimer = (state & Nud.IN_TIMER) !== 0;
    return {
      family: words[at + Dump.FAMILY] === NeighbourFamily.IPV4 ? 4 : 6,
      dst: textOf(words[at + Dump.FAMILY], words, at + Dump.A),
      dev: link.name,
      ...((state & Nud.VALID) === 0 ? {} : { lladdr: macText(words[at + Dump.MAC_HIGH], words[at + Dump.MAC_LOW]) }),
      ...((flags & NeighbourFlag.ROUTER) === 0 ? {} : { router: true }),
      ...((flags & NeighbourFlag.EXT_LEARNED) === 0 ? {} : { extern_learn: true }),
      ...(hasTimer ? { refcnt: 1 } : {}),
      used: secondsOf(words[at + Dump.USED]),
      confirmed: secondsOf(words[at + Dump.CONFIRMED]),
      updated: secondsOf(words[at + Dump.UPDATED]),
      probes: words[at + Dump.PROBES],
      state: STATE_NAMES.get(state) ?? 'none',
      ...(protocol === 0 ? {} : { protocol }),
    };
  }

  private async listProxies(filter: NeighbourFilter, namespace: Namespace): Promise<NeighbourInfo[]> {
    const words = await this.engine.call('proxies', namespace.number);
    const found: NeighbourInfo[] = [];
    for (let at = 0; at < words.length; at += ProxyRow.WORDS + 1) {
      const info = this.proxyOf(words, at);
      if (info !== undefined && (filter.family ?? info.family) === info.family) found.push(info);
    }
    return found.sort((a, b) => a.family - b.family);
  }

  private proxyOf(words: Int32Array, at: number): NeighbourInfo | undefined {
    const link = this.network.byNumber(words[at]);
    if (link === undefined) return undefined;
    const row = at + 1;
    const isRouter = (words[row + ProxyRow.FLAGS] & NeighbourFlag.ROUTER) !== 0;
    return {
      family: words[row] === NeighbourFamily.IPV4 ? 4 : 6,
      dst: textOf(words[row], words, row + ProxyRow.A),
      dev: link.name,
      ...(isRouter ? { router: true } : {}),
      proxy: true,
      used: 0,
      confirmed: 0,
      updated: 0,
      probes: 0,
      state: 'none',
    };
  }

  /** Has the engine tell of each change, or no more. */
  async watch(isOn: boolean): Promise<void> {
    await this.engine.call('watchNeighbours', isOn);
  }

  /** What an engine's event `neighbour` says; undefined: its link has gone. */
  eventOf(row: Int32Array, isGone: boolean): NeighbourEvent | undefined {
    const neighbour = this.infoOf(row, 0);
    const link = this.network.byNumber(row[Dump.LINK]);
    return neighbour === undefined || link === undefined
      ? undefined
      : { namespace: link.namespace, neighbour, deleted: isGone };
  }
}

function familyOf(family: Family): NeighbourFamily {
  return family === 4 ? NeighbourFamily.IPV4 : NeighbourFamily.IPV6;
}

function addressOf(request: ChangeNeighbour): Address {
  const bytes = parseAddress(request.dst);
  if (bytes === undefined || bytes.length !== (request.family === 4 ? 4 : 16)) {
    throw new SluiceError(
      'EINVAL',
      `cannot ${request.op.slice('neigh.'.length)} neighbour ${request.dst} on "${request.dev}": that is no IPv${request.family} address; write one`,
      'Invalid network address',
    );
  }
  const words: Address = [0, 0, 0, 0];
  for (let i = 0; i < bytes.length; i += 4) words[i >> 2] = read32(bytes, i);
  return words;
}

function macOf(request: ChangeNeighbour): { mac?: [number, number] } {
  if (request.lladdr === undefined) return {};
  const bytes = parseMac(request.lladdr);
  if (bytes !== undefined) return { mac: [mac.high(bytes, 0), mac.low(bytes, 0)] };
  throw new SluiceError(
    'EINVAL',
    `cannot ${request.op.slice('neigh.'.length)} neighbour ${request.dst} on "${request.dev}": "${request.lladdr}" is no MAC address; write six hex bytes`,
    'Invalid link address',
  );
}

function flagsOf({ router, extern_learn, use }: ChangeNeighbour): number {
  return (
    (router === true ? NeighbourFlag.ROUTER : 0) |
    (extern_learn === true ? NeighbourFlag.EXT_LEARNED : 0) |
    (use === true ? NeighbourFlag.USE : 0)
  );
}

/** `extack` as the kernel words it. */
const REFUSALS: Record<number, { errno: string; cause: string; extack?: string }> = {
  [NeighbourErrno.ENOENT]: { errno: 'ENOENT', cause: 'there is no such entry; "sluice ip neigh" lists them' },
  [NeighbourErrno.EEXIST]: { errno: 'EEXIST', cause: 'it is there; use "replace" to change it' },
  [NeighbourErrno.EINVAL]: {
    errno: 'EINVAL',
    cause: 'no link-layer address is given or known; say "lladdr MAC"',
    extack: 'No link layer address given',
  },
  [NeighbourErrno.ENOBUFS]: { errno: 'ENOBUFS', cause: 'the table is full; raise gc_thresh3 or delete some' },
};

function refuse(request: ChangeNeighbour, errno: number): never {
  const refusal = REFUSALS[errno] ?? { errno: 'EPERM', cause: 'the entry is permanent; use "replace"' };
  const verb = request.op.slice('neigh.'.length);
  throw new SluiceError(
    refusal.errno,
    `cannot ${verb} neighbour ${request.dst} on "${request.dev}": ${refusal.cause}`,
    refusal.extack,
  );
}

function textOf(family: number, words: Int32Array, at: number): string {
  if (family === NeighbourFamily.IPV4) return formatIpv4(words[at]);
  const bytes = new Uint8Array(16);
  for (let i = 0; i < 4; i++) write32(bytes, i * 4, words[at + i]);
  return formatIpv6(bytes);
}

function macText(high: number, low: number): string {
  const bytes = new Uint8Array(6);
  mac.write(bytes, 0, high, low);
  return formatMacAt(bytes, 0);
}

/** Whole seconds, as iproute2 prints them; the kernel's clock and ours both count down from when it happened. */
function secondsOf(ms: number): number {
  return Math.max(0, Math.floor(ms / 1000));
}
