/*
 * Values of `conntrack`'s options, as the real tool reads them: with strtoul(3) and inet_aton(3), which take what a stricter reader would not.
 */

import { isIPv4 } from 'node:net';
import { FlowStatus } from '../control/api/conntrack.js';
import type { Family } from '../control/api/family.js';
import { STATUS_NAMES } from './conntrack-format.js';
import { wrongWords } from './conntrack-problem.js';
import type { Refusal } from './refusal.js';

/** `exact`: names that are told from their own in small letters. */
export function listOf(text: string, known: readonly string[], option: string, exact = ''): string[] {
  const found: string[] = [];
  for (let rest = text; ; ) {
    const comma = rest.indexOf(',');
    const word = comma < 0 ? rest : rest.slice(0, comma);
    const name = known.find((one) => (one === exact ? one === word : one.toLowerCase() === word.toLowerCase()));
    if (name === undefined)
      throw wrongWords(`Bad parameter \`${rest}'`, option, `there is no "${word}"`, `use ${known.join(', ')}`);
    found.push(name);
    if (comma < 0) return found;
    rest = rest.slice(comma + 1);
  }
}

/** As inet_aton(3): one to four numbers, of which the last one has what is left. */
export function looseIpv4(text: string): string | undefined {
  if (isIPv4(text)) return text;
  const parts = text.split('.');
  if (parts.length > 4 || !parts.every((part) => /^(0[xX][0-9a-fA-F]+|\d+)$/.test(part))) return undefined;
  const numbers = parts.map((part) => (/^0\d/.test(part) ? Number.parseInt(part, 8) : Number(part)));
  const last = numbers.pop() ?? Number.NaN;
  if (numbers.some((one) => !(one < 256)) || !(last < 256 ** (4 - numbers.length))) return undefined;
  const value = numbers.reduce((sum, one, i) => sum + one * 256 ** (3 - i), 0) + last;
  return [24, 16, 8, 0].map((shift) => (value / 2 ** shift) & 255).join('.');
}

export function strtoul(text: string): number {
  const [, sign, digits] = /^\s*([-+]?)(0[xX][0-9a-fA-F]+|\d+)/.exec(text) ?? ['', '', '0'];
  const value = /^0\d/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  return Math.min(sign === '-' ? 2 ** 32 - value : value, 2 ** 32 - 1);
}

export function markOf(text: string): { value: number; mask: number } {
  const slash = text.indexOf('/');
  return { value: strtoul(text), mask: slash < 0 ? 0xffffffff : strtoul(text.slice(slash + 1)) };
}

export function maskText(bits: number, family: Family): string {
  const bytes = Array.from({ length: family === 4 ? 4 : 16 }, (_, i) => {
    const left = Math.min(Math.max(bits - 8 * i, 0), 8);
    return (0xff << (8 - left)) & 0xff;
  });
  if (family === 4) return bytes.join('.');
  return Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] << 8) | bytes[2 * i + 1]).toString(16)).join(':');
}

export function badAddress(text: string, option: string): Refusal {
  return wrongWords(`Invalid IP address \`${text}'`, option, `"${text}" is no address`, 'write one of IPv4 or IPv6');
}

const UNREPLIED = 'UNREPLIED';

/** Bits of a list of names, and which are looked at; UNSET is none. With UNREPLIED only one is, as with the real tool. */
export function statusOf(text: string): { bits: number; mask: number } {
  const known = new Map(STATUS_NAMES);
  const names = listOf(text, [...known.keys(), 'UNSET', UNREPLIED], '--status', UNREPLIED);
  const bits = names.reduce((sum, name) => sum | (known.get(name) ?? 0), 0);
  return { bits, mask: names.includes(UNREPLIED) ? FlowStatus.SEEN_REPLY : bits };
}
