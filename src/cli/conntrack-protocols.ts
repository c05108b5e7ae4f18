/*
 * What `conntrack` takes behind -p: options of each protocol, which of them a command needs or refuses, and what they mean.
 */
import { existsSync, readFileSync } from 'node:fs';
import { type FlowEnd, SCTP_STATES, TCP_STATES } from '../control/api/conntrack.js';
import { wrongWords } from './conntrack-problem.js';

export type CommandLetter = 'L' | 'I' | 'A' | 'U' | 'D' | 'G' | 'F' | 'E' | 'C' | 'S' | 'V' | 'h';

/** What a value sets: of the original or of the reply tuple, or the state. */
export type Field =
  | 'sport'
  | 'dport'
  | 'reply_sport'
  | 'reply_dport'
  | 'type'
  | 'code'
  | 'id'
  | 'state'
  | 'orig_vtag'
  | 'reply_vtag'
  | 'role'
  | 'none';

export interface ProtocolOption {
  /** The first one is what complaints call it. */
  names: readonly string[];
  field: Field;
  /** Commands that cannot do without it, and those that do not take it. */
  needed: string;
  illegal: string;
}

/** Pairs that must be complete for -I and -G: the words of the complaints. */
interface Pair {
  original: [string, string];
  reply: [string, string];
}

export interface Protocol {
  name: string;
  number: number;
  options: readonly ProtocolOption[];
  pair?: Pair;
  states?: readonly string[];
}

const NOT_MADE = 'LUDGEIA';

function option(names: string, field: Field, needed = '', illegal = ''): ProtocolOption {
  return { names: names.split(' '), field, needed, illegal };
}

const PORTS: readonly ProtocolOption[] = [
  option('sport orig-port-src', 'sport'),
  option('dport orig-port-dst', 'dport'),
  option('reply-port-src', 'reply_sport'),
  option('reply-port-dst', 'reply_dport'),
  option('mask-port-src', 'none', '', NOT_MADE),
  option('mask-port-dst', 'none', '', NOT_MADE),
];
const TUPLE_PORTS: readonly ProtocolOption[] = [
  option('tuple-port-src', 'none', '', NOT_MADE),
  option('tuple-port-dst', 'none', '', NOT_MADE),
];
const STATE = option('state', 'state', 'IA');

const PORT_PAIR: Pair = { original: ['--sport', '--dport'], reply: ['--reply-src-port', '--reply-dst-port'] };

function icmp(name: string, number: number): Protocol {
  return {
    name,
    number,
    options: [option(`${name}-type`, 'type', 'IAG'), option(`${name}-code`, 'code', 'IAG'), option(`${name}-id`, 'id')],
  };
}

function datagrams(name: string, number: number): Protocol {
  return { name, number, options: [...PORTS, ...TUPLE_PORTS], pair: PORT_PAIR };
}

const PROTOCOLS: readonly Protocol[] = [
  {
    name: 'tcp',
    number: 6,
    options: [...PORTS, STATE, ...TUPLE_PORTS],
    pair: PORT_PAIR,
    states: TCP_STATES,
  },
  datagrams('udp', 17),
  datagrams('udplite', 136),
  {
    name: 'sctp',
    number: 132,
    options: [
      ...PORTS,
      STATE,
      ...TUPLE_PORTS,
      option('orig-vtag', 'orig_vtag', 'IA', 'LUDE'),
      option('reply-vtag', 'reply_vtag', 'IA', 'LUDE'),
    ],
    pair: PORT_PAIR,
    states: SCTP_STATES,
  },
  {
    name: 'dccp',
    number: 33,
    options: [...PORTS, STATE, ...TUPLE_PORTS, option('role', 'role', 'IA', 'LUDGE')],
    pair: { original: PORT_PAIR.original, reply: ['--reply-port-src', '--report-port-dst'] },
    states: ['NONE', 'REQUEST', 'RESPOND', 'PARTOPEN', 'OPEN', 'CLOSEREQ', 'CLOSING', 'TIMEWAIT'],
  },
  icmp('icmp', 1),
  icmp('icmpv6', 58),
  {
    name: 'gre',
    number: 47,
    options: [
      option('srckey orig-key-src', 'sport'),
      option('dstkey orig-key-dst', 'dport'),
      option('reply-key-src', 'reply_sport'),
      option('reply-key-dst', 'reply_dport'),
      option('mask-key-src', 'none', '', NOT_MADE),
      option('mask-key-dst', 'none', '', NOT_MADE),
      option('tuple-key-src', 'none', '', NOT_MADE),
      option('tuple-key-dst', 'none', '', NOT_MADE),
    ],
    pair: { original: ['--srckey', '--dstkey'], reply: ['--reply-src-key', '--reply-dst-key'] },
  },
];

const FILE = '/etc/protocols';

/** Names and numbers of protocols that have no options, as the machine knows them. */
function listed(): Array<{ name: string; number: number }> {
  if (!existsSync(FILE)) return [];
  return readFileSync(FILE, 'utf8')
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim().split(/\s+/))
    .filter(([, number]) => number !== undefined && /^\d+$/.test(number))
    .map(([name, number]) => ({ name, number: Number(number) }));
}

/** A protocol by its name or number. */
export function findProtocol(text: string): Protocol {
  const isNumber = /^\d+$/.test(text);
  const number = Number(text);
  const known = PROTOCOLS.find((one) => (isNumber ? one.number === number : one.name === text.toLowerCase()));
  if (known !== undefined) return known;
  const other = listed().find((one) => (isNumber ? one.number === number : one.name === text));
  const without = { options: [] };
  if (other !== undefined) return { ...other, ...without };
  if (isNumber && number <= 255) return { name: text, number, ...without };
  throw wrongWords(
    `\`${text}' unsupported protocol`,
    '-p',
    `there is no protocol "${text}"`,
    'write a name or a number',
  );
}

/** Values of a protocol's options, by field. */
export type ProtocolValues = Partial<Record<Field, string>>;

/** Which of its options a command needs or refuses. */
export function checkProtocol(protocol: Protocol, given: ReadonlySet<ProtocolOption>, command: CommandLetter): void {
  for (const one of protocol.options) {
    if (!given.has(one) && one.needed.includes(command)) throw missing(one.names[0]);
    if (given.has(one) && one.illegal.includes(command)) throw illegal(one.names[0]);
  }
  if (protocol.pair !== undefined && 'IAG'.includes(command)) checkPair(protocol, protocol.pair, given);
}

export function missing(name: string): Error {
  const line = `You need to supply the \`--${name}' option for this command`;
  return wrongWords(line, '', `--${name} is missing`, 'add it');
}

export function illegal(name: string): Error {
  return wrongWords(
    `Illegal option \`--${name}' with this command`,
    `--${name}`,
    'the command has no such option',
    'leave it out',
  );
}

/** A flow is made or shown by one whole tuple. */
function checkPair({ options }: Protocol, pair: Pair, given: ReadonlySet<ProtocolOption>): void {
  const [source, destination, replySource, replyDestination] = options.slice(0, 4).map((one) => given.has(one));
  checkTuple(pair, source, destination, replySource, replyDestination);
}

/** Either both ends of the original tuple must be given, or both of the reply. */
export function checkTuple(
  pair: Pair,
  source: boolean,
  destination: boolean,
  replySource: boolean,
  replyDestination: boolean,
): void {
  if ((source && destination) || (!source && !destination && replySource && replyDestination)) return;
  if ((source || destination) && replySource && replyDestination) return;
  const isReply = !source && !destination && replySource !== replyDestination;
  const [first, second] = isReply ? pair.reply : pair.original;
  throw wrongWords(`you have to specify \`${first}' and \`${second}'`, '', 'half of a tuple names no flow', 'add both');
}

export const ADDRESS_PAIR: Pair = { original: ['--src', '--dst'], reply: ['--reply-src', '--reply-dst'] };

/** As atoi(3). */
function atoi(text: string): number {
  return Number(/^\s*([-+]?\d+)/.exec(text)?.[1] ?? 0);
}

/** GRE's keys may be hexadecimal. */
function keyOf(text: string): number {
  const hex = /^0[xX]([0-9a-fA-F]+)/.exec(text);
  return hex === null ? atoi(text) : Number.parseInt(hex[1], 16);
}

export function stateOf(protocol: Protocol, text: string): string {
  if (text === 'LISTEN' && protocol.number === 6) return 'SYN_SENT2';
  if (protocol.states?.includes(text) === true) return text;
  const line = `unknown ${protocol.name.toUpperCase()} state \`${text}'`;
  throw wrongWords(line, '--state', `there is no state "${text}"`, `use one of ${protocol.states?.join(', ')}`);
}

/** What a value is as a number; undefined: it was not given. */
export function fieldNumber(protocol: Protocol, values: ProtocolValues, field: Field): number | undefined {
  const text = values[field];
  if (text === undefined) return undefined;
  const value = protocol.number === 47 ? keyOf(text) : atoi(text);
  return value & (field === 'type' || field === 'code' ? 0xff : 0xffff);
}

/** SCTP's tags, which -I gives both of. */
export function tagsOf({ orig_vtag: original, reply_vtag: reply }: ProtocolValues): [number, number] | undefined {
  return original === undefined || reply === undefined ? undefined : [atoi(original) >>> 0, atoi(reply) >>> 0];
}

/** The fields of a tuple that -I and -G name. */
export function tupleFields(protocol: Protocol, values: ProtocolValues, isReply: boolean): Partial<FlowEnd> {
  const number = (field: Field): number => fieldNumber(protocol, values, field) ?? 0;
  if (protocol.number === 1 || protocol.number === 58)
    return { type: number('type'), code: number('code'), id: number('id') };
  const source = number(isReply ? 'reply_sport' : 'sport');
  const destination = number(isReply ? 'reply_dport' : 'dport');
  if (protocol.number === 47) return { srckey: source, dstkey: destination };
  return protocol.pair === undefined ? {} : { sport: source, dport: destination };
}
