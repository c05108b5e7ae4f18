/*
 * -m physdev: the bridge's ports that a bridged packet came by and leaves by.
 */
import { Op, PhysdevBit } from '../../../netfilter/ops.js';
import type { Extension, Option, Use } from '../extension.js';
import { Problem } from '../problem.js';
import { bang } from './wording.js';

/** IFNAMSIZ − 1. */
const LONGEST = 15;

interface Physdev {
  in: string;
  out: string;
  /** PhysdevBit. */
  asked: number;
  invert: number;
}

function checkName(name: string, use: Use): void {
  if (name.length > LONGEST) throw new Problem(`interface name \`${name}' must be shorter than IFNAMSIZ (${LONGEST})`);
  if (!/[/\s]/.test(name.replace(/\+$/, ''))) return;
  use.warn(`Warning: weird character in interface \`${name}' ('/' and ' ' are not allowed by the kernel).`);
}

function option(name: string, bit: PhysdevBit, side?: 'in' | 'out'): Option<Physdev> {
  return {
    name: `physdev-${name}`,
    ...(side === undefined ? {} : { argument: 'required' }),
    canInvert: true,
    take(data, given) {
      if (side !== undefined) {
        checkName(given.text, given.use);
        data[side] = given.text;
      }
      data.asked |= bit;
      if (given.isInverted) data.invert |= bit;
    },
  };
}

/** A packet made here has no port to leave by yet. */
function check({ asked, invert }: Physdev, use: Use): string | undefined {
  const asksOut = (asked & (PhysdevBit.OUT | PhysdevBit.IS_OUT)) !== 0;
  const isBridged = (asked & ~invert & PhysdevBit.IS_BRIDGED) !== 0;
  return asksOut && !isBridged && use.chain === 'OUTPUT' ? 'EINVAL' : undefined;
}

function text(data: Physdev): string {
  const part = (bit: number, words: string) =>
    (data.asked & bit) === 0 ? '' : `${bang((data.invert & bit) !== 0)} --physdev-${words}`;
  return (
    part(PhysdevBit.IS_IN, 'is-in') +
    part(PhysdevBit.IN, `in ${data.in}`) +
    part(PhysdevBit.IS_OUT, 'is-out') +
    part(PhysdevBit.OUT, `out ${data.out}`) +
    part(PhysdevBit.IS_BRIDGED, 'is-bridged')
  );
}

export const physdev: Extension<Physdev> = {
  name: 'physdev',
  isTarget: false,
  options: [
    option('in', PhysdevBit.IN, 'in'),
    option('out', PhysdevBit.OUT, 'out'),
    option('is-in', PhysdevBit.IS_IN),
    option('is-out', PhysdevBit.IS_OUT),
    option('is-bridged', PhysdevBit.IS_BRIDGED),
  ],
  create: () => ({ in: '', out: '', asked: 0, invert: 0 }),
  finalCheck(data) {
    if (data.asked === 0) throw new Problem('PHYSDEV: no physdev option specified');
  },
  check,
  save: text,
  list: (data) => ` PHYSDEV match${text(data)}`,
  encode(data, into) {
    const number = (name: string) => (name === '' || name === '+' ? 0 : into.numbers.links(name));
    into.add(Op.PHYSDEV, [number(data.in), number(data.out), data.asked, data.invert]);
  },
};
