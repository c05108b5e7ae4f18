/*
 * Addresses as words in network order: one for IPv4, four for IPv6. A *key* is an Int32Array of four that a caller owns; IPv4 uses
 * the first.
 */
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '../../wire/format.js';
import type { Family } from '../api/family.js';

export type Words = 1 | 4;

/** Tables that are always meant: RT_TABLE_*. */
export const enum TableId {
  DEFAULT = 253,
  MAIN = 254,
  LOCAL = 255,
}

export const wordsOf = (family: Family): Words => (family === 4 ? 1 : 4);

export const bitsOf = (words: Words): number => words * 32;

/** The bits of word `i` that belong to a prefix. */
function wordMask(length: number, i: number): number {
  const bits = length - i * 32;
  return bits <= 0 ? 0 : bits >= 32 ? -1 : -1 << (32 - bits);
}

/** Clears what lies behind a prefix. */
export function maskKey(key: Int32Array, words: Words, length: number): void {
  for (let i = 0; i < words; i++) key[i] &= wordMask(length, i);
}

/** Whether an address has bits behind a prefix of this length. */
export function hasHostBits(key: Int32Array, words: Words, length: number): boolean {
  for (let i = 0; i < words; i++) if ((key[i] & ~wordMask(length, i)) !== 0) return true;
  return false;
}

/** Whether a prefix covers an address. */
export function covers(prefix: Int32Array, length: number, address: Int32Array, words: Words): boolean {
  for (let i = 0; i < words; i++) if (((prefix[i] ^ address[i]) & wordMask(length, i)) !== 0) return false;
  return true;
}

/** As unsigned numbers, word by word. */
export function compareKeys(a: Int32Array, b: Int32Array, words: Words): number {
  for (let i = 0; i < words; i++) if (a[i] !== b[i]) return (a[i] >>> 0) - (b[i] >>> 0);
  return 0;
}

/** undefined: it is no address of the family. */
export function parseKey(text: string, family: Family): Int32Array | undefined {
  if (family === 4) {
    const address = parseIpv4(text);
    return address === undefined ? undefined : Int32Array.of(address);
  }
  const bytes = parseIpv6(text);
  return bytes === undefined ? undefined : keyOfBytes(bytes);
}

/** Network order bytes, 4 or 16, to words. */
export function keyOfBytes(bytes: Uint8Array): Int32Array {
  const key = new Int32Array(bytes.length >> 2);
  loadBytes(bytes, 0, key, key.length as Words);
  return key;
}

export function loadBytes(bytes: Uint8Array, at: number, key: Int32Array, words: Words): void {
  for (let i = 0; i < words; i++, at += 4)
    key[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
}

export function bytesOfKey(key: Int32Array): Uint8Array {
  const bytes = new Uint8Array(key.length * 4);
  const view = new DataView(bytes.buffer);
  key.forEach((word, i) => {
    view.setInt32(i * 4, word);
  });
  return bytes;
}

/** Of one word: IPv4; of four: IPv6. */
export function formatKey(key: Int32Array): string {
  return key.length === 1 ? formatIpv4(key[0]) : formatIpv6(bytesOfKey(key));
}
