/*
 * FTP's commands and replies that announce a data connection (RFC 959, 1123 §4.1.2.6, 2428):
 *
 *   client   PORT 192,168,1,1,5,6        EPRT |1|132.235.1.2|6275|   EPRT |2|3ffe::1|6275|
 *   server   227 … 192,168,1,1,5,6 …     229 … (|||6446|)
 *
 * Only what is at the beginning of a line counts, and the line must be within one packet: one cut short within what would be an announcement is refused,
 * so that it comes again in one piece (as Linux does it).
 */
import { parseAddress } from '../wire/format.js';

export const enum FtpKind {
  PORT = 0,
  PASV = 1,
  EPRT = 2,
  EPSV = 3,
}

export interface FtpMatch {
  kind: FtpKind;
  /** Where in the text the numbers are. */
  at: number;
  length: number;
  /** The address, one word or four; empty where it is not said. */
  address: number[];
  port: number;
}

/** Nothing is announced; or it would be, but the line is cut short. */
export type FtpText = FtpMatch | 'none' | 'partial';

interface Pattern {
  kind: FtpKind;
  start: string;
  /** What comes before the numbers, and behind them; '' = the first digit, anything. */
  skip: string;
  end: string;
}

const PATTERNS: readonly [Pattern[], Pattern[]] = [
  [
    { kind: FtpKind.PORT, start: 'PORT', skip: ' ', end: '\r' },
    { kind: FtpKind.EPRT, start: 'EPRT', skip: ' ', end: '\r' },
  ],
  [
    { kind: FtpKind.PASV, start: '227 ', skip: '', end: '' },
    { kind: FtpKind.EPSV, start: '229 ', skip: '(', end: ')' },
  ],
];

/** Reads what a side (Direction) of a control connection says. */
export function readFtp(text: string, direction: number, isIpv6: boolean): FtpText {
  for (const pattern of PATTERNS[direction === 0 ? 0 : 1]) {
    const found = match(text, pattern, isIpv6);
    if (found !== 'none') return found;
  }
  return 'none';
}

function match(text: string, { kind, start, skip, end }: Pattern, isIpv6: boolean): FtpText {
  if (text.length === 0) return 'none';
  const beginning = text.slice(0, start.length).toUpperCase();
  if (text.length <= start.length) return start.startsWith(beginning) ? 'partial' : 'none';
  if (beginning !== start) return 'none';
  const before = skip === '' ? text.slice(start.length).search(/\d/) : text.indexOf(skip, start.length);
  if (before < 0 || (skip !== '' && before === text.length - 1)) return 'partial';
  const at = skip === '' ? start.length + before : before + 1;
  const numbers = readNumbers(text.slice(at), kind, end, isIpv6);
  return numbers === undefined ? 'partial' : { kind, at, ...numbers };
}

interface Numbers {
  length: number;
  address: number[];
  port: number;
}

function readNumbers(text: string, kind: FtpKind, end: string, isIpv6: boolean): Numbers | undefined {
  if (kind === FtpKind.EPSV) return readEpsv(text);
  if (kind === FtpKind.EPRT) return readEprt(text, isIpv6);
  // Over IPv6 it names an address that is nobody's there, and is let be.
  return readPort(text, end);
}

/** `a,b,c,d,e,f`, and behind it `end`. */
function readPort(text: string, end: string): Numbers | undefined {
  const found = /^(\d*(?:,\d*){5})([^\d,])/.exec(text);
  if (found === null || (end !== '' && found[2] !== end)) return undefined;
  const numbers = found[1].split(',').map((digits) => Number(digits) >>> 0);
  const [a, b, c, d, high, low] = numbers;
  const address = (a << 24) | (b << 16) | (c << 8) | d;
  return { length: found[1].length, address: [address], port: ((high << 8) | low) & 0xffff };
}

/** A delimiter is one printable character that is no digit. */
const DELIMITER = '[!-/:-~]';

function readEprt(text: string, isIpv6: boolean): Numbers | undefined {
  const found = new RegExp(`^(${DELIMITER})([12])\\1(.+?)\\1(\\d+)\\1`).exec(text);
  if (found === null || (found[2] === '2') !== isIpv6) return undefined;
  const bytes = parseAddress(found[3]);
  const port = Number(found[4]) & 0xffff;
  if (bytes === undefined || bytes.length !== (isIpv6 ? 16 : 4) || port === 0) return undefined;
  return { length: found[0].length, address: wordsOf(bytes), port };
}

function readEpsv(text: string): Numbers | undefined {
  const found = new RegExp(`^(${DELIMITER})\\1\\1(\\d+)\\1`).exec(text);
  const port = found === null ? 0 : Number(found[2]) & 0xffff;
  return found === null || port === 0 ? undefined : { length: found[0].length, address: [], port };
}

function wordsOf(bytes: Uint8Array): number[] {
  const words: number[] = [];
  for (let i = 0; i < bytes.length; i += 4) {
    words.push((bytes[i] << 24) | (bytes[i + 1] << 16) | (bytes[i + 2] << 8) | bytes[i + 3]);
  }
  return words;
}

/** What stands in the place of an announcement's numbers once NAT has changed them. */
export function writeFtp(kind: FtpKind, address: number[], port: number): string {
  switch (kind) {
    case FtpKind.PORT:
    case FtpKind.PASV:
      return [...dotted(address[0]).split('.'), port >>> 8, port & 0xff].join();
    case FtpKind.EPRT:
      return address.length === 1 ? `|1|${dotted(address[0])}|${port}|` : `|2|${grouped(address)}|${port}|`;
    case FtpKind.EPSV:
      return `|||${port}|`;
  }
}

function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

/** All 32 digits: 2001:0db8:0000:… */
function grouped(address: number[]): string {
  const digits = address.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  return (digits.match(/.{4}/g) ?? []).join(':');
}
