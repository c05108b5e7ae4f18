/*
 * Matches of IPv6's extension headers: frag, ipv6header, rt, hbh, dst, mh; and eui64.
 */
import { Ipv6FragmentOp, Ipv6HeadersOp, Ipv6OptionsOp, Ipv6RoutingOp, Op, OpWord } from '../../../netfilter/ops.js';
import { Family, Hook } from '../../../netfilter/rule.js';
import { type Address, formatAddress, readAddress } from '../addresses.js';
import type { Extension, Option } from '../extension.js';
import type { Given, Range } from '../given.js';
import { readUnsigned } from '../numbers.js';
import { Problem } from '../problem.js';
import { protocolNumber } from '../services.js';
import { range } from './values.js';
import { bang, rangeText } from './wording.js';

const HIGHEST = 0xffffffff;
const LONGEST_LIST = 16;
const ANY: Range = { low: 0, high: HIGHEST };

function isAny({ low, high }: Range): boolean {
  return low === 0 && high === HIGHEST;
}

/** A range of which not all is meant; '' if it is. */
function listRange(label: string, value: Range, isInverted: boolean): string {
  if (isAny(value) && !isInverted) return '';
  return `${label}${value.low === value.high ? '' : 's'}:${isInverted ? '!' : ''}${rangeText(value.low, value.high)}`;
}

interface Flagged {
  flags: number;
}

function flagOption<T extends Flagged>(name: string, flag: number, excludes: readonly string[] = []): Option<T> {
  return {
    name,
    excludes,
    take(data) {
      data.flags |= flag;
    },
  };
}

interface Fragment extends Flagged {
  id: Range;
  length?: number;
}

/** In the order in which they are printed. */
const FRAGMENT_FLAGS: ReadonlyArray<[name: string, flag: number]> = [
  ['res', Ipv6FragmentOp.RESERVED],
  ['first', Ipv6FragmentOp.FIRST],
  ['more', Ipv6FragmentOp.MORE],
  ['last', Ipv6FragmentOp.LAST],
];

function fragmentFlags(flags: number, text: (name: string) => string): string {
  return FRAGMENT_FLAGS.filter(([, flag]) => (flags & flag) !== 0)
    .map(([name]) => text(name))
    .join('');
}

export const frag: Extension<Fragment> = {
  name: 'frag',
  isTarget: false,
  family: Family.IPV6,
  options: [
    {
      name: 'fragid',
      argument: 'required',
      canInvert: true,
      take(data, given) {
        data.id = range(given, HIGHEST);
        if (given.isInverted) data.flags |= Ipv6FragmentOp.NOT_ID;
      },
    },
    {
      name: 'fraglen',
      argument: 'required',
      canInvert: true,
      take(data, given) {
        data.length = given.u32();
        if (given.isInverted) data.flags |= Ipv6FragmentOp.NOT_LENGTH;
      },
    },
    flagOption('fragres', Ipv6FragmentOp.RESERVED),
    flagOption('fragfirst', Ipv6FragmentOp.FIRST),
    flagOption('fragmore', Ipv6FragmentOp.MORE, ['fraglast']),
    flagOption('fraglast', Ipv6FragmentOp.LAST, ['fragmore']),
  ],
  create: () => ({ id: ANY, flags: 0 }),
  save({ id, length, flags }) {
    const ids = isAny(id)
      ? ''
      : `${bang((flags & Ipv6FragmentOp.NOT_ID) !== 0)} --fragid ${rangeText(id.low, id.high)}`;
    const bytes = length === undefined ? '' : `${bang((flags & Ipv6FragmentOp.NOT_LENGTH) !== 0)} --fraglen ${length}`;
    return ids + bytes + fragmentFlags(flags, (name) => ` --frag${name}`);
  },
  list({ id, length, flags }) {
    const not = (flags & Ipv6FragmentOp.NOT_LENGTH) !== 0 ? '!' : '';
    return (
      ` frag ${listRange('id', id, (flags & Ipv6FragmentOp.NOT_ID) !== 0)}` +
      (length === undefined ? '' : ` length:${not}${length}`) +
      fragmentFlags(flags, (name) => ` ${name === 'res' ? 'reserved' : name}`)
    );
  },
  encode({ id, length, flags }, into) {
    into.add(Op.IPV6_FRAGMENT, [id.low | 0, id.high | 0, (length ?? 0) | 0], flags);
  },
};

/** Name, short name, number, bit. */
const HEADERS: ReadonlyArray<[long: string, short: string, number: number, bit: number]> = [
  ['hop-by-hop', 'hop', 0, 128],
  ['ipv6-opts', 'dst', 60, 64],
  ['ipv6-route', 'route', 43, 32],
  ['ipv6-frag', 'frag', 44, 16],
  ['ah', 'auth', 51, 8],
  ['esp', 'esp', 50, 4],
  ['ipv6-nonxt', 'none', 59, 2],
  ['protocol', 'prot', 255, 1],
];

function headerBit(name: string): number {
  const named = HEADERS.find(([long, short]) => name === long || name === short);
  if (named !== undefined) return named[3];
  const number = readUnsigned(name, 255) ?? protocolNumber(name);
  if (number === undefined) throw new Problem(`unknown header \`${name}' specified`);
  const known = HEADERS.find(([, , one]) => one === number);
  if (known === undefined) throw new Problem(`unknown header \`${number}' specified`);
  return known[3];
}

function readHeaders(text: string): number {
  const names = text.split(',').filter(Boolean);
  if (names.length === 0) throw new Problem('ip6t_ipv6header: cannot parse header names');
  return names.reduce((bits, name) => bits | headerBit(name), 0);
}

function headerNames(bits: number): string {
  return HEADERS.filter(([, , , bit]) => (bits & bit) !== 0)
    .map(([long]) => long)
    .join(',');
}

interface Headers {
  bits: number;
  isInverted: boolean;
  isSoft: boolean;
}

export const ipv6header: Extension<Headers> = {
  name: 'ipv6header',
  isTarget: false,
  family: Family.IPV6,
  options: [
    {
      name: 'header',
      argument: 'required',
      isMandatory: true,
      canInvert: true,
      take(data, given) {
        data.bits = readHeaders(given.text);
        data.isInverted = given.isInverted;
      },
    },
    {
      name: 'soft',
      take(data) {
        data.isSoft = true;
      },
    },
  ],
  create: () => ({ bits: 0, isInverted: false, isSoft: false }),
  save: (data) => `${bang(data.isInverted)} --header ${headerNames(data.bits)}${data.isSoft ? ' --soft' : ''}`,
  list({ bits, isInverted, isSoft }, isNumeric) {
    const value = isNumeric ? `0x${bits.toString(16).toUpperCase().padStart(2, '0')}` : headerNames(bits);
    return ` ipv6header flags:${isInverted ? '!' : ''}${value}${isSoft ? ' soft' : ''}`;
  },
  encode({ bits, isInverted, isSoft }, into) {
    into.add(Op.IPV6_HEADERS, [bits], (isInverted ? OpWord.INVERTED : 0) | (isSoft ? Ipv6HeadersOp.SOFT : 0));
  },
};

interface Routing extends Flagged {
  type: number;
  segments: Range;
  length: number;
  addresses: readonly Address[];
}

function isType0({ flags, type }: Routing): boolean {
  return (flags & Ipv6RoutingOp.ASK_TYPE) !== 0 && (flags & Ipv6RoutingOp.NOT_TYPE) === 0 && type === 0;
}

function wantType0(data: Routing, option: string): void {
  if (!isType0(data)) throw new Problem(`\`--rt-type 0' required before \`--${option}'`);
}

function readAddresses(text: string): Address[] {
  const names = text.split(',').filter(Boolean);
  if (names.length > LONGEST_LIST) throw new Problem('too many addresses specified');
  return names.map((name) => {
    const address = readAddress(name, Family.IPV6);
    if (address === undefined) throw new Problem(`bad address: ${name}`);
    return address;
  });
}

function routingParts(
  data: Routing,
  part: (option: string, flag: number, not: number, value: string) => string,
): string {
  const { type, length } = data;
  return (
    part('type', Ipv6RoutingOp.ASK_TYPE, Ipv6RoutingOp.NOT_TYPE, `${type}`) +
    part('segsleft', 0, Ipv6RoutingOp.NOT_SEGMENTS, '') +
    part('len', Ipv6RoutingOp.ASK_LENGTH, Ipv6RoutingOp.NOT_LENGTH, `${length}`)
  );
}

export const rt: Extension<Routing> = {
  name: 'rt',
  isTarget: false,
  family: Family.IPV6,
  options: [
    {
      name: 'rt-type',
      argument: 'required',
      canInvert: true,
      take(data, given) {
        data.type = given.u32();
        data.flags |= Ipv6RoutingOp.ASK_TYPE | (given.isInverted ? Ipv6RoutingOp.NOT_TYPE : 0);
      },
    },
    {
      name: 'rt-segsleft',
      argument: 'required',
      canInvert: true,
      take(data, given) {
        data.segments = range(given, HIGHEST);
        if (given.isInverted) data.flags |= Ipv6RoutingOp.NOT_SEGMENTS;
      },
    },
    {
      name: 'rt-len',
      argument: 'required',
      canInvert: true,
      take(data, given) {
        data.length = given.u32();
        data.flags |= Ipv6RoutingOp.ASK_LENGTH | (given.isInverted ? Ipv6RoutingOp.NOT_LENGTH : 0);
      },
    },
    {
      name: 'rt-0-res',
      take(data) {
        wantType0(data, 'rt-0-res');
        data.flags |= Ipv6RoutingOp.RESERVED;
      },
    },
    {
      name: 'rt-0-addrs',
      argument: 'required',
      take(data, given) {
        wantType0(data, 'rt-0-addrs');
        data.addresses = readAddresses(given.text);
      },
    },
    {
      name: 'rt-0-not-strict',
      take(data) {
        if (data.addresses.length === 0) throw new Problem("`--rt-0-addr ...' required before `--rt-0-not-strict'");
        data.flags |= Ipv6RoutingOp.NOT_STRICT;
      },
    },
  ],
  create: () => ({ flags: 0, type: 0, segments: ANY, length: 0, addresses: [] }),
  save(data) {
    const { flags, segments, addresses } = data;
    const text = routingParts(data, (option, flag, not, value) => {
      const isAsked = option === 'segsleft' ? !isAny(segments) : (flags & flag) !== 0;
      const shown = option === 'segsleft' ? rangeText(segments.low, segments.high) : value;
      return isAsked ? `${bang((flags & not) !== 0)} --rt-${option} ${shown}` : '';
    });
    const list = addresses.length === 0 ? '' : ` --rt-0-addrs ${addresses.map(formatAddress).join(',')}`;
    const reserved = (flags & Ipv6RoutingOp.RESERVED) === 0 ? '' : ' --rt-0-res';
    return text + reserved + list + ((flags & Ipv6RoutingOp.NOT_STRICT) === 0 ? '' : ' --rt-0-not-strict');
  },
  list(data) {
    const { flags, segments, addresses } = data;
    const text = routingParts(data, (option, flag, not, value) => {
      const isInverted = (flags & not) !== 0;
      if (option === 'segsleft') {
        const left = listRange('segsleft', segments, isInverted);
        return left === '' ? '' : ` ${left}`;
      }
      return (flags & flag) === 0 ? '' : ` ${option === 'len' ? 'length' : option}:${isInverted ? '!' : ''}${value}`;
    });
    const list = addresses.length === 0 ? '' : ` 0-addrs ${addresses.map(formatAddress).join(',')}`;
    const reserved = (flags & Ipv6RoutingOp.RESERVED) === 0 ? '' : ' reserved';
    return ` rt${text}${reserved}${list}${(flags & Ipv6RoutingOp.NOT_STRICT) === 0 ? '' : ' 0-not-strict'}`;
  },
  encode({ flags, type, segments, length, addresses }, into) {
    const words = [type | 0, segments.low | 0, segments.high | 0, length | 0, addresses.length, ...addresses.flat()];
    into.add(Op.IPV6_ROUTING, words, flags);
  },
};

/** Of an option whose length does not matter. */
const ANY_LENGTH = 0xff;

interface Options {
  length?: number;
  isInverted: boolean;
  options: ReadonlyArray<{ type: number; length: number }>;
}

function readNumber(given: Given, text: string, word: string): number {
  const number = /^(0[xX][0-9a-fA-F]+|\d+)/.exec(text);
  if (number === null) throw given.problem(`no valid digits in ${word} \`${text}'`);
  if (number[0] !== text) throw given.problem(`error parsing ${word} \`${text}'`);
  return Number(BigInt(number[0]) & 0xffn);
}

function readOptions(given: Given, complaint: string): Array<{ type: number; length: number }> {
  const parts = given.text.split(',');
  if (parts.length > LONGEST_LIST) throw new Problem('too many addresses specified');
  return parts.map((part) => {
    const colon = part.indexOf(':');
    const type = readNumber(given, colon < 0 ? part : part.slice(0, colon), 'opt');
    if (colon < 0) return { type, length: ANY_LENGTH };
    if (type === 0) throw new Problem(complaint);
    return { type, length: readNumber(given, part.slice(colon + 1), 'length') };
  });
}

function optionsText(options: Options['options']): string {
  return options.map(({ type, length }) => (length === ANY_LENGTH ? `${type}` : `${type}:${length}`)).join(',');
}

function optionsMatch(name: 'hbh' | 'dst', protocol: number, complaint: string): Extension<Options> {
  return {
    name,
    isTarget: false,
    family: Family.IPV6,
    options: [
      {
        name: `${name}-len`,
        argument: 'required',
        canInvert: true,
        take(data, given) {
          data.length = given.u32();
          data.isInverted = given.isInverted;
        },
      },
      {
        name: `${name}-opts`,
        argument: 'required',
        take(data, given) {
          data.options = readOptions(given, complaint);
        },
      },
    ],
    create: () => ({ isInverted: false, options: [] }),
    save({ length, isInverted, options }) {
      const bytes = length === undefined ? '' : `${bang(isInverted)} --${name}-len ${length}`;
      return bytes + (options.length === 0 ? '' : ` --${name}-opts ${optionsText(options)}`);
    },
    list({ length, isInverted, options }) {
      const bytes = length === undefined ? '' : ` length:${isInverted ? '!' : ''}${length}`;
      return ` ${name}${bytes}${options.length === 0 ? '' : ` opts ${optionsText(options)}`}`;
    },
    encode({ length, isInverted, options }, into) {
      const list = options.map((option) => option.type | (option.length << 8));
      const words = [protocol, (length ?? 0) | 0, list.length, ...list];
      into.add(Op.IPV6_OPTIONS, words, isInverted ? Ipv6OptionsOp.NOT_LENGTH : 0);
    },
  };
}

export const hbh = optionsMatch('hbh', 0, 'PAD0 has not got length');
export const dst = optionsMatch('dst', 60, "PAD0 hasn't got length");

export const eui64: Extension<null> = {
  name: 'eui64',
  isTarget: false,
  family: Family.IPV6,
  hooks: (1 << Hook.PREROUTING) | (1 << Hook.INPUT) | (1 << Hook.FORWARD),
  options: [],
  create: () => null,
  save: () => '',
  encode: (_data, into) => into.add(Op.EUI64, []),
};

const MOBILITY = 135;
const TYPES: ReadonlyArray<[name: string, alias: string]> = [
  ['binding-refresh-request', 'brr'],
  ['home-test-init', 'hoti'],
  ['careof-test-init', 'coti'],
  ['home-test', 'hot'],
  ['careof-test', 'cot'],
  ['binding-update', 'bu'],
  ['binding-acknowledgement', 'ba'],
  ['binding-error', 'be'],
];

/** A name, an alias, or the start of one, the first that starts so; or a number. */
function mobilityType(text: string): number {
  const start = text.toLowerCase();
  const exact = TYPES.findIndex(([name, alias]) => name === start || alias === start);
  const named = exact >= 0 ? exact : TYPES.findIndex((names) => names.some((name) => name.startsWith(start)));
  const type = named >= 0 ? named : readUnsigned(text, 255);
  if (type === undefined) throw new Problem(`Invalid MH type \`${text}'`);
  return type;
}

function readTypes(text: string): Range {
  const colon = text.indexOf(':');
  const [before, after] = colon < 0 ? [text, text] : [text.slice(0, colon), text.slice(colon + 1)];
  const low = before === '' && colon >= 0 ? 0 : mobilityType(before);
  const high = colon < 0 ? low : after === '' ? 255 : mobilityType(after);
  if (low > high) throw new Problem('Invalid MH type range (min > max)');
  return { low, high };
}

export const mh: Extension<Range & { isInverted: boolean }> = {
  name: 'mh',
  isTarget: false,
  family: Family.IPV6,
  protocols: [MOBILITY],
  options: [
    {
      name: 'mh-type',
      argument: 'required',
      canInvert: true,
      take(data, given) {
        Object.assign(data, readTypes(given.text), { isInverted: given.isInverted });
      },
    },
  ],
  create: () => ({ low: 0, high: 255, isInverted: false }),
  save({ low, high, isInverted }) {
    return low === 0 && high === 255 ? '' : `${bang(isInverted)} --mh-type ${rangeText(low, high)}`;
  },
  list({ low, high, isInverted }, isNumeric) {
    if (low === 0 && high === 255 && !isInverted) return ' mh';
    const name = (type: number) => (isNumeric ? undefined : TYPES[type]?.[0]) ?? `${type}`;
    return ` mh ${isInverted ? '!' : ''}${low === high ? name(low) : `${name(low)}:${name(high)}`}`;
  },
  encode({ low, high, isInverted }, into) {
    into.add(Op.MOBILITY, [low, high], isInverted ? OpWord.INVERTED : 0);
  },
};
