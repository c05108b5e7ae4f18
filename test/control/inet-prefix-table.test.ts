import { describe, expect, it } from 'vitest';
import { PrefixTable } from '../../src/control/inet/prefix-table.js';

function numbers(seed: number): (n: number) => number {
  let state = seed | 1;
  return (n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
}

/** Chains by prefix, as lists of infos. */
class Model {
  readonly chains = new Map<string, number[]>();

  get size(): number {
    return [...this.chains.values()].reduce((sum, chain) => sum + chain.length, 0);
  }
}

const name = (key: Int32Array, words: number, length: number): string => `${key.slice(0, words).join('.')}/${length}`;

function chainOf(table: PrefixTable, key: Int32Array, length: number): number[] {
  const chain: number[] = [];
  for (let alias = table.find(key, length); alias !== 0; alias = table.next(alias)) chain.push(table.infoOf(alias));
  return chain;
}

function aliasAt(table: PrefixTable, key: Int32Array, length: number, index: number): number {
  let alias = table.find(key, length);
  for (let i = 0; i < index; i++) alias = table.next(alias);
  return alias;
}

describe.each([1, 4] as const)('a table of prefixes of %i words', (words) => {
  it('is as a map of lists would be, whatever comes and goes', () => {
    const random = numbers(words);
    const table = new PrefixTable(words);
    const model = new Model();
    for (let step = 1; step <= 20_000; step++) {
      const key = Int32Array.from({ length: 4 }, (_, i) => (i < words ? (random(40) << 24) | random(3) : 0));
      const length = random(4) * 8 + 1;
      const id = name(key, words, length);
      const chain = model.chains.get(id) ?? [];
      if (random(5) < (step < 12_000 ? 3 : 1)) {
        const at = random(chain.length + 1);
        table.insert(key, length, step, at === 0 ? 0 : aliasAt(table, key, length, at - 1));
        chain.splice(at, 0, step);
        model.chains.set(id, chain);
      } else if (chain.length > 0) {
        const at = random(chain.length);
        table.remove(aliasAt(table, key, length, at));
        chain.splice(at, 1);
        if (chain.length === 0) model.chains.delete(id);
      }
      expect(chainOf(table, key, length)).toEqual(chain);
    }
    expect(table.size).toBe(model.size);
    expect(table.prefixes).toBe(model.chains.size);
    expect(table.heads().length).toBe(model.chains.size);
    expect(table.counts.reduce((a, b) => a + b)).toBe(model.chains.size);
  });

  it('finds every prefix again after it has grown, and none of those that went', () => {
    const table = new PrefixTable(words);
    const keyOf = (n: number): Int32Array => Int32Array.of(Math.imul(n, 0x01000193), n, 0, n);
    for (let n = 1; n <= 5000; n++) table.insert(keyOf(n), 24, n, 0);
    for (let n = 1; n <= 5000; n += 2) table.remove(table.find(keyOf(n), 24));
    for (let n = 1; n <= 5000; n++) expect(chainOf(table, keyOf(n), 24)).toEqual(n % 2 === 1 ? [] : [n]);
  });

  it('uses the rows of removed aliases again', () => {
    const table = new PrefixTable(words);
    const key = Int32Array.of(1, 2, 3, 4);
    for (let n = 0; n < 1000; n++) table.remove(table.insert(key, 32, n, 0));
    expect(table.size).toBe(0);
    expect(table.bytes).toBe(new PrefixTable(words).bytes);
  });
});
