/*
 * The words of `conntrack`: getopt_long's rules, what each option's value is, and which options a command needs or refuses.
 */

import { isIPv6 } from 'node:net';
import type { NatFilter } from '../control/api/conntrack.js';
import type { Family } from '../control/api/family.js';
import { Getopt, type LongOption, type LongOptions, Result, Takes } from '../control/iptables/getopt-long.js';
import { Labels } from './conntrack-labels.js';
import { failed, useless, wrongWords } from './conntrack-problem.js';
import {
  ADDRESS_PAIR,
  type CommandLetter,
  checkProtocol,
  checkTuple,
  findProtocol,
  illegal,
  missing,
  type Protocol,
  type ProtocolOption,
  type ProtocolValues,
  stateOf,
} from './conntrack-protocols.js';
import { badAddress, listOf, looseIpv4, markOf, maskText, statusOf, strtoul } from './conntrack-values.js';
import type { Refusal } from './refusal.js';

export type Table = 'conntrack' | 'expect' | 'dying' | 'unconfirmed';

const TABLES: readonly Table[] = ['conntrack', 'expect', 'dying', 'unconfirmed'];

/** An address with its mask, where it has one. */
export interface Masked {
  address: string;
  mask?: string;
}

/** What the words say. */
export interface Command {
  /** Absent: none was given. */
  letter?: CommandLetter;
  table: Table;
  family?: Family;
  protocol?: Protocol;
  values: ProtocolValues;
  src?: Masked;
  dst?: Masked;
  replySrc?: string;
  replyDst?: string;
  timeout?: number;
  status?: number;
  /** Bits of the status that a filter looks at. */
  statusMask?: number;
  mark?: { value: number; mask: number };
  zone?: number;
  origZone?: number;
  replyZone?: number;
  srcNat?: NatFilter;
  dstNat?: NatFilter;
  anyNat?: NatFilter;
  zero: boolean;
  events?: ReadonlySet<string>;
  output: ReadonlySet<string>;
  labels?: Labels;
  label?: number[];
  addLabels?: number[];
  removeLabels?: number[] | 'all';
}

/** Letter, names, value (1: yes, 2: perhaps), and the commands that refuse it. In the order in which they are checked. */
const OPTIONS: ReadonlyArray<readonly [letter: string, names: string, takes: Takes, refusedBy: string]> = [
  ['s', 'src orig-src', Takes.VALUE, 'FCSVh-'],
  ['d', 'dst orig-dst', Takes.VALUE, 'FCSVh-'],
  ['r', 'reply-src', Takes.VALUE, 'FCSVh-'],
  ['q', 'reply-dst', Takes.VALUE, 'FCSVh-'],
  ['p', 'protonum proto', Takes.VALUE, 'FCSV-'],
  ['t', 'timeout', Takes.VALUE, 'LGFECSVh-'],
  ['u', 'status', Takes.VALUE, 'GFECSVh-'],
  ['z', 'zero', Takes.NOTHING, 'DIAUGFECSVh-'],
  ['e', 'event-mask', Takes.VALUE, 'LDIAUGFCSVh-'],
  ['[', 'tuple-src', Takes.VALUE, 'LDIAUGFECSVh-'],
  [']', 'tuple-dst', Takes.VALUE, 'LDIAUGFECSVh-'],
  ['{', 'mask-src', Takes.VALUE, 'IAGFCSVh-'],
  ['}', 'mask-dst', Takes.VALUE, 'IAGFCSVh-'],
  ['a', 'nat-range', Takes.VALUE, 'LDIAUGFECSVh-'],
  ['m', 'mark', Takes.VALUE, 'GFCSVh-'],
  ['i', 'id', Takes.VALUE, 'LDIAUGFECSVh-'],
  ['f', 'family', Takes.VALUE, 'IAGCSVh-'],
  ['n', 'src-nat', Takes.MAYBE, 'GFCSVh-'],
  ['g', 'dst-nat', Takes.MAYBE, 'GFCSVh-'],
  ['o', 'output', Takes.VALUE, 'IAFCSVh-'],
  ['c', 'secmark', Takes.VALUE, 'DIAUGFCSVh-'],
  ['b', 'buffer-size', Takes.VALUE, 'LDIAUGFCSVh-'],
  ['j', 'any-nat', Takes.MAYBE, 'DIAUGFCSVh-'],
  ['w', 'zone', Takes.VALUE, 'UGFCSVh-'],
  ['l', 'label', Takes.VALUE, 'IAGFCSVh-'],
  ['<', 'label-add', Takes.VALUE, 'LDGFECSVh-'],
  ['>', 'label-del', Takes.MAYBE, 'LDIAGFECSVh-'],
  ['(', 'orig-zone', Takes.VALUE, 'UGFCSVh-'],
  [')', 'reply-zone', Takes.VALUE, 'UGFCSVh-'],
];

const NEEDED: Readonly<Record<string, string>> = { I: 'pt', A: 'pt', G: 'p' };

/** What expectations can be asked for, and with which options; others need options that are refused later anyway. */
const EXPECT_OPTIONS: Readonly<Record<string, string>> = { L: 'fo', E: 'o', F: '', C: '', S: '' };

const COMMANDS: ReadonlyArray<readonly [letter: CommandLetter, name: string]> = [
  ['L', 'dump'],
  ['I', 'create'],
  ['A', 'add'],
  ['D', 'delete'],
  ['U', 'update'],
  ['G', 'get'],
  ['F', 'flush'],
  ['E', 'event'],
  ['V', 'version'],
  ['h', 'help'],
  ['C', 'count'],
  ['S', 'stats'],
];

const HAS_TABLE = 'LIADUGFECS';

function tables(): { long: LongOptions; short: LongOptions } {
  const long = new Map<string, LongOption>();
  const short = new Map<string, LongOption>();
  const add = (letter: string, names: readonly string[], takes: Takes): void => {
    const option = { name: names[0], takes, letter };
    for (const name of names) long.set(name, option);
    if (/[A-Za-z]/.test(letter)) short.set(letter, option);
  };
  for (const [letter, name] of COMMANDS) add(letter, [name], HAS_TABLE.includes(letter) ? Takes.MAYBE : Takes.NOTHING);
  for (const [letter, names, takes] of OPTIONS) add(letter, names.split(' '), takes);
  return { long, short };
}

const { long: LONG, short: SHORT } = tables();
const OUTPUTS = ['xml', 'extended', 'timestamp', 'id', 'ktimestamp', 'labels', 'userspace', 'save'];
const EVENTS = ['ALL', 'NEW', 'UPDATES', 'DESTROY'];

// --- the words ------------------------------------------------------------------------------------

class Parser {
  readonly command: Command = { table: 'conntrack', values: {}, zero: false, output: new Set() };
  readonly given = new Set<string>();
  private readonly ofProtocol = new Set<ProtocolOption>();
  private readonly masks = new Map<string, string>();
  private readonly getopt: Getopt;
  private protocolOptions: LongOptions = new Map();

  constructor(
    words: readonly string[],
    private readonly loadLabels: () => Labels,
  ) {
    this.getopt = new Getopt(SHORT).start(words);
  }

  parse(): Command {
    for (;;) {
      const result = this.getopt.next([LONG, this.protocolOptions]);
      if (result === Result.END) break;
      if (result === Result.OPTION) this.take();
      else if (result !== Result.OPERAND) throw this.notUnderstood(result);
    }
    this.check();
    return this.command;
  }

  /** A letter of a word of several is told alone. */
  private get word(): string {
    const { last } = this.getopt;
    return last.startsWith('--') ? last : last.slice(0, 2);
  }

  private notUnderstood(result: Result): Refusal {
    if (result === Result.LACKING)
      return wrongWords(`option \`${this.word}' requires an argument`, this.word, 'it needs a value');
    return wrongWords(`unknown option \`${this.getopt.last}'`, this.getopt.last, 'there is no such option');
  }

  private take(): void {
    const { option, table } = this.getopt;
    if (table === 1) return this.takeProtocol(option.name);
    const command = COMMANDS.find(([letter]) => letter === option.letter);
    if (command !== undefined) return this.takeCommand(command[0]);
    this.given.add(option.letter);
    const setter = SETTERS[option.letter];
    if (setter === undefined) return;
    const value = option.takes === Takes.MAYBE ? (this.getopt.value ?? this.getopt.takeArgument()) : this.getopt.value;
    setter(this, value ?? '', value !== undefined);
  }

  private takeCommand(letter: CommandLetter): void {
    if (this.command.letter !== undefined)
      throw wrongWords('Invalid commands combination', '', 'two commands were given', 'use one of them');
    this.command.letter = letter;
    if (!HAS_TABLE.includes(letter) || this.getopt.value !== undefined) return;
    const word = this.getopt.takeArgument();
    if (word === undefined) return;
    const table = TABLES.find((known) => known.startsWith(word));
    if (table === undefined)
      throw wrongWords(`unknown type \`${word}'`, word, 'there is no such table', `use ${TABLES.join(', ')}`);
    this.command.table = table;
  }

  private takeProtocol(name: string): void {
    const { protocol, values } = this.command;
    const option = protocol?.options.find(({ names }) => names.includes(name));
    if (protocol === undefined || option === undefined) return;
    this.ofProtocol.add(option);
    const value = this.getopt.value ?? '';
    values[option.field] = option.field === 'state' ? stateOf(protocol, value) : value;
  }

  setProtocol(text: string): void {
    const protocol = findProtocol(text);
    this.command.protocol = protocol;
    const names = protocol.options.flatMap((option) => option.names);
    this.protocolOptions = new Map(names.map((name) => [name, { name, takes: Takes.VALUE, letter: '' }]));
  }

  // --- addresses ----------------------------------------------------------------------------------

  /** An address; the family of all is that of the first. */
  address(text: string, option: string): string {
    const loose = looseIpv4(text);
    const family = loose !== undefined ? 4 : isIPv6(text) && !text.includes('%') ? 6 : undefined;
    if (family === undefined) throw badAddress(text, option);
    this.setFamily(family);
    return loose ?? text;
  }

  setFamily(family: Family): void {
    if (this.command.family !== undefined && this.command.family !== family)
      throw wrongWords('mismatched address family', '', 'addresses of IPv4 and IPv6 are mixed', 'use one family');
    this.command.family = family;
  }

  /** ADDRESS[/BITS]. */
  prefix(text: string, option: 'src' | 'dst'): Masked {
    const [before, bits] = text.split(/\/(.*)/s);
    const address = this.address(before, `--${option}`);
    if (bits === undefined || bits === '') return { address };
    const family = this.command.family as Family;
    if (!/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128))
      throw wrongWords(
        'Invalid netmask',
        `--${option}`,
        `"${bits}" is no number of bits`,
        'write for example 10.0.0.0/8',
      );
    this.given.add(option === 'src' ? '{' : '}');
    return { address, mask: maskText(Number(bits), family) };
  }

  whole(text: string, option: string): string {
    if (!text.includes('/')) return this.address(text, `--${option}`);
    const line = `CIDR notation unavailable for \`--${option}'`;
    throw wrongWords(line, `--${option}`, 'it takes one address', 'leave out the bits');
  }

  mask(option: 'src' | 'dst', text: string): void {
    this.masks.set(option, this.address(text, `--mask-${option}`));
  }

  /** ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT, or nothing. */
  nat(text: string, isGiven: boolean, option: string): NatFilter {
    if (!isGiven) return {};
    if (text.includes('/')) this.whole(text, option);
    const parts = /^\[([^\]]*)\](?::(.*))?$/.exec(text) ?? /^([^:]*):([^:]*)$/.exec(text) ?? ['', text, undefined];
    const [, address, port] = parts;
    const found = { address: this.address(address, `--${option}`) };
    if (port === undefined) return found;
    if (!/^\d+$/.test(port) || Number(port) > 65_535)
      throw wrongWords(`Invalid port \`${port}'`, `--${option}`, `"${port}" is no port`, 'write a number');
    return { ...found, port: Number(port) };
  }

  labelsOf(list: string): number[] {
    return this.labels().bits(list);
  }

  labels(): Labels {
    this.command.labels ??= this.loadLabels();
    return this.command.labels;
  }

  // --- checks -------------------------------------------------------------------------------------

  private check(): void {
    const { command } = this;
    this.applyMasks();
    if (command.anyNat !== undefined && (command.srcNat !== undefined || command.dstNat !== undefined))
      throw wrongWords(
        "cannot specify `--src-nat' or `--dst-nat' with `--any-nat'",
        '--any-nat',
        'it is either of them already',
        'leave one out',
      );
    this.checkTable();
    if (command.table === 'expect') this.checkExpect();
    else this.checkOptions(command.letter);
    if (command.zero && this.hasFilter()) {
      const hint = 'leave one out';
      throw wrongWords("Can't use -z with filtering parameters", '-z', 'counters of all flows are zeroed', hint);
    }
  }

  private applyMasks(): void {
    const { command, masks } = this;
    for (const side of ['src', 'dst'] as const) {
      const mask = masks.get(side);
      const address = command[side];
      if (mask === undefined) continue;
      if (address === undefined)
        throw wrongWords(
          `Can't use --mask-${side} without --${side}`,
          `--mask-${side}`,
          'there is no address',
          `add --${side}`,
        );
      command[side] = { ...address, mask };
    }
  }

  private checkTable(): void {
    const { letter, table } = this.command;
    if ((table === 'dying' || table === 'unconfirmed') && letter !== 'L') {
      const line = "Can't do that command with tables `dying' and `unconfirmed'";
      throw wrongWords(line, table, 'they can only be listed', 'use -L');
    }
    if (table !== 'expect' || (letter !== 'A' && letter !== 'U')) return;
    const name = letter === 'A' ? '--add' : '--update';
    throw wrongWords(`Can't do ${name} on expectations`, name, 'expectations cannot be changed', 'leave it out');
  }

  private checkExpect(): void {
    const allowed = EXPECT_OPTIONS[this.command.letter ?? ''];
    if (allowed === undefined) return this.refuseExpect();
    for (const [letter, names] of OPTIONS)
      if (this.given.has(letter) && !allowed.includes(letter)) throw illegal(names.split(' ')[0]);
    if (this.command.letter === 'E') throw useless('-E expect', 'there are no events of expectations');
  }

  private refuseExpect(): never {
    if (!this.given.has('s')) throw missing('src');
    const sentence = 'cannot conntrack expect: expectations are made by helpers alone; see "iptables -j CT --helper"';
    throw failed('Operation failed: Operation not supported', sentence);
  }

  private checkOptions(command: CommandLetter | undefined): void {
    const needed = NEEDED[command ?? ''] ?? '';
    for (const [letter, names, , refusedBy] of OPTIONS) {
      const name = names.split(' ')[0];
      if (!this.given.has(letter) && needed.includes(letter)) throw missing(name);
      if (this.given.has(letter) && refusedBy.includes(command ?? '-')) throw illegal(name);
    }
    if (this.given.has('c')) throw useless('--secmark', 'flows have no security marks here');
    if (this.given.has('b')) throw useless('--buffer-size', 'events wait in a ring of fixed size');
    const { protocol } = this.command;
    if (needed !== '') {
      const [s, d, r, q] = ['s', 'd', 'r', 'q'].map((letter) => this.given.has(letter));
      checkTuple(ADDRESS_PAIR, s, d, r, q);
    }
    if (protocol !== undefined && command !== undefined) checkProtocol(protocol, this.ofProtocol, command);
  }

  private hasFilter(): boolean {
    return [...this.given].some((letter) => !'zfo'.includes(letter));
  }

  setOutput(text: string): void {
    const output = new Set(listOf(text, OUTPUTS, '--output'));
    this.command.output = output;
    if (output.has('save') && output.size > 1) {
      const line = 'cannot combine save output with any other output type, use -o save only';
      throw failed(line, 'cannot conntrack -o: "save" goes with nothing else; use it alone');
    }
    if (output.has('labels')) this.labels();
  }
}

type Setter = (parser: Parser, value: string, isGiven: boolean) => void;

const SETTERS: Readonly<Record<string, Setter>> = {
  s: (parser, value) => {
    parser.command.src = parser.prefix(value, 'src');
  },
  d: (parser, value) => {
    parser.command.dst = parser.prefix(value, 'dst');
  },
  r: (parser, value) => {
    parser.command.replySrc = parser.whole(value, 'reply-src');
  },
  q: (parser, value) => {
    parser.command.replyDst = parser.whole(value, 'reply-dst');
  },
  p: (parser, value) => parser.setProtocol(value),
  t: (parser, value) => {
    parser.command.timeout = Number(/^\s*(\d+)/.exec(value)?.[1] ?? 0);
  },
  u: (parser, value) => {
    const { bits, mask } = statusOf(value);
    parser.command.status = bits;
    parser.command.statusMask = mask;
  },
  z: (parser) => {
    parser.command.zero = true;
  },
  e: (parser, value) => {
    parser.command.events = new Set(listOf(value, EVENTS, '--event-mask'));
  },
  '{': (parser, value) => parser.mask('src', value),
  '}': (parser, value) => parser.mask('dst', value),
  m: (parser, value) => {
    parser.command.mark = markOf(value);
  },
  f: (parser, value) => {
    if (value !== 'ipv4' && value !== 'ipv6')
      throw wrongWords(
        `\`${value}' unsupported protocol`,
        '--family',
        `there is no family "${value}"`,
        'use ipv4 or ipv6',
      );
    parser.setFamily(value === 'ipv6' ? 6 : 4);
  },
  n: (parser, value, isGiven) => {
    parser.command.srcNat = parser.nat(value, isGiven, 'src-nat');
  },
  g: (parser, value, isGiven) => {
    parser.command.dstNat = parser.nat(value, isGiven, 'dst-nat');
  },
  j: (parser, value, isGiven) => {
    parser.command.anyNat = parser.nat(value, isGiven, 'any-nat');
  },
  o: (parser, value) => parser.setOutput(value),
  w: (parser, value) => {
    parser.command.zone = strtoul(value) & 0xffff;
  },
  '(': (parser, value) => {
    parser.command.origZone = strtoul(value) & 0xffff;
  },
  ')': (parser, value) => {
    parser.command.replyZone = strtoul(value) & 0xffff;
  },
  l: (parser, value) => {
    parser.command.label = [...(parser.command.label ?? []), ...parser.labelsOf(value)];
  },
  '<': (parser, value) => {
    parser.command.addLabels = [...(parser.command.addLabels ?? []), ...parser.labelsOf(value)];
  },
  '>': (parser, value, isGiven) => {
    if (!isGiven) parser.labels();
    parser.command.removeLabels = isGiven ? parser.labelsOf(value) : 'all';
  },
};

/** `err`: where it is said that there are no names of labels. */
export function parseConntrack(words: readonly string[], err: (text: string) => void): Command {
  return new Parser(words, () => Labels.load(err)).parse();
}
