/*
 * Addresses, prefixes and unsigned numbers on a command line, as iproute2 reads them.
 *
 * IPv4 follows iproute2's own rules, not inet_aton's: "10.8" is 10.8.0.0, parts may be octal or
 * hexadecimal. A family is 4, 6, or undefined while no address has decided it.
 */
import { isIPv4 } from 'node:net';
import type { Family } from '../control/api/family.js';
import { formatAddress, parseAddressBytes } from '../control/route-batch.js';
import type { Words } from './words.js';

const DIGITS: Record<number, RegExp> = {
  0: /^\s*\+?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/,
  10: /^\s*\+?([0-9]+)$/,
  16: /^\s*\+?(?:0[xX])?([0-9a-fA-F]+)$/,
};

/** What strtoul(…, base) makes of a whole string; undefined if it is no number, or one above `highest`. */
export function parseUnsigned(text: string, highest = 0xffffffff, base = 0): number | undefined {
  const parts = DIGITS[base].exec(text);
  if (parts === null) return /^\s*-0+$/.test(text) ? 0 : undefined;
  const octal = base === 0 && /^0[0-7]/.test(parts[1]);
  const hexadecimal = base === 16 || /^0x/i.test(parts[1]);
  const number = Number.parseInt(parts[1], octal ? 8 : hexadecimal ? 16 : 10);
  return number <= highest ? number : undefined;
}

export interface Prefix {
  /** undefined: "default" or "any", and no family was known. */
  family: Family | undefined;
  /** Empty: "default", "all" or "any". */
  address: string;
  length: number;
  /** Said with a length, or "default". */
  hasLength: boolean;
}

export const hostLength = (family: Family): number => (family === 4 ? 32 : 128);

export function familyName(family: Family | undefined): string {
  return family === undefined ? 'any valid' : family === 4 ? 'inet' : 'inet6';
}

function parseIPv4(text: string): string | undefined {
  if (isIPv4(text)) return text;
  const parts = text.split('.');
  if (parts.length > 4) return undefined;
  const bytes = parts.map((part) => parseUnsigned(part, 255));
  if (bytes.includes(undefined)) return undefined;
  while (bytes.length < 4) bytes.push(0);
  return bytes.join('.');
}

/** An address in the way iproute2 writes it. undefined: it is none, or of the other family. */
export function parseInet(text: string, family: Family | undefined): { family: Family; address: string } | undefined {
  if (text.includes(':')) {
    const bytes = family === 4 ? undefined : parseAddressBytes(text);
    return bytes === undefined ? undefined : { family: 6, address: formatAddress(bytes) };
  }
  const address = family === 6 ? undefined : parseIPv4(text);
  return address === undefined ? undefined : { family: 4, address };
}

/** A length, or an IPv4 mask of ones and then zeros. */
function parseLength(text: string): number | undefined {
  const number = parseUnsigned(text);
  if (number !== undefined) return number;
  const mask = parseInet(text, 4)
    ?.address.split('.')
    .reduce((sum, byte) => sum * 256 + Number(byte), 0);
  if (mask === undefined) return undefined;
  const host = 0xffffffff - mask;
  return (host & (host + 1)) === 0 ? 32 - Math.log2(host + 1) : undefined;
}

export function parsePrefix(text: string, family: Family | undefined): Prefix | undefined {
  const slash = text.indexOf('/');
  const name = slash < 0 ? text : text.slice(0, slash);
  if (name === 'default' || name === 'all' || name === 'any')
    return slash < 0 ? { family, address: '', length: 0, hasLength: name === 'default' } : undefined;
  const found = parseInet(name, family);
  if (found === undefined) return undefined;
  if (slash < 0) return { ...found, length: hostLength(found.family), hasLength: false };
  const length = parseLength(text.slice(slash + 1));
  if (length === undefined || length > hostLength(found.family)) return undefined;
  return { ...found, length, hasLength: true };
}

/** The word after a keyword, which must be an address. */
export function takeInet(words: Words, family: Family | undefined): { family: Family; address: string } {
  const text = words.value();
  const found = parseInet(text, family);
  if (found !== undefined) return found;
  if (text === 'default') return { family: family ?? 4, address: family === 6 ? '::' : '0.0.0.0' };
  if (text === 'all' || text === 'any') {
    const line = 'Error: Attribute failed policy validation.';
    throw words.refuse(line, 2, `"${text}" is no address`, 'name one', false);
  }
  const line = `Error: ${familyName(family)} address is expected rather than "${text}".`;
  throw words.refuse(line, 1, `"${text}" is no ${family === undefined ? 'IP' : `IPv${family}`} address`);
}

export function takePrefix(words: Words, text: string, family: Family | undefined): Prefix {
  const prefix = parsePrefix(text, family);
  if (prefix !== undefined) return prefix;
  const line = `Error: ${familyName(family)} prefix is expected rather than "${text}".`;
  throw words.refuse(line, 1, `"${text}" is no ${family === undefined ? 'IP' : `IPv${family}`} prefix`);
}

/** ADDRESS/LENGTH of the API. */
export function prefixText(prefix: Prefix, family: Family): string {
  return `${prefix.address === '' ? (family === 6 ? '::' : '0.0.0.0') : prefix.address}/${prefix.length}`;
}

/** `get_u32` and its kin, with the complaint of their callers. */
export function takeUnsigned(words: Words, message: string, highest = 0xffffffff): number {
  const text = words.value();
  const number = parseUnsigned(text, highest);
  if (number === undefined) throw words.invalid(text, message);
  return number;
}
