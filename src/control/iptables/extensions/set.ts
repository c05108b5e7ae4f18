/*
 * -m set and -j SET: sets of addresses and ports that ipset keeps.
 */
import { Op, OpWord, SetCompare, SetOp, SetTargetFlag, Extension as TargetNumber } from '../../../netfilter/ops.js';
import type { Extension, Option, RuleWords, Use } from '../extension.js';
import type { Given } from '../given.js';
import { readUnsigned } from '../numbers.js';
import { Problem } from '../problem.js';
import { bang, high32, low32 } from './wording.js';

const LONGEST_NAME = 31;
const DIMENSIONS = 6;
const LONGEST_TIMEOUT = 4_294_967_294;
const ALL_ONES = 0xffff_ffff_ffff_ffffn;

/** A set, and which addresses of the packet it is asked about. */
interface Reference {
  name: string;
  /** "src,dst". */
  flags: string;
}

function readReference(given: Given): Reference {
  const flags = given.next();
  if (flags === undefined) throw new Problem(`--${given.option} requires two args.`);
  if (given.text.length > LONGEST_NAME) {
    throw new Problem(`setname \`${given.text}' too long, max ${LONGEST_NAME} characters.`);
  }
  const words = flags.split(',');
  if (words.length > DIMENSIONS && words.slice(0, DIMENSIONS).every((word) => word === 'src' || word === 'dst')) {
    throw new Problem(`Can't be more src/dst options than ${DIMENSIONS}.`);
  }
  if (!words.every((word) => word === 'src' || word === 'dst')) {
    throw new Problem("You must spefify (the comma separated list of) 'src' or 'dst'.");
  }
  return { name: given.text, flags };
}

/** Its number, how many addresses, which of them are sources. */
function referenceWords(reference: Reference | undefined, into: RuleWords): [number, number, number] {
  if (reference === undefined) return [0, 0, 0];
  const words = reference.flags.split(',');
  const sources = words.reduce((bits, word, i) => (word === 'src' ? bits | (1 << i) : bits), 0);
  return [into.numbers.set(reference.name), words.length, sources];
}

function readCounter(text: string): bigint {
  const isNumber = /^(0[xX][0-9a-fA-F]+|[0-9]+)$/.test(text);
  const value = isNumber ? BigInt(text) : -1n;
  if (value < 0n || value > ALL_ONES) throw new Problem(`Cannot parse ${text} as a counter value`);
  return value;
}

interface Compare {
  how: SetCompare;
  value: bigint;
}

interface SetMatch {
  set?: Reference;
  isInverted: boolean;
  isReturnNomatch: boolean;
  skipsCounters: boolean;
  skipsSubcounters: boolean;
  packets?: Compare;
  bytes?: Compare;
}

function setOption(name: string): Option<SetMatch> {
  return {
    name,
    argument: 'required',
    canInvert: true,
    take(data, given) {
      if (name === 'set') given.use.warn('--set option deprecated, please use --match-set');
      if (data.set !== undefined) throw new Problem('--match-set can be specified only once');
      data.set = readReference(given);
      data.isInverted = given.isInverted;
    },
  };
}

const HOW = { eq: SetCompare.EQUAL, lt: SetCompare.LESS, gt: SetCompare.GREATER };

function compareOption(what: 'packets' | 'bytes', how: keyof typeof HOW): Option<SetMatch> {
  return {
    name: `${what}-${how}`,
    argument: 'required',
    canInvert: how === 'eq',
    take(data, given) {
      if (given.isInverted && how !== 'eq') throw new Problem(`--${what}-${how} option cannot be inverted`);
      if (data[what] !== undefined) throw new Problem(`only one of the --${what}-[eq|lt|gt] is allowed`);
      data[what] = { how: given.isInverted ? SetCompare.NOT_EQUAL : HOW[how], value: readCounter(given.text) };
    },
  };
}

const COMPARE_WORDS: Record<number, [not: string, how: string]> = {
  [SetCompare.EQUAL]: ['', 'eq'],
  [SetCompare.NOT_EQUAL]: [' !', 'eq'],
  [SetCompare.LESS]: ['', 'lt'],
  [SetCompare.GREATER]: ['', 'gt'],
};

function matchText(data: SetMatch, dashes: string): string {
  const compare = (what: 'packets' | 'bytes') => {
    const it = data[what];
    if (it === undefined) return '';
    const [not, how] = COMPARE_WORDS[it.how];
    return `${not} ${dashes}${what}-${how} ${it.value}`;
  };
  return (
    `${bang(data.isInverted)} ${dashes}match-set ${data.set?.name} ${data.set?.flags}` +
    (data.isReturnNomatch ? ` ${dashes}return-nomatch` : '') +
    (data.skipsCounters ? ` ! ${dashes}update-counters` : '') +
    (data.skipsSubcounters ? ` ! ${dashes}update-subcounters` : '') +
    compare('packets') +
    compare('bytes')
  );
}

export const set: Extension<SetMatch> = {
  name: 'set',
  isTarget: false,
  isFree: true,
  options: [
    setOption('match-set'),
    setOption('set'),
    {
      name: 'return-nomatch',
      take(data, given) {
        if (given.isInverted) throw new Problem('--return-nomatch flag cannot be inverted');
        data.isReturnNomatch = true;
      },
    },
    {
      name: 'update-counters',
      canInvert: true,
      take(data, given) {
        data.skipsCounters = given.isInverted;
      },
    },
    {
      name: 'update-subcounters',
      canInvert: true,
      take(data, given) {
        data.skipsSubcounters = given.isInverted;
      },
    },
    ...(['packets', 'bytes'] as const).flatMap((what) =>
      (['eq', 'lt', 'gt'] as const).map((how) => compareOption(what, how)),
    ),
  ],
  create: () => ({ isInverted: false, isReturnNomatch: false, skipsCounters: false, skipsSubcounters: false }),
  finalCheck(data) {
    if (data.set === undefined) throw new Problem("You must specify `--match-set' with proper arguments");
  },
  save: (data) => matchText(data, '--'),
  list: (data) => matchText(data, ''),
  encode(data, into) {
    const flags =
      (data.isInverted ? OpWord.INVERTED : 0) |
      (data.isReturnNomatch ? SetOp.RETURN_NOMATCH : 0) |
      (data.skipsCounters ? SetOp.SKIP_COUNTERS : 0) |
      (data.skipsSubcounters ? SetOp.SKIP_SUBCOUNTERS : 0);
    const counter = (it?: Compare) => [it?.how ?? SetCompare.NONE, low32(it?.value ?? 0n), high32(it?.value ?? 0n)];
    into.add(Op.SET, [...referenceWords(data.set, into), ...counter(data.packets), ...counter(data.bytes)], flags);
  },
};

interface SetTarget {
  add?: Reference;
  delete?: Reference;
  map?: Reference;
  isExist: boolean;
  timeout?: number;
  /** SetTargetFlag of --map-…. */
  maps: number;
}

const KINDS = { add: 'add-set', delete: 'del-set', map: 'map-set' } as const;
type Kind = keyof typeof KINDS;

function referenceOption(kind: Kind): Option<SetTarget> {
  return {
    name: KINDS[kind],
    argument: 'required',
    take(data, given) {
      if (data[kind] !== undefined) throw new Problem(`--${KINDS[kind]} can be specified only once`);
      data[kind] = readReference(given);
    },
  };
}

const MAPS: ReadonlyArray<[name: string, flag: SetTargetFlag]> = [
  ['map-mark', SetTargetFlag.MAP_MARK],
  ['map-prio', SetTargetFlag.MAP_PRIORITY],
  ['map-queue', SetTargetFlag.MAP_QUEUE],
];

function mapOption(name: string, flag: SetTargetFlag): Option<SetTarget> {
  return {
    name,
    take(data) {
      data.maps |= flag;
    },
  };
}

function checkTarget(data: SetTarget): void {
  if (data.add === undefined && data.delete === undefined && data.map === undefined) {
    throw new Problem("You must specify either `--add-set' or `--del-set' or `--map-set'");
  }
  if (data.add === undefined && data.isExist) throw new Problem("Flag `--exist' can be used with `--add-set' only");
  if (data.add === undefined && data.timeout !== undefined) {
    throw new Problem("Option `--timeout' can be used with `--add-set' only");
  }
  if (data.map !== undefined && data.maps === 0) {
    throw new Problem("You must specify flags `--map-mark' or '--map-prio` or `--map-queue'");
  }
  const stray = data.map === undefined ? MAPS.find(([, flag]) => (data.maps & flag) !== 0) : undefined;
  if (stray !== undefined) throw new Problem(`Flag \`--${stray[0]}' can be used with \`--map-set' only`);
}

/** Links have no queues and no classes that a priority could choose. */
function lackingMap({ maps }: SetTarget): string | undefined {
  const option = MAPS.find(([, flag]) => flag !== SetTargetFlag.MAP_MARK && (maps & flag) !== 0)?.[0];
  return option === undefined ? undefined : `--${option} has no effect, links here have one queue and no classes`;
}

/** Mapping to a priority or a queue, or to a mark: in mangle only. */
function checkTable(data: SetTarget, use: Use): string | undefined {
  return data.map !== undefined && use.table !== 'mangle' ? 'EINVAL' : undefined;
}

function targetText(data: SetTarget, dashes: string): string {
  const set = (kind: Kind) => {
    const it = data[kind];
    return it === undefined ? '' : ` ${dashes}${KINDS[kind]} ${it.name} ${it.flags}`;
  };
  const maps = MAPS.filter(([, flag]) => (data.maps & flag) !== 0).map(([name]) => ` ${dashes}${name}`);
  return (
    set('add') +
    (data.isExist ? ` ${dashes}exist` : '') +
    (data.timeout === undefined ? '' : ` ${dashes}timeout ${data.timeout}`) +
    set('delete') +
    set('map') +
    maps.join('')
  );
}

export const setTarget: Extension<SetTarget> = {
  name: 'SET',
  isTarget: true,
  isFree: true,
  options: [
    referenceOption('add'),
    referenceOption('delete'),
    {
      name: 'exist',
      take(data) {
        data.isExist = true;
      },
    },
    {
      name: 'timeout',
      argument: 'required',
      take(data, given) {
        const seconds = readUnsigned(given.text, LONGEST_TIMEOUT);
        if (seconds === undefined) {
          throw new Problem(`Invalid value for option --timeout or out of range 0-${LONGEST_TIMEOUT}`);
        }
        data.timeout = seconds;
      },
    },
    referenceOption('map'),
    ...MAPS.map(([name, flag]) => mapOption(name, flag)),
  ],
  create: () => ({ isExist: false, maps: 0 }),
  finalCheck: checkTarget,
  check: checkTable,
  lacking: lackingMap,
  save: (data) => targetText(data, '--'),
  list: (data) => targetText(data, ''),
  encode(data, into) {
    const flags = (data.isExist ? SetTargetFlag.EXIST : 0) | data.maps;
    into.target(TargetNumber.SET, [
      ...referenceWords(data.add, into),
      ...referenceWords(data.delete, into),
      ...referenceWords(data.map, into),
      flags,
      (data.timeout ?? -1) | 0,
    ]);
  },
};
