/*
 * -j LOG and -j NFLOG.
 */
import { Extension as TargetNumber } from '../../../netfilter/ops.js';
import type { Extension, Option } from '../extension.js';
import { Problem } from '../problem.js';
import { quoted } from '../text.js';
import { syslogLevel, text } from './values.js';
import { packBytes } from './wording.js';

const LEVELS = ['emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug'];
const WARNING = 4;

/** XT_LOG_*, in the order in which they are printed; '' in lists: not said. */
const FLAGS: ReadonlyArray<[name: string, flag: number]> = [
  ['tcp-sequence', 1],
  ['tcp-options', 2],
  ['ip-options', 4],
  ['uid', 8],
  ['macdecode', 32],
];

interface Log {
  level: number;
  prefix: string;
  flags: number;
}

function flagOption(name: string, flag: number): Option<Log> {
  return {
    name: `log-${name}`,
    take(data) {
      data.flags |= flag;
    },
  };
}

function flagNames(flags: number, prefix: string): string {
  return FLAGS.filter(([, flag]) => (flags & flag) !== 0)
    .map(([name]) => ` ${prefix}${name}`)
    .join('');
}

function checkPrefix(prefix: string): void {
  if (prefix.includes('\n')) throw new Problem('Newlines not allowed in --log-prefix');
}

/** The bytes of a prefix: how many, and packed. */
function prefixWords(prefix: string): number[] {
  const bytes = Buffer.from(prefix);
  return [bytes.length, ...packBytes(bytes)];
}

export const log: Extension<Log> = {
  name: 'LOG',
  isTarget: true,
  options: [
    {
      name: 'log-level',
      argument: 'required',
      take(data, given) {
        data.level = syslogLevel(given);
      },
    },
    {
      name: 'log-prefix',
      argument: 'required',
      take(data, given) {
        data.prefix = text(given, 30, 1);
        checkPrefix(given.text);
      },
    },
    ...FLAGS.map(([name, flag]) => flagOption(name, flag)),
  ],
  create: () => ({ level: WARNING, prefix: '', flags: 0 }),
  save({ level, prefix, flags }) {
    const before = prefix === '' ? '' : ` --log-prefix ${quoted(prefix)}`;
    return before + (level === WARNING ? '' : ` --log-level ${level}`) + flagNames(flags, '--log-');
  },
  list({ level, prefix, flags }, isNumeric) {
    const behind = prefix === '' ? '' : ` prefix "${prefix}"`;
    if (isNumeric) return ` LOG flags ${flags} level ${level}${behind}`;
    return ` LOG level ${LEVELS[level]}${flagNames(flags, '')}${behind}`;
  },
  encode({ level, prefix, flags }, into) {
    into.target(TargetNumber.LOG, [level, flags, ...prefixWords(prefix)]);
  },
};

interface Nflog {
  group: number;
  prefix: string;
  size?: number;
  threshold: number;
}

function nflogText({ group, prefix, size, threshold }: Nflog, dashes: string): string {
  return (
    (prefix === '' ? '' : ` ${dashes}nflog-prefix ${quoted(prefix)}`) +
    (group === 0 ? '' : ` ${dashes}nflog-group ${group}`) +
    (size === undefined ? '' : ` ${dashes}nflog-size ${size}`) +
    (threshold === 0 ? '' : ` ${dashes}nflog-threshold ${threshold}`)
  );
}

export const nflog: Extension<Nflog> = {
  name: 'NFLOG',
  isTarget: true,
  options: [
    {
      name: 'nflog-group',
      argument: 'required',
      take(data, given) {
        data.group = given.u16();
      },
    },
    {
      name: 'nflog-prefix',
      argument: 'required',
      take(data, given) {
        data.prefix = text(given, 128, 1);
        checkPrefix(given.text);
      },
    },
    {
      name: 'nflog-range',
      argument: 'required',
      excludes: ['nflog-size'],
      take(_data, given) {
        given.u32();
        given.use.warn(
          'warn: --nflog-range has never worked and is no longer supported, please use --nflog-size instead',
        );
      },
    },
    {
      name: 'nflog-size',
      argument: 'required',
      excludes: ['nflog-range'],
      take(data, given) {
        data.size = given.u32();
      },
    },
    {
      name: 'nflog-threshold',
      argument: 'required',
      take(data, given) {
        data.threshold = given.u16();
      },
    },
  ],
  create: () => ({ group: 0, prefix: '', threshold: 0 }),
  save: (data) => nflogText(data, '--'),
  list: (data) => nflogText(data, ''),
  encode({ group, prefix, size, threshold }, into) {
    into.target(TargetNumber.NFLOG, [group, (size ?? -1) | 0, threshold, ...prefixWords(prefix)]);
  },
};
