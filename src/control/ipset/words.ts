/*
 * ipset's command line, and a line of the text that restore reads: options first, wherever they stand; then the command, by any
 * beginning of its name; then what the command takes.
 */
import { SetType } from '../../tables/ipset-member.js';
import { BadMix, BadWords, kernel, syntax } from './failures.js';
import type { Hosts } from './hosts.js';
import { kindNamed, type Many, type SetKind, type Verb } from './kinds.js';
import type { Mode } from './listing.js';
import { OPTIONS, type Option, type Reading } from './options.js';
import { checkSetName, PARTS, readOldBeside } from './parts.js';
import { type IpFamily, MANY, type Values } from './values.js';

/** Options before and behind the command; in a restored text they hold from their line on. */
export interface Settings {
  isExist: boolean;
  isQuiet: boolean;
  isSorted: boolean;
  isResolving: boolean;
  isNames: boolean;
  isTerse: boolean;
  mode: Mode | undefined;
  file: string | undefined;
}

export function newSettings(): Settings {
  const flags = { isExist: false, isQuiet: false, isSorted: false, isResolving: false, isNames: false, isTerse: false };
  return { ...flags, mode: undefined, file: undefined };
}

type CommandName =
  | Verb
  | 'destroy'
  | 'list'
  | 'save'
  | 'restore'
  | 'flush'
  | 'rename'
  | 'swap'
  | 'help'
  | 'version'
  | 'quit';

interface CommandKind {
  name: CommandName;
  names: readonly string[];
  /** Words that it needs; 'may': one that it may have. */
  words: 0 | 2 | 'may';
}

/** In the order that beginnings of names are looked for. */
const COMMANDS: readonly CommandKind[] = [
  { name: 'create', names: ['create', 'new', '-N'], words: 2 },
  { name: 'add', names: ['add', '-A'], words: 2 },
  { name: 'del', names: ['del', '-D'], words: 2 },
  { name: 'test', names: ['test', '-T'], words: 2 },
  { name: 'destroy', names: ['destroy', 'x', '-X'], words: 'may' },
  { name: 'list', names: ['list', '-L'], words: 'may' },
  { name: 'save', names: ['save', '-S'], words: 'may' },
  { name: 'restore', names: ['restore', '-R'], words: 0 },
  { name: 'flush', names: ['flush', '-F'], words: 'may' },
  { name: 'rename', names: ['rename', 'e', '-E'], words: 2 },
  { name: 'swap', names: ['swap', 'w', '-W'], words: 2 },
  { name: 'help', names: ['help', '-h', '-H'], words: 'may' },
  { name: 'version', names: ['version', '-v', '-V'], words: 0 },
  { name: 'quit', names: ['quit'], words: 0 },
];

export type Command =
  | { verb: 'create'; name: string; kind: SetKind; values: Values }
  | { verb: 'add' | 'del' | 'test'; name: string; kind: SetKind; values: Values }
  | { verb: 'destroy' | 'list' | 'save' | 'flush'; name: string | undefined }
  | { verb: 'rename' | 'swap'; name: string; other: string }
  | { verb: 'help'; name: string | undefined }
  | { verb: 'restore' | 'version' | 'quit' };

/** What is asked of the sets that are there. */
export interface KnownSet {
  kind: SetKind;
  family: IpFamily | undefined;
}

const MOST_WORDS = 31;

interface Setting {
  names: readonly [string, string];
  take(settings: Settings, value: string): void;
  takesValue?: boolean;
}

function flag(short: string, long: string, key: keyof Settings): Setting {
  return { names: [short, long], take: (settings) => Object.assign(settings, { [key]: true }) };
}

/** In the order that the tool looks for them. */
const SETTINGS: readonly Setting[] = [
  { names: ['-o', '-output'], takesValue: true, take: setMode },
  flag('-s', '-sorted', 'isSorted'),
  flag('-q', '-quiet', 'isQuiet'),
  flag('-r', '-resolve', 'isResolving'),
  flag('-!', '-exist', 'isExist'),
  flag('-n', '-name', 'isNames'),
  flag('-t', '-terse', 'isTerse'),
  { names: ['-f', '-file'], takesValue: true, take: setFile },
];

function setMode(settings: Settings, value: string): void {
  if (value !== 'plain' && value !== 'save' && value !== 'xml') throw syntax(`unknown output mode '${value}'`);
  settings.mode = value;
}

function setFile(settings: Settings, value: string): void {
  if (settings.file !== undefined) throw new BadWords('-file option cannot be used when full io is activated');
  settings.file = value;
}

/** Takes the options out of the words. */
export function takeSettings(words: readonly string[], settings: Settings): string[] {
  if (words.length > MOST_WORDS) throw new BadWords('Line is too long to parse.');
  const rest = [...words];
  for (const { names, takesValue, take } of SETTINGS) {
    for (let i = 0; i < rest.length; ) {
      const word = rest[i].startsWith('--') ? rest[i].slice(1) : rest[i];
      if (!names.includes(word)) {
        i++;
        continue;
      }
      rest.splice(i, 1);
      if (takesValue === true && i >= rest.length) {
        throw new BadWords(`Missing mandatory argument to option ${names[0]}`);
      }
      take(settings, takesValue === true ? rest.splice(i, 1)[0] : '');
    }
  }
  return rest;
}

function commandNamed(word: string): CommandKind | undefined {
  const begin = word.startsWith('--') ? word.slice(2) : word;
  if (begin === '' || word === '-') return undefined;
  return COMMANDS.find(({ names }) => names.some((name) => name.startsWith(begin)));
}

/** Whether the words want a text to restore from. */
export function isRestore(words: readonly string[]): boolean {
  return words.length > 0 && commandNamed(words[0])?.name === 'restore';
}

export class CommandReader {
  constructor(
    private readonly find: (name: string) => KnownSet | undefined,
    private readonly reading: Reading,
  ) {}

  /** @param words without options; `isInText`: a line of a restored text */
  read(words: readonly string[], isInText: boolean): Command {
    const kind = words.length === 0 ? undefined : commandNamed(words[0]);
    if (kind === undefined) throw noCommand(words[0]);
    const { name } = kind;
    if (isInText && (name === 'restore' || name === 'version' || name === 'help')) {
      throw new BadWords(`Command \`${name}' is invalid in restore mode.`);
    }
    const [, first, second, ...rest] = words;
    if (kind.words === 2 && first === undefined) throw new BadWords(`Missing mandatory argument to command ${name}`);
    if (kind.words === 2 && second === undefined) {
      throw new BadWords(`Missing second mandatory argument to command ${name}`);
    }
    switch (name) {
      case 'create':
        return this.create(first, second, rest);
      case 'add':
      case 'del':
      case 'test':
        return this.member(name, first, second, rest);
      case 'rename':
      case 'swap':
        return this.pair(name, first, second, rest);
      case 'restore':
        noMore(words.slice(1));
        return { verb: name };
      case 'version':
      case 'quit':
        return { verb: name };
      case 'help':
        return { verb: name, name: first };
      default:
        if (first !== undefined) checkSetName(first);
        noMore(words.slice(2));
        return { verb: name, name: first };
    }
  }

  private pair(verb: 'rename' | 'swap', name: string, other: string, rest: readonly string[]): Command {
    checkSetName(name);
    checkSetName(other);
    noMore(rest);
    return { verb, name, other };
  }

  private create(name: string, type: string, words: readonly string[]): Command {
    checkSetName(name);
    if (type.length > 31) throw syntax(`typename '${type}' is longer than 31 characters`);
    const kind = kindNamed(type);
    if (kind === undefined) throw syntax(`typename '${type}' is unknown`);
    const values: Values = kind.family === 'none' ? {} : { family: 4 };
    const options = kind.options.create.map((option) => OPTIONS[option]);
    // The family first, as other options are read by it.
    this.options(options, words, values, (option) => option.key === 'family');
    this.options(options, words, values, (option) => option.key !== 'family');
    if (kind.name.startsWith('bitmap:')) checkRange(kind, options, values);
    return { verb: 'create', name, kind, values };
  }

  private member(verb: 'add' | 'del' | 'test', name: string, text: string, words: readonly string[]): Command {
    checkSetName(name);
    const set = this.find(name);
    if (set === undefined) throw kernel('noSet');
    const { kind } = set;
    const values: Values = { family: set.family };
    readElement(kind, text, values, this.reading.hosts);
    const options = kind.options[verb].map((option) => OPTIONS[option]);
    this.options(options, words, values, () => true);
    checkMany(verb, kind, verb === 'test' ? kind.many.test : kind.many.change, values);
    return { verb, name, kind, values };
  }

  /** Options that are not wanted this time are looked at, but not taken. */
  private options(
    options: readonly Option[],
    words: readonly string[],
    values: Values,
    isWanted: (option: Option) => boolean,
  ): void {
    const seen = new Set<string>();
    if (values.reference !== undefined) seen.add('beside');
    for (let i = 0; i < words.length; ) {
      const word = words[i].startsWith('--') ? words[i].slice(2) : words[i];
      const option = options.find((one) => one.word === word);
      if (option === undefined) throw new BadWords(`Unknown argument: \`${words[i]}'`);
      const value = option.isFlag === true ? words[i] : words[++i];
      if (value === undefined) throw new BadWords(`Missing mandatory argument of option \`${option.word}'`);
      i++;
      if (!isWanted(option)) continue;
      if (option.key !== undefined && seen.has(option.key)) throw syntax(`${option.word} already specified`);
      if (option.key !== undefined) seen.add(option.key);
      option.take(values, value, this.reading);
    }
  }
}

function noCommand(word: string | undefined): Error {
  if (word === undefined) return new BadWords('No command specified.');
  return new BadWords(`No command specified: unknown argument ${word}`);
}

function noMore(words: readonly string[]): void {
  if (words.length > 0) throw new BadWords(`Unknown argument ${words[0]}`);
}

/** "10.0.0.1,tcp:80,eth0": as many parts as the kind has. */
function readElement(kind: SetKind, text: string, values: Values, hosts: Hosts): void {
  const [first, second, third] = splitElement(kind, text);
  if (kind.parts[0] === 'name' && second !== undefined) {
    readOldBeside(values, text);
    return;
  }
  PARTS[kind.parts[0]].read(values, first, hosts);
  if (second !== undefined) PARTS[kind.parts[1]].read(values, second, hosts);
  if (third !== undefined) PARTS[kind.parts[2]].read(values, third, hosts);
}

/** Cuts at a comma that is neither at the beginning nor at the end. */
function cut(text: string): [string, string | undefined] {
  const at = text.startsWith(',') || text.endsWith(',') ? -1 : text.indexOf(',');
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function splitElement(kind: SetKind, text: string): [string, string | undefined, string | undefined] {
  const dimensions = kind.parts.length;
  const [first, rest] = cut(text);
  if (dimensions === 1) {
    if (rest === undefined || kind.parts[0] === 'name') return [text, rest, undefined];
    throw syntax(`Elem separator in ${text}, but settype ${kind.name} supports none.`);
  }
  if (rest === undefined) {
    if (kind.isLastOptional === true) return [first, undefined, undefined];
    throw syntax(`Second element is missing from ${text}.`);
  }
  const [second, more] = cut(rest);
  if (dimensions === 2 && more !== undefined) {
    throw syntax(`Two elem separators in ${text}, but settype ${kind.name} supports one.`);
  }
  if (dimensions === 3 && more === undefined) throw syntax(`Third element is missing from ${text}.`);
  if (more !== undefined && cut(more)[1] !== undefined) {
    throw syntax(`Three elem separators in ${text}, but settype ${kind.name} supports two.`);
  }
  return [first, second, more];
}

/** A bitmap needs a first and a last; the first of its options that would give what is missing is named. */
function checkRange(kind: SetKind, options: readonly Option[], values: Values): void {
  const isPort = kind.type === SetType.BITMAP_PORT;
  const hasFirst = (isPort ? values.port : values.ip) !== undefined;
  const hasLast = isPort ? values.portTo !== undefined : (values.to ?? values.cidr) !== undefined;
  if (hasFirst && hasLast) return;
  const missing = hasFirst ? 'to' : (options[0]?.word ?? '');
  throw new BadWords(`Mandatory option \`${missing}' is missing`);
}

const REFUSED: Partial<Record<Many, string>> = {
  cidr: 'IP/CIDR range',
  to: 'FROM-TO IP range',
  portTo: 'FROM-TO port range',
  // The tool has no words for it.
  cidr2: 'There are not allowed options (28) but ',
};

function checkMany(verb: Verb, kind: SetKind, allowed: readonly Many[], values: Values): void {
  for (const many of MANY) {
    const isAllowed = allowed.includes(many) || (many === 'cidr' && allowed.includes('to'));
    const what = REFUSED[many];
    if (values[many] === undefined || isAllowed || what === undefined) continue;
    if (many === 'cidr2') {
      const why = kind.options[verb].length === 0 ? 'option list is empty' : "can't resolve them";
      throw new BadMix(`${what}${why}. It's a bug, please report the problem.`);
    }
    const family = values.family === 4 ? 'inet' : values.family === 6 ? 'inet6' : 'unspec';
    throw new BadMix(`${what} is not allowed in command ${verb} with set type ${kind.name} and family ${family}`);
  }
}
