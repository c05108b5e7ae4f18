/*
 * -m comment: matches everything, and says why.
 */
import type { Extension } from '../extension.js';
import { quoted } from '../text.js';
import { text } from './values.js';

const OPTION = ' --comment ';
/** It is this long at most, in bytes. */
const LIMIT = 256;

/** One word, or words in quotes without a quote or a backslash in them. */
function readPlain(whole: string, at: number, end: number): { text: string } | undefined {
  if (!whole.startsWith(OPTION, at) || end - at > LIMIT / 4) return undefined;
  const value = whole.slice(at + OPTION.length, end);
  const parts = /^(?:"([^"\\]+)"|([^" -][^" ]*))$/.exec(value);
  return parts === null ? undefined : { text: parts[1] ?? parts[2] };
}

export const comment: Extension<{ text: string }> = {
  name: 'comment',
  isTarget: false,
  options: [
    {
      name: 'comment',
      argument: 'required',
      isMandatory: true,
      take(data, given) {
        data.text = text(given, LIMIT);
      },
    },
  ],
  create: () => ({ text: '' }),
  readPlain,
  save: (data) => ` --comment ${quoted(data.text)}`,
  list: (data) => ` /* ${data.text} */`,
  encode() {},
};
