/** Half an Internet table: the fixtures', or where they are absent one of as many made-up prefixes of like lengths. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parseIpv4 } from '../src/wire/format.js';
import { root } from './twin/programs.js';

export type Prefix = [address: number, length: number];

const MADE_UP = 450_000;

function madeUp(random: () => number): Prefix[] {
  return Array.from({ length: MADE_UP }, () => {
    const length = 24 - Math.min(random() & 7, random() & 7);
    // A router forwards nothing to 0/8, 127/8 and groups.
    const first = 1 + (random() % 222);
    const address = ((first < 127 ? first : first + 1) << 24) | (random() & 0xffffff);
    return [address & (-1 << (32 - length)), length];
  });
}

export function halfTable(random: () => number): Prefix[] {
  const folder = process.env.SLUICE_FIXTURES ?? join(root, '../shared/fixtures');
  const file = join(folder, 'routes/bart-half-table-prefixes.txt.gz');
  if (!existsSync(file)) return madeUp(random);
  const lines = gunzipSync(readFileSync(file)).toString().split('\n');
  return lines
    .filter((line) => line.includes('.'))
    .map((line) => {
      const [address, length] = line.split('/');
      return [parseIpv4(address) ?? 0, Number(length)];
    });
}
