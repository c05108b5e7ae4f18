/*
 * Options of ipset's commands: the word, how its value is read, and how it is written in a listing.
 */
import { type Address, formatAddress } from '../iptables/addresses.js';
import { syntax } from './failures.js';
import type { Hosts } from './hosts.js';
import { readBigNumber, readLength, readNumber } from './numbers.js';
import { checkSetName, rangeText, readFirst, readPort, readSingle, readTcpUdpPort, separator } from './parts.js';
import { familyOf, type Values } from './values.js';

export type OptionName =
  | 'family'
  | '-4'
  | '-6'
  | 'hashsize'
  | 'maxelem'
  | 'netmask'
  | 'bitmask'
  | 'markmask'
  | 'timeout'
  | 'counters'
  | 'withComment'
  | 'forceadd'
  | 'skbinfo'
  | 'bucketsize'
  | 'initval'
  | 'size'
  | 'range'
  | 'portRange'
  | 'fromIp'
  | 'toIp'
  | 'network'
  | 'fromPort'
  | 'toPort'
  | 'probes'
  | 'resize'
  | 'gc'
  | 'oldFrom'
  | 'oldTo'
  | 'oldNetwork'
  | 'nomatch'
  | 'wildcard'
  | 'before'
  | 'after'
  | 'packets'
  | 'bytes'
  | 'comment'
  | 'skbmark'
  | 'skbprio'
  | 'skbqueue';

/** What reads options: host names, and where complaints go that are not the end. */
export interface Reading {
  readonly hosts: Hosts;
  warn(line: string): void;
}

export interface Option {
  readonly word: string;
  /** It takes no value. */
  readonly isFlag?: boolean;
  /** Options of the same key may not be given twice; absent: it may. */
  readonly key?: string;
  take(values: Values, text: string, reading: Reading): void;
  /** undefined: it was not given. */
  print?(values: Values): string | undefined;
  /** How help shows it. */
  readonly help?: string;
}

const UINT32 = 0xffffffff;
const LONGEST_TIMEOUT = 2_147_483;
const LONGEST_COMMENT = 255;

type NumberKey = 'hashsize' | 'maxelem' | 'size' | 'bucketsize' | 'initval' | 'timeout' | 'markmask' | 'skbqueue';

const decimal = (value: number): string => `${value >>> 0}`;
export const padded = (value: number): string => `0x${(value >>> 0).toString(16).padStart(8, '0')}`;

function number(word: NumberKey, high: number, write = decimal): Option {
  return {
    word,
    key: word,
    help: word === 'markmask' ? 'markmask VALUE' : `[${word} VALUE]`,
    take(values, text) {
      values[word] = readNumber(text, high);
    },
    print: ({ [word]: value }) => (value === undefined ? undefined : write(value)),
  };
}

function count(word: 'packets' | 'bytes'): Option {
  return {
    word,
    key: word,
    help: `[${word} VALUE]`,
    take(values, text) {
      values[word] = readBigNumber(text, 0xffff_ffff_ffff_fffen);
    },
    print: ({ [word]: value }) => value?.toString(),
  };
}

type FlagKey = 'hasCounters' | 'hasComments' | 'hasSkbinfo' | 'isForced' | 'isNomatch' | 'isWildcard';

function flag(word: string, key: FlagKey): Option {
  return {
    word,
    isFlag: true,
    help: `[${word}]`,
    take(values) {
      values[key] = true;
    },
    print: ({ [key]: value }) => (value === true ? '' : undefined),
  };
}

function setForced(values: Values): void {
  values.isForced = true;
}

/** Of releases long gone: it says so, and does nothing. */
function ignored(word: string): Option {
  return {
    word,
    take(_, text, { warn }) {
      warn(`Option '--${word} ${text}' is ignored. Please upgrade your syntax.`);
    },
  };
}

const FAMILIES: Readonly<Record<string, 4 | 6>> = { inet: 4, ipv4: 4, '-4': 4, inet6: 6, ipv6: 6, '-6': 6 };

function family(word: string): Option {
  return {
    word,
    key: 'family',
    isFlag: word !== 'family',
    help: word === 'family' ? '[family inet|inet6]|[-4|-6]' : '',
    take(values, text) {
      if (text === 'any' || text === 'unspec') values.family = undefined;
      else if (Object.hasOwn(FAMILIES, text)) values.family = FAMILIES[text];
      else throw syntax(`unknown inet family ${text}`);
    },
    ...(word === 'family' ? { print: ({ family }: Values) => (family === 6 ? 'inet6' : 'inet') } : {}),
  };
}

function netmask(values: Values, text: string): void {
  if (values.bitmask !== undefined) throw syntax('bitmask and netmask are mutually exclusive, provide only one');
  const most = familyOf(values) === 6 ? 128 : 32;
  try {
    values.netmask = readLength(text, 1, most);
  } catch (error) {
    throw syntax(
      (error as Error).message.replace('Syntax error: ', ''),
      `netmask is out of the inclusive range of 1-${most}`,
    );
  }
}

function bitmask(values: Values, text: string, { hosts }: Reading): void {
  if (values.netmask !== undefined) throw syntax('bitmask and netmask are mutually exclusive, provide only one');
  const own = familyOf(values);
  const mask: Values = { family: own };
  try {
    readFirst(mask, text, hosts);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('Syntax error: ')) throw error;
    const name = own === 6 ? 'inet6' : 'inet';
    throw syntax(error.message.replace('Syntax error: ', ''), `bitmask is not valid for family = ${name}`);
  }
  values.bitmask = mask.ip as Address;
}

function comment(values: Values, text: string): void {
  if (text.includes('"')) throw syntax('" character is not permitted in comments');
  if (Buffer.byteLength(text) > LONGEST_COMMENT) {
    throw syntax(`Comment is longer than the maximum allowed ${LONGEST_COMMENT} characters`);
  }
  values.comment = text;
}

function skbmark(values: Values, text: string): void {
  const parts = /^0x([0-9a-fA-F]+)(?:\/0x([0-9a-fA-F]+))?/.exec(text);
  if (parts === null) {
    throw syntax('Invalid skbmark format, it should be:  MARK/MASK or MARK (see manpage)');
  }
  const low = (digits: string) => Number(BigInt(`0x${digits}`) & 0xffffffffn);
  values.skbmark = [low(parts[1]), parts[2] === undefined ? UINT32 : low(parts[2])];
}

function skbprio(values: Values, text: string): void {
  const parts = /^(?:0x)?([0-9a-fA-F]+):(?:0x)?([0-9a-fA-F]+)/.exec(text);
  if (parts === null) throw syntax('Invalid skbprio format, it should be:MAJOR:MINOR (see manpage)');
  values.skbprio = ((Number.parseInt(parts[1], 16) << 16) | (Number.parseInt(parts[2], 16) & 0xffff)) >>> 0;
}

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

function skbmarkText([mark, mask]: readonly [number, number]): string {
  return mask >>> 0 === UINT32 ? hex(mark) : `${hex(mark)}/${hex(mask)}`;
}

function beside(word: 'before' | 'after'): Option {
  return {
    word,
    key: 'beside',
    ...(word === 'before' ? { help: '[before|after NAME]' } : {}),
    take(values, text) {
      values.reference = checkSetName(text);
      values.isBefore = word === 'before';
    },
  };
}

export const OPTIONS: Readonly<Record<OptionName, Option>> = {
  family: family('family'),
  '-4': family('-4'),
  '-6': family('-6'),
  hashsize: number('hashsize', UINT32),
  maxelem: number('maxelem', UINT32),
  netmask: {
    word: 'netmask',
    key: 'netmask',
    help: '[netmask CIDR]',
    take: netmask,
    print: (values) => values.netmask?.toString(),
  },
  bitmask: {
    word: 'bitmask',
    key: 'bitmask',
    help: '[bitmask bitmask]',
    take: bitmask,
    print: (values) => (values.bitmask === undefined ? undefined : formatAddress(values.bitmask)),
  },
  markmask: number('markmask', UINT32, padded),
  timeout: number('timeout', LONGEST_TIMEOUT),
  counters: flag('counters', 'hasCounters'),
  withComment: flag('comment', 'hasComments'),
  // As the real tool, which does not read back that a set has it.
  forceadd: { word: 'forceadd', isFlag: true, help: '[forceadd]', take: setForced },
  skbinfo: flag('skbinfo', 'hasSkbinfo'),
  bucketsize: number('bucketsize', 255),
  initval: number('initval', UINT32, padded),
  size: number('size', UINT32),
  range: {
    word: 'range',
    key: 'ip',
    take(values, text, { hosts }) {
      if (separator(text, '/') < 0 && separator(text, '-') < 0) {
        throw syntax(`IP/cidr or IP-IP range must be specified: ${text}`);
      }
      readFirst(values, text, hosts);
    },
    print: ({ ip, to }) => rangeText(4, ip, to),
  },
  portRange: {
    word: 'range',
    key: 'port',
    take: readTcpUdpPort,
    print: ({ port, portTo }) => `${port}-${portTo}`,
  },
  fromIp: {
    word: 'from',
    key: 'ip',
    take(values, text, { hosts }) {
      values.ip = readSingle(values, text, hosts);
    },
  },
  toIp: {
    word: 'to',
    key: 'to',
    take(values, text, { hosts }) {
      values.to = readSingle(values, text, hosts);
    },
  },
  network: {
    word: 'network',
    key: 'ip',
    take(values, text, { hosts }) {
      if (separator(text, '/') < 0) throw syntax(`IP/netblock must be supplied: ${text}`);
      readFirst(values, text, hosts);
    },
  },
  fromPort: {
    word: 'from',
    key: 'port',
    take(values, text) {
      values.port = readPort(text, 'tcp');
    },
  },
  toPort: {
    word: 'to',
    key: 'portTo',
    take(values, text) {
      values.portTo = readPort(text, 'tcp');
    },
  },
  probes: ignored('probes'),
  resize: ignored('resize'),
  gc: ignored('gc'),
  oldFrom: ignored('from'),
  oldTo: ignored('to'),
  oldNetwork: ignored('network'),
  nomatch: flag('nomatch', 'isNomatch'),
  wildcard: flag('wildcard', 'isWildcard'),
  before: beside('before'),
  after: beside('after'),
  packets: count('packets'),
  bytes: count('bytes'),
  comment: {
    word: 'comment',
    key: 'comment',
    help: '[comment "string"]',
    take: comment,
    print: (values) => (values.comment === undefined ? undefined : `"${values.comment}"`),
  },
  skbmark: {
    word: 'skbmark',
    key: 'skbmark',
    help: '[skbmark VALUE]',
    take: skbmark,
    print: (values) => (values.skbmark === undefined ? undefined : skbmarkText(values.skbmark)),
  },
  skbprio: {
    word: 'skbprio',
    key: 'skbprio',
    help: '[skbprio VALUE]',
    take: skbprio,
    print: ({ skbprio: value }) =>
      value === undefined ? undefined : `${(value >>> 16).toString(16)}:${(value & 0xffff).toString(16)}`,
  },
  skbqueue: number('skbqueue', 0xffff),
};
