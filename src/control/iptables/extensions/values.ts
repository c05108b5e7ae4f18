/*
 * Readers of guided options' values, worded as libxtables words what is wrong with them.
 *
 * They are as lenient as the real ones: a port above 65535 is cut off, "1:" is open to the top, "" in a range is 0, and an address is read
 * as inet_aton reads it ("10" is 0.0.0.10).
 */
import { Family } from '../../../netfilter/rule.js';
import {
  type Address,
  bitsOf,
  hostAddresses,
  lengthOf,
  type MaskedAddress,
  maskOf,
  readAddress,
} from '../addresses.js';
import type { Given, Masked, Range } from '../given.js';
import { readUnsigned } from '../numbers.js';
import { Problem } from '../problem.js';
import { portNumber, protocolNumber } from '../services.js';

export interface MaybeInverted {
  isInverted: boolean;
}

/** A number at the start of `text` and what is behind it. */
export function leadingNumber(text: string): { value: number; rest: string } | undefined {
  const digits = /^\s*\+?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)/.exec(text);
  if (digits === null) return undefined;
  const value = readUnsigned(digits[0]);
  return value === undefined ? undefined : { value, rest: text.slice(digits[0].length) };
}

/** VALUE[/MASK], 32 bits each. */
export function markMask(given: Given): Masked {
  const bad = () => given.problem(`bad integer value for option "--${given.option}", or out of range.\n`);
  const value = leadingNumber(given.text);
  if (value === undefined) throw bad();
  let mask = { value: 0xffffffff, rest: value.rest };
  if (value.rest.startsWith('/')) {
    const read = leadingNumber(value.rest.slice(1));
    if (read === undefined) throw bad();
    mask = read;
  }
  if (mask.rest !== '') throw given.problem(`trailing garbage after value for option "--${given.option}".\n`);
  return { value: value.value, mask: mask.value };
}

function tooMany(given: Given): Problem {
  return given.problem(`Too many components for option "--${given.option}" (max: 2)\n`);
}

/** LOW[:HIGH] as numbers up to 2^64 − 1. */
export function bigRange(given: Given, high: bigint): [bigint, bigint] {
  let text = given.text;
  const values: bigint[] = [];
  for (;;) {
    if (values.length === 2) throw tooMany(given);
    const digits = /^\s*\+?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)/.exec(text);
    const isEmpty = text === '' || text.startsWith(':');
    const value = isEmpty ? (values.length === 1 ? high : 0n) : digits === null ? -1n : bigNumber(digits[1]);
    if (value < 0n || value > high) {
      throw given.problem(`bad value for option "--${given.option}" near "${text}", or out of range (0-${high}).\n`);
    }
    values.push(value);
    if (!isEmpty) text = text.slice((digits as RegExpExecArray)[0].length);
    if (text === '') return [values[0], values[values.length - 1]];
    if (!text.startsWith(':')) {
      throw given.problem(`Argument to "--${given.option}" has unexpected characters near "${text}".\n`);
    }
    text = text.slice(1);
  }
}

function bigNumber(digits: string): bigint {
  return BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
}

/** LOW[:HIGH], both ends counted; a single number is both. */
export function range(given: Given, high: number): Range {
  const [low, top] = bigRange(given, BigInt(high));
  return { low: Number(low), high: Number(top) };
}

/** As getaddrinfo reads a service: decimal without a limit, or a name of any protocol. */
function service(text: string): number {
  const port = /^\d+$/.test(text) ? Number(text) % 0x10000 : portNumber(`${text}`);
  if (port === undefined || /^\s*[+-]|^0[xX]/.test(text)) {
    throw new Problem(`Port "${text}" does not resolve to anything.\n`);
  }
  return port;
}

export function port(given: Given): number {
  return service(given.text);
}

export function portRange(given: Given): Range {
  const [before, after, ...more] = given.text.split(':');
  if (more.length > 0) throw tooMany(given);
  const low = before === '' ? 0 : service(before);
  if (after === undefined) return { low, high: low };
  return { low, high: after === '' ? 0xffff : service(after) };
}

export function double(given: Given, low: number, high: number): number {
  const value = given.text.trim() === '' ? Number.NaN : Number(given.text);
  if (value >= low && value <= high) return value;
  throw given.problem(`bad value for option "--${given.option}", or out of range (${low}-${high}).\n`);
}

/** At most `limit` − 1 bytes of it are kept. */
export function text(given: Given, limit: number, least = 0): string {
  const bytes = Buffer.from(given.text);
  if (bytes.length < least) throw new Problem(`Argument must have a minimum length of ${least} characters\n`);
  return bytes.length < limit ? given.text : bytes.subarray(0, limit - 1).toString();
}

const LEVELS = ['emerg', 'alert', 'crit', 'error', 'warning', 'notice', 'info', 'debug'];

export function syslogLevel(given: Given): number {
  const level = readUnsigned(given.text, 7) ?? (given.text === 'panic' ? 0 : LEVELS.indexOf(given.text));
  if (level < 0) throw new Problem(`log level "${given.text}" unknown\n`);
  return level;
}

export function protocol(text: string): number {
  const number = protocolNumber(text);
  if (number === undefined) throw new Problem(`unknown protocol "${text}" specified`);
  return number;
}

/** inet_aton: with fewer than four parts the last one fills the rest. */
function readAton(text: string): Address | undefined {
  const parts = text.split('.').map((part) => readUnsigned(part));
  if (parts.length > 4 || !/^[0-9a-fA-FxX.]+$/.test(text)) return undefined;
  const last = parts.pop();
  const space = 2 ** (8 * (4 - parts.length));
  if (last === undefined || last >= space || parts.some((part) => part === undefined || part > 255)) return undefined;
  const head = parts.reduce<number>((sum, part) => sum * 256 + (part as number), 0);
  return [(head * space + last) | 0];
}

function readHost(text: string, family: Family): Address | undefined {
  return family === Family.IPV4 ? readAton(text) : readAddress(text, family);
}

/** One address or name, no mask. */
export function host(given: Given, name = given.text): Address {
  const { family } = given.use;
  const numeric = readHost(name, family);
  if (numeric !== undefined) return numeric;
  const unknown = new Problem('getaddrinfo: Name or service not known\n');
  // Not a name that could be looked up.
  if (family === Family.IPV4 && /^[0-9.]*$/.test(name)) throw unknown;
  try {
    return hostAddresses(name, family)[0];
  } catch (cause) {
    throw cause instanceof Problem ? unknown : cause;
  }
}

/** The length of a prefix, or a mask; a mask with gaps counts as all ones, as the real tool has it. */
export function prefixLength(given: Given, text = given.text): number {
  const { family } = given.use;
  const bits = bitsOf(family);
  const length = readUnsigned(text, bits);
  if (length !== undefined) return length;
  const mask = readHost(text, family);
  if (mask !== undefined) return lengthOf(mask) ?? bits;
  throw given.problem(
    `bad value for option "--${given.option}", neither a valid network mask nor valid CIDR (0-${bits}).\n`,
  );
}

/** ADDRESS[/MASK]; the address keeps the bits off the mask. */
export function hostMask(given: Given): MaskedAddress {
  const slash = given.text.lastIndexOf('/');
  const { family } = given.use;
  const address = host(given, slash < 0 ? given.text : given.text.slice(0, slash));
  const length = slash < 0 ? bitsOf(family) : prefixLength(given, given.text.slice(slash + 1));
  return { address, mask: maskOf(length, family) };
}

export function mac(given: Given): Uint8Array {
  const groups = given.text.split(':');
  if (groups.length !== 6 || !groups.every((group) => /^[0-9a-f]{1,2}$/i.test(group))) {
    throw new Problem('Invalid MAC address specified.');
  }
  return Uint8Array.from(groups, (group) => Number.parseInt(group, 16));
}

/** A port as tcp, sctp and multiport read it: a number up to 65535, or a name of the protocol. */
export function strictPort(text: string, protocol: string | undefined): number {
  const number = portNumber(text, protocol);
  if (number === undefined) throw new Problem(`invalid port/service \`${text}' specified`);
  return number;
}
