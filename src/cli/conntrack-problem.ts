/*
 * How `conntrack` says no, and what it says when it has done something: the lines of conntrack-tools 1.4.7.
 */
import { cannot, Refusal } from './refusal.js';

export const PROGRAM = 'conntrack v1.4.7 (conntrack-tools)';
const TRY = "Try `conntrack -h' or 'conntrack --help' for more information.";

/** Wrong words: status 2. `cause` and `hint` are for our own line. */
export function wrongWords(
  line: string,
  object: string,
  cause: string,
  hint = 'see "sluice conntrack --help"',
): Refusal {
  return new Refusal(`${PROGRAM}: ${line}\n${TRY}`, 2, cannot('conntrack', object, cause, hint));
}

/** The table does not take it: status 1. `before`: lines that come first. */
export function failed(line: string, sentence: string, before = ''): Refusal {
  return new Refusal(`${before}${PROGRAM}: ${line}`, 1, sentence);
}

/** What the real tool takes and that would have no effect here. */
export function useless(option: string, cause: string): Refusal {
  return new Refusal('', 2, cannot('conntrack', option, cause, 'leave it out'));
}

export function summary(line: string): string {
  return `${PROGRAM}: ${line}\n`;
}
