/*
 * Pieces of text and of words that many extensions share.
 */
import { type Address, formatAddress, lengthOf } from '../addresses.js';
import { hex } from '../numbers.js';

/** In front of an option that is inverted. */
export function bang(isInverted: boolean): string {
  return isInverted ? ' !' : '';
}

/** 0x0a. */
export function hexBytes(value: number, digits: number): string {
  return `0x${(value >>> 0).toString(16).padStart(digits, '0')}`;
}

/** VALUE, or VALUE/MASK where not all bits count. */
export function maskedHex(value: number, mask: number): string {
  return mask >>> 0 === 0xffffffff ? hex(value) : `${hex(value)}/${hex(mask)}`;
}

/** LOW, or LOW:HIGH. */
export function rangeText(low: number, high: number): string {
  return low === high ? `${low}` : `${low}:${high}`;
}

/** ADDRESS, or ADDRESS/LENGTH. */
export function addressMaskText(address: Address, mask: Address): string {
  const length = lengthOf(mask) ?? address.length * 32;
  return length === address.length * 32 ? formatAddress(address) : `${formatAddress(address)}/${length}`;
}

/** The four words that the dataplane has for an address of either family. */
export function fourWords(address: Address): number[] {
  return [...address, 0, 0, 0].slice(0, 4);
}

/** Four bytes a word, the first in the lowest bits. */
export function packBytes(bytes: Uint8Array): number[] {
  const words = new Array<number>((bytes.length + 3) >> 2).fill(0);
  for (const [i, byte] of bytes.entries()) words[i >> 2] |= byte << ((i & 3) * 8);
  return words;
}

export function low32(value: bigint): number {
  return Number(BigInt.asIntN(32, value));
}

export function high32(value: bigint): number {
  return Number(BigInt.asIntN(32, value >> 32n));
}
