/*
 * -m u32: tests of 32-bit words somewhere in the packet. All tests must hold; of a test's ranges one.
 *
 *   "start & mask >> shift @ next = low:high, …"      "@" makes the value so far the start of what follows
 *
 * Numbers are unsigned. A place outside of the packet ends the program: it does not hold.
 */
import { Answer } from './answer.js';
import { U32Op, U32Step } from './ops.js';
import type { Payload } from './payload.js';

/** Of the test evaluated last: the word where its ranges start. */
let $values = 0;

/** The value of a test's locations, -1: they lead outside of the packet. `at`: the word with the number of locations. */
function evaluate(pool: Int32Array, at: number, payload: Payload): number {
  const end = at + 2 + (pool[at] << 1);
  let start = 0;
  let value = 0;
  for (let i = at + 2; i < end; i += 2) {
    const step = pool[i];
    const number = pool[i + 1] >>> 0;
    const isStart = i === at + 2 || step === U32Step.AT;
    if (isStart) {
      start += value;
      if (!payload.has(start + number, 4)) return -1;
      value = payload.read32(start + number) >>> 0;
    } else if (step === U32Step.AND) value = (value & number) >>> 0;
    else if (step === U32Step.LEFT_SHIFT) value = number > 31 ? 0 : (value << number) >>> 0;
    else value = number > 31 ? 0 : value >>> number;
  }
  $values = end;
  return value;
}

export function u32(pool: Int32Array, at: number, payload: Payload): Answer {
  let test = at + U32Op.FIRST;
  for (let tests = pool[at + U32Op.TESTS]; tests > 0; tests--) {
    const value = evaluate(pool, test, payload);
    if (value < 0) return Answer.NO;
    const end = $values + (pool[test + 1] << 1);
    let holds = false;
    for (let i = $values; i < end && !holds; i += 2) holds = value >= pool[i] >>> 0 && value <= pool[i + 1] >>> 0;
    if (!holds) return Answer.NO;
    test = end;
  }
  return Answer.YES;
}
