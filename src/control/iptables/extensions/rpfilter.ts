/*
 * -m rpfilter: would an answer leave by the link the packet came by?
 */
import { Op, OpWord, RpfilterOp } from '../../../netfilter/ops.js';
import { Hook, TableId } from '../../../netfilter/rule.js';
import type { Extension } from '../extension.js';

/** In the order in which they are printed. */
const FLAGS: ReadonlyArray<[name: string, flag: number]> = [
  ['loose', RpfilterOp.LOOSE],
  ['validmark', RpfilterOp.VALID_MARK],
  ['accept-local', RpfilterOp.ACCEPT_LOCAL],
  ['invert', OpWord.INVERTED],
];

function text(flags: number, dashes: string): string {
  return FLAGS.filter(([, flag]) => (flags & flag) !== 0)
    .map(([name]) => ` ${dashes}${name}`)
    .join('');
}

export const rpfilter: Extension<{ flags: number }> = {
  name: 'rpfilter',
  isTarget: false,
  tables: [TableId.RAW, TableId.MANGLE],
  hooks: 1 << Hook.PREROUTING,
  options: FLAGS.map(([name, flag]) => ({
    name,
    take(data) {
      data.flags |= flag;
    },
  })),
  create: () => ({ flags: 0 }),
  save: (data) => text(data.flags, '--'),
  list: (data) => ` rpfilter${text(data.flags, '')}`,
  encode(data, into) {
    into.add(Op.RPFILTER, [], data.flags);
  },
};
