/*
 * Routes and links as `netstat -r` and `netstat -i` of net-tools 2.10 print them. Those read
 * /proc/net: what it leaves out (IPv4 tables but main, all next hops but the first, broadcast and
 * multicast routes) is left out here, and what it has in excess (a "nothing found" line at the end
 * of each IPv6 table without a default route) is added.
 */
import type { LinkInfo } from '../control/api/link.js';
import type { RouteInfo, RouteType } from '../control/api/route.js';

const MAIN = 254;
const LOCAL = 255;
const KERNEL = 2;
const ROUTER_ADVERTISEMENT = 9;

const IPV4_HEADS = [
  'Destination     Gateway         Genmask         Flags   MSS Window  irtt Iface',
  'Destination     Gateway         Genmask         Flags Metric Ref    Use Iface',
  'Destination     Gateway         Genmask         Flags Metric Ref    Use Iface    MSS   Window irtt',
];

function maskOf(length: number): string {
  const mask = length === 0 ? 0 : (-1 << (32 - length)) >>> 0;
  return [mask >>> 24, (mask >>> 16) & 255, (mask >>> 8) & 255, mask & 255].join('.');
}

const left = (value: string | number, width: number) => String(value).padEnd(width);
const right = (value: string | number, width: number) => String(value).padStart(width);

/** The three columns of each extent: none, -e, -ee. A metric of a connection's (MSS, window, irtt) is never set. */
function ipv4Line(route: RouteInfo, extent: number): string {
  const [address, length] = route.dst.split('/');
  const [hop] = route.nexthops;
  const isRefused = route.type === 'unreachable' || route.type === 'prohibit';
  const gateway = hop?.gateway === undefined || hop.gateway.includes(':') ? '0.0.0.0' : hop.gateway;
  const flags = `U${hop?.gateway === undefined ? '' : 'G'}${length === '32' ? 'H' : ''}`;
  const dev = hop?.dev ?? '*';
  const start = `${left(address, 15)} ${left(isRefused ? '-' : gateway, 15)} ${left(maskOf(Number(length)), 15)}`;
  const word = isRefused ? left('!', 5) : left(flags, 5);
  const unset = isRefused ? '-' : '0';
  if (extent === 0)
    return `${start} ${word} ${right(unset, 5)} ${left(unset, 5)} ${right(unset, 6)} ${isRefused ? '-' : dev}`;
  const middle = `${start} ${word} ${left(route.metric, 6)} ${left(unset, 2)} ${right(0, 7)}`;
  if (extent === 1) return `${middle} ${isRefused ? '-' : dev}`;
  return `${middle} ${left(isRefused ? '-' : dev.slice(0, 6), 8)} ${left(unset, 5)} ${left(unset, 6)} ${unset}`;
}

/** @param extent how often -e was given */
export function ipv4Head(extent: number): string {
  return `Kernel IP routing table\n${IPV4_HEADS[extent]}\n`;
}

/** Lines of some routes of table main. */
export function ipv4Lines(routes: readonly RouteInfo[], extent: number): string {
  const kept = routes.filter(({ type, cache }) => type !== 'broadcast' && type !== 'multicast' && cache === undefined);
  return kept.map((route) => `${ipv4Line(route, extent)}\n`).join('');
}

const REFUSED: readonly RouteType[] = ['unreachable', 'prohibit', 'blackhole', 'throw'];

function ipv6Flags(route: RouteInfo, hasGateway: boolean): string {
  if (REFUSED.includes(route.type)) return '!n';
  const isKernels = route.protocol === KERNEL;
  const isAdvertised = route.protocol === ROUTER_ADVERTISEMENT || (isKernels && route.expires !== undefined);
  let flags = hasGateway ? 'UG' : 'U';
  if (isAdvertised) flags += route.dst === '::/0' ? 'DA' : 'A';
  if (route.expires !== undefined) flags += 'e';
  return isKernels && (route.type === 'local' || route.type === 'anycast') ? `${flags}n` : flags;
}

function ipv6Line(dst: string, gateway: string, flags: string, metric: number, dev: string): string {
  return `${left(dst, 30)} ${left(gateway, 26)} ${left(flags, 4)} ${left(metric | 0, 3)} 1      0 ${dev}`;
}

function ipv6Lines(route: RouteInfo): string[] {
  return route.nexthops.map(({ gateway, dev }) =>
    ipv6Line(route.dst, gateway ?? '::', ipv6Flags(route, gateway !== undefined), route.metric, dev ?? 'lo'),
  );
}

const NOTHING_FOUND = ipv6Line('::/0', '::', '!n', 0xffffffff, 'lo');

interface Table {
  lines: string[];
  hasDefault: boolean;
}

/** All IPv6 tables, in the kernel's order: by the low byte of their numbers. */
export class Ipv6Tables {
  readonly #tables = new Map<number, Table>();

  constructor() {
    for (const always of [MAIN, LOCAL]) this.#table(always);
  }

  add(routes: readonly RouteInfo[]): void {
    for (const route of routes) {
      if (route.cache !== undefined) continue;
      const table = this.#table(route.table);
      table.lines.push(...ipv6Lines(route));
      table.hasDefault ||= route.dst === '::/0';
    }
  }

  text(): string {
    const head = 'Destination                    Next Hop                   Flag Met Ref  Use If';
    const lines = [...this.#tables]
      .sort(([a], [b]) => (a & 0xff) - (b & 0xff))
      .flatMap(([, table]) => (table.hasDefault ? table.lines : [...table.lines, NOTHING_FOUND]));
    return ['Kernel IPv6 routing table', head, ...lines, ''].join('\n');
  }

  #table(id: number): Table {
    const known = this.#tables.get(id);
    if (known !== undefined) return known;
    const table: Table = { lines: [], hasDefault: false };
    this.#tables.set(id, table);
    return table;
  }
}

/** Flag of iproute2 → letter, in net-tools' order. */
const LETTERS: ReadonlyArray<[string, string]> = [
  ['ALLMULTI', 'A'],
  ['BROADCAST', 'B'],
  ['DEBUG', 'D'],
  ['LOOPBACK', 'L'],
  ['MULTICAST', 'M'],
  ['DYNAMIC', 'd'],
  ['PROMISC', 'P'],
  ['NOTRAILERS', 'N'],
  ['NOARP', 'O'],
  ['POINTOPOINT', 'p'],
  ['SLAVE', 's'],
  ['MASTER', 'm'],
];

/** iproute2 says when an interface that is up does not run, net-tools when it does. */
function letters(flags: readonly string[]): string {
  const isUp = flags.includes('UP');
  const said = LETTERS.filter(([flag]) => flags.includes(flag)).map(([, letter]) => letter);
  const text = `${said.join('')}${isUp && !flags.includes('NO-CARRIER') ? 'R' : ''}${isUp ? 'U' : ''}`;
  return text === '' ? '[NO FLAGS]' : text;
}

function linkLine({ ifname, mtu, stats64, flags }: LinkInfo): string {
  const { rx, tx } = stats64;
  const frame = rx.length_errors + rx.over_errors + rx.crc_errors + rx.frame_errors;
  const received = [right(rx.packets, 8), right(rx.errors + frame, 6), right(rx.dropped + rx.missed_errors, 6)];
  const sent = [right(tx.packets, 8), right(tx.errors, 6), right(tx.dropped, 6), right(tx.fifo_errors, 6)];
  const counters = [...received, left(rx.fifo_errors, 6), ...sent].join(' ');
  return `${left(ifname.slice(0, 15), 15)} ${right(mtu, 5)} ${counters} ${letters(flags)}`;
}

/** Numbers in names count as numbers: eth2 before eth10. */
const byName = new Intl.Collator('en', { numeric: true, sensitivity: 'variant' });

export function linkTable(links: readonly LinkInfo[], all: boolean): string {
  const shown = links.filter(({ flags }) => all || flags.includes('UP'));
  const lines = shown.sort((a, b) => byName.compare(a.ifname, b.ifname)).map(linkLine);
  const head = 'Iface             MTU    RX-OK RX-ERR RX-DRP RX-OVR    TX-OK TX-ERR TX-DRP TX-OVR Flg';
  return ['Kernel Interface table', head, ...lines, ''].join('\n');
}
