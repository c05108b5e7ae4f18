/*
 * -m comment: matches everything, and says why.
 */
import type { Extension } from '../extension.js';
import { quoted } from '../text.js';
import { text } from './values.js';

export const comment: Extension<{ text: string }> = {
  name: 'comment',
  isTarget: false,
  options: [
    {
      name: 'comment',
      argument: 'required',
      isMandatory: true,
      take(data, given) {
        data.text = text(given, 256);
      },
    },
  ],
  create: () => ({ text: '' }),
  save: (data) => ` --comment ${quoted(data.text)}`,
  list: (data) => ` /* ${data.text} */`,
  encode() {},
};
