/*
 * The counters of `ip -s link` and `ip -s -s link` as text: columns as wide as their widest number,
 * counted over all lines, the error lines only where they are shown.
 */
import type { Stats64 } from '../control/api/link.js';

interface NumberFlags {
  stats: number;
  human: boolean;
  iec: boolean;
}

/** As printf rounds: an exact half goes to the even neighbour, where toFixed goes up. */
function fixed(value: number, digits: number): string {
  const scaled = value * 10 ** digits;
  const isHalf = Number.isInteger(value * 2 ** (digits + 1)) && scaled % 1 === 0.5;
  return isHalf && Math.floor(scaled) % 2 === 0
    ? (Math.floor(scaled) / 10 ** digits).toFixed(digits)
    : value.toFixed(digits);
}

/** -h: two significant digits or so, with k, M, G (Ki, Mi, Gi with -iec). */
function human(count: number, iec: boolean): string {
  const base = iec ? 1024 : 1000;
  let power = base;
  let prefix = 0;
  while (count / base >= power && prefix < 5) {
    power *= base;
    prefix++;
  }
  let precision = 2;
  for (let limit = 10; precision > 0 && count / power >= limit; limit *= 10) precision--;
  return `${fixed(count / power, precision)}${'kMGTPE'[prefix]}${iec ? 'i' : ''}`;
}

function cell(count: number, width: number, flags: NumberFlags): string {
  const base = flags.iec ? 1024 : 1000;
  const text = flags.human && count >= base ? human(count, flags.iec) : String(count);
  return `${text.padStart(width)} `;
}

/** Rows of numbers by column; the first column is missing in the error rows. */
function rows(stats: Stats64): { rx: number[]; rxErrors: number[]; tx: number[]; txErrors: number[] } {
  const { rx, tx } = stats;
  return {
    rx: [rx.bytes, rx.packets, rx.errors, rx.dropped, rx.missed_errors ?? 0, rx.multicast],
    rxErrors: [0, rx.length_errors, rx.crc_errors, rx.frame_errors, rx.fifo_errors, rx.over_errors],
    tx: [tx.bytes, tx.packets, tx.errors, tx.dropped, tx.carrier_errors, tx.collisions],
    txErrors: [0, tx.aborted_errors, tx.fifo_errors, tx.window_errors, tx.heartbeat_errors, tx.carrier_changes],
  };
}

/** At least as wide as the headings. */
const MINIMUM = [10, 7, 6, 7, 7, 7];
/** The seventh column, "compressed", has a heading only where a link compresses; none of ours does. */
const COMPRESSED = ' '.repeat(10);

function widths(lines: readonly number[][], flags: NumberFlags): number[] {
  if (flags.human) return MINIMUM;
  return MINIMUM.map((least, column) => Math.max(least, ...lines.map((line) => String(line[column]).length)));
}

function heading(columns: readonly number[], titles: readonly string[]): string {
  return titles.map((title, column) => title.padStart(columns[column])).join(' ');
}

function mainRows(name: string, titles: string[], counts: number[], columns: number[], flags: NumberFlags): string[] {
  const narrow = [columns[0] - 4, ...columns.slice(1)];
  return [
    `    ${name}: ${heading(narrow, ['bytes', 'packets', ...titles])} ${COMPRESSED}`,
    `    ${counts.map((count, column) => cell(count, columns[column], flags)).join('')}`,
  ];
}

function errorRows(name: string, titles: string[], counts: number[], columns: number[], flags: NumberFlags): string[] {
  const cells = counts.slice(1).map((count, column) => cell(count, columns[column + 1], flags));
  return [
    `    ${name} errors:${' '.repeat(columns[0] - 10)} ${heading(columns.slice(1), titles)}`,
    `${' '.repeat(columns[0] + 5)}${cells.join('')}`,
  ];
}

export function linkStats(stats: Stats64, flags: NumberFlags, newline: string): string {
  const { rx, rxErrors, tx, txErrors } = rows(stats);
  const errors = flags.stats > 1;
  const columns = widths(errors ? [rx, rxErrors, tx, txErrors] : [rx, tx], flags);
  const lines = mainRows('RX', ['errors', 'dropped', 'missed', 'mcast'], rx, columns, flags);
  if (errors) lines.push(...errorRows('RX', ['length', 'crc', 'frame', 'fifo', 'overrun'], rxErrors, columns, flags));
  lines.push(...mainRows('TX', ['errors', 'dropped', 'carrier', 'collsns'], tx, columns, flags));
  if (errors)
    lines.push(...errorRows('TX', ['aborted', 'fifo', 'window', 'heartbt', 'transns'], txErrors, columns, flags));
  return lines.join(newline);
}
