/*
 * From the text of a configuration file to a Config: syntax, then the schema, then what only makes sense together (checks.ts).
 * Everything that can be wrong with the file itself is found here, before anything is done.
 */
import { dirname, resolve } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import type { TapPeer } from '../api.js';
import { checkConfig, checkName } from './checks.js';
import {
  type Config,
  type DataplaneConfig,
  type LinkConfig,
  normalLink,
  normalStation,
  type PortConfig,
  present,
  type StationConfig,
} from './model.js';
import { SCHEMA } from './schema.js';
import { Source } from './source.js';
import { worded } from './wording.js';

/** A link of the file, after the schema has passed it. */
interface RawLink extends Omit<LinkConfig, 'name' | 'kind' | 'tap' | 'packet' | 'pcap' | 'bridge'> {
  type: LinkConfig['kind'];
  ageing_time?: string | number;
  group_fwd_mask?: number;
  transparent?: boolean;
  fdb_max_learned?: number;
  queues?: number;
  gso?: boolean;
  persist?: boolean;
  peer?: Omit<TapPeer, 'addresses'> & { addr?: string | string[] };
  dev?: string;
  netns?: string;
  read?: string;
  write?: string;
  port?: PortConfig;
}

interface RawFile {
  dataplane?: DataplaneConfig | null;
  links?: Record<string, RawLink> | null;
  fdb?: Array<Omit<StationConfig, 'state'> & Partial<StationConfig>> | null;
}

const UNIT_CS: Record<string, number> = { ms: 0.1, s: 100, m: 6000, min: 6000, h: 360_000 };

let validator: ValidateFunction | undefined;

function validate(source: Source): void {
  validator ??= new Ajv({ allErrors: true, verbose: true, allowUnionTypes: true }).compile(SCHEMA);
  validator(source.value);
  for (const error of validator.errors ?? []) {
    const finding = worded(error, source.value);
    if (finding !== undefined) source.problem(finding.path, finding.text);
  }
}

function checkNames(source: Source): void {
  const links = (source.value as { links?: unknown } | null)?.links;
  if (typeof links !== 'object' || links === null || Array.isArray(links)) return;
  for (const name of Object.keys(links)) {
    const text = checkName(name);
    if (text !== undefined) source.problem(['links', name], text);
  }
}

/** In 1/100 s; not an integer if it is finer than that. */
function ageingOf(time: string | number | undefined): number | undefined {
  if (time === undefined || time === 0) return time;
  const [, number, unit] = /^([\d.]+)([a-z]+)$/.exec(String(time)) ?? [];
  const cs = Number(number) * UNIT_CS[unit];
  // Decimal fractions are not exact: 0.29 × 100 is 28.999…
  return Math.abs(cs - Math.round(cs)) < 1e-6 ? Math.round(cs) : cs;
}

function peerOf(peer: NonNullable<RawLink['peer']>): TapPeer {
  const { addr, ...rest } = peer;
  return addr === undefined ? rest : { ...rest, addresses: [addr].flat() };
}

/** Turns relative paths of a file into absolute ones. */
type Locate = (path: string | undefined) => string | undefined;

function tapOf({ queues, gso, persist, peer }: RawLink, locate: Locate): NonNullable<LinkConfig['tap']> {
  if (peer?.netns?.includes('/') === true) peer.netns = locate(peer.netns) ?? peer.netns;
  return present<NonNullable<LinkConfig['tap']>>({
    queues,
    gso,
    persist,
    peer: peer === undefined ? undefined : peerOf(peer),
  });
}

function linkOf(name: string, raw: RawLink, locate: Locate): LinkConfig {
  const { type: kind, address, mtu, up, master, port, group_fwd_mask, transparent, fdb_max_learned, dev, netns } = raw;
  const ageing_time = ageingOf(raw.ageing_time);
  const space = netns?.includes('/') === true ? locate(netns) : netns;
  return normalLink(
    present<LinkConfig>({
      name,
      kind,
      address,
      mtu,
      up,
      master,
      port,
      bridge: kind === 'bridge' ? present({ ageing_time, group_fwd_mask, transparent, fdb_max_learned }) : undefined,
      tap: kind === 'tap' ? tapOf(raw, locate) : undefined,
      packet: kind === 'packet' ? present({ dev: dev ?? '', netns: space }) : undefined,
      pcap: kind === 'pcap' ? present({ read: locate(raw.read), write: locate(raw.write) }) : undefined,
    }),
  );
}

function configOfFile(file: RawFile, names: string[], locate: Locate): Config {
  const links = names.map((name) => linkOf(name, file.links?.[name] as RawLink, locate));
  const bridges = new Set(links.filter(({ kind }) => kind === 'bridge').map(({ name }) => name));
  const fdb = (file.fdb ?? []).map((station) =>
    normalStation({ state: bridges.has(station.dev) ? 'permanent' : 'static', ...station }),
  );
  const dataplane = { ...file.dataplane };
  return { ...(Object.keys(dataplane).length === 0 ? {} : { dataplane }), links, fdb };
}

export interface ConfigFile {
  config: Config;
  source: Source;
}

/** `folder`: where a relative `file` starts, the reader's working directory. */
export function readConfig(text: string, file: string, folder = process.cwd()): ConfigFile {
  const source = new Source(text, file);
  source.throwFirst('read');
  checkNames(source);
  validate(source);
  source.throwFirst('read');
  const base = file === '-' ? folder : dirname(resolve(folder, file));
  const config = configOfFile((source.value ?? {}) as RawFile, source.keys('links'), (path) =>
    path === undefined ? undefined : resolve(base, path),
  );
  checkConfig(config, (path, problem) => source.problem(path, problem));
  source.throwFirst('read');
  return { config, source };
}

/** Throws a SluiceError that names file, line and key. */
export function parseConfig(text: string, file: string, folder?: string): Config {
  return readConfig(text, file, folder).config;
}
