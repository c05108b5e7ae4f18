/*
 * Options as getopt(3) takes them: single letters, joined or apart (-nq, -c5, -c 5), options behind operands too; "--" ends them.
 */

export interface Parsed {
  /** Letter and value, in order; the value of one that takes none is ''. */
  options: Array<[letter: string, value: string]>;
  operands: string[];
  /** The first letter that is unknown, or lacks its value. */
  unknown?: string;
  lacking?: string;
}

/** @param spec as getopt has it: "nqc:" is -n, -q and -c VALUE */
export function getopt(words: readonly string[], spec: string): Parsed {
  const parsed: Parsed = { options: [], operands: [] };
  for (let at = 0; at < words.length; at++) {
    const word = words[at];
    if (word === '--') {
      parsed.operands.push(...words.slice(at + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-') parsed.operands.push(word);
    else {
      const taken = takeLetters(word, words[at + 1], spec, parsed);
      if (taken < 0) break;
      at += taken;
    }
  }
  return parsed;
}

/** Answers how many words beyond the first were taken; -1: it ends here. */
function takeLetters(word: string, next: string | undefined, spec: string, parsed: Parsed): number {
  for (let i = 1; i < word.length; i++) {
    const letter = word[i];
    const known = letter === ':' ? -1 : spec.indexOf(letter);
    if (known < 0) {
      parsed.unknown = letter;
      return -1;
    }
    if (spec[known + 1] !== ':') parsed.options.push([letter, '']);
    else {
      const rest = word.slice(i + 1);
      const value = rest === '' ? next : rest;
      if (value === undefined) {
        parsed.lacking = letter;
        return -1;
      }
      parsed.options.push([letter, value]);
      return rest === '' ? 1 : 0;
    }
  }
  return 0;
}
