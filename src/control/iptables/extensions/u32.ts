/*
 * -m u32: numbers found by a path through the packet, compared with ranges.
 *
 *   test "&&" test …      test: location "=" value "," value …      location: number, then operator number, …
 */
import { Op, OpWord, U32Step } from '../../../netfilter/ops.js';
import type { Extension } from '../extension.js';
import type { Range } from '../given.js';
import { hex } from '../numbers.js';
import { Problem } from '../problem.js';
import { leadingNumber } from './values.js';
import { bang } from './wording.js';

/** Tests, steps and values that there is room for. */
const ROOM = 10;

interface Step {
  step: U32Step;
  number: number;
}

interface Test {
  steps: Step[];
  values: Range[];
}

const SIGNS: Record<U32Step, string> = {
  [U32Step.AND]: '&',
  [U32Step.LEFT_SHIFT]: '<<',
  [U32Step.RIGHT_SHIFT]: '>>',
  [U32Step.AT]: '@',
};

class TestReader {
  readonly #tests: Test[] = [];
  #at = 0;

  constructor(readonly text: string) {}

  #fail(words: string): Problem {
    return new Problem(`u32: at char ${this.#at}: ${words}`);
  }

  #blanks(): string {
    while (/\s/.test(this.text[this.#at] ?? '')) this.#at++;
    return this.text[this.#at] ?? '';
  }

  #number(): number {
    const rest = this.text.slice(this.#at);
    const number = /^[+\s]/.test(rest) ? undefined : leadingNumber(rest);
    if (number === undefined) throw this.#fail('not a number or out of range');
    this.#at += rest.length - number.rest.length;
    return number.value;
  }

  read(): Test[] {
    for (;;) {
      const steps = this.#steps();
      const { values, isLast } = this.#values();
      if (this.#tests.length === ROOM) throw this.#fail('too many "&&"s');
      this.#tests.push({ steps, values });
      if (isLast) return this.#tests;
    }
  }

  #steps(): Step[] {
    const steps: Step[] = [];
    for (;;) {
      const next = this.#blanks();
      if (next === '') throw new Problem('u32: abrupt end of input after location specifier');
      if (next === '=' && steps.length === 0) throw this.#fail('location spec missing');
      if (next === '=') break;
      const step = steps.length === 0 ? U32Step.AT : this.#operator(next);
      this.#blanks();
      const number = this.#number();
      if (steps.length === ROOM) throw this.#fail('too many operators');
      steps.push({ step, number });
    }
    this.#at++;
    return steps;
  }

  #operator(sign: string): U32Step {
    if (sign === '&' || sign === '@') {
      this.#at++;
      return sign === '&' ? U32Step.AND : U32Step.AT;
    }
    if (sign !== '<' && sign !== '>') throw this.#fail('operator expected');
    this.#at++;
    if (this.text[this.#at] !== sign) throw this.#fail(`a second '${sign}' was expected`);
    this.#at++;
    return sign === '<' ? U32Step.LEFT_SHIFT : U32Step.RIGHT_SHIFT;
  }

  #values(): { values: Range[]; isLast: boolean } {
    const values: Range[] = [];
    for (;;) {
      const next = this.#blanks();
      if (next === '' && values.length === 0) throw new Problem('u32: test ended with no value specified');
      if (next === '') return { values, isLast: true };
      if (next === '&') {
        this.#and(values.length);
        return { values, isLast: false };
      }
      this.#value(values, next);
    }
  }

  #and(count: number): void {
    this.#at++;
    if (this.text[this.#at] !== '&') throw this.#fail("a second '&' was expected");
    if (count === 0) throw this.#fail('value spec missing');
    this.#at++;
  }

  #value(values: Range[], next: string): void {
    if (values.length > 0) {
      if (next !== ',') throw this.#fail('expected "," or "&&"');
      this.#at++;
      this.#blanks();
    }
    const low = this.#number();
    let high = low;
    if (this.#blanks() === ':') {
      this.#at++;
      this.#blanks();
      high = this.#number();
    }
    if (values.length === ROOM) throw this.#fail('too many ","s');
    values.push({ low, high });
  }
}

function testText({ steps, values }: Test): string {
  const location = steps.map(({ step, number }, i) => `${i === 0 ? '' : SIGNS[step]}${hex(number)}`);
  const ranges = values.map(({ low, high }) => (low === high ? hex(low) : `${hex(low)}:${hex(high)}`));
  return `${location.join('')}=${ranges.join(',')}`;
}

function testWords({ steps, values }: Test): number[] {
  return [
    steps.length,
    values.length,
    ...steps.flatMap(({ step, number }) => [step, number | 0]),
    ...values.flatMap(({ low, high }) => [low | 0, high | 0]),
  ];
}

interface U32 {
  tests: readonly Test[];
  isInverted: boolean;
}

function quoted(data: U32): string {
  return `"${data.tests.map(testText).join('&&')}"`;
}

export const u32: Extension<U32> = {
  name: 'u32',
  isTarget: false,
  options: [
    {
      name: 'u32',
      argument: 'required',
      isMandatory: true,
      canInvert: true,
      take(data, given) {
        data.tests = new TestReader(given.text).read();
        data.isInverted = given.isInverted;
      },
    },
  ],
  create: () => ({ tests: [], isInverted: false }),
  save: (data) => `${bang(data.isInverted)} --u32 ${quoted(data)}`,
  list: (data) => ` u32${bang(data.isInverted)} ${quoted(data)}`,
  encode(data, into) {
    into.add(Op.U32, [data.tests.length, ...data.tests.flatMap(testWords)], data.isInverted ? OpWord.INVERTED : 0);
  },
};
