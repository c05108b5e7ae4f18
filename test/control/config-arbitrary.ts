/*
 * Any configuration that is valid, in normal form, over a few names so that two of them have links in common.
 */
import fc from 'fast-check';
import {
  type Config,
  type LinkConfig,
  normalLink,
  normalStation,
  type PortConfig,
  type StationConfig,
} from '../../src/control/config/model.js';

const NAMES = ['br0', 'br1', 't1', 't2', 'p1', 'f1', 'eth0.5', '7', 'null', 'ü€'];
const on = fc.boolean();
const limit = fc.constantFrom(0, 1, 1000, 4_294_967_295);

function sometimes<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(arbitrary, { nil: undefined });
}

/** Some keys of a record. */
function some<T extends object>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<Partial<T>> {
  return fc.record(model, { requiredKeys: [] }) as fc.Arbitrary<Partial<T>>;
}

const address = fc.integer({ min: 0, max: 5 }).map((n) => `${n < 3 ? '02' : '12'}:34:56:01:02:0${n}`);
const mtu = fc.constantFrom(68, 1280, 1500, 9000);

const port: fc.Arbitrary<PortConfig> = some<Required<PortConfig>>({
  learning: on,
  flood: on,
  bcast_flood: on,
  mcast_flood: on,
  isolated: on,
  hairpin: on,
  locked: on,
  group_fwd_mask: fc.constantFrom(0, 0x4, 0xfffd),
  fdb_limit: limit,
  storm: some({ broadcast: limit, multicast: limit, unknown: limit }),
});

const bridge = some({
  ageing_time: fc.constantFrom(0, 1, 150, 30_000, 107_374_182),
  group_fwd_mask: fc.constantFrom(0, 0x8, 0xfff8),
  transparent: on,
  fdb_max_learned: limit,
});

const tap = some({
  queues: fc.constantFrom(1, 2, 256),
  gso: on,
  peer: some({
    netns: fc.constantFrom('blue', '4711', '/proc/1/ns/net', 'on'),
    address,
    mtu,
    addresses: fc.uniqueArray(fc.constantFrom('10.0.0.1/24', 'fd00::1/64', '::ffff:1.2.3.4/96'), { maxLength: 3 }),
    up: on,
  }),
});

interface Draft {
  kind: LinkConfig['kind'];
  master: number | undefined;
  isOutward: boolean;
  link: Partial<LinkConfig>;
  port: PortConfig | undefined;
}

const draft: fc.Arbitrary<Draft> = fc.record({
  kind: fc.constantFrom('bridge', 'tap', 'tap', 'packet', 'pcap', 'memory'),
  master: sometimes(fc.nat({ max: 3 })),
  isOutward: on,
  link: some({ address, mtu, up: on, bridge, tap }),
  port: sometimes(port),
});

function linkOf(name: string, { kind, link, master, isOutward, port: options }: Draft, bridges: string[]): LinkConfig {
  const { bridge: bridgeOptions, tap: tapOptions, ...common } = link;
  const isPort = kind !== 'bridge' && master !== undefined && bridges.length > 0;
  return normalLink({
    ...common,
    name,
    kind,
    ...(isPort ? { master: bridges[master % bridges.length] } : {}),
    ...(isPort && options !== undefined ? { port: options } : {}),
    ...(kind === 'bridge' && bridgeOptions !== undefined ? { bridge: bridgeOptions } : {}),
    ...(kind === 'tap' && tapOptions !== undefined ? { tap: tapOptions } : {}),
    ...(kind === 'packet'
      ? { packet: { dev: `phys${isOutward ? 0 : 1}`, ...(isOutward ? { netns: 'green' } : {}) } }
      : {}),
    ...(kind === 'pcap'
      ? { pcap: isOutward ? { read: '/captures/in.pcap' } : { write: `/captures/${name}.pcapng` } }
      : {}),
  });
}

interface StationDraft {
  mac: number;
  dev: number;
  isPermanent: boolean;
  sticky: boolean;
}

/** One station a bridge and address, behind ports and bridges only. */
function stationsOf(drafts: StationDraft[], links: LinkConfig[]): StationConfig[] {
  const places = links.filter(({ kind, master }) => kind === 'bridge' || master !== undefined);
  const out = new Map<string, StationConfig>();
  for (const { mac, dev, isPermanent, sticky } of places.length === 0 ? [] : drafts) {
    const { name, master } = places[dev % places.length];
    const state = isPermanent ? 'permanent' : 'static';
    const station = normalStation({ mac: `0a:00:00:00:00:0${mac}`, dev: name, state, sticky });
    out.set(`${master ?? name} ${mac}`, station);
  }
  return [...out.values()];
}

export const anyConfig: fc.Arbitrary<Config> = fc
  .record({
    drafts: fc.array(sometimes(draft), { minLength: NAMES.length, maxLength: NAMES.length }),
    stations: fc.array(fc.record({ mac: fc.nat({ max: 4 }), dev: fc.nat({ max: 9 }), isPermanent: on, sticky: on }), {
      maxLength: 6,
    }),
  })
  .map(({ drafts, stations }) => {
    const names = NAMES.filter((_, i) => drafts[i] !== undefined);
    const bridges = names.filter((name) => drafts[NAMES.indexOf(name)]?.kind === 'bridge');
    const links = names.map((name) => linkOf(name, drafts[NAMES.indexOf(name)] as Draft, bridges));
    return { links, fdb: stationsOf(stations, links) };
  });

/** Two of them that have much in common: the second is the first with some links and stations of another. */
export const configPair: fc.Arbitrary<[Config, Config]> = fc
  .tuple(anyConfig, anyConfig, fc.array(on, { minLength: NAMES.length, maxLength: NAMES.length }))
  .map(([from, other, isChanged]) => {
    const pick = (name: string): LinkConfig | undefined => {
      const source = isChanged[NAMES.indexOf(name)] ? other : from;
      return source.links.find((link) => link.name === name);
    };
    const links = NAMES.map(pick).filter((link) => link !== undefined);
    const bridges = new Set(links.filter(({ kind }) => kind === 'bridge').map(({ name }) => name));
    const whole = links.map((link) => {
      if (link.master === undefined || bridges.has(link.master)) return link;
      const { master: _, port: __, ...rest } = link;
      return rest;
    });
    const drafts = [...from.fdb, ...other.fdb.slice(0, 2)].map(({ mac, state, sticky }, i) => ({
      mac: Number(mac.at(-1)),
      dev: i,
      isPermanent: state === 'permanent',
      sticky: sticky === true,
    }));
    return [from, { links: whole, fdb: stationsOf(drafts, whole) }];
  });
