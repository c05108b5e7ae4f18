/*
 * -m srh: the segment routing header of IPv6. It is read and printed; packets with one are not looked into here.
 */
import { Family } from '../../../netfilter/rule.js';
import { formatAddress, lengthOf, type MaskedAddress } from '../addresses.js';
import type { Extension, Option } from '../extension.js';
import { hostMask } from './values.js';
import { bang } from './wording.js';

/** Numbers of a field that the real tool keeps in one place: of two comparisons both have the later one's. */
const NUMBERS: ReadonlyArray<[field: string, high: number, suffixes: readonly string[]]> = [
  ['next-hdr', 255, ['']],
  ['hdr-len', 255, ['-eq', '-gt', '-lt']],
  ['segs-left', 255, ['-eq', '-gt', '-lt']],
  ['last-entry', 255, ['-eq', '-gt', '-lt']],
  ['tag', 65_535, ['']],
];
const SEGMENTS = ['psid', 'nsid', 'lsid'];

interface Srh {
  numbers: Map<string, number>;
  segments: Map<string, MaskedAddress>;
  /** Options that were given, and whether inverted. */
  asked: Map<string, boolean>;
}

function numberOption(field: string, suffix: string, high: number): Option<Srh> {
  return {
    name: `srh-${field}${suffix}`,
    argument: 'required',
    canInvert: true,
    take(data, given) {
      data.numbers.set(field, given.unsigned(0, high));
      data.asked.set(`${field}${suffix}`, given.isInverted);
    },
  };
}

function segmentOption(name: string): Option<Srh> {
  return {
    name: `srh-${name}`,
    argument: 'required',
    canInvert: true,
    take(data, given) {
      const { address, mask } = hostMask(given);
      data.segments.set(name, { address: address.map((word, i) => word & mask[i]), mask });
      data.asked.set(name, given.isInverted);
    },
  };
}

function segmentText({ address, mask }: MaskedAddress): string {
  return `${formatAddress(address)}/${lengthOf(mask) ?? 128}`;
}

/** Of each option that was given, in the order of the header's fields. */
function texts(data: Srh, text: (name: string, isInverted: boolean, value: string, isSegment: boolean) => string) {
  let all = '';
  for (const [field, , suffixes] of NUMBERS) {
    for (const name of suffixes.map((suffix) => field + suffix)) {
      const isInverted = data.asked.get(name);
      if (isInverted !== undefined) all += text(name, isInverted, `${data.numbers.get(field)}`, false);
    }
  }
  for (const name of SEGMENTS) {
    const segment = data.segments.get(name);
    if (segment !== undefined) all += text(name, data.asked.get(name) === true, segmentText(segment), true);
  }
  return all;
}

export const srh: Extension<Srh> = {
  name: 'srh',
  isTarget: false,
  family: Family.IPV6,
  options: [
    ...NUMBERS.flatMap(([field, high, suffixes]) => suffixes.map((suffix) => numberOption(field, suffix, high))),
    ...SEGMENTS.map(segmentOption),
  ],
  create: () => ({ numbers: new Map(), segments: new Map(), asked: new Map() }),
  lacking: () => 'segment routing headers are not looked into here',
  save: (data) => texts(data, (name, isInverted, value) => `${bang(isInverted)} --srh-${name} ${value}`),
  list(data) {
    const item = (name: string, isInverted: boolean, value: string, isSegment: boolean): string => {
      if (isSegment) return ` ${name} ${isInverted ? '!' : ''} ${value}`;
      return ` ${name}:${isInverted ? '!' : ''}${value}`;
    };
    return ` srh${texts(data, item)}`;
  },
  encode() {},
};
