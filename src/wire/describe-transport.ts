/* TCP and UDP headers as tcpdump words them, sequence numbers absolute; see wire/describe.ts. */
import type { Printer } from './describe-printer.js';
import { Tcp, TcpFlag } from './tcp.js';
import { Udp } from './udp.js';

/** The IP header that a segment is in. */
export interface Ends {
  source: string;
  destination: string;
  /** Right behind the fixed header. Otherwise the addresses have been said already. */
  isFirst: boolean;
  /** More pieces follow. */
  isFragment: boolean;
}

function ports({ source, destination, isFirst }: Ends, from: number, to: number): string {
  return isFirst ? `${source}.${from} > ${destination}.${to}: ` : `${from} > ${to}: `;
}

const FLAG_LETTERS: Array<[number, string]> = [
  [TcpFlag.FIN, 'F'],
  [TcpFlag.SYN, 'S'],
  [TcpFlag.RST, 'R'],
  [TcpFlag.PSH, 'P'],
  [TcpFlag.ACK, '.'],
  [TcpFlag.URG, 'U'],
  [TcpFlag.ECE, 'E'],
  [TcpFlag.CWR, 'W'],
];

function flagLetters(flags: number): string {
  const letters = FLAG_LETTERS.map(([bit, letter]) => ((flags & bit) !== 0 ? letter : '')).join('');
  return letters === '' ? 'none' : letters;
}

export function tcp(printer: Printer, at: number, length: number, ends: Ends): void {
  printer.protocol = 'tcp';
  if (!printer.has(at + Tcp.DESTINATION_PORT, 2)) {
    printer.print(`${ends.source} > ${ends.destination}:`);
    printer.truncate();
  }
  printer.print(ports(ends, printer.u16(at), printer.u16(at + Tcp.DESTINATION_PORT)));
  printer.need(at, Tcp.BYTES);
  const header = (printer.u8(at + Tcp.DATA_OFFSET) >>> 4) << 2;
  if (header < Tcp.BYTES) {
    printer.print(` tcp ${(length - header) >>> 0} [bad hdr length ${header} - too short, < ${Tcp.BYTES}]`);
    return;
  }
  const flags = printer.u8(at + Tcp.FLAGS);
  printer.print(`Flags [${flagLetters(flags)}]`);
  if (header > length) {
    printer.print(` [bad hdr length ${header} - too long, > ${length}]`);
    return;
  }
  numbers(printer, at, flags, length - header);
  if (header > Tcp.BYTES && !options(printer, at + Tcp.BYTES, header - Tcp.BYTES)) return;
  printer.print(`, length ${length - header}`);
}

function numbers(printer: Printer, at: number, flags: number, data: number): void {
  const sequence = printer.u32(at + Tcp.SEQUENCE);
  if (data > 0 || (flags & (TcpFlag.SYN | TcpFlag.FIN | TcpFlag.RST)) !== 0) {
    printer.print(`, seq ${sequence}${data > 0 ? `:${(sequence + data) >>> 0}` : ''}`);
  }
  if ((flags & TcpFlag.ACK) !== 0) printer.print(`, ack ${printer.u32(at + Tcp.ACKNOWLEDGMENT)}`);
  printer.print(`, win ${printer.u16(at + Tcp.WINDOW)}`);
  if ((flags & TcpFlag.URG) !== 0) printer.print(`, urg ${printer.u16(at + Tcp.URGENT)}`);
}

const enum Option {
  END = 0,
  NOP = 1,
  MSS = 2,
  WINDOW_SCALE = 3,
  SACK_OK = 4,
  SACK = 5,
  TIMESTAMP = 8,
  FAST_OPEN = 34,
  EXPERIMENT = 254,
}

const OPTION_NAMES: Record<number, string> = {
  0: 'eol',
  1: 'nop',
  2: 'mss',
  3: 'wscale',
  4: 'sackOK',
  5: 'sack',
  6: 'echo',
  7: 'echoreply',
  8: 'TS',
  11: 'cc',
  12: 'ccnew',
  19: 'md5',
  20: 'scps',
  28: 'uto',
  29: 'tcp-ao',
  30: 'mptcp',
  34: 'tfo',
  254: 'exp',
};

/** Whether the options make sense to their end; what is behind a bad one is not looked at. */
function options(printer: Printer, start: number, length: number): boolean {
  printer.print(', options [');
  const end = start + length;
  for (let at = start; at < end; ) {
    if (at !== start) printer.print(',');
    const kind = printer.u8(at);
    const isShort = kind === Option.END || kind === Option.NOP;
    const size = isShort ? 0 : printer.u8(at + 1) - 2;
    const isBad = size < 0 || (!isShort && at + 2 + size > end);
    if (!isBad) printer.print(OPTION_NAMES[kind] ?? `unknown-${kind}`);
    const used = valueBytes(kind, size);
    if (isBad || (!isShort && at + 2 + used > end)) {
      printer.print(`[bad opt]${at === start ? '' : ']'}`);
      return false;
    }
    printer.need(at, isShort ? 1 : 2 + used);
    printer.print(optionValue(printer, kind, at + 2, size));
    if (used !== size) printer.print(`[len ${size + 2}]`);
    if (kind === Option.END) break;
    at += isShort ? 1 : 2 + used;
  }
  printer.print(']');
  return true;
}

/** Bytes that an option's value should have; `size` where it has no fixed length. */
function valueBytes(kind: number, size: number): number {
  switch (kind) {
    case Option.MSS:
      return 2;
    case Option.WINDOW_SCALE:
      return 1;
    case Option.TIMESTAMP:
      return 8;
    case Option.SACK_OK:
      return 0;
    default:
      return size;
  }
}

function optionValue(printer: Printer, kind: number, at: number, size: number): string {
  switch (kind) {
    case Option.END:
    case Option.NOP:
    case Option.SACK_OK:
      return '';
    case Option.MSS:
      return ` ${printer.u16(at)}`;
    case Option.WINDOW_SCALE:
      return ` ${printer.u8(at)}`;
    case Option.SACK:
      return sack(printer, at, size);
    case Option.TIMESTAMP:
      return ` val ${printer.u32(at)} ecr ${printer.u32(at + 4)}`;
    case Option.FAST_OPEN:
      return `  ${fastOpen(printer, at, size)}`;
    case Option.EXPERIMENT:
      return experiment(printer, at, size);
    default:
      return size === 0 ? '' : ` 0x${printer.hex(at, size)}`;
  }
}

/** RFC 6994: the first two bytes say whose experiment it is. */
function experiment(printer: Printer, at: number, size: number): string {
  if (size < 2) return '';
  const owner = printer.hex(at, 2);
  return owner === 'f989' ? `-tfo ${fastOpen(printer, at + 2, size - 2)}` : `-${owner}`;
}

function sack(printer: Printer, at: number, size: number): string {
  if (size % 8 !== 0) return ' invalid sack';
  let text = ` ${size / 8} `;
  for (let i = 0; i < size; i += 8) text += `{${printer.u32(at + i)}:${printer.u32(at + i + 4)}}`;
  return text;
}

function fastOpen(printer: Printer, at: number, size: number): string {
  if (size === 0) return 'cookiereq';
  if (size % 2 !== 0 || size < 4 || size > 16) return '(invalid)';
  return `cookie ${printer.hex(at, size)}`;
}

export function udp(printer: Printer, at: number, length: number, ends: Ends): void {
  printer.protocol = 'udp';
  if (!printer.has(at + Udp.DESTINATION_PORT, 2)) {
    if (ends.isFirst) printer.print(`${ends.source} > ${ends.destination}: `);
    printer.truncate();
  }
  printer.print(ports(ends, printer.u16(at), printer.u16(at + Udp.DESTINATION_PORT)));
  if (length < Udp.BYTES) {
    printer.print(`truncated-udp ${length}`);
    return;
  }
  const told = printer.u16(at + Udp.LENGTH);
  if (told < Udp.BYTES) {
    printer.print(`truncated-udplength ${told}`);
    return;
  }
  printer.need(at, Udp.BYTES);
  const isTooLong = told > length && !ends.isFragment;
  printer.print(`UDP, ${isTooLong ? `bad length ${told - 8} > ${length - 8}` : `length ${told - 8}`}`);
}
