/*
 * -m time: dates, times of the day, days of the week and of the month.
 */
import { Op, TimeOp } from '../../../netfilter/ops.js';
import type { Extension, Option } from '../extension.js';
import type { Given } from '../given.js';
import { Problem } from '../problem.js';

const DAY_END = 86_399;
/** No end. */
const NEVER = 0x7fffffff;
const ALL_MONTH_DAYS = 0xfffffffe;
const ALL_WEEK_DAYS = 0xfe;
const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
const ENDINGS = ['th', 'st', 'nd', 'rd'];

interface Time {
  start: number;
  stop: number;
  dateStart: number;
  dateStop: number;
  monthDays: number;
  weekDays: number;
  isKernelTimezone: boolean;
  isContiguous: boolean;
}

function readDaytime(text: string): number {
  const parts = text.split(':');
  const limits = [23, 59, 59];
  const values = limits.map((limit, i) => {
    const part = parts[i];
    // Seconds may be left out.
    if (part === undefined && i === 2) return 0;
    const isLast = i === 2 ? parts.length === 3 : parts.length > 1;
    if (part !== undefined && isLast && /^\d+$/.test(part) && Number(part) <= limit) return Number(part);
    throw new Problem(
      `invalid time "${parts.slice(i).join(':')}" specified, should be hh:mm[:ss] format and within the boundaries`,
    );
  });
  return values[0] * 3600 + values[1] * 60 + values[2];
}

/** Seconds since 1970. */
function readDate(text: string): number {
  const parts = /^(\d+)(?:-(\d+)(?:-(\d+)(?:T(\d+)(?::(\d+)(?::(\d+))?)?)?)?)?$/.exec(text);
  const [year, month, day, hour, minute, second] = (parts ?? [])
    .slice(1)
    .map((part, i) => Number(part ?? [0, 1, 1, 0, 0, 0][i]));
  const isGood =
    parts !== null && year >= 1970 && year <= 2038 && month >= 1 && month <= 12 && day >= 1 && day <= 31 && hour <= 23;
  if (isGood && minute <= 59 && second <= 59) return Date.UTC(year, month - 1, day, hour, minute, second) / 1000;
  throw new Problem(`Invalid date "${text}" specified. Should be YYYY[-MM[-DD[Thh[:mm[:ss]]]]]`);
}

function readMonthDays(text: string): number {
  let days = 0;
  for (const part of text.split(',')) {
    // No more than two digits are looked at.
    const day = part.slice(0, 2);
    const number = day === '' ? 0 : /^\d+$/.test(day) ? Number(day) : 32;
    if (number > 31) throw new Problem(`${day} is not a valid day for --monthdays`);
    days |= 1 << number;
  }
  return days >>> 0;
}

/** By the first two letters of their names, or by number. */
function readWeekDays(text: string): number {
  let days = 0;
  for (const part of text.split(',')) {
    if (text === '') break;
    const word = part.slice(0, 3);
    const named = word.length < 2 ? -1 : DAYS.findIndex((day) => day.startsWith(word.slice(0, 2)));
    const number = named >= 0 ? named + 1 : /^\d*$/.test(word) ? Number(word) : undefined;
    if (number === undefined) throw new Problem(`${word} is not a valid day specifier`);
    if (number === 0) throw new Problem('No, the week does NOT begin with Sunday.');
    days |= 1 << number;
  }
  return days & 0xff;
}

function option(name: string, take: (data: Time, given: Given) => void, canInvert = false): Option<Time> {
  return { name, argument: 'required', canInvert, take };
}

function clock(seconds: number): string {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return parts.map((part) => `${part}`.padStart(2, '0')).join(':');
}

function date(seconds: number, between: string): string {
  return new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', between);
}

function bits(days: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1).filter((day) => (days & (1 << day)) !== 0);
}

function weekDayNames(days: number): string {
  return bits(days, 7)
    .map((day) => DAYS[day - 1])
    .join(',');
}

function listDates({ dateStart, dateStop }: Time): string {
  const from = dateStart === 0 ? '' : ` starting from ${date(dateStart, ' ')}`;
  if (dateStop === NEVER) return from;
  return `${from} until date${dateStop === 0 ? '' : ` ${date(dateStop, ' ')}`}`;
}

function isWholeDay({ start, stop }: Time): boolean {
  return start === 0 && stop === DAY_END;
}

export const time: Extension<Time> = {
  name: 'time',
  isTarget: false,
  options: [
    option('datestart', (data, given) => {
      data.dateStart = readDate(given.text);
    }),
    option('datestop', (data, given) => {
      data.dateStop = readDate(given.text);
    }),
    option('timestart', (data, given) => {
      data.start = readDaytime(given.text);
    }),
    option('timestop', (data, given) => {
      data.stop = readDaytime(given.text);
    }),
    option(
      'weekdays',
      (data, given) => {
        const days = readWeekDays(given.text);
        data.weekDays = given.isInverted ? ~days & ALL_WEEK_DAYS : days;
      },
      true,
    ),
    option(
      'monthdays',
      (data, given) => {
        const days = readMonthDays(given.text);
        data.monthDays = given.isInverted ? (~days & ALL_MONTH_DAYS) >>> 0 : days;
      },
      true,
    ),
    {
      name: 'localtz',
      excludes: ['utc'],
      take(data, given) {
        given.use.warn(
          'WARNING: --localtz is being replaced by --kerneltz, since "local" is ambiguous. Note the kernel timezone has caveats - see manpage for details.',
        );
        data.isKernelTimezone = true;
      },
    },
    { name: 'utc', excludes: ['localtz', 'kerneltz'], take() {} },
    {
      name: 'kerneltz',
      take(data) {
        data.isKernelTimezone = true;
      },
    },
    {
      name: 'contiguous',
      take(data) {
        data.isContiguous = true;
      },
    },
  ],
  create: () => ({
    start: 0,
    stop: DAY_END,
    dateStart: 0,
    dateStop: NEVER,
    monthDays: ALL_MONTH_DAYS,
    weekDays: ALL_WEEK_DAYS,
    isKernelTimezone: false,
    isContiguous: false,
  }),
  finalCheck(data) {
    if (!data.isContiguous || data.start >= data.stop) return;
    throw new Problem('time: --contiguous only makes sense when stoptime is smaller than starttime');
  },
  save(data) {
    return (
      (isWholeDay(data) ? '' : ` --timestart ${clock(data.start)} --timestop ${clock(data.stop)}`) +
      (data.monthDays === ALL_MONTH_DAYS ? '' : ` --monthdays ${bits(data.monthDays, 31).join(',')}`) +
      (data.weekDays === ALL_WEEK_DAYS ? '' : ` --weekdays ${weekDayNames(data.weekDays)}`) +
      (data.dateStart === 0 ? '' : ` --datestart ${date(data.dateStart, 'T')}`) +
      (data.dateStop === 0 ? '' : ` --datestop ${date(data.dateStop, 'T')}`) +
      (data.isKernelTimezone ? ' --kerneltz' : '') +
      (data.isContiguous ? ' --contiguous' : '')
    );
  },
  list(data) {
    const monthDays = bits(data.monthDays, 31).map((day) => `${day}${ENDINGS[day % 10] ?? 'th'}`);
    return (
      ' TIME' +
      (isWholeDay(data) ? '' : ` from ${clock(data.start)} to ${clock(data.stop)}`) +
      (data.weekDays === ALL_WEEK_DAYS ? '' : ` on ${weekDayNames(data.weekDays)}`) +
      (data.monthDays === ALL_MONTH_DAYS ? '' : ` on ${monthDays.join(',')}`) +
      listDates(data) +
      (data.isKernelTimezone ? '' : ' UTC') +
      (data.isContiguous ? ' contiguous' : '')
    );
  },
  encode(data, into) {
    const flags = (data.isKernelTimezone ? TimeOp.KERNEL_TIMEZONE : 0) | (data.isContiguous ? TimeOp.CONTIGUOUS : 0);
    const { dateStart, dateStop, start, stop, monthDays, weekDays } = data;
    into.add(Op.TIME, [dateStart | 0, dateStop | 0, start, stop, monthDays | 0, weekDays], flags);
  },
};
