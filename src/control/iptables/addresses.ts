/*
 * Addresses and masks as iptables reads and writes them. An address is an array of 32-bit words in host order: one of IPv4, four of
 * IPv6, as the dataplane's rows have them.
 *
 * "10/8" is 10.0.0.0/8, a mask may be a length or dotted and need not be contiguous. A name is looked up in a table of answers: one
 * that is not there yet is thrown as Unresolved, whoever runs the command resolves it and starts again (reading has no effects).
 */
import { Family } from '../../netfilter/rule.js';
import { read32, write32 } from '../../wire/field.js';
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '../../wire/format.js';
import { readUnsigned } from './numbers.js';
import { Problem } from './problem.js';

export type Address = readonly number[];

export interface MaskedAddress {
  address: Address;
  mask: Address;
}

/** A host name whose addresses are not known yet. */
export class Unresolved extends Error {
  constructor(
    readonly host: string,
    readonly family: Family,
  ) {
    super(`${host} has to be looked up`);
  }
}

/** Answers of the resolver, by family and name. Emptied by `forgetHosts` when a command is done. */
const resolved = new Map<string, readonly Address[]>();

export function rememberHost(host: string, family: Family, addresses: readonly Address[]): void {
  resolved.set(`${family} ${host}`, addresses);
}

export function forgetHosts(): void {
  resolved.clear();
}

export function wordsOf(family: Family): number {
  return family === Family.IPV6 ? 4 : 1;
}

export function bitsOf(family: Family): number {
  return wordsOf(family) * 32;
}

/** Masks of prefixes: there are few, and many rules have them. */
const masks: Address[] = [];

/** The mask of a prefix. */
export function maskOf(length: number, family: Family): Address {
  const key = length + (family === Family.IPV6 ? 33 : 0);
  masks[key] ??= makeMask(length, family);
  return masks[key];
}

function makeMask(length: number, family: Family): Address {
  return Array.from({ length: wordsOf(family) }, (_, i) => {
    const bits = Math.min(32, Math.max(0, length - i * 32));
    return bits === 0 ? 0 : -1 << (32 - bits);
  });
}

/** Length of a contiguous mask, else undefined. */
export function lengthOf(mask: Address): number | undefined {
  let length = 0;
  let isOver = false;
  for (const word of mask) {
    const zeros = ~word >>> 0;
    if ((zeros & (zeros + 1)) !== 0 || (isOver && word !== 0)) return undefined;
    const ones = Math.clz32(zeros);
    length += ones;
    isOver ||= ones < 32;
  }
  return length;
}

/** Four parts of IPv4; with fewer the rest is 0. */
function readIpv4(text: string): number | undefined {
  const usual = parseIpv4(text);
  if (usual !== undefined) return usual;
  const parts = text.split('.');
  if (parts.length > 4) return undefined;
  let address = 0;
  for (let i = 0; i < 4; i++) {
    const byte = i < parts.length ? readUnsigned(parts[i], 255) : 0;
    if (byte === undefined) return undefined;
    address = (address << 8) | byte;
  }
  return address;
}

function fromBytes(bytes: Uint8Array): Address {
  return [0, 4, 8, 12].map((at) => read32(bytes, at) | 0);
}

/** A numeric address, or undefined. */
export function readAddress(text: string, family: Family): Address | undefined {
  if (family === Family.IPV6) {
    const bytes = parseIpv6(text);
    return bytes === undefined ? undefined : fromBytes(bytes);
  }
  const address = readIpv4(text);
  return address === undefined ? undefined : [address];
}

/** Length of a prefix; undefined: no number from 0 to the family's bits. */
function readLength(text: string, family: Family): number | undefined {
  return readUnsigned(text, bitsOf(family));
}

function readMask(text: string, family: Family): Address {
  const isDotted = family === Family.IPV6 ? text.includes(':') : text.split('.').length === 4;
  const mask = isDotted ? readAddress(text, family) : undefined;
  if (mask !== undefined) return mask;
  const length = readLength(text, family);
  if (length === undefined) throw new Problem(`invalid mask \`${text}' specified`);
  return maskOf(length, family);
}

/** ADDRESS or NAME, with /MASK or without: a name may have many. The bits off the mask are cleared. */
export function readAddresses(text: string, family: Family): MaskedAddress[] {
  const slash = text.lastIndexOf('/');
  const host = slash < 0 ? text : text.slice(0, slash);
  const mask = slash < 0 ? maskOf(bitsOf(family), family) : readMask(text.slice(slash + 1), family);
  // Without any bit of mask the address does not matter, not even whether it is one: "any/0".
  const found = lengthOf(mask) === 0 ? [mask] : hostAddresses(host, family);
  const all = found.map((address) => ({ address: address.map((word, i) => word & mask[i]), mask }));
  if (all.length === 1) return all;
  return all.filter((one, i) => all.findIndex((other) => sameAddress(one.address, other.address)) === i);
}

export function sameAddress(one: Address, other: Address): boolean {
  return one.every((word, i) => word === other[i]);
}

export function hostAddresses(host: string, family: Family): readonly Address[] {
  const numeric = readAddress(host, family);
  if (numeric !== undefined) return [numeric];
  const known = resolved.get(`${family} ${host}`);
  if (known === undefined) throw new Unresolved(host, family);
  if (known.length === 0) throw new Problem(`host/network \`${host}' not found`);
  return known;
}

export function formatAddress(address: Address): string {
  if (address.length === 1) return formatIpv4(address[0]);
  const bytes = new Uint8Array(16);
  for (const [i, word] of address.entries()) write32(bytes, i * 4, word);
  return formatIpv6(bytes);
}

/** "/24", "/255.0.255.0"; '' for a mask of ones only, as -L and many extensions write it. */
export function maskText(mask: Address): string {
  const length = lengthOf(mask);
  if (length === undefined) return `/${formatAddress(mask)}`;
  return length === mask.length * 32 ? '' : `/${length}`;
}
