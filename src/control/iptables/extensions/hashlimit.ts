/*
 * -m hashlimit: a limit for each address, port or pair of them.
 *
 * A rate is kept as the kernel keeps it: of packets as the time between two in parts of a second, of bytes as 2^32 ÷ (bytes >> 4); what
 * is printed is what can be read back from that. With --hashlimit-rate-match the unit of the rate is an interval of its own.
 */
import { MOST_ENTRIES } from '../../../netfilter/hashlimit.js';
import { HashlimitMode, Op } from '../../../netfilter/ops.js';
import { bitsOf } from '../addresses.js';
import type { Extension, Option, Use } from '../extension.js';
import type { Given } from '../given.js';
import { Problem } from '../problem.js';
import { rateText, rateUnit, readRate } from './rates.js';
import { text } from './values.js';

const SCALE = 1_000_000;
const FASTEST = 1_000_000;
const LARGEST_BURST = 1_000_000;
const DEFAULT_BURST = 5;
const GC_INTERVAL_MS = 1000;
const MEGABYTE = 1 << 20;
const KILOBYTE = 1 << 10;
/** Idle entries of a table of bytes; of one with a burst. */
const BYTE_EXPIRE_MS = 15_000;
const BYTE_EXPIRE_BURST_MS = 60_000;
const ALL_ONES = 0xffffffff;
/** Credits that the kernel makes of an average: a second has 250 ticks of 2^39. */
const CREDITS = 250n << 39n;

interface Hashlimit {
  average?: number;
  isBytes: boolean;
  isAbove: boolean;
  /** Packets; bytes until finalCheck has made it a number of averages. */
  burst?: number;
  /** Seconds of the rate's unit. */
  unit: number;
  name: string;
  mode: number;
  sourceLength?: number;
  destinationLength?: number;
  size: number;
  max: number;
  gcMs: number;
  expireMs?: number;
  isRateMatch: boolean;
  interval: number;
}

function byteAverage(bytes: number): number {
  return Math.floor(ALL_ONES / ((Math.floor(bytes / 16) % 0x1_0000_0000) + 1));
}

function averageBytes(average: number): number {
  return (Math.floor(ALL_ONES / average) - 1) * 16;
}

function byteRateText(average: number): string {
  const bytes = averageBytes(average);
  for (const [unit, name] of [
    [MEGABYTE, 'mb'],
    [KILOBYTE, 'kb'],
  ] as const) {
    const count = Math.floor(bytes / unit);
    if (count > 0 && byteAverage((count * unit) % 0x1_0000_0000) === average) return `${count}${name}`;
  }
  return `${bytes}b`;
}

function sizeText(bytes: number): string {
  if (bytes >= MEGABYTE) return `${Math.floor(bytes / MEGABYTE)}mb`;
  return bytes >= KILOBYTE ? `${Math.floor(bytes / KILOBYTE)}kb` : `${bytes}b`;
}

/** Bytes of "5kb", and whether a unit was given; undefined: neither number nor unit. */
function readSize(value: string): { bytes: number; isSized: boolean } | undefined {
  const parts = /^(\d+)(mb|kb|b)?/.exec(value);
  if (parts === null) return undefined;
  const unit = { mb: MEGABYTE, kb: KILOBYTE, b: 1 }[parts[2] ?? ''];
  return { bytes: Number(parts[1]) * (unit ?? 1), isSized: unit !== undefined };
}

function takeRate(data: Hashlimit, given: Given): void {
  const bytes = /^\d+(mb|kb|b)\/s/.test(given.text) ? readSize(given.text) : undefined;
  if (bytes !== undefined) {
    Object.assign(data, { average: byteAverage(bytes.bytes), isBytes: true, unit: 1 });
    return;
  }
  const rate = readRate(given.text);
  if (rate === undefined) throw given.problem(`Bad value for "--${given.option}" option: "${given.text}"`);
  if (Math.floor(rate.packets / rate.unit) > FASTEST) throw new Problem(`Rate too fast "${given.text}"`);
  Object.assign(data, { average: Math.floor((SCALE * rate.unit) / rate.packets), isBytes: false, unit: rate.unit });
}

function rateOption(name: string, key: string, isAbove: boolean): Option<Hashlimit> {
  return {
    name,
    key,
    argument: 'required',
    canInvert: true,
    excludes: [isAbove ? 'hashlimit-upto' : 'hashlimit-above'],
    take(data, given) {
      takeRate(data, given);
      data.isAbove = isAbove !== given.isInverted;
    },
  };
}

function badBurst(): Problem {
  return new Problem(`bad value for option "--hashlimit-burst", or out of range (1-${LARGEST_BURST}).`);
}

function takeBurst(data: Hashlimit, given: Given): void {
  const size = readSize(given.text);
  if (size === undefined || (!size.isSized && (size.bytes < 1 || size.bytes > LARGEST_BURST))) throw badBurst();
  data.burst = size.bytes;
}

const MODES: ReadonlyArray<[name: string, bit: number]> = [
  ['srcip', HashlimitMode.SOURCE],
  ['srcport', HashlimitMode.SOURCE_PORT],
  ['dstip', HashlimitMode.DESTINATION],
  ['dstport', HashlimitMode.DESTINATION_PORT],
];

function takeMode(data: Hashlimit, given: Given): void {
  for (const name of given.text.split(',').filter(Boolean)) {
    const mode = MODES.find(([known]) => known === name);
    if (mode === undefined) throw given.problem(`Bad value for "--${given.option}" option: "${given.text}"`);
    data.mode |= mode[1];
  }
}

function number(name: string, put: (data: Hashlimit, value: number) => void): Option<Hashlimit> {
  return { name, argument: 'required', take: (data, given) => put(data, given.u32()) };
}

function finalCheck(data: Hashlimit): void {
  const { average } = data;
  if (average === undefined) throw new Problem('You have to specify --hashlimit');
  data.expireMs ??= data.isBytes
    ? data.burst === undefined
      ? BYTE_EXPIRE_MS
      : BYTE_EXPIRE_BURST_MS
    : data.unit * 1000;
  if (data.isRateMatch && !data.isBytes) data.average = Math.floor(average / data.unit);
  if (!data.isBytes) {
    data.burst ??= DEFAULT_BURST;
    if (data.burst > LARGEST_BURST) throw badBurst();
    return;
  }
  if (data.burst === undefined) return;
  const least = averageBytes(average);
  if (data.burst < least) throw new Problem(`burst cannot be smaller than ${least}b`);
  data.burst = Math.ceil(data.burst / least);
}

/**
 * Whether the kernel's credits of a full burst overflow. What is too large for it is cut down when it takes the rule, and shown so from then
 * on.
 */
function check(data: Hashlimit, use: Use): string | undefined {
  const bits = bitsOf(use.family);
  const isBadName = data.name === '.' || data.name === '..' || data.name.includes('/');
  const isBadMask = (data.sourceLength ?? 0) > bits || (data.destinationLength ?? 0) > bits;
  if (isBadName || isBadMask || data.expireMs === 0 || data.gcMs === 0) return 'EINVAL';
  data.size = Math.min(data.size, MOST_ENTRIES);
  data.max = Math.min(data.max, MOST_ENTRIES);
  if (data.isBytes || data.isRateMatch) return undefined;
  const credits = (user: number) => BigInt.asUintN(64, (BigInt(user) * CREDITS) / BigInt(SCALE));
  return credits((data.average ?? 0) * (data.burst ?? 0)) < credits(data.average ?? 0) ? 'ERANGE' : undefined;
}

/** Of entries that nobody says the time of, ms. */
function usualExpire(data: Hashlimit, period: number): number {
  if (data.isBytes) return data.burst === undefined ? BYTE_EXPIRE_MS : BYTE_EXPIRE_BURST_MS;
  return rateUnit(period, SCALE) * 1000;
}

function rate(data: Hashlimit, period: number, dashes: string): string {
  const { burst = 0, average = 1 } = data;
  if (!data.isBytes) return `${rateText(period, SCALE)}${dashes === '' ? ' burst' : ' --hashlimit-burst'} ${burst}`;
  const size =
    burst === 0 ? '' : ` ${dashes === '' ? '' : '--hashlimit-'}burst ${sizeText(burst * averageBytes(average))}`;
  return `${byteRateText(average)}/s${size}`;
}

function rest(data: Hashlimit, period: number, prefix: string, use: Use): string {
  const { size, max, gcMs, expireMs, sourceLength, destinationLength } = data;
  const bits = bitsOf(use.family);
  const part = (name: string, value: number | undefined, usual: number) =>
    value === undefined || value === usual ? '' : ` ${prefix}${name} ${value}`;
  return (
    part('htable-size', size, 0) +
    part('htable-max', max, 0) +
    part('htable-gcinterval', gcMs, GC_INTERVAL_MS) +
    part('htable-expire', expireMs, usualExpire(data, period)) +
    part('srcmask', sourceLength, bits) +
    part('dstmask', destinationLength, bits) +
    (data.isRateMatch ? ` ${prefix}rate-match` : '') +
    (data.isRateMatch ? part('rate-interval', data.interval, 1) : '')
  );
}

function modeNames(mode: number, between: string): string {
  return MODES.filter(([, bit]) => (mode & bit) !== 0)
    .map(([name]) => name)
    .join(between);
}

function modeWord(data: Hashlimit): number {
  return (
    data.mode |
    (data.isAbove ? HashlimitMode.INVERT : 0) |
    (data.isBytes ? HashlimitMode.BYTES : 0) |
    (data.isRateMatch ? HashlimitMode.RATE_MATCH : 0)
  );
}

export const hashlimit: Extension<Hashlimit> = {
  name: 'hashlimit',
  isTarget: false,
  options: [
    rateOption('hashlimit-upto', 'upto', false),
    rateOption('hashlimit', 'upto', false),
    rateOption('hashlimit-above', 'above', true),
    number('hashlimit-srcmask', (data, value) => {
      data.sourceLength = value;
    }),
    number('hashlimit-dstmask', (data, value) => {
      data.destinationLength = value;
    }),
    { name: 'hashlimit-burst', argument: 'required', take: takeBurst },
    number('hashlimit-htable-size', (data, value) => {
      data.size = value;
    }),
    number('hashlimit-htable-max', (data, value) => {
      data.max = value;
    }),
    number('hashlimit-htable-gcinterval', (data, value) => {
      data.gcMs = value;
    }),
    number('hashlimit-htable-expire', (data, value) => {
      data.expireMs = value;
    }),
    { name: 'hashlimit-mode', argument: 'required', take: takeMode },
    {
      name: 'hashlimit-name',
      argument: 'required',
      isMandatory: true,
      take(data, given) {
        data.name = text(given, 256, 1);
      },
    },
    {
      name: 'hashlimit-rate-match',
      take(data) {
        data.isRateMatch = true;
      },
    },
    number('hashlimit-rate-interval', (data, value) => {
      data.interval = value;
    }),
  ],
  create: () => ({
    isBytes: false,
    isAbove: false,
    unit: 1,
    name: '',
    mode: 0,
    size: 0,
    max: 0,
    gcMs: GC_INTERVAL_MS,
    isRateMatch: false,
    interval: 1,
  }),
  finalCheck,
  check,
  save(data, use) {
    const period = data.average ?? 1;
    const mode = data.mode === 0 ? '' : ` --hashlimit-mode ${modeNames(data.mode, ',')}`;
    return (
      ` --hashlimit-${data.isAbove ? 'above' : 'upto'} ${rate(data, period, '--')}${mode} --hashlimit-name ${data.name}` +
      rest(data, period, '--hashlimit-', use)
    );
  },
  list(data, _isNumeric, use) {
    const period = (data.average ?? 1) * data.interval;
    const mode = data.mode === 0 ? '' : ` mode ${modeNames(data.mode, '-')}`;
    return ` limit: ${data.isAbove ? 'above' : 'up to'} ${rate(data, period, '')}${mode}${rest(data, period, '', use)}`;
  },
  encode(data, into) {
    const bits = bitsOf(into.family);
    const { average = 1, burst = 0 } = data;
    into.add(Op.HASHLIMIT, [
      into.numbers.text('hashlimit', data.name),
      modeWord(data),
      average | 0,
      Math.floor(average / 0x1_0000_0000),
      burst | 0,
      data.size | 0,
      data.max | 0,
      data.gcMs | 0,
      (data.expireMs ?? 0) | 0,
      data.sourceLength ?? bits,
      data.destinationLength ?? bits,
      data.interval | 0,
    ]);
  },
};
