/*
 * -m addrtype: what the routing tables make of an address.
 */
import { AddressTypeOp, Op } from '../../../netfilter/ops.js';
import { Family } from '../../../netfilter/rule.js';
import type { Extension, Option, Use } from '../extension.js';
import { Problem } from '../problem.js';
import { bang } from './wording.js';

/** In the order of RTN_*. */
const TYPES = [
  'UNSPEC',
  'UNICAST',
  'LOCAL',
  'BROADCAST',
  'ANYCAST',
  'MULTICAST',
  'BLACKHOLE',
  'UNREACHABLE',
  'PROHIBIT',
  'THROW',
  'NAT',
  'XRESOLVE',
];
/** IPv6 has no broadcast and no blackhole, and nothing from PROHIBIT on. */
const NOT_OF_IPV6 = (1 << 3) | (1 << 6) | (0xf << 8);

interface Types {
  bits: number;
  isInverted: boolean;
}

interface AddressType {
  source?: Types;
  destination?: Types;
  limit: '' | 'in' | 'out';
}

function readTypes(text: string): number {
  let bits = 0;
  let rest = text;
  for (;;) {
    const comma = rest.indexOf(',');
    const name = comma < 0 ? rest : rest.slice(0, comma);
    // The start of a name will do.
    const type = name === '' ? -1 : TYPES.findIndex((known) => known.startsWith(name.toUpperCase()));
    if (type < 0) throw new Problem(comma < 0 ? `addrtype: bad type "${rest}"` : `addrtype: bad type \`${rest}'`);
    bits |= 1 << type;
    if (comma < 0) return bits;
    rest = rest.slice(comma + 1);
  }
}

function typeNames(bits: number): string {
  return TYPES.filter((_, type) => (bits & (1 << type)) !== 0).join(',');
}

function typeOption(name: string, put: (data: AddressType, types: Types) => void): Option<AddressType> {
  return {
    name,
    argument: 'required',
    canInvert: true,
    take: (data, given) => put(data, { bits: readTypes(given.text), isInverted: given.isInverted }),
  };
}

function limitOption(side: 'in' | 'out', other: string): Option<AddressType> {
  return {
    name: `limit-iface-${side}`,
    excludes: [`limit-iface-${other}`],
    take(data) {
      data.limit = side;
    },
  };
}

/** Where there is no link to limit it to. */
const WITHOUT = { '': [''], in: ['OUTPUT', 'POSTROUTING'], out: ['PREROUTING', 'INPUT'] };

function check(data: AddressType, use: Use): string | undefined {
  const all = (data.source?.bits ?? 0) | (data.destination?.bits ?? 0);
  const isBad = use.family === Family.IPV6 && (all & NOT_OF_IPV6) !== 0;
  return isBad || WITHOUT[data.limit].includes(use.chain) ? 'EINVAL' : undefined;
}

export const addrtype: Extension<AddressType> = {
  name: 'addrtype',
  isTarget: false,
  options: [
    typeOption('src-type', (data, types) => {
      data.source = types;
    }),
    typeOption('dst-type', (data, types) => {
      data.destination = types;
    }),
    limitOption('in', 'out'),
    limitOption('out', 'in'),
  ],
  create: () => ({ limit: '' }),
  finalCheck(data) {
    if (data.source !== undefined || data.destination !== undefined) return;
    throw new Problem('addrtype: you must specify --src-type or --dst-type');
  },
  check,
  save({ source, destination, limit }) {
    const from = source === undefined ? '' : `${bang(source.isInverted)} --src-type ${typeNames(source.bits)}`;
    const to =
      destination === undefined ? '' : `${bang(destination.isInverted)} --dst-type ${typeNames(destination.bits)}`;
    return from + to + (limit === '' ? '' : ` --limit-iface-${limit}`);
  },
  list({ source, destination, limit }) {
    const part = (label: string, types?: Types) =>
      types === undefined ? '' : ` ${label} ${types.isInverted ? '!' : ''}${typeNames(types.bits)}`;
    const on = limit === '' ? '' : ` limit-${limit}`;
    return ` ADDRTYPE match${part('src-type', source)}${part('dst-type', destination)}${on}`;
  },
  encode({ source, destination, limit }, into) {
    const flags =
      (source?.isInverted ? AddressTypeOp.NOT_SOURCE : 0) |
      (destination?.isInverted ? AddressTypeOp.NOT_DESTINATION : 0) |
      (limit === 'in' ? AddressTypeOp.LIMIT_IN : 0) |
      (limit === 'out' ? AddressTypeOp.LIMIT_OUT : 0);
    into.add(Op.ADDRESS_TYPE, [source?.bits ?? 0, destination?.bits ?? 0], flags);
  },
};
