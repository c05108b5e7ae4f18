/*
 * Numbers of rules and chains: from 1, those given back first.
 */

export class NumbersInUse {
  readonly #free: number[] = [];
  #next = 1;

  /** @param limit the highest that there is */
  constructor(readonly limit: number) {}

  get left(): number {
    return this.limit - this.#next + 1 + this.#free.length;
  }

  /** The caller has looked that one is left. */
  take(): number {
    return this.#free.pop() ?? this.#next++;
  }

  giveBack(number: number): void {
    this.#free.push(number);
  }
}
