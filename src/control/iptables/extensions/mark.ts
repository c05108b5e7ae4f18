/*
 * -m mark, -m connmark, -j MARK, -j CONNMARK.
 */
import { ConnmarkMode, Op, OpWord, Extension as TargetNumber } from '../../../netfilter/ops.js';
import type { Extension, Option } from '../extension.js';
import type { Given } from '../given.js';
import { hex } from '../numbers.js';
import { Problem } from '../problem.js';
import { markMask } from './values.js';
import { bang, maskedHex } from './wording.js';

interface Mark {
  value: number;
  mask: number;
  isInverted: boolean;
}

function markMatch(name: string, op: Op, list: (data: Mark) => string, needsConntrack: boolean): Extension<Mark> {
  return {
    name,
    isTarget: false,
    needsConntrack,
    options: [
      {
        name: 'mark',
        argument: 'required',
        isMandatory: true,
        canInvert: true,
        take(data, given) {
          Object.assign(data, markMask(given), { isInverted: given.isInverted });
        },
      },
    ],
    create: () => ({ value: 0, mask: 0, isInverted: false }),
    save: (data) => `${bang(data.isInverted)} --mark ${maskedHex(data.value, data.mask)}`,
    list,
    encode(data, into) {
      into.add(op, [data.value | 0, data.mask | 0], data.isInverted ? OpWord.INVERTED : 0);
    },
  };
}

export const mark = markMatch(
  'mark',
  Op.MARK,
  (data) => ` mark match${bang(data.isInverted)} ${maskedHex(data.value, data.mask)}`,
  false,
);

export const connmark = markMatch(
  'connmark',
  Op.CONNMARK,
  // Two blanks where nothing is inverted, as the real one.
  (data) => ` connmark match ${data.isInverted ? '!' : ''} ${maskedHex(data.value, data.mask)}`,
  true,
);

/** mark = (mark & ~mask) ^ value. */
interface SetMark {
  value: number;
  mask: number;
}

/** What each option that sets a mark makes of its value. */
const SETTERS: Record<string, (given: Given) => SetMark> = {
  'set-xmark': (given) => markMask(given),
  'set-mark': (given) => {
    const { value, mask } = markMask(given);
    return { value, mask: (value | mask) >>> 0 };
  },
  'and-mark': (given) => ({ value: 0, mask: ~given.u32() >>> 0 }),
  'or-mark': (given) => {
    const bits = given.u32();
    return { value: bits, mask: bits };
  },
  'xor-mark': (given) => ({ value: given.u32(), mask: 0 }),
};

function setters<T>(ids: readonly string[], put: (data: T, set: SetMark) => void): Array<Option<T>> {
  return Object.entries(SETTERS).map(([name, read]) => ({
    name,
    argument: 'required',
    excludes: ids.filter((other) => other !== name),
    take: (data, given) => put(data, read(given)),
  }));
}

/** The shortest way to say it. */
function setText(label: string, { value, mask }: SetMark): string {
  if (value === 0) return ` ${label} and ${hex(~mask)}`;
  if (value === mask) return ` ${label} or ${hex(value)}`;
  if (mask === 0) return ` ${label} xor ${hex(value)}`;
  if (mask === 0xffffffff) return ` ${label} set ${hex(value)}`;
  return ` ${label} xset ${hex(value)}/${hex(mask)}`;
}

export const markTarget: Extension<{ set?: SetMark }> = {
  name: 'MARK',
  isTarget: true,
  options: setters(['set-mark', 'and-mark', 'or-mark', 'xor-mark', 'set-xmark'], (data, set) => {
    data.set = set;
  }),
  create: () => ({}),
  finalCheck({ set }) {
    if (set === undefined)
      throw new Problem('MARK: One of the --set-xmark, --{and,or,xor,set}-mark options is required');
  },
  save: ({ set }) => (set === undefined ? '' : ` --set-xmark ${hex(set.value)}/${hex(set.mask)}`),
  list: ({ set }) => (set === undefined ? '' : setText('MARK', set)),
  encode({ set }, into) {
    if (set !== undefined) into.target(TargetNumber.MARK, [set.value | 0, set.mask | 0]);
  },
};

interface Connmark {
  mode?: ConnmarkMode;
  value: number;
  ctMask: number;
  nfMask: number;
  /** Left; right where negative. */
  shift: number;
}

const CONNMARK_IDS = ['set-mark', 'save-mark', 'restore-mark', 'and-mark', 'or-mark', 'xor-mark', 'set-xmark'];

function modeOption(name: string, mode: ConnmarkMode): Option<Connmark> {
  return {
    name,
    excludes: CONNMARK_IDS.filter((other) => other !== name),
    take(data) {
      Object.assign(data, { mode, ctMask: 0xffffffff, nfMask: 0xffffffff });
    },
  };
}

function shiftOption(name: string, sign: number): Option<Connmark> {
  return {
    name,
    argument: 'required',
    take(data, given) {
      data.shift = sign * given.u32(0, 32);
    },
  };
}

function maskOption(
  name: string,
  excludes: readonly string[],
  put: (data: Connmark, mask: number) => void,
): Option<Connmark> {
  return { name, argument: 'required', excludes, take: (data, given) => put(data, given.u32()) };
}

function shiftText(shift: number, dashes: string): string {
  if (shift === 0) return '';
  return ` ${dashes}${shift > 0 ? 'left' : 'right'}-shift-mark ${Math.abs(shift)}`;
}

function connmarkText(data: Connmark): string {
  const { mode, ctMask, nfMask } = data;
  if (mode === ConnmarkMode.SET) return setText('CONNMARK', { value: data.value, mask: ctMask });
  const verb = mode === ConnmarkMode.SAVE ? 'save' : 'restore';
  if (ctMask === nfMask) return ` CONNMARK ${verb}${ctMask === 0xffffffff ? '' : ` mask ${hex(ctMask)}`}`;
  const [one, other] = [`nfmask ${mode === ConnmarkMode.SAVE ? '' : '~'}${hex(nfMask)}`, `ctmask ${hex(ctMask)}`];
  return mode === ConnmarkMode.SAVE
    ? ` CONNMARK save ${one} ctmask ~${hex(ctMask)}`
    : ` CONNMARK restore ${other} ${one}`;
}

export const connmarkTarget: Extension<Connmark> = {
  name: 'CONNMARK',
  isTarget: true,
  needsConntrack: true,
  options: [
    ...setters<Connmark>(CONNMARK_IDS, (data, set) => {
      Object.assign(data, { mode: ConnmarkMode.SET, value: set.value, ctMask: set.mask });
    }),
    modeOption('save-mark', ConnmarkMode.SAVE),
    modeOption('restore-mark', ConnmarkMode.RESTORE),
    shiftOption('left-shift-mark', 1),
    shiftOption('right-shift-mark', -1),
    maskOption('ctmask', ['mask'], (data, mask) => {
      data.ctMask = mask;
    }),
    maskOption('nfmask', ['mask'], (data, mask) => {
      data.nfMask = mask;
    }),
    maskOption('mask', ['ctmask', 'nfmask'], (data, mask) => {
      data.ctMask = mask;
      data.nfMask = mask;
    }),
  ],
  create: () => ({ value: 0, ctMask: 0xffffffff, nfMask: 0xffffffff, shift: 0 }),
  finalCheck(data) {
    if (data.mode === undefined) throw new Problem('CONNMARK target: No operation specified');
  },
  save(data) {
    const masks = `--nfmask ${hex(data.nfMask)} --ctmask ${hex(data.ctMask)}`;
    const what = {
      [ConnmarkMode.SET]: `--set-xmark ${hex(data.value)}/${hex(data.ctMask)}`,
      [ConnmarkMode.SAVE]: `--save-mark ${masks}`,
      [ConnmarkMode.RESTORE]: `--restore-mark ${masks}`,
    };
    return ` ${what[data.mode ?? ConnmarkMode.SET]}${shiftText(data.shift, '--')}`;
  },
  list: (data) => connmarkText(data) + shiftText(data.shift, ''),
  encode(data, into) {
    const { mode = ConnmarkMode.SET, value, ctMask, nfMask, shift } = data;
    into.target(TargetNumber.CONNMARK, [mode, value | 0, ctMask | 0, nfMask | 0, shift]);
  },
};
