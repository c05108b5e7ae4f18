/*
 * Longest-prefix match written down naively: a map of prefixes, and a look-up that tries every length. An address is
 * a bigint of 32 or 128 bits.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';

export interface Prefix {
  address: bigint;
  length: number;
}

export interface Route extends Prefix {
  value: number;
}

export class LpmModel {
  /** Of each length, the prefixes without what is behind them, as V8 hashes the last 64 bits of a bigint. */
  private readonly values: Map<bigint, number>[];

  constructor(readonly bits: number) {
    this.values = Array.from({ length: bits + 1 }, () => new Map<bigint, number>());
  }

  private key(address: bigint, length: number): bigint {
    return address >> BigInt(this.bits - length);
  }

  /** An address with zeros behind the prefix. */
  mask(address: bigint, length: number): bigint {
    return this.key(address, length) << BigInt(this.bits - length);
  }

  insert({ address, length, value }: Route): void {
    this.values[length].set(this.key(address, length), value);
  }

  remove({ address, length }: Prefix): void {
    this.values[length].delete(this.key(address, length));
  }

  /**
   * The longest prefix of an address that is not longer than `most`; a value of 0 and a length of 0 if there is none.
   */
  longest(address: bigint, most = this.bits): { value: number; length: number } {
    for (let length = most; length >= 0; length--) {
      const map = this.values[length];
      if (map.size === 0) continue;
      const value = map.get(this.key(address, length));
      if (value !== undefined) return { value, length };
    }
    return { value: 0, length: 0 };
  }

  /** What `remove` is told about the next shorter prefix. */
  cover({ address, length }: Prefix): { value: number; length: number } {
    return length === 0 ? { value: 0, length: 0 } : this.longest(address, length - 1);
  }

  get routes(): Route[] {
    return this.values.flatMap((map, length) =>
      [...map].map(([key, value]) => ({ address: key << BigInt(this.bits - length), length, value })),
    );
  }
}

/** Random numbers below a bound, from a seed (mulberry32). */
export function random(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

export function randomBits(next: (below: number) => number, bits: number): bigint {
  let value = 0n;
  for (let i = 0; i < bits; i += 16) value = (value << 16n) | BigInt(next(65_536));
  return value;
}

/** An address as signed 32-bit words, the first bits first. */
export function words(address: bigint, bits: number): number[] {
  return Array.from(
    { length: bits / 32 },
    (_, i) => Number((address >> BigInt(bits - 32 - 32 * i)) & 0xffff_ffffn) | 0,
  );
}

/** An IPv4 or IPv6 address from text. */
export function parseAddress(text: string): bigint {
  if (!text.includes(':')) return text.split('.').reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const [head, tail] = text.split('::').map((half) => (half === '' ? [] : half.split(':')));
  const gap = tail === undefined ? 0 : 8 - head.length - tail.length;
  const groups = [...head, ...Array.from({ length: gap }, () => '0'), ...(tail ?? [])];
  return groups.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

export function parsePrefix(text: string): Prefix {
  const [address, length] = text.split('/');
  return { address: parseAddress(address), length: Number(length) };
}

const FOLDER = join(process.env.SLUICE_FIXTURES ?? resolve(import.meta.dirname, '../../../shared/fixtures'), 'routes');

export const hasRoutes = existsSync(FOLDER);
export const NO_ROUTES = 'the fixture routes are absent: set SLUICE_FIXTURES';

/** The lines of a file of the fixture. */
export function lines(name: string): string[] {
  return gunzipSync(readFileSync(join(FOLDER, name)))
    .toString()
    .trim()
    .split('\n');
}

/** The half table's prefixes of one family, the value of each being its number from 1. */
export function halfTable(isIpv6: boolean): Route[] {
  return lines('bart-half-table-prefixes.txt.gz')
    .filter((line) => line.includes(':') === isIpv6)
    .map((line, i) => ({ ...parsePrefix(line), value: i + 1 }));
}
