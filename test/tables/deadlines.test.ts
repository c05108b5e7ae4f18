/* Deadlines against a plain list, across the clock's wrap. */
import { describe, expect, it } from 'vitest';
import { Deadlines } from '../../src/tables/deadlines.js';
import { BEFORE_WRAP } from '../support/network.js';

describe('deadlines', () => {
  it('answers what is due, the soonest first, and how long until the next', () => {
    const deadlines = new Deadlines(8);
    expect(deadlines.delay(0)).toBe(-1);
    deadlines.set(3, 300);
    deadlines.set(1, 100);
    deadlines.set(2, 200);
    expect(deadlines.delay(40)).toBe(60);
    expect(deadlines.take(99)).toBe(-1);
    expect([deadlines.take(250), deadlines.take(250), deadlines.take(250)]).toEqual([1, 2, -1]);
    expect(deadlines.delay(400)).toBe(0);
    expect(deadlines.isSet(3)).toBe(true);
    expect(deadlines.isSet(1)).toBe(false);
  });

  it('moves a deadline that is set again, and forgets one that is cleared', () => {
    const deadlines = new Deadlines(8);
    for (let i = 0; i < 8; i++) deadlines.set(i, 100 + i);
    deadlines.set(0, 500);
    deadlines.clear(1);
    deadlines.clear(1);
    const taken = Array.from({ length: 8 }, () => deadlines.take(1000));
    expect(taken).toEqual([2, 3, 4, 5, 6, 7, 0, -1]);
  });

  it('agrees with a list in a thousand random changes across the wrap of the clock', () => {
    const numbers = 64;
    const deadlines = new Deadlines(numbers);
    const model = new Map<number, number>();
    let seed = 20_250_101;
    const random = (n: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) | 0;
      return (seed >>> 8) % n;
    };
    let elapsed = 0;
    for (let step = 0; step < 5000; step++) {
      const number = random(numbers);
      if (random(3) === 0) {
        deadlines.clear(number);
        model.delete(number);
      } else {
        const due = elapsed + random(5000);
        deadlines.set(number, (BEFORE_WRAP + due) | 0);
        model.set(number, due);
      }
      elapsed += random(10);
      const now = (BEFORE_WRAP + elapsed) | 0;
      for (let taken = deadlines.take(now); taken >= 0; taken = deadlines.take(now)) {
        expect(model.get(taken)).toBe(Math.min(...model.values()));
        expect(model.get(taken)).toBeLessThanOrEqual(elapsed);
        model.delete(taken);
      }
      const next = Math.min(...model.values());
      expect(deadlines.delay(now)).toBe(model.size === 0 ? -1 : next - elapsed);
      expect(deadlines.size).toBe(model.size);
    }
  });
});
