/*
 * -m tcp: ports, flags, an option. It checks its options itself.
 */
import { Op, OpWord } from '../../../netfilter/ops.js';
import type { Extension, Option, Use } from '../extension.js';
import type { Given } from '../given.js';
import { readUnsigned } from '../numbers.js';
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
import { strictPort } from './values.js';

const TCP = 6;

const FLAGS: ReadonlyArray<[string, number]> = [
  ['FIN', 1],
  ['SYN', 2],
  ['RST', 4],
  ['PSH', 8],
  ['ACK', 16],
  ['URG', 32],
];
const SYN_MASK = 1 | 2 | 4 | 16;

interface Tcp {
  source?: Ports;
  destination?: Ports;
  flags?: { mask: number; compare: number; isInverted: boolean };
  option?: { number: number; isInverted: boolean };
}

/** PORT, LOW:, :HIGH or LOW:HIGH. */
export function readStrictPorts(given: Given, protocol: string): Ports {
  const colon = given.text.indexOf(':');
  const [before, after] = colon < 0 ? [given.text] : [given.text.slice(0, colon), given.text.slice(colon + 1)];
  const low = before === '' && after !== undefined ? 0 : strictPort(before, protocol);
  const high = after === undefined ? low : after === '' ? 0xffff : strictPort(after, protocol);
  if (low > high) throw new Problem('invalid portrange (min > max)');
  return { low, high, isInverted: given.isInverted };
}

function readFlags(text: string): number {
  let flags = 0;
  for (const name of text.split(',').filter(Boolean)) {
    const upper = name.toUpperCase();
    const flag = upper === 'ALL' ? 63 : upper === 'NONE' ? 0 : FLAGS.find(([known]) => known === upper)?.[1];
    if (flag === undefined) throw new Problem(`Unknown TCP flag \`${name}'`);
    flags |= flag;
  }
  return flags;
}

function flagNames(flags: number): string {
  const names = FLAGS.filter(([, flag]) => (flags & flag) !== 0).map(([name]) => name);
  return names.length === 0 ? 'NONE' : names.join(',');
}

function hexFlags(flags: number): string {
  return `0x${flags.toString(16).toUpperCase().padStart(2, '0')}`;
}

function takeFlags(data: Tcp, mask: number, compare: number, isInverted: boolean): void {
  data.flags = { mask, compare, isInverted };
}

function onlyOneFlags(data: Tcp): void {
  if (data.flags !== undefined) throw new Problem("Only one of `--syn' or `--tcp-flags'  allowed");
}

function source(name: string): Option<Tcp> {
  return {
    name,
    key: 'source-port',
    argument: 'required',
    canInvert: true,
    take(data, given) {
      if (data.source !== undefined) throw new Problem("Only one `--source-port' allowed");
      data.source = readStrictPorts(given, 'tcp');
    },
  };
}

function destination(name: string): Option<Tcp> {
  return {
    name,
    key: 'destination-port',
    argument: 'required',
    canInvert: true,
    take(data, given) {
      if (data.destination !== undefined) throw new Problem("Only one `--destination-port' allowed");
      data.destination = readStrictPorts(given, 'tcp');
    },
  };
}

function hasFlags(data: Tcp): boolean {
  return data.flags !== undefined && (data.flags.mask | data.flags.compare) !== 0;
}

/** Whether the real tool makes instructions of its own of it, which look at the protocol another way. */
function isNative(data: Tcp): boolean {
  return data.option === undefined && (data.source ?? data.destination ?? data.flags) !== undefined;
}

export const tcp: Extension<Tcp> = {
  name: 'tcp',
  isTarget: false,
  isFree: true,
  options: [
    source('source-port'),
    source('sport'),
    destination('destination-port'),
    destination('dport'),
    {
      name: 'syn',
      canInvert: true,
      take(data, given) {
        onlyOneFlags(data);
        takeFlags(data, SYN_MASK, 2, given.isInverted);
      },
    },
    {
      name: 'tcp-flags',
      argument: 'required',
      canInvert: true,
      take(data, given) {
        onlyOneFlags(data);
        const compare = given.next();
        if (compare === undefined) throw new Problem('--tcp-flags requires two args.');
        takeFlags(data, readFlags(given.text), readFlags(compare), given.isInverted);
      },
    },
    {
      name: 'tcp-option',
      argument: 'required',
      canInvert: true,
      take(data, given) {
        if (data.option !== undefined) throw new Problem("Only one `--tcp-option' allowed");
        const number = readUnsigned(given.text, 255);
        if (number === undefined || number === 0) throw new Problem(`Bad TCP option "${given.text}"`);
        data.option = { number, isInverted: given.isInverted };
      },
    },
  ],
  create: () => ({}),
  readPlain: readPlainPorts,
  stored(data) {
    const { flags, source, destination } = data;
    if (!isNative(data)) return data;
    const isNoFlag = flags?.mask === 0;
    const kept = storedPorts(data);
    if (isNoFlag) delete kept.flags;
    const isLess =
      isForgotten(source) || isForgotten(destination) || (isNoFlag && (flags.isInverted || flags.compare !== 0));
    const isEmpty = kept.flags === undefined && saysNothing(kept.source) && saysNothing(kept.destination);
    return isLess && isEmpty ? undefined : kept;
  },
  joined(first, second) {
    if (!isNative(first) || !isNative(second) || (first.flags !== undefined && second.flags !== undefined))
      return undefined;
    return hasSamePort(first, second) ? undefined : { ...first, ...second };
  },
  finalCheck(data, use) {
    if (isNative(data) && use.protocol !== TCP) throw new Problem("TCP match requires '-p tcp'");
  },
  check: (data, use) => (isNative(data) ? undefined : protocolCheck(use, TCP)),
  save(data) {
    const { option, flags } = data;
    return (
      savePorts('sport', data.source ?? anyPorts()) +
      savePorts('dport', data.destination ?? anyPorts()) +
      (option === undefined ? '' : `${option.isInverted ? ' !' : ''} --tcp-option ${option.number}`) +
      (flags === undefined || !hasFlags(data)
        ? ''
        : `${flags.isInverted ? ' !' : ''} --tcp-flags ${flagNames(flags.mask)} ${flagNames(flags.compare)}`)
    );
  },
  list(data, isNumeric) {
    const { option, flags } = data;
    const format = isNumeric ? hexFlags : flagNames;
    return (
      ` tcp${listPorts('spt', data.source ?? anyPorts(), 'tcp', isNumeric)}` +
      listPorts('dpt', data.destination ?? anyPorts(), 'tcp', isNumeric) +
      (option === undefined ? '' : ` option=${option.isInverted ? '!' : ''}${option.number}`) +
      (flags === undefined || !hasFlags(data)
        ? ''
        : ` flags:${flags.isInverted ? '!' : ''}${format(flags.mask)}/${format(flags.compare)}`)
    );
  },
  encode(data, into, use) {
    encodePorts(data.source ?? anyPorts(), data.destination ?? anyPorts(), into, use);
    const { option, flags } = data;
    if (flags !== undefined && hasFlags(data)) {
      into.add(Op.TCP_FLAGS, [flags.mask, flags.compare], flags.isInverted ? OpWord.INVERTED : 0);
    }
    if (option !== undefined) into.add(Op.TCP_OPTION, [option.number], option.isInverted ? OpWord.INVERTED : 0);
  },
};

/** The kernel wants -p PROTOCOL in front of its matches. */
export function protocolCheck(use: Use, protocol: number): string | undefined {
  return use.protocol === protocol && !use.isNotProtocol ? undefined : 'EINVAL';
}
