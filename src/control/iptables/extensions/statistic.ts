/*
 * -m statistic: some packets, by chance or by count.
 */
import { Op, OpWord } from '../../../netfilter/ops.js';
import type { Extension } from '../extension.js';
import { Problem } from '../problem.js';
import { double } from './values.js';
import { bang } from './wording.js';

/** Probabilities are counted in parts of this. */
const ONE = 0x80000000;

interface Statistic {
  mode: 'random' | 'nth';
  probability?: number;
  every?: number;
  packet?: number;
  isInverted: boolean;
}

function text({ mode, probability = 0, every = 0, packet = 0, isInverted }: Statistic, dashes: string): string {
  const not = bang(isInverted);
  if (mode === 'random') {
    return ` ${dashes}mode random${not} ${dashes}probability ${(probability / ONE).toFixed(11)}`;
  }
  const first = dashes === '' && packet === 0 ? '' : ` ${dashes}packet ${packet}`;
  return ` ${dashes}mode nth${not} ${dashes}every ${every}${first}`;
}

export const statistic: Extension<Statistic> = {
  name: 'statistic',
  isTarget: false,
  options: [
    {
      name: 'mode',
      argument: 'required',
      isMandatory: true,
      take(data, given) {
        if (given.text !== 'random' && given.text !== 'nth') throw new Problem(`Bad mode "${given.text}"`);
        data.mode = given.text;
      },
    },
    {
      name: 'probability',
      argument: 'required',
      canInvert: true,
      take(data, given) {
        data.probability = Math.round(double(given, 0, 1) * ONE);
        data.isInverted = given.isInverted;
      },
    },
    {
      name: 'every',
      argument: 'required',
      canInvert: true,
      requires: ['packet'],
      take(data, given) {
        data.every = given.u32(1);
        data.isInverted = given.isInverted;
      },
    },
    {
      name: 'packet',
      argument: 'required',
      requires: ['every'],
      take(data, given) {
        data.packet = given.u32();
      },
    },
  ],
  create: () => ({ mode: 'random', isInverted: false }),
  finalCheck({ mode, probability, every, packet }) {
    if (mode === 'random' && probability === undefined) {
      throw new Problem('--probability must be specified when using random mode');
    }
    if (mode !== 'nth') return;
    if (every === undefined && packet === undefined) {
      throw new Problem('--every and --packet must be specified when using nth mode');
    }
    if ((packet ?? 0) >= (every ?? 0)) throw new Problem('the --packet p must be 0 <= p <= n-1');
  },
  save: (data) => text(data, '--'),
  list: (data) => ` statistic${text(data, '')}`,
  encode({ mode, probability = 0, every = 1, packet = 0, isInverted }, into) {
    const flags = isInverted ? OpWord.INVERTED : 0;
    if (mode === 'random') into.add(Op.RANDOM, [probability | 0], flags);
    else into.add(Op.NTH, [(every - 1) | 0, packet | 0, packet | 0], flags);
  },
};
