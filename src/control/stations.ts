/*
 * The forwarding database as commands see it: `bridge fdb` and `brctl showmacs`.
 */
import { SluiceError } from '../core/errors.js';
import { FdbFlag } from '../tables/fdb.js';
import { parseMac } from '../wire/format.js';
import type { ChangeFdb, FdbInfo, FlushFdb, ListFdb } from './api/fdb.js';
import type { Call, EngineThread } from './engine-thread.js';
import { type Link, macHigh, macLow, macOfWords, macText } from './link.js';
import type { Namespace } from './namespaces.js';
import type { Network } from './network.js';
import { STATION_WORDS } from './operations.js';

interface Row {
  bridge: Link;
  port: Link;
  vlan: number;
  high: number;
  low: number;
  flags: number;
  updatedMs: number;
  usedMs: number;
}

function stateOf(flags: number): FdbInfo['state'] {
  if ((flags & FdbFlag.LOCAL) !== 0) return 'permanent';
  return (flags & FdbFlag.STATIC) !== 0 ? 'static' : '';
}

function infoOf(row: Row): FdbInfo {
  return {
    mac: macText(macOfWords(row.high, row.low)),
    ifname: row.port.name,
    ...(row.vlan === 0 ? {} : { vlan: row.vlan }),
    used: Math.floor(row.usedMs / 1000),
    updated: Math.floor(row.updatedMs / 1000),
    ...((row.flags & FdbFlag.STATIC) === 0 ? { age_cs: Math.floor(row.updatedMs / 10) } : {}),
    flags: (row.flags & FdbFlag.STICKY) !== 0 ? ['sticky'] : [],
    master: row.bridge.name,
    state: stateOf(row.flags),
  };
}

/** What `state` and `sticky` of a command make of an entry. */
function flagsOf(request: ChangeFdb, isBridge: boolean): number {
  const sticky = request.sticky === true ? FdbFlag.STICKY : 0;
  const own = isBridge ? FdbFlag.OF_BRIDGE : 0;
  const base = FdbFlag.ADDED_BY_USER | sticky | own;
  switch (request.state ?? 'permanent') {
    case 'permanent':
      return base | FdbFlag.STATIC | FdbFlag.LOCAL;
    case 'static':
      return base | FdbFlag.STATIC;
    case 'dynamic':
      return base;
  }
}

/** The entries that a flush takes: those whose flags under `mask` are `value` (iproute2's NUD_PERMANENT and NUD_NOARP bits). */
function statesToFlush(request: FlushFdb): { mask: number; value: number } {
  const both = FdbFlag.LOCAL | FdbFlag.STATIC;
  const chosen: Array<[boolean | undefined, boolean, number, number]> = [
    [request.permanent, true, FdbFlag.LOCAL, FdbFlag.LOCAL],
    [request.permanent, false, FdbFlag.LOCAL, 0],
    [request.static, true, both, FdbFlag.STATIC],
    [request.static, false, FdbFlag.STATIC, 0],
    [request.dynamic, true, both, 0],
    [request.dynamic, false, FdbFlag.STATIC, FdbFlag.STATIC],
  ];
  const bits = chosen.filter(([said, meant]) => said === meant);
  const mask = bits.reduce((sum, [, , bit]) => sum | bit, 0);
  return { mask, value: bits.reduce((sum, [, , , bit]) => sum | bit, 0) };
}

export class Stations {
  constructor(
    private readonly network: Network,
    private readonly engine: EngineThread,
  ) {}

  async list(request: ListFdb, namespace = this.network.host): Promise<FdbInfo[]> {
    const find = (name: string | undefined): Link | undefined =>
      name === undefined ? undefined : this.network.get(name, 'show', namespace);
    const [bridge, port] = [find(request.bridge), find(request.port)];
    const rows = await this.rows();
    return rows
      .filter((row) => row.bridge.namespace === namespace)
      .filter((row) => (bridge ?? row.bridge) === row.bridge && (port ?? row.port) === row.port)
      .map(infoOf);
  }

  private async rows(): Promise<Row[]> {
    const rows: Row[] = [];
    for (let slot = 0; slot >= 0; ) {
      const { words, next } = await this.engine.call('stations', slot);
      for (let at = 0; at < words.length; at += STATION_WORDS) {
        const [number, vlan, high, low, portNumber, flags, updatedMs, usedMs] = words.subarray(at, at + STATION_WORDS);
        const bridge = this.network.byNumber(number);
        const port = this.network.byNumber(portNumber);
        if (bridge !== undefined && port !== undefined)
          rows.push({ bridge, port, vlan, high, low, flags, updatedMs, usedMs });
      }
      slot = next;
    }
    return rows;
  }

  async change(request: ChangeFdb, namespace = this.network.host): Promise<void> {
    const { bridge, port, mac } = this.locate(request, namespace);
    const high = macHigh(mac);
    const low = macLow(mac);
    const verb = request.op.slice('fdb.'.length);
    if (request.op === 'fdb.del') {
      const isGone = await this.engine.call('removeStationOf', bridge.number, 0, high, low, port.number);
      if (!isGone)
        this.refuse('ENOENT', verb, request, 'there is no such entry on that port', '"sluice bridge fdb" lists them');
      return;
    }
    const flags = flagsOf(request, port === bridge);
    const isNew = request.op === 'fdb.add';
    const answer = await this.engine.call('setStation', bridge.number, 0, high, low, port.number, flags, isNew);
    if (answer === 'exists')
      this.refuse('EEXIST', verb, request, 'the address is in the table', 'use "replace" to change it');
    if (answer === 'full')
      this.refuse(
        'ENOSPC',
        verb,
        request,
        'the table is full of static entries or the port is at its limit',
        'delete some',
      );
  }

  /** Bridge and port that a command means: `dev PORT master`, or `dev BRIDGE self`. */
  private locate(request: ChangeFdb, namespace: Namespace): { bridge: Link; port: Link; mac: Uint8Array } {
    const verb = request.op.slice('fdb.'.length);
    const dev = this.network.get(request.dev, `${verb} a station on`, namespace);
    const mac = parseMac(request.mac);
    if (mac === undefined) this.refuse('EINVAL', verb, request, 'that is no MAC address', 'write six hex bytes');
    if ((mac[0] & 1) !== 0 || mac.every((byte) => byte === 0)) {
      this.refuse('EINVAL', verb, request, 'that is a group address or zero', 'use a unicast one');
    }
    if (request.vlan !== undefined && (request.vlan < 1 || request.vlan > 4094)) {
      throw new SluiceError(
        'EINVAL',
        `cannot ${verb} station ${request.mac} on "${request.dev}": ${request.vlan} is no VLAN; use 1 to 4094`,
        'invalid vlan id',
      );
    }
    if (request.vlan !== undefined) {
      this.refuse('EINVAL', verb, request, 'VLAN filtering is not there yet', 'leave out the vlan');
    }
    if (request.master === true && dev.master !== undefined) return { bridge: dev.master, port: dev, mac };
    if (request.self === true && dev.kind === 'bridge') return { bridge: dev, port: dev, mac };
    if (request.self === true && request.master !== true) {
      this.refuse(
        'EOPNOTSUPP',
        verb,
        request,
        `"${dev.name}" has no address filter of its own`,
        'write "master" for an entry of its bridge',
      );
    }
    return this.refuse('EOPNOTSUPP', verb, request, `"${dev.name}" is in no bridge`, 'set its master first');
  }

  private refuse(errno: string, verb: string, request: ChangeFdb, cause: string, hint: string): never {
    throw new SluiceError(errno, `cannot ${verb} station ${request.mac} on "${request.dev}": ${cause}; ${hint}`);
  }

  /** Own addresses go, too, where the selection has them: as in Linux they come back when a port or its MAC changes. */
  async flush(request: FlushFdb, namespace = this.network.host): Promise<void> {
    const { bridge, port } = this.placeToFlush(request, namespace);
    const { mask, value } = statesToFlush(request);
    const rows = await this.rows();
    const calls = rows
      .filter((row) => row.bridge === bridge && (port ?? row.port) === row.port)
      .filter((row) => (request.vlan ?? row.vlan) === row.vlan && (row.flags & mask) === value)
      .map((row): Call => ['removeStation', row.bridge.number, row.vlan, row.high, row.low]);
    await this.engine.transact(calls);
  }

  /** A bridge, or with `master` a port's; of it one port's entries or all. `brport` wins over the port that `dev` names. */
  private placeToFlush(request: FlushFdb, namespace: Namespace): { bridge: Link; port: Link | undefined } {
    const dev = this.network.get(request.dev, 'flush the stations of', namespace);
    const bridge = request.master === true ? dev.master : dev.kind === 'bridge' ? dev : undefined;
    if (bridge === undefined) {
      const cause =
        request.master === true
          ? 'it is in no bridge; set its master first'
          : 'it is no bridge; write "master" for those of a port';
      throw new SluiceError('EOPNOTSUPP', `cannot flush the stations of "${dev.name}": ${cause}`);
    }
    if (request.brport === undefined) return { bridge, port: dev === bridge ? undefined : dev };
    const port = this.network.get(request.brport, 'flush the stations of', namespace);
    if (port.master === bridge) return { bridge, port };
    throw new SluiceError(
      'EINVAL',
      `cannot flush the stations of "${port.name}": it is no port of "${bridge.name}"; "sluice bridge link" lists them`,
    );
  }
}
