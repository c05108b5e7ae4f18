/*
 * The sysctls of a namespace, by their Linux names, with the effects that writing one has on others. What changes goes to
 * the engine as it changes; a new link gets its whole rows at once.
 *
 *   conf.default is copied to a new link. Written later, the value of IPv4 also goes to those links that nobody has set it
 *   for: neither by its own key, nor all at once by giving the link an address, and `default` was untouched when
 *   the link came (devinet_copy_dflt_conf). Of IPv6, only forwarding, disable_ipv6, addr_gen_mode and
 *   ignore_routes_with_linkdown go from `all` to everything.
 *   A new namespace starts with the host's net.ipv4.conf (devconf_inherit_init_net 0), all else as in a fresh system.
 */
import { SluiceError } from '../core/errors.js';
import { Conf4, Conf6, type ConfTable, Net4, Net6 } from '../route/conf.js';
import type { AddrGenMode } from './api/link.js';
import type { SysctlInfo } from './api/sysctl.js';
import type { Call } from './engine-thread.js';
import { hasIpv6, type Link, type LinkKind } from './link.js';
import type { SettingChange } from './link-observer.js';
import type { Namespace } from './namespaces.js';
import {
  BITMAP_BITS,
  FOLDERS,
  fileOf,
  INDEX,
  INDEX_OF_BRIDGE,
  INDEX_OF_NETFILTER,
  isNeigh,
  keyOf,
  segmentsOf,
  takenBy,
} from './sysctl-keys.js';
import {
  BRIDGE,
  type BridgeSysctl,
  CONF4,
  CONF6,
  initialRow,
  NEIGH4,
  NEIGH6,
  NET4,
  NET6,
  NETFILTER,
  NetfilterWord,
  RATEMASK6,
  type Sysctl,
  timeoutsOf,
  WORDS6,
} from './sysctl-tables.js';
import { formatBitmap, INT_MAX, INT_MIN, parseBitmap } from './sysctl-units.js';

/** A link's rows, with what has been set by hand. */
export interface LinkSettings {
  /** By Conf4. */
  words4: number[];
  /** By Conf6, then the control plane's own. */
  words6: number[];
  /** It has had an IPv4 address: `default` changes nothing of it any more. */
  isPinned4: boolean;
  /** Keys of words4 that `default` does not change any more. */
  pinned4: ReadonlySet<number>;
  /** Neighbour keys of words6, the same. */
  pinned6: ReadonlySet<number>;
  /** By key, what it was before somebody wrote it. */
  written: Map<string, string>;
}

type Pinning = Pick<LinkSettings, 'pinned4' | 'pinned6'>;

/** Where values lie: a folder's row of a table. */
interface Row {
  words: number[];
  table: ConfTable | 'netfilter';
  /** In the engine's table; undefined: it is the control plane's alone. */
  number: number | undefined;
  family: 4 | 6;
  kind: 'all' | 'default' | 'link' | 'net' | 'netfilter';
  link?: Link;
}

interface Entry {
  sysctl: Sysctl;
  row: Row;
}

/** What is done to all links at once when `all` is written. */
const SPREADING6: ReadonlySet<string> = new Set([
  'forwarding',
  'disable_ipv6',
  'addr_gen_mode',
  'ignore_routes_with_linkdown',
]);

const BITMAP_WORDS = 8;

/** The dataplane counts in int32. */
function word(value: number): number {
  return Math.max(INT_MIN, Math.min(INT_MAX, value));
}

function wordsOf(values: readonly number[], count: number): Int32Array {
  const words = new Int32Array(count);
  for (let i = 0; i < count; i++) words[i] = word(values[i]);
  return words;
}

/** Rows of a fresh system. `all` differs from `default` where either would be enough. */
const FIRST = {
  all4: initialRow(Conf4.COUNT, CONF4, NEIGH4).with(Conf4.ACCEPT_SOURCE_ROUTE, 0),
  default4: initialRow(Conf4.COUNT, CONF4, NEIGH4),
  all6: initialRow(WORDS6, CONF6, NEIGH6).with(Conf6.ACCEPT_DAD, 0),
  default6: initialRow(WORDS6, CONF6, NEIGH6),
  net4: initialRow(Net4.COUNT, NET4),
  net6: initialRow(Net6.COUNT, NET6).map((value, key) => RATEMASK6[key - Net6.ICMP_RATEMASK] ?? value),
  netfilter: initialRow(NetfilterWord.COUNT, NETFILTER),
};

const NONE_WRITTEN = new Map<string, string>();

export class Sysctls {
  /** Keys that somebody has written, in that order, and what they were before. */
  private readonly written = new Map<string, string>();
  private readonly all4: number[];
  private readonly default4: number[];
  private readonly all6: number[];
  private readonly default6: number[];
  private readonly net4: number[];
  private readonly net6: number[];
  private readonly netfilter = [...FIRST.netfilter];
  /** Written keys of `default`. */
  pinned4: ReadonlySet<number>;
  pinned6: ReadonlySet<number> = new Set();

  /** `host`: those of the host namespace, for any other. */
  constructor(
    private readonly namespace: Namespace,
    private readonly host?: Sysctls,
  ) {
    this.all4 = [...(host?.all4 ?? FIRST.all4)];
    this.default4 = [...(host?.default4 ?? FIRST.default4)];
    this.all6 = [...FIRST.all6];
    this.default6 = [...FIRST.default6];
    this.pinned4 = host?.pinned4 ?? new Set();
    this.net4 = [...FIRST.net4];
    this.net6 = [...FIRST.net6];
    if (host !== undefined) this.copyGlobals(host);
  }

  private copyGlobals({ net4, net6 }: Sysctls): void {
    for (const { key, isGlobal } of NET4) if (isGlobal === true) this.net4[key] = net4[key];
    for (const { key, isGlobal } of NET6) if (isGlobal === true) this.net6[key] = net6[key];
  }

  /** What the engine needs of a new namespace. */
  rows(): Call[] {
    const { number } = this.namespace;
    return [
      ['setConfRow', 'all4', number, wordsOf(this.all4, Conf4.COUNT)],
      ['setConfRow', 'all6', number, wordsOf(this.all6, Conf6.COUNT)],
      ['setConfRow', 'net4', number, wordsOf(this.net4, Net4.COUNT)],
      ['setConfRow', 'net6', number, wordsOf(this.net6, Net6.COUNT)],
    ];
  }

  // --- links ------------------------------------------------------------------------------------

  /** Settings of a link that is new here. */
  forLink(kind: LinkKind, mtu: number): LinkSettings {
    const defaults = this.host ?? this;
    const words4 = [...this.default4];
    for (const { key } of NEIGH4) words4[key] = defaults.default4[key];
    const words6 = [...this.default6];
    for (const { key } of NEIGH6) words6[key] = defaults.default6[key];
    words6[Conf6.MTU] = mtu;
    if (kind === 'lo' || kind === 'dummy') words6[Conf6.ACCEPT_DAD] = -1;
    return { words4, words6, isPinned4: false, pinned4: this.pinned4, pinned6: this.pinned6, written: NONE_WRITTEN };
  }

  linkRows({ number, settings }: Link): Call[] {
    return [
      ['setConfRow', 'link4', number, wordsOf(settings.words4, Conf4.COUNT)],
      ['setConfRow', 'link6', number, wordsOf(settings.words6, Conf6.COUNT)],
    ];
  }

  /** The MTU of IPv6 follows the link's (addrconf_notify). */
  mtuChanged(link: Link, calls: Call[]): void {
    link.settings.words6[Conf6.MTU] = link.mtu;
    calls.push(['setConf', 'link6', link.number, Conf6.MTU, word(link.mtu)]);
  }

  /** A link that was given an IPv4 address keeps its settings when `default` changes (ipv4_devconf_setall). */
  pin4(link: Link): void {
    link.settings.isPinned4 = true;
  }

  // --- for the control plane ----------------------------------------------------------------------

  all(family: 4 | 6, key: Conf4 | Conf6): number {
    return (family === 4 ? this.all4 : this.all6)[key];
  }

  net(family: 4 | 6, key: Net4 | Net6): number {
    return (family === 4 ? this.net4 : this.net6)[key];
  }

  /** Any by its Linux name, as a number; 0: there is none. A link's name may have its dots. */
  number(key: string): number {
    const parts = /^net\.(ipv[46])\.(conf|neigh)\.(.+)\.([^.]+)$/.exec(key);
    const entry = this.find(parts === null ? segmentsOf(key) : ['net', ...parts.slice(1)]);
    return entry === undefined ? 0 : Number.parseInt(textOf(entry), 10);
  }

  /** What can only be asked of the engine. */
  noteFlows(flows: number, buckets: number): void {
    this.netfilter[NetfilterWord.FLOWS] = flows;
    this.netfilter[NetfilterWord.BUCKETS] = buckets;
  }

  // --- by name ------------------------------------------------------------------------------------

  get(key: string): SysctlInfo {
    const segments = segmentsOf(key);
    const entry = this.find(segments);
    if (entry === undefined) throw this.absent(key, segments);
    return { key: keyOf(segments), value: textOf(entry) };
  }

  /** All below a folder, or the one of that name; all without a name. In the order of /proc/sys. */
  list(prefix?: string): SysctlInfo[] {
    const segments = prefix === undefined || prefix === '' ? [] : segmentsOf(prefix);
    const one = this.find(segments);
    if (one !== undefined) return [{ key: keyOf(segments), value: textOf(one) }];
    const start = segments.map((segment) => `${segment}\0`).join('');
    const found = this.everything().filter(([path]) => path.startsWith(start));
    if (found.length === 0) throw this.absent(prefix ?? '', segments);
    found.sort(([a], [b]) => (a < b ? -1 : 1));
    return found.map(([path, entry]) => ({ key: keyOf(path.slice(0, -1).split('\0')), value: textOf(entry) }));
  }

  /** Writes a value. `changed` is told of every link and namespace that it changes. */
  set(key: string, text: string, calls: Call[], changed: (of: Namespace, change: SettingChange) => void): void {
    const segments = segmentsOf(key);
    const entry = this.find(segments);
    if (entry === undefined) throw this.unwritable(key, segments);
    if (entry.sysctl.isReadOnly === true)
      throw new SluiceError('EACCES', `cannot set ${key}: it can only be read; leave it out`);
    const before = textOf(entry);
    this.checkInert(entry, key, text);
    const write = new Write(calls, changed);
    if (entry.sysctl.isBitmap === true) this.setBitmap(entry, key, text, write);
    else this.setNumber(entry, this.parse(entry, key, text), write);
    this.note(segments, entry.row.link, before);
  }

  /** A setting without effect is refused; that which it has anyway, or switching it off, is none. */
  private checkInert({ sysctl }: Entry, key: string, text: string): void {
    const value = Number.parseInt(text, 10);
    if (sysctl.isInert !== true || value === 0 || value === sysctl.initial) return;
    throw new SluiceError('EOPNOTSUPP', `cannot set ${key}: it has no effect here yet; leave it at ${sysctl.initial}`);
  }

  /** Of a link without its name, which may change. */
  private note(segments: readonly string[], link: Link | undefined, before: string): void {
    if (link?.settings.written === NONE_WRITTEN) link.settings.written = new Map();
    const written = link?.settings.written ?? this.written;
    const path = (link === undefined ? segments : segments.with(3, '')).join('\0');
    if (!written.has(path)) written.set(path, before);
  }

  /** What somebody has set, and what it was at first; a link's go with it. */
  changed(): Array<SysctlInfo & { initial: string }> {
    const own = [...this.written].map(([path, initial]): [string[], string] => [path.split('\0'), initial]);
    const ofLinks = this.namespace
      .inOrder()
      .flatMap(({ name, settings }) =>
        [...settings.written].map(([path, initial]): [string[], string] => [path.split('\0').with(3, name), initial]),
      );
    return [...own, ...ofLinks].flatMap(([segments, initial]) => {
      const entry = this.find(segments);
      return entry === undefined ? [] : [{ key: keyOf(segments), value: textOf(entry), initial }];
    });
  }

  setAddrGenMode(link: Link, mode: AddrGenMode, calls: Call[], changed: Write['changed']): void {
    const sysctl = INDEX[6].conf.get('addr_gen_mode') as Sysctl;
    const write = new Write(calls, changed);
    write.store(this.namespace, { sysctl, row: this.rowOfLink(link, 6) }, mode === 'none' ? 1 : 0);
  }

  private parse(entry: Entry, key: string, text: string): number {
    const { min, max } = this.rangeOf(entry);
    const { unit, words } = entry.sysctl;
    const value = unit.parse(text, min, max);
    if (value !== undefined) return value;
    const taken = takenBy(words === undefined ? { min, max } : { words, min, max });
    throw new SluiceError('EINVAL', `cannot set ${key}: "${text}" is no value of it; use ${taken}`);
  }

  /** Limits that hang on other values. */
  private rangeOf({ sysctl, row }: Entry): { min: number; max: number } {
    const { min, max } = sysctl;
    if (row.kind === 'net' && /frag_(high|low)_thresh$/.test(sysctl.name)) {
      const [high, low] =
        row.family === 4
          ? [Net4.IPFRAG_HIGH_THRESH, Net4.IPFRAG_LOW_THRESH]
          : [Net6.IPFRAG_HIGH_THRESH, Net6.IPFRAG_LOW_THRESH];
      return sysctl.name.includes('high') ? { min: row.words[low], max } : { min, max: row.words[high] };
    }
    if (row.link !== undefined && row.family === 6 && sysctl.name === 'mtu') return { min, max: row.link.mtu };
    return { min, max };
  }

  private setBitmap({ row }: Entry, key: string, text: string, write: Write): void {
    const words = parseBitmap(text, BITMAP_BITS);
    if (words === undefined)
      throw new SluiceError(
        'EINVAL',
        `cannot set ${key}: "${text}" is no list of 0 to 255; write for example 0-1,3-127`,
      );
    words.forEach((bits, i) => {
      write.word(row, Net6.ICMP_RATEMASK + i, bits);
    });
  }

  private setNumber(entry: Entry, value: number, write: Write): void {
    const { sysctl, row } = entry;
    const isSame = row.words[sysctl.key] === value;
    this.pin(entry);
    if (row.kind === 'netfilter') return this.setNetfilter(sysctl.key, row, value, write);
    if (sysctl.isGlobal === true) return this.setGlobal(entry, value, write);
    write.store(this.namespace, entry, value);
    if (row.kind === 'all' && row.family === 4 && sysctl.name === 'forwarding' && !isSame) this.forward4(value, write);
    else if (row.kind === 'all' && row.family === 6 && SPREADING6.has(sysctl.name)) this.spread6(sysctl, value, write);
    else if (row.kind === 'default') this.copyDefault(entry, value, write);
  }

  /** Written for itself, a key no longer follows `default`. Sets are shared until then: few links have any. */
  private pin({ sysctl: { key }, row }: Entry): void {
    const { link, family } = row;
    if (row.kind !== 'link' && row.kind !== 'default') return;
    const of: Pinning = link?.settings ?? this;
    if (family === 4) of.pinned4 = new Set(of.pinned4).add(key);
    else of.pinned6 = new Set(of.pinned6).add(key);
  }

  /** A profile sets all timeouts. */
  private setNetfilter(key: number, row: Row, value: number, write: Write): void {
    write.word(row, key, value);
    if (key !== NetfilterWord.TIMEOUT_PROFILE) return;
    for (const [timeout, ms] of timeoutsOf(value)) write.word(row, timeout, ms);
  }

  /** inet_forward_change: a router does not listen to redirects, unless told so afterwards. */
  private forward4(value: number, write: Write): void {
    const forwarding = INDEX[4].conf.get('forwarding') as Sysctl;
    const redirects = INDEX[4].conf.get('accept_redirects') as Sysctl;
    write.store(this.namespace, { sysctl: redirects, row: this.rowOfAll(4) }, value === 0 ? 1 : 0);
    write.store(this.namespace, { sysctl: forwarding, row: this.rowOfDefault(4) }, value);
    for (const link of this.namespace.links.values())
      write.store(this.namespace, { sysctl: forwarding, row: this.rowOfLink(link, 4) }, value);
  }

  private spread6(sysctl: Sysctl, value: number, write: Write): void {
    write.store(this.namespace, { sysctl, row: this.rowOfDefault(6) }, value);
    for (const link of this.namespace.links.values())
      write.store(this.namespace, { sysctl, row: this.rowOfLink(link, 6) }, value);
  }

  /** Of IPv6 only the neighbour keys go from `default` to links. */
  private copyDefault({ sysctl, row }: Entry, value: number, write: Write): void {
    const { family } = row;
    if (family === 6 && !isNeigh[6].has(sysctl.key)) return;
    for (const link of this.namespace.links.values()) {
      const { isPinned4, pinned4, pinned6 } = link.settings;
      const isKept = family === 4 ? isPinned4 || pinned4.has(sysctl.key) : pinned6.has(sysctl.key);
      if (!isKept) write.store(this.namespace, { sysctl, row: this.rowOfLink(link, family) }, value);
    }
  }

  /** One value for all namespaces, which each has a copy of. */
  private setGlobal({ sysctl, row }: Entry, value: number, write: Write): void {
    for (const namespace of this.siblings()) {
      const { sysctls } = namespace;
      write.store(namespace, { sysctl, row: sysctls.rowOfNet(row.family) }, value);
    }
  }

  /** All namespaces; set by Namespaces, for the host's. */
  siblings: () => Iterable<Namespace> = () => [this.namespace];

  // --- folders --------------------------------------------------------------------------------------

  private find(segments: readonly string[]): Entry | undefined {
    const [net, protocol, folder, name] = segments;
    if (net === 'net' && protocol === 'netfilter' && segments.length === 3) {
      const sysctl = INDEX_OF_NETFILTER.get(folder);
      return sysctl === undefined ? undefined : { sysctl, row: this.rowOfNetfilter() };
    }
    if (net === 'net' && protocol === 'bridge' && segments.length === 3) {
      const sysctl = INDEX_OF_BRIDGE.get(folder);
      return sysctl === undefined ? undefined : { sysctl, row: this.rowOfBridge(sysctl) };
    }
    if (net !== 'net' || (protocol !== 'ipv4' && protocol !== 'ipv6')) return undefined;
    const family = protocol === 'ipv4' ? 4 : 6;
    if (family === 4 && segments.length === 3 && folder === 'ip_forward')
      return { sysctl: INDEX[4].conf.get('forwarding') as Sysctl, row: this.rowOfAll(4) };
    if ((folder === 'conf' || folder === 'neigh') && segments.length === 5) {
      const row = this.rowOf(folder, name, family);
      const sysctl = INDEX[family][folder].get(segments[4]);
      if (row !== undefined && sysctl !== undefined) return { sysctl, row };
    }
    const sysctl = INDEX[family].net.get(segments.slice(2).join('/'));
    return sysctl !== undefined && this.has(sysctl) ? { sysctl, row: this.rowOfNet(family) } : undefined;
  }

  private has({ isGlobal }: Sysctl): boolean {
    return isGlobal !== true || this.namespace.isHost;
  }

  private rowOf(folder: 'conf' | 'neigh', name: string, family: 4 | 6): Row | undefined {
    if (name === 'default') return folder === 'conf' || this.namespace.isHost ? this.rowOfDefault(family) : undefined;
    if (name === 'all') return folder === 'conf' ? this.rowOfAll(family) : undefined;
    const link = this.namespace.links.get(name);
    return link === undefined || (family === 6 && !hasIpv6(link)) ? undefined : this.rowOfLink(link, family);
  }

  private rowOfAll(family: 4 | 6): Row {
    const { number } = this.namespace;
    return { words: family === 4 ? this.all4 : this.all6, table: `all${family}`, number, family, kind: 'all' };
  }

  private rowOfDefault(family: 4 | 6): Row {
    const words = family === 4 ? this.default4 : this.default6;
    return { words, table: `all${family}`, number: undefined, family, kind: 'default' };
  }

  private rowOfNet(family: 4 | 6): Row {
    const { number } = this.namespace;
    return { words: family === 4 ? this.net4 : this.net6, table: `net${family}`, number, family, kind: 'net' };
  }

  private rowOfNetfilter(): Row {
    const { number } = this.namespace;
    return { words: this.netfilter, table: 'netfilter', number, family: 4, kind: 'netfilter' };
  }

  private rowOfBridge({ row }: BridgeSysctl): Row {
    return row === 'netfilter' ? this.rowOfNetfilter() : this.rowOfNet(row === 'net4' ? 4 : 6);
  }

  private rowOfLink(link: Link, family: 4 | 6): Row {
    const { words4, words6 } = link.settings;
    const words = family === 4 ? words4 : words6;
    return { words, table: `link${family}`, number: link.number, family, kind: 'link', link };
  }

  /** Every key by its path, each segment ended by a NUL. */
  private everything(): Array<[string, Entry]> {
    const out: Array<[string, Entry]> = [];
    const forward = INDEX[4].conf.get('forwarding') as Sysctl;
    for (const sysctl of BRIDGE) out.push([`net\0bridge\0${sysctl.name}\0`, { sysctl, row: this.rowOfBridge(sysctl) }]);
    for (const sysctl of NETFILTER)
      out.push([`net\0netfilter\0${sysctl.name}\0`, { sysctl, row: this.rowOfNetfilter() }]);
    out.push([pathOf(4, 'ip_forward'), { sysctl: forward, row: this.rowOfAll(4) }]);
    for (const family of [4, 6] as const) {
      const { conf, neigh, net } = FOLDERS[family];
      const row = this.rowOfNet(family);
      for (const sysctl of net) if (this.has(sysctl)) out.push([pathOf(family, sysctl.name), { sysctl, row }]);
      for (const name of ['all', 'default', ...this.namespace.links.keys()]) {
        this.addFolder(out, conf, 'conf', name, family);
        this.addFolder(out, neigh, 'neigh', name, family);
      }
    }
    return out;
  }

  private addFolder(
    out: Array<[string, Entry]>,
    table: readonly Sysctl[],
    folder: 'conf' | 'neigh',
    name: string,
    family: 4 | 6,
  ): void {
    const row = this.rowOf(folder, name, family);
    if (row === undefined) return;
    for (const sysctl of table) {
      if (sysctl.isDeprecated === true) continue;
      out.push([`net\0ipv${family}\0${folder}\0${name}\0${sysctl.name}\0`, { sysctl, row }]);
    }
  }

  private unwritable(key: string, segments: readonly string[]): SluiceError {
    const start = segments.map((segment) => `${segment}\0`).join('');
    if (!this.everything().some(([path]) => path.startsWith(start))) return this.absent(key, segments);
    return new SluiceError('EISDIR', `cannot set ${key}: it is a folder of keys; name one of them`);
  }

  private absent(key: string, segments: readonly string[]): SluiceError {
    const isGlobal = segments.length > 2 && this.host?.find(segments) !== undefined;
    const hint = isGlobal
      ? 'it is one for all namespaces; set it without "-n"'
      : '"sluice sysctl -a" lists those there are';
    return new SluiceError('ENOENT', `cannot find ${key}: there is no ${fileOf(segments)}; ${hint}`);
  }
}

function pathOf(family: 4 | 6, name: string): string {
  return `net\0ipv${family}\0${name.replaceAll('/', '\0')}\0`;
}

function textOf({ sysctl, row }: Entry): string {
  if (sysctl.isBitmap === true) return formatBitmap(row.words.slice(sysctl.key, sysctl.key + BITMAP_WORDS));
  return sysctl.unit.format(row.words[sysctl.key]);
}

/** One write and all that follows from it. */
class Write {
  constructor(
    private readonly calls: Call[],
    readonly changed: (of: Namespace, change: SettingChange) => void,
  ) {}

  store(namespace: Namespace, { sysctl, row }: Entry, value: number): void {
    const from = row.words[sysctl.key];
    if (from === value) return;
    this.word(row, sysctl.key, value);
    const { family, link } = row;
    if (row.kind !== 'default')
      this.changed(namespace, { family, name: sysctl.name, from, to: value, ...(link === undefined ? {} : { link }) });
  }

  word({ words, table, number, family }: Row, key: number, value: number): void {
    if (words[key] === value) return;
    words[key] = value;
    if (table === 'netfilter') return this.conntrack(number, key, value);
    const isOwn = table === 'net4' || table === 'net6' ? false : key >= (family === 4 ? Conf4.COUNT : Conf6.COUNT);
    if (number !== undefined && !isOwn) this.calls.push(['setConf', table, number, key, word(value)]);
  }

  private conntrack(namespace: number | undefined, key: number, value: number): void {
    if (namespace === undefined || key >= NetfilterWord.BUCKETS) return;
    this.calls.push(['setConntrack', namespace, key, Math.min(value, INT_MAX)]);
  }
}
