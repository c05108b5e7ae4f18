/*
 * Matches of one value of the packet or its headers: mac, pkttype, length, ttl, hl, tos, dscp, cpu.
 */
import { Op, OpWord } from '../../../netfilter/ops.js';
import { Family, Hook } from '../../../netfilter/rule.js';
import { read16, read32 } from '../../../wire/field.js';
import type { Extension, Option } from '../extension.js';
import type { Range } from '../given.js';
import { Problem } from '../problem.js';
import { dscpOfClass } from './dscp-classes.js';
import { readTos, tosName } from './tos-names.js';
import { range, mac as readMac } from './values.js';
import { bang, hexBytes, rangeText } from './wording.js';

function macText(mac: Uint8Array): string {
  return Array.from(mac, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

export const mac: Extension<{ mac: Uint8Array; isInverted: boolean }> = {
  name: 'mac',
  isTarget: false,
  hooks: (1 << Hook.PREROUTING) | (1 << Hook.INPUT) | (1 << Hook.FORWARD),
  options: [
    {
      name: 'mac-source',
      argument: 'required',
      isMandatory: true,
      canInvert: true,
      take(data, given) {
        data.mac = readMac(given);
        data.isInverted = given.isInverted;
      },
    },
  ],
  create: () => ({ mac: new Uint8Array(6), isInverted: false }),
  save: (data) => `${bang(data.isInverted)} --mac-source ${macText(data.mac)}`,
  list: (data) => ` MAC${bang(data.isInverted)} ${macText(data.mac)}`,
  encode(data, into) {
    into.add(Op.MAC, [read16(data.mac, 0), read32(data.mac, 2) | 0], data.isInverted ? OpWord.INVERTED : 0);
  },
};

/** PACKET_*, by the name that is printed; the others mean the same. */
const PACKET_TYPES = ['unicast', 'broadcast', 'multicast', 'otherhost'];
const PACKET_TYPE_ALIASES = ['host', 'bcast', 'mcast'];

export const pkttype: Extension<{ type: number; isInverted: boolean }> = {
  name: 'pkttype',
  isTarget: false,
  options: [
    {
      name: 'pkt-type',
      argument: 'required',
      isMandatory: true,
      canInvert: true,
      take(data, given) {
        const name = given.text.toLowerCase();
        data.type = Math.max(PACKET_TYPES.indexOf(name), PACKET_TYPE_ALIASES.indexOf(name));
        data.isInverted = given.isInverted;
        if (data.type < 0) throw new Problem(`Bad packet type '${given.text}'`);
      },
    },
  ],
  create: () => ({ type: 0, isInverted: false }),
  save: (data) => `${bang(data.isInverted)} --pkt-type ${PACKET_TYPES[data.type]}`,
  list: (data) => ` PKTTYPE ${data.isInverted ? '!' : ''}= ${PACKET_TYPES[data.type]}`,
  encode(data, into) {
    into.add(Op.PACKET_TYPE, [data.type], data.isInverted ? OpWord.INVERTED : 0);
  },
};

export const length: Extension<Range & { isInverted: boolean }> = {
  name: 'length',
  isTarget: false,
  options: [
    {
      name: 'length',
      argument: 'required',
      isMandatory: true,
      canInvert: true,
      take(data, given) {
        Object.assign(data, range(given, 0xffff), { isInverted: given.isInverted });
      },
    },
  ],
  create: () => ({ low: 0, high: 0, isInverted: false }),
  save: (data) => `${bang(data.isInverted)} --length ${rangeText(data.low, data.high)}`,
  list: (data) => ` length ${data.isInverted ? '!' : ''}${rangeText(data.low, data.high)}`,
  encode(data, into) {
    into.add(Op.LENGTH, [data.low, data.high], data.isInverted ? OpWord.INVERTED : 0);
  },
};

interface Hops {
  compare: '' | 'eq' | 'ne' | 'lt' | 'gt';
  value: number;
}

const SIGNS = { '': '', eq: '==', ne: '!=', lt: '<', gt: '>' };

function hopsRange({ compare, value }: Hops): [low: number, high: number] {
  if (compare === 'lt') return [0, value - 1];
  return compare === 'gt' ? [value + 1, 255] : [value, value];
}

/** `names`: of --xx-eq. */
function hops(name: 'ttl' | 'hl', family: Family, names: readonly string[], missing: string): Extension<Hops> {
  const compares = ['eq', 'lt', 'gt'] as const;
  const option = (text: string, compare: 'eq' | 'lt' | 'gt'): Option<Hops> => ({
    name: text,
    key: compare,
    argument: 'required',
    canInvert: compare === 'eq',
    excludes: compares.filter((other) => other !== compare).map((other) => `${name}-${other}`),
    take(data, given) {
      data.value = given.u8();
      data.compare = given.isInverted ? 'ne' : compare;
    },
  });
  return {
    name,
    isTarget: false,
    family,
    // In the order in which the real tool complains.
    options: [option(`${name}-lt`, 'lt'), option(`${name}-gt`, 'gt'), ...names.map((one) => option(one, 'eq'))],
    create: () => ({ compare: '', value: 0 }),
    finalCheck(data) {
      if (data.compare === '') throw new Problem(missing);
    },
    save({ compare, value }) {
      return compare === 'ne' ? ` ! --${name}-eq ${value}` : ` --${name}-${compare} ${value}`;
    },
    list({ compare, value }) {
      const label = name.toUpperCase();
      return ` ${label} match ${label} ${SIGNS[compare]} ${value}`;
    },
    encode(data, into) {
      into.add(Op.TTL, hopsRange(data), data.compare === 'ne' ? OpWord.INVERTED : 0);
    },
  };
}

export const ttl = hops(
  'ttl',
  Family.IPV4,
  ['ttl-eq', 'ttl'],
  "TTL match: You must specify one of `--ttl-eq', `--ttl-lt', `--ttl-gt",
);

export const hl = hops(
  'hl',
  Family.IPV6,
  ['hl-eq'],
  "HL match: You must specify one of `--hl-eq', `--hl-lt', `--hl-gt'",
);

export const tos: Extension<{ value: number; mask: number; isInverted: boolean }> = {
  name: 'tos',
  isTarget: false,
  options: [
    {
      name: 'tos',
      argument: 'required',
      isMandatory: true,
      canInvert: true,
      take(data, given) {
        Object.assign(data, readTos(given.text, 0x3f), { isInverted: given.isInverted });
      },
    },
  ],
  create: () => ({ value: 0, mask: 0, isInverted: false }),
  save: (data) => `${bang(data.isInverted)} --tos ${hexBytes(data.value, 2)}/${hexBytes(data.mask, 2)}`,
  list(data, isNumeric) {
    // The blanks are the real tool's.
    const name = isNumeric ? undefined : tosName(data.value, data.mask);
    const value = name === undefined ? `${hexBytes(data.value, 2)}/${hexBytes(data.mask, 2)}` : ` ${name}`;
    return ` tos match${data.isInverted ? '!' : ''}${value}`;
  },
  encode(data, into) {
    into.add(Op.TOS, [data.value, data.mask], data.isInverted ? OpWord.INVERTED : 0);
  },
};

interface Dscp {
  value?: number;
  isInverted: boolean;
}

export const dscp: Extension<Dscp> = {
  name: 'dscp',
  isTarget: false,
  options: [
    {
      name: 'dscp',
      argument: 'required',
      canInvert: true,
      excludes: ['dscp-class'],
      take(data, given) {
        Object.assign(data, { value: given.u8(0, 63), isInverted: given.isInverted });
      },
    },
    {
      name: 'dscp-class',
      argument: 'required',
      canInvert: true,
      excludes: ['dscp'],
      take(data, given) {
        Object.assign(data, { value: dscpOfClass(given.text), isInverted: given.isInverted });
      },
    },
  ],
  create: () => ({ isInverted: false }),
  finalCheck(data) {
    if (data.value === undefined) throw new Problem('DSCP match: Parameter --dscp is required');
  },
  save: (data) => `${bang(data.isInverted)} --dscp ${hexBytes(data.value ?? 0, 2)}`,
  list: (data) => ` DSCP match ${data.isInverted ? '!' : ''}${hexBytes(data.value ?? 0, 2)}`,
  encode(data, into) {
    into.add(Op.TOS, [(data.value ?? 0) << 2, 0xfc], data.isInverted ? OpWord.INVERTED : 0);
  },
};

export const cpu: Extension<{ number: number; isInverted: boolean }> = {
  name: 'cpu',
  isTarget: false,
  options: [
    {
      name: 'cpu',
      argument: 'required',
      isMandatory: true,
      canInvert: true,
      take(data, given) {
        Object.assign(data, { number: given.u32(), isInverted: given.isInverted });
      },
    },
  ],
  create: () => ({ number: 0, isInverted: false }),
  save: (data) => `${bang(data.isInverted)} --cpu ${data.number}`,
  list: (data) => ` cpu${bang(data.isInverted)} ${data.number}`,
  encode(data, into) {
    into.add(Op.CPU, [data.number | 0], data.isInverted ? OpWord.INVERTED : 0);
  },
};
