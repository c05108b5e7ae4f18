/*
 * -m udp and -m dccp.
 */
import { Op, OpWord } from '../../../netfilter/ops.js';
import type { Extension, Option } from '../extension.js';
import { Problem } from '../problem.js';
import {
  anyPorts,
  encodePorts,
  hasSamePort,
  isForgotten,
  listPorts,
  type Ports,
  readPlainPorts,
  savePorts,
  saysNothing,
  storedPorts,
} from './ports.js';
import { protocolCheck } from './tcp.js';
import { portRange } from './values.js';
import { bang } from './wording.js';

const UDP = 17;
const DCCP = 33;

interface BothPorts {
  source?: Ports;
  destination?: Ports;
}

function source(name: string): Option<BothPorts> {
  return {
    name,
    key: 'source-port',
    argument: 'required',
    canInvert: true,
    take(data, given) {
      data.source = { ...portRange(given), isInverted: given.isInverted };
    },
  };
}

function destination(name: string): Option<BothPorts> {
  return {
    name,
    key: 'destination-port',
    argument: 'required',
    canInvert: true,
    take(data, given) {
      data.destination = { ...portRange(given), isInverted: given.isInverted };
    },
  };
}

const PORTS = [source('source-port'), source('sport'), destination('destination-port'), destination('dport')];

function save(data: BothPorts): string {
  return savePorts('sport', data.source ?? anyPorts()) + savePorts('dport', data.destination ?? anyPorts());
}

function list(data: BothPorts, protocol: string, isNumeric: boolean): string {
  const from = listPorts('spt', data.source ?? anyPorts(), protocol, isNumeric);
  return ` ${protocol}${from}${listPorts('dpt', data.destination ?? anyPorts(), protocol, isNumeric)}`;
}

function isNative(data: BothPorts): boolean {
  return (data.source ?? data.destination) !== undefined;
}

export const udp: Extension<BothPorts> = {
  name: 'udp',
  isTarget: false,
  options: PORTS,
  create: () => ({}),
  readPlain: readPlainPorts,
  stored(data) {
    const kept = storedPorts(data);
    if (!isForgotten(data.source) && !isForgotten(data.destination)) return kept;
    return saysNothing(kept.source) && saysNothing(kept.destination) ? undefined : kept;
  },
  joined: (first, second) =>
    isNative(first) && isNative(second) && !hasSamePort(first, second) ? { ...first, ...second } : undefined,
  finalCheck(data, use) {
    if (isNative(data) && use.protocol !== UDP) throw new Problem("UDP match requires '-p udp'");
  },
  check: (data, use) => (isNative(data) ? undefined : protocolCheck(use, UDP)),
  save,
  list: (data, isNumeric) => list(data, 'udp', isNumeric),
  encode(data, into, use) {
    encodePorts(data.source ?? anyPorts(), data.destination ?? anyPorts(), into, use);
  },
};

const TYPES = ['REQUEST', 'RESPONSE', 'DATA', 'ACK', 'DATAACK', 'CLOSEREQ', 'CLOSE', 'RESET', 'SYNC', 'SYNCACK'];
/** INVALID: all numbers without a meaning. */
const INVALID = 0xfc00;

interface Dccp extends BothPorts {
  types?: { bits: number; isInverted: boolean };
  option?: { number: number; isInverted: boolean };
}

function readTypes(text: string): number {
  let bits = 0;
  for (const name of text.split(',').filter(Boolean)) {
    const type = TYPES.indexOf(name.toUpperCase());
    if (type < 0 && name.toUpperCase() !== 'INVALID') throw new Problem(`Unknown DCCP type \`${name}'`);
    bits |= type < 0 ? INVALID : 1 << type;
  }
  return bits;
}

function typeNames(bits: number, isNumeric: boolean): string {
  const numbers = Array.from({ length: 16 }, (_, type) => type).filter((type) => (bits & (1 << type)) !== 0);
  if (isNumeric) return numbers.join(',');
  return [...new Set(numbers.map((type) => TYPES[type] ?? 'INVALID'))].join(',');
}

export const dccp: Extension<Dccp> = {
  name: 'dccp',
  isTarget: false,
  options: [
    ...PORTS,
    {
      name: 'dccp-types',
      argument: 'required',
      canInvert: true,
      take(data, given) {
        data.types = { bits: readTypes(given.text), isInverted: given.isInverted };
      },
    },
    {
      name: 'dccp-option',
      argument: 'required',
      canInvert: true,
      take(data, given) {
        data.option = { number: given.unsigned(1, 255), isInverted: given.isInverted };
      },
    },
  ],
  create: () => ({}),
  protocols: [DCCP],
  save({ source, destination, types, option }) {
    return (
      (source === undefined ? '' : savePorts('sport', source, true)) +
      (destination === undefined ? '' : savePorts('dport', destination, true)) +
      (types === undefined ? '' : `${bang(types.isInverted)} --dccp-types ${typeNames(types.bits, false)}`) +
      (option === undefined ? '' : `${bang(option.isInverted)} --dccp-option ${option.number}`)
    );
  },
  list(data, isNumeric) {
    const { types, option } = data;
    return (
      list(data, 'dccp', isNumeric) +
      (types === undefined ? '' : `${bang(types.isInverted)} ${typeNames(types.bits, isNumeric)}`) +
      (option === undefined ? '' : ` option=${option.isInverted ? '!' : ''}${option.number}`)
    );
  },
  encode(data, into, use) {
    encodePorts(data.source ?? anyPorts(), data.destination ?? anyPorts(), into, use);
    const { types, option } = data;
    if (types !== undefined) into.add(Op.DCCP_TYPES, [types.bits], types.isInverted ? OpWord.INVERTED : 0);
    if (option !== undefined) into.add(Op.DCCP_OPTION, [option.number], option.isInverted ? OpWord.INVERTED : 0);
  },
};
