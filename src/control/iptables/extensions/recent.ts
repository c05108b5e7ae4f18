/*
 * -m recent: lists of addresses seen.
 */
import { Op, OpWord, RecentOp } from '../../../netfilter/ops.js';
import { type Address, bitsOf, formatAddress, maskOf } from '../addresses.js';
import type { Extension, Option } from '../extension.js';
import { Problem } from '../problem.js';
import { host, text } from './values.js';
import { bang, fourWords } from './wording.js';

const ACTIONS = { set: 'SET', rcheck: 'CHECK', update: 'UPDATE', remove: 'REMOVE' };
type Action = keyof typeof ACTIONS;
const NAMES = Object.keys(ACTIONS) as Action[];

/** Packets of an address that a list can remember. */
const STAMPS = 65_535;

interface Recent {
  action?: Action;
  isInverted: boolean;
  seconds?: number;
  isReaping: boolean;
  hits: number;
  isTtl: boolean;
  name: string;
  isDestination: boolean;
  mask?: Address;
}

function actionOption(action: Action): Option<Recent> {
  return {
    name: action,
    canInvert: true,
    excludes: NAMES.filter((other) => other !== action),
    take(data, given) {
      data.action = action;
      data.isInverted = given.isInverted;
    },
  };
}

function flag(name: string, set: (data: Recent) => void, rest: Partial<Option<Recent>> = {}): Option<Recent> {
  return { name, ...rest, take: set };
}

/** Of its list, if not given. */
function maskText({ mask }: Recent, family: number): string {
  return formatAddress(mask ?? maskOf(bitsOf(family), family));
}

function check(data: Recent): string | undefined {
  const isChecking = data.action === 'rcheck' || data.action === 'update';
  const isBadName = data.name === '' || data.name === '.' || data.name === '..' || data.name.includes('/');
  const isIdle = !isChecking && (data.seconds !== undefined || data.hits > 0 || data.isReaping);
  return isBadName || isIdle || data.hits > STAMPS ? 'EINVAL' : undefined;
}

const ACTION_FLAGS = { set: RecentOp.SET, rcheck: RecentOp.CHECK, update: RecentOp.UPDATE, remove: RecentOp.REMOVE };

export const recent: Extension<Recent> = {
  name: 'recent',
  isTarget: false,
  options: [
    ...NAMES.map(actionOption),
    {
      name: 'seconds',
      argument: 'required',
      take(data, given) {
        data.seconds = given.u32(1);
      },
    },
    flag(
      'reap',
      (data) => {
        data.isReaping = true;
      },
      { requires: ['seconds'] },
    ),
    {
      name: 'hitcount',
      argument: 'required',
      take(data, given) {
        data.hits = given.u32();
      },
    },
    flag(
      'rttl',
      (data) => {
        data.isTtl = true;
      },
      { excludes: ['set', 'remove'] },
    ),
    {
      name: 'name',
      argument: 'required',
      take(data, given) {
        data.name = text(given, 200);
      },
    },
    flag('rsource', (data) => {
      data.isDestination = false;
    }),
    flag('rdest', (data) => {
      data.isDestination = true;
    }),
    {
      name: 'mask',
      argument: 'required',
      take(data, given) {
        data.mask = host(given);
      },
    },
  ],
  create: () => ({ isInverted: false, isReaping: false, hits: 0, isTtl: false, name: 'DEFAULT', isDestination: false }),
  finalCheck(data) {
    if (data.action !== undefined) return;
    throw new Problem("recent: you must specify one of `--set', `--rcheck' `--update' or `--remove'");
  },
  check,
  save(data, use) {
    return (
      `${bang(data.isInverted)} --${data.action ?? ''}` +
      (data.seconds === undefined ? '' : ` --seconds ${data.seconds | 0}`) +
      (data.isReaping ? ' --reap' : '') +
      (data.hits === 0 ? '' : ` --hitcount ${data.hits | 0}`) +
      (data.isTtl ? ' --rttl' : '') +
      ` --name ${data.name} --mask ${maskText(data, use.family)} --${data.isDestination ? 'rdest' : 'rsource'}`
    );
  },
  list(data, _isNumeric, use) {
    return (
      `${bang(data.isInverted)} recent: ${ACTIONS[data.action ?? 'set']}` +
      (data.seconds === undefined ? '' : ` seconds: ${data.seconds | 0}`) +
      (data.isReaping ? ' reap' : '') +
      (data.hits === 0 ? '' : ` hit_count: ${data.hits | 0}`) +
      (data.isTtl ? ' TTL-Match' : '') +
      ` name: ${data.name} side: ${data.isDestination ? 'dest' : 'source'} mask: ${maskText(data, use.family)}`
    );
  },
  encode(data, into) {
    const flags =
      ACTION_FLAGS[data.action ?? 'set'] |
      (data.isInverted ? OpWord.INVERTED : 0) |
      (data.isTtl ? RecentOp.TTL : 0) |
      (data.isReaping ? RecentOp.REAP : 0) |
      (data.isDestination ? RecentOp.DESTINATION : 0);
    const mask = fourWords(data.mask ?? maskOf(bitsOf(into.family), into.family));
    into.add(
      Op.RECENT,
      [into.numbers.text('recent', data.name), (data.seconds ?? 0) | 0, data.hits | 0, ...mask],
      flags,
    );
  },
};
