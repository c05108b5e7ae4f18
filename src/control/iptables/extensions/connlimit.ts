/*
 * -m connlimit: how many flows an address, or its net, has.
 */
import { ConnlimitOp, Op, OpWord } from '../../../netfilter/ops.js';
import { bitsOf, maskOf } from '../addresses.js';
import type { Extension, Option } from '../extension.js';
import { Problem } from '../problem.js';
import { prefixLength } from './values.js';
import { fourWords } from './wording.js';

interface Connlimit {
  limit?: number;
  isAbove: boolean;
  length?: number;
  isDestination: boolean;
}

function limitOption(name: string, isAbove: boolean, other: string): Option<Connlimit> {
  return {
    name,
    argument: 'required',
    canInvert: true,
    excludes: [other],
    take(data, given) {
      data.limit = given.u32();
      data.isAbove = isAbove !== given.isInverted;
    },
  };
}

function sideOption(name: string, isDestination: boolean, other: string): Option<Connlimit> {
  return {
    name,
    excludes: [other],
    take(data) {
      data.isDestination = isDestination;
    },
  };
}

export const connlimit: Extension<Connlimit> = {
  name: 'connlimit',
  isTarget: false,
  needsConntrack: true,
  options: [
    limitOption('connlimit-upto', false, 'connlimit-above'),
    limitOption('connlimit-above', true, 'connlimit-upto'),
    {
      name: 'connlimit-mask',
      argument: 'required',
      take(data, given) {
        data.length = prefixLength(given);
      },
    },
    sideOption('connlimit-saddr', false, 'connlimit-daddr'),
    sideOption('connlimit-daddr', true, 'connlimit-saddr'),
  ],
  create: () => ({ isAbove: true, isDestination: false }),
  finalCheck(data) {
    if (data.limit === undefined) throw new Problem('You must specify "--connlimit-above" or "--connlimit-upto".');
  },
  save({ limit, isAbove, length, isDestination }, use) {
    const how = isAbove ? 'above' : 'upto';
    const side = isDestination ? 'daddr' : 'saddr';
    return ` --connlimit-${how} ${limit} --connlimit-mask ${length ?? bitsOf(use.family)} --connlimit-${side}`;
  },
  list({ limit, isAbove, length, isDestination }, _isNumeric, use) {
    return ` #conn ${isDestination ? 'dst' : 'src'}/${length ?? bitsOf(use.family)} ${isAbove ? '>' : '<='} ${limit}`;
  },
  encode({ limit = 0, isAbove, length, isDestination }, into) {
    const mask = fourWords(maskOf(length ?? bitsOf(into.family), into.family));
    const flags = (isAbove ? 0 : OpWord.INVERTED) | (isDestination ? ConnlimitOp.DESTINATION : 0);
    into.add(Op.CONNLIMIT, [0, limit | 0, ...mask], flags);
  },
};
