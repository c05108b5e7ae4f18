/*
 * A line of iptables-restore into words.
 *
 * Blanks end a word; quotes keep them, and end the word where they end; a backslash inside of quotes keeps the next character. All
 * as add_param_to_argv of iptables does it, oddities included.
 */
import { Problem } from './problem.js';

const SPACE = 32;
const TAB = 9;
const NEWLINE = 10;
const QUOTE = 34;
const BACKSLASH = 92;

/** Longest word. */
const WORD_BYTES = 1024;

export function splitWords(line: string): string[] {
  const words: string[] = [];
  let start = 0;
  for (let at = 0; at <= line.length; at++) {
    const code = at < line.length ? line.charCodeAt(at) : SPACE;
    if (code === QUOTE) return splitQuoted(line, start, words);
    if (code !== SPACE && code !== TAB && code !== NEWLINE) continue;
    if (at > start) words.push(line.slice(start, at));
    start = at + 1;
  }
  return words;
}

/** The rest of a line in which there is a quote. */
function splitQuoted(line: string, from: number, words: string[]): string[] {
  let word = '';
  let isOpen = false;
  let isQuoted = false;
  for (let at = from; at < line.length; at++) {
    const code = line.charCodeAt(at);
    if (isOpen && code === BACKSLASH) {
      at++;
      word += line[at] ?? '';
    } else if (isOpen && code !== QUOTE) word += line[at];
    else if (!isOpen && code === QUOTE) {
      isOpen = true;
      isQuoted = true;
    } else if (code === QUOTE || code === SPACE || code === TAB || code === NEWLINE) {
      if (word !== '' || isQuoted) words.push(checked(word));
      word = '';
      isOpen = false;
      isQuoted = false;
    } else word += line[at];
  }
  if (word !== '') words.push(checked(word));
  return words;
}

function checked(word: string): string {
  if (word.length >= WORD_BYTES) throw new Problem('Parameter too long!');
  return word;
}

interface CounterPrefix {
  packets: string;
  bytes: string;
}

/** "[1:2] -A …": the counters, and where the rule starts. */
export function readCounters(line: string, number: number): { counters: CounterPrefix | undefined; rest: string } {
  if (line.charCodeAt(0) !== 91) return { counters: undefined, rest: line };
  const colon = line.indexOf(':');
  const end = colon < 0 ? -1 : line.indexOf(']', colon + 1);
  if (end < 0) throw new Problem(`Bad line ${number}: need ]`);
  const counters = { packets: line.slice(1, colon), bytes: line.slice(colon + 1, end) };
  return { counters, rest: line.slice(end + 1) };
}
