/*
 * What goes wrong once a command has been understood: complaints of the tool about the rules (Failure), which end it, and complaints
 * of the kernel (Rejection), which come together at the end.
 */
import type { Edge } from './change.js';
import type { Problem } from './problem.js';
import type { Complaint } from './reach.js';

/** "iptables: No chain/target/match by that name." */
export class Failure extends Error {}

export const noChain = () => new Failure('No chain/target/match by that name.');
export const badRule = () => new Failure('Bad rule (does a matching rule exist in that chain?).');

type Errno = Exclude<Complaint, undefined> | 'EBUSY' | 'ENOENT' | 'EOPNOTSUPP' | 'ENFILE' | 'ENOMEM' | 'ERANGE';

const WORDS: Record<Errno, string> = {
  EINVAL: 'Invalid argument',
  EMLINK: 'Too many links',
  EBUSY: 'Device or resource busy',
  ENOENT: 'No such file or directory',
  EOPNOTSUPP: 'Operation not supported',
  ENFILE: 'Too many open files in system',
  ENOMEM: 'Cannot allocate memory',
  ERANGE: 'Numerical result out of range',
};

export interface Rejection {
  /** Of the restored text; 0: of a single command. */
  line: number;
  text: string;
  /** Why, where the kernel would have taken it. */
  reason: string | undefined;
}

export function rejection(verb: Edge['verb'], errno: string, chain: string, line: number, reason?: string): Rejection {
  const words = WORDS[errno as Errno] ?? errno;
  return { line, text: `${verb} failed (${words}): rule in chain ${chain}`, reason };
}

export function chainInUse(chain: string, line: number): Rejection {
  return { line, text: `CHAIN_DEL failed (${WORDS.EBUSY}): chain ${chain}`, reason: undefined };
}

/** What the kernel would refuse. */
export class Rejected extends Error {
  constructor(readonly rejections: readonly Rejection[]) {
    super('');
  }
}

/** A failure at a line of a restored text. */
export class LineFailure extends Error {
  constructor(
    readonly failure: Failure,
    readonly line: number,
  ) {
    super('');
  }
}

/** What is wrong with the words of a line. */
export class LineProblem extends Error {
  constructor(
    readonly problem: Problem,
    readonly line: number,
  ) {
    super('');
  }
}
