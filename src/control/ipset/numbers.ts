/* Numbers as ipset reads them: decimal, octal and hexadecimal as C has them; a negative one is far too large. */
import { syntax } from './failures.js';

const MODULUS = 1n << 64n;

/** undefined: no number at all; 2^64: too large for any. */
function readUnlimited(text: string): bigint | undefined {
  const parts = /^\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/.exec(text);
  if (parts === null) return undefined;
  const [, sign, digits] = parts;
  const value = BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits);
  if (value >= MODULUS) return MODULUS;
  return sign === '-' && value > 0n ? MODULUS - value : value;
}

/** What is wrong with a number, or the number. */
export function tryNumber(text: string, high: bigint): bigint | string {
  const value = readUnlimited(text);
  if (value === undefined) return `'${text}' is invalid as number`;
  return value <= high ? value : `'${text}' is out of range 0-${high}`;
}

export function readBigNumber(text: string, high: bigint): bigint {
  const value = tryNumber(text, high);
  if (typeof value === 'string') throw syntax(value);
  return value;
}

export function readNumber(text: string, high: number): number {
  return Number(readBigNumber(text, BigInt(high)));
}

/** A prefix length. */
export function readLength(text: string, low: number, high: number): number {
  const value = readNumber(text, 255);
  if (value < low || value > high) throw syntax(`'${text}' is out of range ${low}-${high}`);
  return value;
}
