/*
 * Why a change of addresses, routes or rules is refused, before it is known what to call the object: the caller words it.
 */
import { SluiceError } from '../../core/errors.js';

export interface Refusal {
  errno: string;
  cause: string;
  hint: string;
  /** The kernel's extended ack. */
  extack?: string;
}

/** Thrown where a check lies deep; `wording` makes a SluiceError of it. */
export class Refused extends Error {
  constructor(readonly refusal: Refusal) {
    super(refusal.cause);
  }
}

export function refuse(errno: string, cause: string, hint: string, extack?: string): never {
  throw new Refused({ errno, cause, hint, ...(extack === undefined ? {} : { extack }) });
}

/** `what`: "add route 10.0.0.0/8". */
export function worded({ errno, cause, hint, extack }: Refusal, what: string): SluiceError {
  return new SluiceError(errno, `cannot ${what}: ${cause}; ${hint}`, extack);
}

/** Does something that may be refused, under the name that an error calls it by. */
export function wording<T>(what: () => string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof Refused) throw worded(error.refusal, what());
    throw error;
  }
}

/** Does something that nobody waits for: a refusal is the end of it. */
export function unlessRefused(act: () => unknown): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
  }
}

export const EXISTS: Refusal = {
  errno: 'EEXIST',
  cause: 'there is such a route already',
  hint: 'use "replace", or delete it first',
};

export const NOT_FOUND: Refusal = {
  errno: 'ESRCH',
  cause: 'there is no such route',
  hint: '"ip route show table all" lists them',
};

export const NOTHING_TO_CHANGE: Refusal = {
  errno: 'ENOENT',
  cause: 'there is no such route to change',
  hint: 'use "add" or "replace"',
};
