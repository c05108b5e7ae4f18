/*
 * Targets that need what a host's own kernel has: TPROXY, NFQUEUE, SYNPROXY, SECMARK, CONNSECMARK, IDLETIMER, LED, RATEEST. They are read and
 * printed; none can be enforced here.
 */
import { Hook, TableId } from '../../../netfilter/rule.js';
import { type Address, formatAddress, wordsOf } from '../addresses.js';
import type { Extension, Option } from '../extension.js';
import type { Masked } from '../given.js';
import { hex } from '../numbers.js';
import { Problem } from '../problem.js';
import { host, markMask, port, range, text } from './values.js';

interface Tproxy {
  port: number;
  address?: Address;
  mark: Masked;
}

export const tproxy: Extension<Tproxy> = {
  name: 'TPROXY',
  isTarget: true,
  tables: [TableId.MANGLE],
  hooks: 1 << Hook.PREROUTING,
  protocols: [6, 17],
  options: [
    {
      name: 'on-port',
      argument: 'required',
      isMandatory: true,
      take(data, given) {
        data.port = port(given);
      },
    },
    {
      name: 'on-ip',
      argument: 'required',
      take(data, given) {
        data.address = host(given);
      },
    },
    {
      name: 'tproxy-mark',
      argument: 'required',
      take(data, given) {
        data.mark = markMask(given);
      },
    },
  ],
  create: () => ({ port: 0, mark: { value: 0, mask: 0 } }),
  lacking: () => 'there are no sockets to redirect to here',
  save({ port, address, mark }, use) {
    const to = formatAddress(address ?? new Array<number>(wordsOf(use.family)).fill(0));
    return ` --on-port ${port} --on-ip ${to} --tproxy-mark ${hex(mark.value)}/${hex(mark.mask)}`;
  },
  list({ port, address, mark }, _isNumeric, use) {
    const to = formatAddress(address ?? new Array<number>(wordsOf(use.family)).fill(0));
    return ` TPROXY redirect ${to}:${port} mark ${hex(mark.value)}/${hex(mark.mask)}`;
  },
  encode() {},
};

interface Queue {
  first: number;
  last: number;
  flags: Set<string>;
}

function queueFlag(name: string, requires: readonly string[] = []): Option<Queue> {
  return {
    name: `queue-${name}`,
    requires,
    take(data) {
      data.flags.add(name);
    },
  };
}

function queueText({ first, last, flags }: Queue, number: string, balance: string, prefix: string): string {
  const which = first === last ? ` ${number} ${first}` : ` ${balance} ${first}:${last}`;
  return which + ['bypass', 'cpu-fanout'].map((name) => (flags.has(name) ? ` ${prefix}${name}` : '')).join('');
}

export const nfqueue: Extension<Queue> = {
  name: 'NFQUEUE',
  isTarget: true,
  options: [
    {
      name: 'queue-num',
      argument: 'required',
      excludes: ['queue-balance'],
      take(data, given) {
        data.first = given.u16();
        data.last = data.first;
      },
    },
    {
      name: 'queue-balance',
      argument: 'required',
      excludes: ['queue-num'],
      take(data, given) {
        const { low, high } = range(given, 0xffff);
        if (!given.text.includes(':')) throw new Problem(`Bad range "${given.text}"`);
        if (low >= high) throw new Problem(`${low} should be less than ${high}`);
        Object.assign(data, { first: low, last: high });
      },
    },
    queueFlag('bypass'),
    queueFlag('cpu-fanout', ['queue-balance']),
  ],
  create: () => ({ first: 0, last: 0, flags: new Set() }),
  lacking: () => 'nobody can listen to a queue here',
  save: (data) => queueText(data, '--queue-num', '--queue-balance', '--queue-'),
  list: (data) => ` NFQUEUE${queueText(data, 'num', 'balance', '')}`,
  encode() {},
};

interface Synproxy {
  flags: Set<string>;
  wscale?: number;
  mss?: number;
}

function synproxyFlag(name: string): Option<Synproxy> {
  return {
    name,
    take(data) {
      data.flags.add(name);
    },
  };
}

function synproxyText({ flags, wscale, mss }: Synproxy, dashes: string): string {
  const flag = (name: string) => (flags.has(name) ? ` ${dashes}${name}` : '');
  return (
    flag('sack-perm') +
    flag('timestamp') +
    (wscale === undefined ? '' : ` ${dashes}wscale ${wscale}`) +
    (mss === undefined ? '' : ` ${dashes}mss ${mss}`) +
    flag('ecn')
  );
}

export const synproxy: Extension<Synproxy> = {
  name: 'SYNPROXY',
  isTarget: true,
  hooks: (1 << Hook.INPUT) | (1 << Hook.FORWARD),
  protocols: [6],
  options: [
    synproxyFlag('sack-perm'),
    synproxyFlag('timestamp'),
    {
      name: 'wscale',
      argument: 'required',
      take(data, given) {
        data.wscale = given.u32() & 0xff;
      },
    },
    {
      name: 'mss',
      argument: 'required',
      take(data, given) {
        data.mss = given.u32() & 0xffff;
      },
    },
    synproxyFlag('ecn'),
  ],
  create: () => ({ flags: new Set() }),
  lacking: () => 'there are no cookies for connections here',
  save: (data) => synproxyText(data, '--'),
  list: (data) => ` SYNPROXY${synproxyText(data, '')} `,
  encode() {},
};

export const secmark: Extension<{ context: string }> = {
  name: 'SECMARK',
  isTarget: true,
  tables: [TableId.MANGLE],
  options: [
    {
      name: 'selctx',
      argument: 'required',
      isMandatory: true,
      take(data, given) {
        data.context = text(given, 256);
      },
    },
  ],
  create: () => ({ context: '' }),
  // No security module has any context.
  check: () => 'ENOENT',
  save: ({ context }) => ` --selctx ${context}`,
  list: ({ context }) => ` SECMARK selctx ${context}`,
  encode() {},
};

function connsecmarkOption(name: string, other: string): Option<{ mode: string }> {
  return {
    name,
    excludes: [other],
    take(data) {
      data.mode = name;
    },
  };
}

export const connsecmark: Extension<{ mode: string }> = {
  name: 'CONNSECMARK',
  isTarget: true,
  tables: [TableId.MANGLE],
  options: [connsecmarkOption('save', 'restore'), connsecmarkOption('restore', 'save')],
  create: () => ({ mode: '' }),
  finalCheck(data) {
    if (data.mode === '') throw new Problem('CONNSECMARK target: parameter required');
  },
  lacking: () => 'packets have no security marks here',
  save: ({ mode }) => ` --${mode}`,
  list: ({ mode }) => ` CONNSECMARK ${mode}`,
  encode() {},
};

interface Idletimer {
  timeout: number;
  label: string;
  isAlarm: boolean;
}

export const idletimer: Extension<Idletimer> = {
  name: 'IDLETIMER',
  isTarget: true,
  options: [
    {
      name: 'timeout',
      argument: 'required',
      isMandatory: true,
      take(data, given) {
        data.timeout = given.u32();
      },
    },
    {
      name: 'label',
      argument: 'required',
      isMandatory: true,
      take(data, given) {
        data.label = text(given, 28);
      },
    },
    {
      name: 'alarm',
      take(data) {
        data.isAlarm = true;
      },
    },
  ],
  create: () => ({ timeout: 0, label: '', isAlarm: false }),
  check: ({ timeout }) => (timeout === 0 ? 'EINVAL' : undefined),
  lacking: () => 'there is nobody to be told of idle timers here',
  save: ({ timeout, label, isAlarm }) => ` --timeout ${timeout} --label ${label}${isAlarm ? ' --alarm' : ''}`,
  list: ({ timeout, label, isAlarm }) => ` timeout:${timeout} label:${label}${isAlarm ? ' alarm' : ''}`,
  encode() {},
};

interface Led {
  id: string;
  /** Milliseconds; −1: for ever. */
  delay: number;
  isBlinking: boolean;
}

function ledText({ id, delay, isBlinking }: Led, dashes: string): string {
  const between = dashes === '' ? ':' : ' ';
  const after = delay > 0 ? ` ${dashes}led-delay${between}${delay}${dashes === '' ? 'ms' : ''}` : '';
  const forEver = delay < 0 && dashes === '' ? ' led-delay:inf' : '';
  return ` ${dashes}led-trigger-id${between}"${id}"${after}${forEver}${isBlinking ? ` ${dashes}led-always-blink` : ''}`;
}

export const led: Extension<Led> = {
  name: 'LED',
  isTarget: true,
  options: [
    {
      name: 'led-trigger-id',
      argument: 'required',
      isMandatory: true,
      take(data, given) {
        data.id = text(given, 18);
      },
    },
    {
      name: 'led-delay',
      argument: 'required',
      take(data, given) {
        data.delay = given.text === 'inf' ? -1 : given.u32();
      },
    },
    {
      name: 'led-always-blink',
      take(data) {
        data.isBlinking = true;
      },
    },
  ],
  create: () => ({ id: '', delay: 0, isBlinking: false }),
  lacking: () => 'there are no lights here',
  save: (data) => ledText(data, '--'),
  list: (data) => ledText(data, ''),
  encode() {},
};

interface Rateest {
  name?: string;
  /** Microseconds. */
  interval?: number;
  average?: number;
  /** Powers of two, as the kernel has them. */
  step: number;
  log: number;
}

const UNITS: ReadonlyArray<[suffix: string, microseconds: number]> = [
  ['us', 1],
  ['usec', 1],
  ['usecs', 1],
  ['ms', 1000],
  ['msec', 1000],
  ['msecs', 1000],
  ['s', 1_000_000],
  ['sec', 1_000_000],
  ['secs', 1_000_000],
];

function readTime(value: string, word: string): number {
  const parts = /^(\d+(?:\.\d+)?)([a-z]*)$/.exec(value);
  const unit = UNITS.find(([suffix]) => suffix === parts?.[2])?.[1];
  if (parts === null || unit === undefined) throw new Problem(`RATEEST: bad ${word} value "${value}"`);
  return Math.floor(Number(parts[1]) * unit);
}

function timeText(microseconds: number): string {
  if (microseconds >= 1_000_000) return `${(microseconds / 1_000_000).toFixed(1)}s`;
  return microseconds >= 1000 ? `${(microseconds / 1000).toFixed(1)}ms` : `${microseconds}us`;
}

/** Intervals are 250 ms shifted by at most 5; the time constant is one of the interval's powers. */
function settle(data: Rateest): void {
  const { interval = 0, average = 0 } = data;
  let step = 0;
  while (step <= 5 && interval > (1 << step) * 250_000) step++;
  if (step > 5) throw new Problem('RATEEST: interval value is too large');
  const ratio = average / ((1 << step) * 250_000);
  const log = Math.floor(Math.log2(ratio));
  if (!(log >= 1 && log < 31)) throw new Problem('RATEEST: ewmalog value is out of range');
  Object.assign(data, { step, log });
}

function rateestText({ name = '', step, log }: Rateest, prefix: string): string {
  const interval = (1 << step) * 250_000;
  return ` ${prefix}name ${name} ${prefix}interval ${timeText(interval)} ${prefix}ewmalog ${timeText(interval * 2 ** log)}`;
}

export const rateest: Extension<Rateest> = {
  name: 'RATEEST',
  isTarget: true,
  options: [
    {
      name: 'rateest-name',
      argument: 'required',
      isMandatory: true,
      take(data, given) {
        data.name = text(given, 16);
      },
    },
    {
      name: 'rateest-interval',
      argument: 'required',
      isMandatory: true,
      take(data, given) {
        data.interval = readTime(given.text, 'interval');
      },
    },
    {
      name: 'rateest-ewmalog',
      argument: 'required',
      isMandatory: true,
      take(data, given) {
        data.average = readTime(given.text, 'ewmalog');
      },
    },
  ],
  create: () => ({ step: 0, log: 0 }),
  finalCheck: settle,
  lacking: () => 'there are no estimators of rates here',
  save: (data) => rateestText(data, '--rateest-'),
  list: (data) => rateestText(data, ''),
  encode() {},
};
