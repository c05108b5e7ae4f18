/*
 * -m iprange: addresses from one to another.
 */
import { IprangeOp, Op } from '../../../netfilter/ops.js';
import { type Address, formatAddress, readAddress } from '../addresses.js';
import type { Extension, Option } from '../extension.js';
import type { Given } from '../given.js';
import { Problem } from '../problem.js';
import { bang, fourWords } from './wording.js';

interface Addresses {
  first: Address;
  last: Address;
  isInverted: boolean;
}

interface Iprange {
  source?: Addresses;
  destination?: Addresses;
}

function readOne(given: Given, text: string): Address {
  const isWhole = given.use.family !== 0 || /^\d+\.\d+\.\d+\.\d+$/.test(text);
  const address = isWhole ? readAddress(text, given.use.family) : undefined;
  if (address !== undefined) return address;
  throw given.problem(`Bad value for "--${given.option}" option: "${text}"`);
}

function isAbove(one: Address, other: Address): boolean {
  const at = one.findIndex((word, i) => word !== other[i]);
  return at >= 0 && one[at] >>> 0 > other[at] >>> 0;
}

function read(given: Given): Addresses {
  const dash = given.text.indexOf('-');
  const first = readOne(given, dash < 0 ? given.text : given.text.slice(0, dash));
  const last = dash < 0 ? first : readOne(given, given.text.slice(dash + 1));
  if (isAbove(first, last)) {
    given.use.warn(`xt_iprange: range ${formatAddress(first)}-${formatAddress(last)} is reversed and will never match`);
  }
  return { first, last, isInverted: given.isInverted };
}

function option(name: string, put: (data: Iprange, addresses: Addresses) => void): Option<Iprange> {
  return { name, argument: 'required', canInvert: true, take: (data, given) => put(data, read(given)) };
}

function rangeText({ first, last }: Addresses): string {
  return `${formatAddress(first)}-${formatAddress(last)}`;
}

function words(addresses?: Addresses): number[] {
  if (addresses === undefined) return [0, 0, 0, 0, 0, 0, 0, 0];
  return [...fourWords(addresses.first), ...fourWords(addresses.last)];
}

export const iprange: Extension<Iprange> = {
  name: 'iprange',
  isTarget: false,
  options: [
    option('src-range', (data, addresses) => {
      data.source = addresses;
    }),
    option('dst-range', (data, addresses) => {
      data.destination = addresses;
    }),
  ],
  create: () => ({}),
  finalCheck({ source, destination }) {
    if (source !== undefined || destination !== undefined) return;
    throw new Problem("iprange match: You must specify `--src-range' or `--dst-range'");
  },
  save({ source, destination }) {
    const part = (name: string, it?: Addresses) =>
      it === undefined ? '' : `${bang(it.isInverted)} --${name} ${rangeText(it)}`;
    return part('src-range', source) + part('dst-range', destination);
  },
  list({ source, destination }) {
    const part = (name: string, it?: Addresses) =>
      it === undefined ? '' : ` ${name} IP range${bang(it.isInverted)} ${rangeText(it)}`;
    return part('source', source) + part('destination', destination);
  },
  encode({ source, destination }, into) {
    const flags =
      (source === undefined ? 0 : IprangeOp.SOURCE) |
      (destination === undefined ? 0 : IprangeOp.DESTINATION) |
      (source?.isInverted ? IprangeOp.NOT_SOURCE : 0) |
      (destination?.isInverted ? IprangeOp.NOT_DESTINATION : 0);
    into.add(Op.IPRANGE, [...words(source), ...words(destination)], flags);
  },
};
