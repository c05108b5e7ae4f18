/*
 * Addresses as text. The only place where a MAC or IP address is a string; for configuration, commands and
 * captures, never per packet. Parsers answer undefined on bad input: who asked words the error.
 *
 * - MAC: six hexadecimal groups between colons, as iproute2 reads them: one digit or many, 0x in front or not, a value
 *   up to ff. Not what its sscanf lets through by accident: signs, blanks, rubbish after the digits.
 * - IPv4: four decimal numbers, no leading zero (some read it as octal). An address is an int32.
 * - IPv6: any form of RFC 4291 §2.2, no zone. Printed as RFC 5952 says, with an embedded IPv4 address
 *   where the prefix tells (::ffff:0:0/96, ::/96), as inet_ntop and so iproute2 do.
 */
import { read16, read32, write16, write32 } from './field.js';

export interface Prefix {
  /** 4 or 16 bytes. */
  address: Uint8Array;
  /** In bits. */
  length: number;
}

export function parseMac(text: string): Uint8Array | undefined {
  const groups = text.split(':');
  if (groups.length !== 6 || !groups.every((group) => /^(0x)?[0-9a-f]+$/i.test(group))) return undefined;
  const values = groups.map((group) => Number.parseInt(group, 16));
  return values.every((value) => value <= 255) ? Uint8Array.from(values) : undefined;
}

/** A MAC address from its first 16 and last 32 bits. */
export function formatMac(high: number, low: number): string {
  const digits = (high & 0xffff).toString(16).padStart(4, '0') + (low >>> 0).toString(16).padStart(8, '0');
  return digits.replace(/..(?=.)/g, '$&:');
}

export function formatMacAt(bytes: Uint8Array, at: number): string {
  return formatMac(read16(bytes, at), read32(bytes, at + 2));
}

/** An int32, or undefined. */
export function parseIpv4(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let address = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    address = (address << 8) | Number(part);
  }
  return address;
}

export function formatIpv4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

export function formatIpv4At(bytes: Uint8Array, at: number): string {
  return formatIpv4(read32(bytes, at));
}

/** 16 bytes, or undefined. */
export function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const isShort = halves.length === 2;
  const front = parseGroups(halves[0], !isShort);
  const back = isShort ? parseGroups(halves[1], true) : [];
  if (front === undefined || back === undefined) return undefined;
  const missing = 8 - front.length - back.length;
  // "::" stands for at least one group.
  if (isShort ? missing < 1 : missing !== 0) return undefined;
  const bytes = new Uint8Array(16);
  for (const [i, group] of front.entries()) write16(bytes, i * 2, group);
  for (const [i, group] of back.entries()) write16(bytes, (8 - back.length + i) * 2, group);
  return bytes;
}

/** 16-bit groups between colons; only the address's last one may be an IPv4 address, which makes two. */
function parseGroups(text: string, isLast: boolean): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const address = isLast && i === parts.length - 1 ? parseIpv4(part) : undefined;
    if (address === undefined) return undefined;
    groups.push(address >>> 16, address & 0xffff);
  }
  return groups;
}

export function formatIpv6(bytes: Uint8Array, at = 0): string {
  const groups = Array.from({ length: 8 }, (_, i) => read16(bytes, at + i * 2));
  const { start, length } = longestZeros(groups);
  const hasIpv4 = start === 0 && (length === 6 || (length === 5 && groups[5] === 0xffff));
  const words = groups.slice(0, hasIpv4 ? 6 : 8).map((group) => group.toString(16));
  if (hasIpv4) words.push(formatIpv4At(bytes, at + 12));
  if (length < 2) return words.join(':');
  return `${words.slice(0, start).join(':')}::${words.slice(start + length).join(':')}`;
}

/** The run of zero groups that "::" replaces: the longest, of several the first (RFC 5952 §4.2.3). */
function longestZeros(groups: number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [i, group] of groups.entries()) {
    if (group !== 0) start = i + 1;
    else if (i + 1 - start > best.length) best = { start, length: i + 1 - start };
  }
  return best;
}

/** ADDRESS or ADDRESS/BITS of either family; without a slash the whole address. */
export function parsePrefix(text: string): Prefix | undefined {
  const [before, bits, ...rest] = text.split('/');
  const address = parseAddress(before);
  if (address === undefined || rest.length !== 0) return undefined;
  const whole = address.length * 8;
  if (bits === undefined) return { address, length: whole };
  return /^\d{1,3}$/.test(bits) && Number(bits) <= whole ? { address, length: Number(bits) } : undefined;
}

/** 4 or 16 bytes, or undefined. */
export function parseAddress(text: string): Uint8Array | undefined {
  const address = parseIpv4(text);
  if (address === undefined) return parseIpv6(text);
  const bytes = new Uint8Array(4);
  write32(bytes, 0, address);
  return bytes;
}
