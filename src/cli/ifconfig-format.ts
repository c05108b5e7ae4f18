/* Links as `ifconfig` of net-tools prints them: one IPv4 address a name, all IPv6 addresses, counters. */
import type { AddressInfo, LinkAddresses } from '../control/api/address.js';
import type { LinkInfo, Stats64 } from '../control/api/link.js';

/** IFF_*, in the order in which ifconfig prints them. RUNNING is what iproute2 tells by NO-CARRIER. */
const FLAGS: ReadonlyArray<readonly [string, number]> = [
  ['UP', 0x1],
  ['BROADCAST', 0x2],
  ['DEBUG', 0x4],
  ['LOOPBACK', 0x8],
  ['POINTOPOINT', 0x10],
  ['NOTRAILERS', 0x20],
  ['RUNNING', 0x40],
  ['NOARP', 0x80],
  ['PROMISC', 0x100],
  ['ALLMULTI', 0x200],
  ['SLAVE', 0x800],
  ['MASTER', 0x400],
  ['MULTICAST', 0x1000],
];

function flagsText({ flags }: LinkInfo): string {
  const isRunning = flags.includes('UP') && !flags.includes('NO-CARRIER');
  const set = FLAGS.filter(([name]) => (name === 'RUNNING' ? isRunning : flags.includes(name)));
  const number = set.reduce((sum, [, bit]) => sum | bit, 0);
  return `${number}<${set.map(([name]) => name).join(',')}>`;
}

export function maskOf(length: number): string {
  return [0, 8, 16, 24].map((at) => (0xff00 >> Math.min(8, Math.max(0, length - at))) & 0xff).join('.');
}

function inetLine(address: AddressInfo, { flags }: LinkInfo): string {
  let text = `        inet ${address.local}  netmask ${maskOf(address.prefixlen)}`;
  if (flags.includes('BROADCAST')) text += `  broadcast ${address.broadcast ?? '0.0.0.0'}`;
  if (flags.includes('POINTOPOINT')) text += `  destination ${address.address ?? address.local}`;
  return `${text}\n`;
}

/** The kernel's own numbers of IPv6 scopes, in /proc/net/if_inet6. */
const SCOPES: Record<number, string> = { 0: '0x0<global>', 200: '0x40<site>', 253: '0x20<link>', 254: '0x10<host>' };

function inet6Line({ local, prefixlen, scope }: AddressInfo): string {
  return `        inet6 ${local}  prefixlen ${prefixlen}  scopeid ${SCOPES[scope] ?? SCOPES[0]}\n`;
}

const HARDWARE: Record<string, [name: string, title: string]> = {
  ether: ['ether', 'Ethernet'],
  loopback: ['loop', 'Local Loopback'],
};

function hardwareLine({ link_type: type, address, txqlen }: LinkInfo): string {
  const [name, title] = HARDWARE[type] ?? ['unspec', 'UNSPEC'];
  const shown = type === 'loopback' ? '' : ` ${address}`;
  return `        ${name}${shown}  txqueuelen ${txqlen ?? 0}  (${title})\n`;
}

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** One decimal, cut off; a unit begins above its power, not at it. */
function bytesText(bytes: number): string {
  let power = 0;
  while (power < UNITS.length && bytes > 1024 ** (power + 1)) power++;
  const tenths = Math.floor((bytes * 10) / 1024 ** power);
  return `${bytes} (${Math.floor(tenths / 10)}.${tenths % 10} ${power === 0 ? 'B' : UNITS[power - 1]})`;
}

/** Sums as /proc/net/dev has them. */
function countersText({ rx, tx }: Stats64): string {
  const dropped = rx.dropped + rx.missed_errors;
  const frame = rx.length_errors + rx.over_errors + rx.crc_errors + rx.frame_errors;
  const carrier = tx.carrier_errors + tx.aborted_errors + tx.window_errors + tx.heartbeat_errors;
  return (
    `        RX packets ${rx.packets}  bytes ${bytesText(rx.bytes)}\n` +
    `        RX errors ${rx.errors}  dropped ${dropped}  overruns ${rx.fifo_errors}  frame ${frame}\n` +
    `        TX packets ${tx.packets}  bytes ${bytesText(tx.bytes)}\n` +
    `        TX errors ${tx.errors}  dropped ${tx.dropped} overruns ${tx.fifo_errors}` +
    `  carrier ${carrier}  collisions ${tx.collisions}\n`
  );
}

/** @param name the link's, or that of an alias: "eth0:1" */
export function interfaceText(name: string, { link, addresses }: LinkAddresses): string {
  const inet = addresses.find(({ family, label }) => family === 'inet' && label === name);
  let text = `${name}: flags=${flagsText(link)}  mtu ${link.mtu}\n`;
  if (inet !== undefined) text += inetLine(inet, link);
  if (name !== link.ifname) return `${text}${hardwareLine(link)}\n`;
  for (const address of addresses) if (address.family === 'inet6') text += inet6Line(address);
  return `${text}${hardwareLine(link)}${countersText(link.stats64)}\n`;
}

/** net-tools' order of names: digits at the end by their value. */
export function byName(a: string, b: string): number {
  let start = 0;
  let at = 0;
  const isDigit = (char: string | undefined) => char !== undefined && char >= '0' && char <= '9';
  while (at < a.length && a[at] === b[at]) {
    if (!isDigit(a[at]) && isDigit(a[at + 1])) start = at + 1;
    at++;
  }
  if (a === b) return 0;
  if (isDigit(a[at]) || isDigit(b[at])) {
    return (Number.parseInt(a.slice(start), 10) || 0) > (Number.parseInt(b.slice(start), 10) || 0) ? 1 : -1;
  }
  return (a[at] ?? '') < (b[at] ?? '') ? -1 : 1;
}

/** The names of a link: its own, and those of its aliases. */
export function namesOf({ link, addresses }: LinkAddresses): string[] {
  const aliases = addresses.flatMap(({ label }) => (label?.startsWith(`${link.ifname}:`) ? [label] : []));
  return [link.ifname, ...new Set(aliases)];
}
