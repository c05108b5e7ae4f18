/*
 * -m conntrack and -m state: what conntrack knows of a packet's flow.
 */
import { ConntrackOp, CtMatch, CtStateBit, Op, OpWord } from '../../../netfilter/ops.js';
import type { MaskedAddress } from '../addresses.js';
import type { Extension, Option } from '../extension.js';
import type { Given, Range } from '../given.js';
import { Problem } from '../problem.js';
import { hostMask, portRange, protocol, range } from './values.js';
import { addressMaskText, bang, fourWords, rangeText } from './wording.js';

type Bit = readonly [name: string, bit: number];

/** In the order in which they are printed. */
const STATES: readonly Bit[] = [
  ['INVALID', CtStateBit.INVALID],
  ['NEW', CtStateBit.NEW],
  ['RELATED', CtStateBit.RELATED],
  ['ESTABLISHED', CtStateBit.ESTABLISHED],
  ['UNTRACKED', CtStateBit.UNTRACKED],
  ['SNAT', CtStateBit.SNAT],
  ['DNAT', CtStateBit.DNAT],
];
const STATUSES: readonly Bit[] = [
  ['EXPECTED', 1],
  ['SEEN_REPLY', 2],
  ['ASSURED', 4],
  ['CONFIRMED', 8],
];

function readBits(text: string, names: readonly Bit[], word: string): number {
  let bits = 0;
  let at = 0;
  for (const name of text.split(',')) {
    // The start of a name will do.
    const known = name === '' ? undefined : names.find(([one]) => one.startsWith(name.toUpperCase()));
    if (known === undefined) throw new Problem(`Bad ${word} "${text.slice(at)}"`);
    bits |= known[1];
    at += name.length + 1;
  }
  return bits;
}

function bitNames(bits: number, names: readonly Bit[]): string {
  return names
    .filter(([, bit]) => (bits & bit) !== 0)
    .map(([name]) => name)
    .join(',');
}

type AddressName = 'ctorigsrc' | 'ctorigdst' | 'ctreplsrc' | 'ctrepldst';
type PortName = 'ctorigsrcport' | 'ctorigdstport' | 'ctreplsrcport' | 'ctrepldstport';

interface Conntrack {
  /** CtMatch of what was given, and of what of it is inverted. */
  match: number;
  invert: number;
  states: number;
  status: number;
  protocol: number;
  expires: Range;
  addresses: Partial<Record<AddressName, MaskedAddress>>;
  ports: Partial<Record<PortName, Range>>;
}

const ADDRESSES: ReadonlyArray<[AddressName, CtMatch]> = [
  ['ctorigsrc', CtMatch.ORIGINAL_SOURCE],
  ['ctorigdst', CtMatch.ORIGINAL_DESTINATION],
  ['ctreplsrc', CtMatch.REPLY_SOURCE],
  ['ctrepldst', CtMatch.REPLY_DESTINATION],
];
const PORTS: ReadonlyArray<[PortName, CtMatch]> = [
  ['ctorigsrcport', CtMatch.ORIGINAL_SOURCE_PORT],
  ['ctorigdstport', CtMatch.ORIGINAL_DESTINATION_PORT],
  ['ctreplsrcport', CtMatch.REPLY_SOURCE_PORT],
  ['ctrepldstport', CtMatch.REPLY_DESTINATION_PORT],
];

function option(name: string, bit: CtMatch, read: (data: Conntrack, given: Given) => void): Option<Conntrack> {
  return {
    name,
    argument: 'required',
    canInvert: true,
    take(data, given) {
      read(data, given);
      data.match |= bit;
      if (given.isInverted) data.invert |= bit;
    },
  };
}

const DIRECTION: Option<Conntrack> = {
  name: 'ctdir',
  argument: 'required',
  take(data, given) {
    const name = given.text.toUpperCase();
    if (name !== 'ORIGINAL' && name !== 'REPLY') throw given.badValue();
    data.match |= CtMatch.DIRECTION;
    if (name === 'REPLY') data.invert |= CtMatch.DIRECTION;
  },
};

function statusText(status: number): string {
  return status === 0 ? 'NONE' : bitNames(status, STATUSES);
}

/** What is compared, as text, in the order in which it is printed. */
function parts(
  data: Conntrack,
  address: (value: MaskedAddress) => string,
): Array<[name: string, bit: number, text: string]> {
  const { expires } = data;
  return [
    ['ctstate', CtMatch.STATE, bitNames(data.states, STATES)],
    ['ctproto', CtMatch.PROTOCOL, `${data.protocol}`],
    ...ADDRESSES.map(([name, bit]): [string, number, string] => {
      const value = data.addresses[name];
      return [name, bit, value === undefined ? '' : address(value)];
    }),
    ...PORTS.map(([name, bit]): [string, number, string] => {
      const value = data.ports[name];
      return [name, bit, value === undefined ? '' : rangeText(value.low, value.high)];
    }),
    ['ctstatus', CtMatch.STATUS, statusText(data.status)],
    ['ctexpire', CtMatch.EXPIRES, rangeText(expires.low, expires.high)],
  ];
}

function text(data: Conntrack, dashes: string, address: (value: MaskedAddress) => string): string {
  const asked = parts(data, address).filter(([, bit]) => (data.match & bit) !== 0);
  const all = asked.map(([name, bit, value]) => `${bang((data.invert & bit) !== 0)} ${dashes}${name} ${value}`);
  if ((data.match & CtMatch.DIRECTION) === 0) return all.join('');
  return `${all.join('')} ${dashes}ctdir ${(data.invert & CtMatch.DIRECTION) !== 0 ? 'REPLY' : 'ORIGINAL'}`;
}

function addressText({ address, mask }: MaskedAddress): string {
  return addressMaskText(address, mask);
}

function portWord(ports: Range | undefined): number {
  return ports === undefined ? 0 : (ports.low << 16) | ports.high;
}

function words(data: Conntrack): number[] {
  const none: MaskedAddress = { address: [0], mask: [0] };
  const words = new Array<number>(ConntrackOp.WORDS - OpWord.FIRST).fill(0);
  const put = (at: number, values: readonly number[]) => words.splice(at - OpWord.FIRST, values.length, ...values);
  put(ConntrackOp.MATCH, [data.match, data.invert, data.states, data.status]);
  put(ConntrackOp.EXPIRES, [data.expires.low | 0, data.expires.high | 0]);
  put(ConntrackOp.PROTOCOL, [data.protocol]);
  for (const [i, [name]] of ADDRESSES.entries()) {
    const { address, mask } = data.addresses[name] ?? none;
    put(ConntrackOp.ORIGINAL_SOURCE + i * 8, [...fourWords(address), ...fourWords(mask)]);
  }
  for (const [i, [name]] of PORTS.entries()) put(ConntrackOp.ORIGINAL_SOURCE_PORT + i, [portWord(data.ports[name])]);
  return words;
}

export const conntrack: Extension<Conntrack> = {
  name: 'conntrack',
  isTarget: false,
  needsConntrack: true,
  options: [
    option('ctstate', CtMatch.STATE, (data, given) => {
      data.states = readBits(given.text, STATES, 'ctstate');
    }),
    option('ctproto', CtMatch.PROTOCOL, (data, given) => {
      data.protocol = protocol(given.text);
    }),
    ...ADDRESSES.map(([name, bit]) =>
      option(name, bit, (data, given) => {
        data.addresses[name] = hostMask(given);
      }),
    ),
    option('ctstatus', CtMatch.STATUS, (data, given) => {
      data.status = readBits(given.text, [['NONE', 0], ...STATUSES], 'ctstatus');
    }),
    option('ctexpire', CtMatch.EXPIRES, (data, given) => {
      data.expires = range(given, 0xffffffff);
    }),
    ...PORTS.map(([name, bit]) =>
      option(name, bit, (data, given) => {
        data.ports[name] = portRange(given);
      }),
    ),
    DIRECTION,
  ],
  create: () => ({
    match: 0,
    invert: 0,
    states: 0,
    status: 0,
    protocol: 0,
    expires: { low: 0, high: 0 },
    addresses: {},
    ports: {},
  }),
  finalCheck(data) {
    if (data.match === 0) throw new Problem('conntrack: At least one option is required');
  },
  save: (data) => text(data, '--', addressText),
  list: (data, isNumeric) =>
    text(data, '', (value) => (!isNumeric && value.mask.every((word) => word === 0) ? 'anywhere' : addressText(value))),
  encode(data, into) {
    if (data.match !== CtMatch.STATE) into.add(Op.CONNTRACK, words(data));
    else into.add(Op.CT_STATE, [data.states], data.invert === 0 ? 0 : OpWord.INVERTED);
  },
};

interface State {
  states: number;
  isInverted: boolean;
}

export const state: Extension<State> = {
  name: 'state',
  isTarget: false,
  needsConntrack: true,
  options: [
    {
      name: 'state',
      argument: 'required',
      isMandatory: true,
      canInvert: true,
      take(data, given) {
        data.states = readBits(given.text, STATES.slice(0, 5), 'state');
        data.isInverted = given.isInverted;
      },
    },
  ],
  create: () => ({ states: 0, isInverted: false }),
  save: (data) => `${bang(data.isInverted)} --state ${bitNames(data.states, STATES)}`,
  list: (data) => `${bang(data.isInverted)} state ${bitNames(data.states, STATES)}`,
  encode(data, into) {
    into.add(Op.CT_STATE, [data.states], data.isInverted ? OpWord.INVERTED : 0);
  },
};
