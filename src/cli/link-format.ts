/*
 * Links as `ip link show` prints them: LinkInfo and flags in, text or JSON out, nothing else.
 *
 * The daemon's LinkInfo is what `ip -j -d -s -s link show` prints, so JSON is a selection of its
 * fields, and the text is made from the same object. Most fields read "name value " in the text;
 * LABELS names those that the text calls otherwise, and the timers are the only numbers with
 * decimals. Verified against the kernel's own links in test/cli/link-format.test.ts.
 */
import type { LinkData, LinkInfo } from '../control/api/link.js';
import { type Json, json } from './json.js';
import { linkStats } from './link-stats.js';
import { GROUPS } from './rt-names.js';

/** The flags of `ip`: how often each was given. */
export interface ShowFlags {
  stats: number;
  details: number;
  json: boolean;
  pretty: boolean;
  oneline: boolean;
  brief: boolean;
  human: boolean;
  iec: boolean;
  /** -N: the group and the type by number. */
  numeric?: boolean;
}

/** Which of a link is shown: all of it by `ip link`, less by `ip addr`. */
export interface LinkView {
  /** `ip link`: link mode, IPv6 address generation and counters too. */
  whole: boolean;
  /** The line with the link's own addresses. */
  hardware: boolean;
  /** The length of the transmit queue; `ip monitor` leaves it out. */
  queue: boolean;
  /** Brief: the link's own address and flags in place of its IP addresses. */
  briefHardware: boolean;
}

export const WHOLE: LinkView = { whole: true, hardware: true, queue: true, briefHardware: true };

/** What the text calls a field of JSON. */
const LABELS: Record<string, string> = {
  group_addr: 'group_address',
  mcast_last_member_cnt: 'mcast_last_member_count',
  mcast_startup_query_cnt: 'mcast_startup_query_count',
  mcast_last_member_intvl: 'mcast_last_member_interval',
  mcast_membership_intvl: 'mcast_membership_interval',
  mcast_querier_intvl: 'mcast_querier_interval',
  mcast_query_intvl: 'mcast_query_interval',
  mcast_query_response_intvl: 'mcast_query_response_interval',
  mcast_startup_query_intvl: 'mcast_startup_query_interval',
};

/** A bridge calls its root_id "designated_root"; a port also its bridge's id and its own. */
const BRIDGE_LABELS: Record<string, string> = { ...LABELS, root_id: 'designated_root' };
const PORT_LABELS: Record<string, string> = {
  ...BRIDGE_LABELS,
  id: 'port_id',
  no: 'port_no',
  bridge_id: 'designated_bridge',
  multicast_router: 'mcast_router',
};

function field(label: string, key: string, value: LinkData[string]): string {
  if (Array.isArray(value)) return `<${value.join(',')}> `;
  if (typeof value === 'boolean') return `${label} ${value ? 'on' : 'off'} `;
  if (key.endsWith('_timer')) return `${label} ${Number(value).toFixed(2).padStart(7)} `;
  return `${label} ${value} `;
}

/** An empty word stands for what was not given. */
function kindFields(data: LinkData, labels: Record<string, string>): string {
  let text = '';
  for (const [key, value] of Object.entries(data)) if (value !== '') text += field(labels[key] ?? key, key, value);
  return text;
}

/** A TAP says multi_queue only if it is, and then without "on". */
function tunFields(data: LinkData): string {
  const { multi_queue: multiQueue, ...others } = data;
  const text = kindFields(others, {});
  if (multiQueue !== true) return text;
  const at = text.search(/numqueues |persist /);
  return `${text.slice(0, at)}multi_queue ${text.slice(at)}`;
}

/** The fast-leave flag is printed twice: as "fastleave" in its place, and after the multicast router. */
function portFields(data: LinkData): string {
  const text = kindFields(data, PORT_LABELS);
  if (data.fastleave === undefined) return text;
  return text.replace(/(mcast_router \d+ )/, `$1mcast_fast_leave ${data.fastleave ? 'on' : 'off'} `);
}

function infoFields(kind: string, data: LinkData): string {
  if (kind === 'tun') return tunFields(data);
  return kindFields(data, kind === 'bridge' ? BRIDGE_LABELS : LABELS);
}

function linkInfoText(info: NonNullable<LinkInfo['linkinfo']>, newline: string): string {
  let text = '';
  if (info.info_kind !== undefined) text += `${newline}    ${info.info_kind} `;
  if (info.info_data !== undefined) text += infoFields(info.info_kind, info.info_data);
  if (info.info_slave_kind !== undefined) text += `${newline}    ${info.info_slave_kind}_slave `;
  if (info.info_slave_data !== undefined) text += portFields(info.info_slave_data);
  return text;
}

/** Fields of -d that follow the kind's own. */
const DETAILS: ReadonlyArray<[keyof LinkInfo, string]> = [
  ['inet6_addr_gen_mode', 'addrgenmode'],
  ['num_tx_queues', 'numtxqueues'],
  ['num_rx_queues', 'numrxqueues'],
  ['gso_max_size', 'gso_max_size'],
  ['gso_max_segs', 'gso_max_segs'],
  ['tso_max_size', 'tso_max_size'],
  ['tso_max_segs', 'tso_max_segs'],
  ['gro_max_size', 'gro_max_size'],
];

function detailsText(link: LinkInfo, newline: string, view: LinkView): string {
  // A dump of the family inet6 has none of them.
  if (link.promiscuity === undefined) return '';
  let text = ` promiscuity ${link.promiscuity}  allmulti ${link.allmulti} minmtu ${link.min_mtu} maxmtu ${link.max_mtu} `;
  if (link.linkinfo !== undefined) text += linkInfoText(link.linkinfo, newline);
  for (const [key, label] of DETAILS) {
    const isShown = link[key] !== undefined && (view.whole || key !== 'inet6_addr_gen_mode');
    if (isShown) text += `${label} ${link[key]} `;
  }
  return text;
}

/** ARPHRD_*. */
const TYPES: Record<string, number> = { ether: 1, loopback: 772, none: 65534 };

/** As -N shows it; a dump of the family inet6 has no group. */
function numbered(link: LinkInfo): LinkInfo {
  const group = link.group && String(GROUPS.number(link.group) ?? link.group);
  return { ...link, group, link_type: `[${TYPES[link.link_type] ?? link.link_type}]` };
}

function nameOf(link: LinkInfo): string {
  const other = link.link ?? (link.link_index === undefined ? undefined : `if${link.link_index}`);
  return other === undefined ? link.ifname : `${link.ifname}@${other}`;
}

function briefText(link: LinkInfo, view: LinkView): string {
  const text = `${nameOf(link).padEnd(16)} ${link.operstate.padEnd(14)} `;
  return view.briefHardware ? `${text}${link.address} <${link.flags.join(',')}> \n` : text;
}

function optional(label: string, value: string | undefined): string {
  return value === undefined ? '' : `${label} ${value} `;
}

function firstLine(link: LinkInfo, view: LinkView): string {
  const queue = view.queue && link.txqlen ? `qlen ${link.txqlen}` : '';
  const mode = view.whole ? `mode ${link.linkmode} ` : '';
  return (
    `${link.ifindex}: ${nameOf(link)}: <${link.flags.join(',')}> mtu ${link.mtu} ` +
    `${optional('qdisc', link.qdisc)}${optional('master', link.master)}state ${link.operstate} ${mode}` +
    `${optional('group', link.group)}${queue}`
  );
}

function hardwareLine(link: LinkInfo): string {
  const broadcast = link.broadcast === undefined ? '' : ` brd ${link.broadcast}`;
  return `    link/${link.link_type} ${link.address}${broadcast}`;
}

/** Where its other end is: by name, which only text has. */
function namespaceOf({ link_netns: name, link_netnsid: id }: LinkInfo): string {
  if (name !== undefined) return ` link-netns ${name}`;
  return id === undefined ? '' : ` link-netnsid ${id}`;
}

export function linkText(named: LinkInfo, flags: ShowFlags, view = WHOLE): string {
  const link = flags.numeric ? numbered(named) : named;
  if (flags.brief) return briefText(link, view);
  const newline = flags.oneline ? '\\' : '\n';
  let text = firstLine(link, view);
  if (view.hardware || flags.details > 0) text += newline + hardwareLine(link);
  text += namespaceOf(link);
  if (flags.details > 0) text += detailsText(link, newline, view);
  if (view.whole && flags.stats > 0) text += newline + linkStats(link.stats64, flags, newline);
  return `${text}\n`;
}

/** The counters as `ip -s addr` shows them, after the addresses. */
export function statsAfter(link: LinkInfo, flags: ShowFlags): string {
  return `${linkStats(link.stats64, flags, '\n')}\n`;
}

const BRIEF = ['link', 'link_index', 'ifname', 'operstate', 'address', 'flags'] as const;
/** What -d alone shows; the counters come with -s. */
const DETAIL_KEYS: ReadonlySet<string> = new Set([
  'promiscuity',
  'allmulti',
  'min_mtu',
  'max_mtu',
  'linkinfo',
  ...DETAILS.map(([key]) => key),
]);
/** What a second -s adds. */
const ERROR_KEYS: ReadonlySet<string> = new Set([
  'length_errors',
  'crc_errors',
  'frame_errors',
  'fifo_errors',
  'missed_errors',
  'aborted_errors',
  'window_errors',
  'heartbeat_errors',
  'carrier_changes',
]);

function without(object: object, keys: ReadonlySet<string>): Record<string, Json> {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.has(key)));
}

/** What `ip addr` has no place for, and what stands in the line that -4 and -6 leave out. */
const WHOLE_KEYS: ReadonlySet<string> = new Set(['linkmode', 'inet6_addr_gen_mode']);
const HARDWARE_KEYS: ReadonlySet<string> = new Set(['link_type', 'address', 'broadcast']);

export function statsJson(link: LinkInfo, flags: ShowFlags): Json | undefined {
  if (flags.stats === 0) return undefined;
  const { rx, tx } = link.stats64;
  if (flags.stats > 1) return { rx: { ...rx }, tx: { ...tx } };
  return { rx: without(rx, ERROR_KEYS), tx: without(tx, ERROR_KEYS) };
}

export function linkJson(link: LinkInfo, flags: ShowFlags, view = WHOLE): Record<string, Json | undefined> {
  if (flags.brief) {
    const keys = view.briefHardware ? BRIEF : BRIEF.slice(0, 4);
    return Object.fromEntries(keys.map((key) => [key, link[key]]));
  }
  const { stats64, link_netns: _, ...rest } = flags.numeric ? numbered(link) : link;
  let shown = flags.details > 0 ? (rest as unknown as Record<string, Json>) : without(rest, DETAIL_KEYS);
  if (!view.whole) shown = without(shown, WHOLE_KEYS);
  if (!view.hardware && flags.details === 0) shown = without(shown, HARDWARE_KEYS);
  const stats = view.whole ? statsJson(link, flags) : undefined;
  return { ...shown, txqlen: link.txqlen || undefined, ...(stats === undefined ? {} : { stats64: stats }) };
}

/**
 * A whole answer. An entry that a filter of the client's own leaves out (`up`, `group`) is an empty
 * object in iproute2's JSON: here it is undefined.
 */
export function formatLinks(links: ReadonlyArray<LinkInfo | undefined>, flags: ShowFlags): string {
  if (flags.json)
    return json(
      links.map((link) => (link === undefined ? {} : linkJson(link, flags))),
      flags.pretty,
    );
  return links.map((link) => (link === undefined ? '' : linkText(link, flags))).join('');
}
