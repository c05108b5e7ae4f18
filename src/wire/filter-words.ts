/*
 * The words of a capture filter: text to tokens, as pcap-filter(7) splits it. The longest token wins, so "5-10" and
 * "icmp6-echo" are one word, "::1" an address and "tcp[0:2]" six tokens.
 */
import { SluiceError } from '../core/errors.js';
import { parseIpv4, parseIpv6 } from './format.js';

export const enum Kind {
  END = 0,
  /** A word of the language, or a name; `isQuoted` if a backslash said it is a name. */
  WORD = 1,
  NUMBER = 2,
  /** 12 hexadecimal digits in one of their spellings; `bytes` are the 6. */
  MAC = 3,
  /** One to four numbers between dots; a short one is the front of an address: `value`, and `bits` of it. */
  IPV4 = 4,
  IPV6 = 5,
  SIGN = 6,
}

export interface Token {
  kind: Kind;
  text: string;
  /** Index of its first character. */
  at: number;
  value: number;
  bits: number;
  bytes: Uint8Array;
  isQuoted: boolean;
}

const NO_BYTES = new Uint8Array(0);

/** A refused filter: what is wrong, and at which character (from 1). */
export function refuse(
  filter: string,
  cause: string,
  at: number,
  hint = 'see pcap-filter(7), of which this is a subset',
): never {
  throw new SluiceError('EINVAL', `cannot compile filter "${filter}": ${cause} at character ${at + 1}; ${hint}`);
}

/** Longest filter, in characters. */
const MAX_LENGTH = 8192;

const SPACE = /[ \r\n\t]+/y;
const SIGN = />=|<=|!=|==|<<|>>|&&|\|\||[-+*/%:[\]!<>()&|^=]/y;
const PAIR = '[0-9a-f]{1,2}';
const MAC = new RegExp(
  `${PAIR}(?::${PAIR}){5}|${PAIR}(?:-${PAIR}){5}|${PAIR}(?:\\.${PAIR}){5}|[0-9a-f]{4}\\.[0-9a-f]{4}\\.[0-9a-f]{4}|[0-9a-f]{12}`,
  'iy',
);
const NUMBER = /0x[0-9a-f]+|\d+/iy;
const DOTTED = /\d+(?:\.\d+){1,3}/y;
const COLONS = /[0-9a-f]*:[0-9a-f:.]*/iy;
const WORD = /[A-Za-z0-9](?:[-_.A-Za-z0-9]*[.A-Za-z0-9])?/y;
const QUOTED = /\\[^ !()\n\t]+/y;

const ICMP_NAMES =
  'icmptype:0 icmpcode:1 icmp-echoreply:0 icmp-unreach:3 icmp-sourcequench:4 icmp-redirect:5 icmp-echo:8 ' +
  'icmp-routeradvert:9 icmp-routersolicit:10 icmp-timxceed:11 icmp-paramprob:12 icmp-tstamp:13 icmp-tstampreply:14 ' +
  'icmp-ireq:15 icmp-ireqreply:16 icmp-maskreq:17 icmp-maskreply:18';
const ICMP6_NAMES =
  'icmp6type:0 icmp6code:1 icmp6-destinationunreach:1 icmp6-packettoobig:2 icmp6-timeexceeded:3 ' +
  'icmp6-parameterproblem:4 icmp6-echo:128 icmp6-echoreply:129 icmp6-multicastlistenerquery:130 ' +
  'icmp6-multicastlistenerreportv1:131 icmp6-multicastlistenerdone:132 icmp6-routersolicit:133 ' +
  'icmp6-routeradvert:134 icmp6-neighborsolicit:135 icmp6-neighboradvert:136 icmp6-redirect:137 ' +
  'icmp6-multicastlistenerreportv2:143';
const TCP_NAMES = 'tcpflags:13 tcp-fin:1 tcp-syn:2 tcp-rst:4 tcp-push:8 tcp-ack:16 tcp-urg:32 tcp-ece:64 tcp-cwr:128';

/** Words that stand for a number. */
const CONSTANTS = new Map(
  `${ICMP_NAMES} ${ICMP6_NAMES} ${TCP_NAMES}`.split(' ').map((entry) => {
    const [name, value] = entry.split(':');
    return [name, Number(value)] as const;
  }),
);

function token(kind: Kind, text: string, at: number, more: Partial<Token> = {}): Token {
  return { kind, text, at, value: 0, bits: 0, bytes: NO_BYTES, isQuoted: false, ...more };
}

function match(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? '';
}

export function tokens(filter: string): Token[] {
  if (filter.length > MAX_LENGTH)
    refuse(`${filter.slice(0, 20)}…`, 'it is too long', MAX_LENGTH, `at most ${MAX_LENGTH} characters`);
  const list: Token[] = [];
  let at = 0;
  for (;;) {
    at += match(SPACE, filter, at).length;
    if (at === filter.length) break;
    const found = tokenAt(filter, at);
    list.push(found);
    at += found.text.length + (found.isQuoted ? 1 : 0);
  }
  list.push(token(Kind.END, '', at));
  return list;
}

/** Of several tokens that begin here the longest; of equally long ones the first in this order. */
function tokenAt(filter: string, at: number): Token {
  const sign = match(SIGN, filter, at);
  const colons = match(COLONS, filter, at);
  const address = parseIpv6(colons) ?? NO_BYTES;
  const readers: Array<[string, (text: string) => Token]> = [
    [match(MAC, filter, at), (text) => token(Kind.MAC, text, at, { bytes: macBytes(text) })],
    [match(NUMBER, filter, at), (text) => token(Kind.NUMBER, text, at, { value: numberOf(filter, text, at) })],
    [match(DOTTED, filter, at), (text) => dotted(filter, text, at)],
    [address === NO_BYTES ? '' : colons, (text) => token(Kind.IPV6, text, at, { bytes: address })],
    [match(WORD, filter, at), (text) => word(text, at)],
    [match(QUOTED, filter, at), (text) => token(Kind.WORD, text.slice(1), at, { isQuoted: true })],
  ];
  let best = readers[0];
  for (const reader of readers) if (reader[0].length > best[0].length) best = reader;
  if (best[0] !== '') return best[1](best[0]);
  if (sign === '') refuse(filter, `unknown character "${filter[at]}"`, at);
  return token(Kind.SIGN, sign, at);
}

function word(text: string, at: number): Token {
  const value = CONSTANTS.get(text);
  return value === undefined ? token(Kind.WORD, text, at) : token(Kind.NUMBER, text, at, { value });
}

function macBytes(text: string): Uint8Array {
  const parts = text.split(/[:.-]/);
  const digits = parts.length === 6 ? parts.map((part) => part.padStart(2, '0')).join('') : parts.join('');
  return Uint8Array.from({ length: 6 }, (_, i) => Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16));
}

/** Decimal, 0x… or, with a leading 0, octal; 32 bits. */
function numberOf(filter: string, text: string, at: number): number {
  const isOctal = /^0\d/.test(text);
  if (isOctal && /[89]/.test(text)) refuse(filter, `"${text}" begins with 0 and is not octal`, at);
  const value = isOctal ? Number.parseInt(text, 8) : Number(text);
  if (value > 0xffffffff) refuse(filter, `"${text}" is over 32 bits`, at);
  return value;
}

function dotted(filter: string, text: string, at: number): Token {
  const bits = text.split('.').length * 8;
  const value = parseIpv4(text + '.0'.repeat(4 - bits / 8));
  if (value === undefined) refuse(filter, `"${text}" is not an IPv4 address`, at);
  return token(Kind.IPV4, text, at, { value, bits });
}
