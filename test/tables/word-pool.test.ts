import { expect, it } from 'vitest';
import { WordPool } from '../../src/tables/word-pool.js';
import { random } from './lpm-model.js';

interface Block {
  at: number;
  size: number;
  tag: number;
}

const SIZES = [4, 5, 6, 7, 13, 60, 300, 1023, 1024, 2000];

/** Fills a block's words with what only it may contain. */
function paint(pool: WordPool, { at, size, tag }: Block): void {
  pool.words.fill(tag, at + 1, at + size);
}

function isIntact(pool: WordPool, { at, size, tag }: Block): boolean {
  return pool.tag(at) === tag && pool.words.subarray(at + 1, at + size).every((word) => word === tag);
}

it('gives out blocks that do not overlap and takes all back', () => {
  for (let seed = 1; seed <= 5; seed++) {
    const next = random(seed);
    const pool = new WordPool(200_000, 100_000);
    const blocks: Block[] = [];
    let words = 0;
    for (let step = 0; step < 5000; step++) {
      if (next(step < 3000 ? 10 : 4) < 3 && blocks.length > 0) {
        const [block] = blocks.splice(next(blocks.length), 1);
        expect(isIntact(pool, block), `seed ${seed} step ${step}`).toBe(true);
        pool.release(block.at, block.size);
        words -= block.size;
      } else {
        const block = { at: 0, size: SIZES[next(SIZES.length)], tag: step + 1 };
        block.at = pool.allocate(block.size, block.tag, false);
        if (block.at === 0) continue;
        paint(pool, block);
        blocks.push(block);
        words += block.size;
      }
      expect(pool.used).toBe(words);
      expect(pool.extent).toBeLessThanOrEqual(100_000);
    }
    for (const block of blocks) {
      expect(isIntact(pool, block), `seed ${seed}`).toBe(true);
      pool.release(block.at, block.size);
    }
    expect(pool.used).toBe(0);
    expect(pool.extent, 'all is one free block again').toBe(4);
  }
});

it('keeps the rest for urgent requests', () => {
  const pool = new WordPool(100, 50);
  expect(pool.allocate(40, 1, false)).not.toBe(0);
  expect(pool.allocate(40, 1, false)).toBe(0);
  expect(pool.used).toBe(40);
  expect(pool.allocate(40, 1, true)).not.toBe(0);
  expect(pool.allocate(40, 1, true)).toBe(0);
});
