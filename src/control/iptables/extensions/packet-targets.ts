/*
 * Targets that change more of a packet: TCPOPTSTRIP, HMARK, SNPT, DNPT.
 */
import { HmarkTarget, NptTarget, Extension as TargetNumber } from '../../../netfilter/ops.js';
import { Family, Hook, TableId } from '../../../netfilter/rule.js';
import { type Address, bitsOf, formatAddress, lengthOf, type MaskedAddress, maskOf } from '../addresses.js';
import type { Extension, Option, Use } from '../extension.js';
import type { Given } from '../given.js';
import { hex, readUnsigned } from '../numbers.js';
import { Problem } from '../problem.js';
import { hostMask, prefixLength } from './values.js';
import { fourWords, hexBytes } from './wording.js';

const TCP_OPTIONS: ReadonlyArray<[name: string, number: number]> = [
  ['wscale', 3],
  ['mss', 2],
  ['sack-permitted', 4],
  ['sack', 5],
  ['timestamp', 8],
  ['md5', 19],
];

function readTcpOptions(text: string): number[] {
  const numbers = new Set<number>();
  for (const part of text.split(',')) {
    const number = TCP_OPTIONS.find(([name]) => name === part)?.[1] ?? readUnsigned(part, 255);
    if (number === undefined) throw new Problem(`Bad TCP option value "${part}"`);
    if (number < 2) throw new Problem('Option value may not be 0 or 1');
    if (numbers.has(number)) throw new Problem(`Option "${part}" already specified`);
    numbers.add(number);
  }
  return [...numbers].sort((a, b) => a - b);
}

export const tcpoptstrip: Extension<{ numbers: readonly number[] }> = {
  name: 'TCPOPTSTRIP',
  isTarget: true,
  tables: [TableId.MANGLE],
  protocols: [6],
  options: [
    {
      name: 'strip-options',
      argument: 'required',
      take(data, given) {
        data.numbers = readTcpOptions(given.text);
      },
    },
  ],
  create: () => ({ numbers: [] }),
  save: ({ numbers }) => (numbers.length === 0 ? '' : ` --strip-options ${numbers.join(',')}`),
  list({ numbers }, isNumeric) {
    if (numbers.length === 0) return '';
    const name = (number: number) => (isNumeric ? undefined : TCP_OPTIONS.find(([, one]) => one === number)?.[0]);
    return ` TCPOPTSTRIP options ${numbers.map((number) => name(number) ?? `${number}`).join(',')}`;
  },
  encode({ numbers }, into) {
    const words = new Array<number>(8).fill(0);
    for (const number of numbers) words[number >> 5] |= 1 << (number & 31);
    into.target(TargetNumber.TCPOPTSTRIP, words);
  },
};

/** What of HMARK is said, by its option; the numbers are XT_HMARK_*. */
const PARTS = {
  'src-prefix': 0,
  'dst-prefix': 1,
  spi: 2,
  'spi-mask': 3,
  sport: 4,
  dport: 5,
  'sport-mask': 6,
  'dport-mask': 7,
  'proto-mask': 8,
  rnd: 9,
  mod: 10,
  offset: 11,
  ct: 12,
} as const;
type Part = keyof typeof PARTS;
const METHOD_L3 = 13;
const METHOD_L3_4 = 14;

type Hmark = Partial<Record<Part, number>>;

/** What a word of --hmark-tuple stands for. */
const TUPLE: Record<string, [part: Part, value: (bits: number) => number]> = {
  src: ['src-prefix', (bits) => bits],
  dst: ['dst-prefix', (bits) => bits],
  sport: ['sport-mask', () => 0xffff],
  dport: ['dport-mask', () => 0xffff],
  spi: ['spi-mask', () => 0xffffffff],
  proto: ['proto-mask', () => 0xffff],
  ct: ['ct', () => 1],
};

function put(data: Hmark, part: Part, value: number, given: Given, isTuple: boolean): void {
  if (!isTuple && data[part] !== undefined) {
    throw given.problem(`option "--hmark-${part}" can only be used once.\n`);
  }
  data[part] = value;
}

function hmarkOption(part: Part, read: (given: Given) => number): Option<Hmark> {
  return {
    name: `hmark-${part}`,
    argument: 'required',
    take: (data, given) => put(data, part, read(given), given, false),
  };
}

/** Digits of each number; the rest are decimal. */
const DIGITS: Partial<Record<Part, number>> = {
  'sport-mask': 4,
  'dport-mask': 4,
  'spi-mask': 8,
  sport: 4,
  dport: 4,
  spi: 8,
  'proto-mask': 2,
  rnd: 8,
};
const SAVED: readonly Part[] = [
  'src-prefix',
  'dst-prefix',
  'sport-mask',
  'dport-mask',
  'spi-mask',
  'sport',
  'dport',
  'spi',
  'proto-mask',
  'rnd',
  'mod',
  'offset',
];

function checkHmark(data: Hmark): void {
  if (data.mod === undefined) throw new Problem('--hmark-mod is mandatory');
  if (data.rnd === undefined) throw new Problem('--hmark-rnd is mandatory');
  const { mod, rnd, offset, ...rest } = data;
  if (Object.keys(rest).length === 0) throw new Problem('you have to specify --hmark-tuple at least');
  if (data['spi-mask'] === undefined || (data['sport-mask'] === undefined && data['dport-mask'] === undefined)) return;
  throw new Problem('you cannot use --hmark-spi-mask and --hmark-?port-mask,at the same time');
}

function prefixText(length: number, use: Use): string {
  // Of IPv6 the real tool writes all ones as nothing.
  return use.family === Family.IPV6 && length === 128 ? '' : `${length}`;
}

function listHmark(data: Hmark, use: Use): string {
  let text = ` HMARK mod ${data.mod} `;
  if (data.offset !== undefined) text += `+ ${hex(data.offset)} `;
  if (data.ct !== undefined) text += 'ct, ';
  for (const part of SAVED) {
    const value = data[part];
    if (value === undefined || part === 'mod' || part === 'offset') continue;
    text += `${part} ${part.endsWith('prefix') ? prefixText(value, use) : hex(value)} `;
  }
  return text;
}

function hmarkWords(data: Hmark, family: Family): number[] {
  const words = new Array<number>(HmarkTarget.WORDS).fill(0);
  const bits = bitsOf(family);
  const both = (one?: number, other?: number) => ((one ?? 0) << 16) | (other ?? 0);
  for (const [part, number] of Object.entries(PARTS)) {
    if (data[part as Part] !== undefined) words[HmarkTarget.FLAGS] |= 1 << number;
  }
  const layer4: readonly Part[] = ['spi', 'spi-mask', 'sport', 'dport', 'sport-mask', 'dport-mask', 'proto-mask'];
  const isLayer4 = layer4.some((part) => data[part] !== undefined);
  words[HmarkTarget.FLAGS] |= 1 << (isLayer4 ? METHOD_L3_4 : METHOD_L3);
  const source = fourWords(maskOf(data['src-prefix'] ?? bits, family));
  const destination = fourWords(maskOf(data['dst-prefix'] ?? bits, family));
  words.splice(HmarkTarget.SOURCE_MASK, 8, ...source, ...destination);
  words[HmarkTarget.PORT_MASK] = data['spi-mask'] ?? both(data['sport-mask'], data['dport-mask']);
  words[HmarkTarget.PORT_SET] = data.spi ?? both(data.sport, data.dport);
  words[HmarkTarget.PROTOCOL_MASK] = data['proto-mask'] ?? 0;
  words[HmarkTarget.RANDOM] = data.rnd ?? 0;
  words[HmarkTarget.MODULUS] = data.mod ?? 1;
  words[HmarkTarget.OFFSET] = data.offset ?? 0;
  return words.map((word) => word | 0);
}

export const hmark: Extension<Hmark> = {
  name: 'HMARK',
  isTarget: true,
  options: [
    {
      name: 'hmark-tuple',
      argument: 'required',
      take(data, given) {
        for (const word of given.text.split(',')) {
          const known = TUPLE[word];
          if (known === undefined) throw new Problem(`Bad type "${word}"`);
          put(data, known[0], known[1](bitsOf(given.use.family)), given, true);
        }
      },
    },
    hmarkOption('src-prefix', prefixLength),
    hmarkOption('dst-prefix', prefixLength),
    hmarkOption('sport-mask', (given) => given.u16()),
    hmarkOption('dport-mask', (given) => given.u16()),
    hmarkOption('spi-mask', (given) => given.u32()),
    hmarkOption('sport', (given) => given.u16()),
    hmarkOption('dport', (given) => given.u16()),
    hmarkOption('spi', (given) => given.u32()),
    hmarkOption('proto-mask', (given) => given.u16()),
    hmarkOption('rnd', (given) => given.u32()),
    hmarkOption('mod', (given) => given.u32(1)),
    hmarkOption('offset', (given) => given.u32()),
  ],
  create: () => ({}),
  finalCheck: checkHmark,
  save(data) {
    const text = SAVED.map((part) => {
      const value = data[part];
      if (value === undefined) return '';
      const digits = DIGITS[part];
      return ` --hmark-${part} ${digits === undefined ? value : hexBytes(value, digits)}`;
    });
    return text.join('') + (data.ct === undefined ? '' : ' --hmark-tuple ct');
  },
  list: (data, _isNumeric, use) => listHmark(data, use),
  encode: (data, into) => into.target(TargetNumber.HMARK, hmarkWords(data, into.family)),
};

interface Npt {
  source: MaskedAddress;
  destination: MaskedAddress;
}

/** Bits of the longest prefix that can be mapped. */
const LONGEST_PREFIX = 64;

function isPrefix({ address, mask }: MaskedAddress): boolean {
  return (lengthOf(mask) ?? 128) <= LONGEST_PREFIX && address.every((word, i) => (word & ~mask[i]) === 0);
}

function nptText({ source, destination }: Npt, dashes: string): string {
  const prefix = ({ address, mask }: MaskedAddress) => `${formatAddress(address)}/${lengthOf(mask)}`;
  return ` ${dashes}src-pfx ${prefix(source)} ${dashes}dst-pfx ${prefix(destination)}`;
}

const UNSET: MaskedAddress = { address: [0, 0, 0, 0], mask: [0, 0, 0, 0] };

function nptTarget(name: 'SNPT' | 'DNPT', target: TargetNumber, hooks: number): Extension<Npt> {
  const option = (text: string, side: 'source' | 'destination'): Option<Npt> => ({
    name: text,
    argument: 'required',
    isMandatory: true,
    take(data, given) {
      data[side] = hostMask(given);
    },
  });
  return {
    name,
    isTarget: true,
    family: Family.IPV6,
    tables: [TableId.MANGLE],
    hooks,
    options: [option('src-pfx', 'source'), option('dst-pfx', 'destination')],
    create: () => ({ source: UNSET, destination: UNSET }),
    check: ({ source, destination }) => (isPrefix(source) && isPrefix(destination) ? undefined : 'EINVAL'),
    save: (data) => nptText(data, '--'),
    list: (data) => ` ${name}${nptText(data, '')}`,
    encode({ source, destination }, into) {
      const words = new Array<number>(NptTarget.WORDS).fill(0);
      const place = (at: number, address: Address) => words.splice(at, 4, ...fourWords(address));
      place(NptTarget.SOURCE, source.address);
      place(NptTarget.DESTINATION, destination.address);
      words[NptTarget.SOURCE_LENGTH] = lengthOf(source.mask) ?? 0;
      words[NptTarget.DESTINATION_LENGTH] = lengthOf(destination.mask) ?? 0;
      into.target(target, words);
    },
  };
}

export const snpt = nptTarget('SNPT', TargetNumber.SNPT, (1 << Hook.INPUT) | (1 << Hook.POSTROUTING));
export const dnpt = nptTarget('DNPT', TargetNumber.DNPT, (1 << Hook.PREROUTING) | (1 << Hook.OUTPUT));
