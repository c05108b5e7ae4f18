/*
 * A command of iptables, from words to data. Nothing is looked up in the rules here: that is done by run.ts, which also says what is
 * wrong with tables and chains.
 *
 * What is refused, in which words and which order follows iptables 1.8.9 (nf_tables); so do its oddities, where scripts may have
 * come to rely on them: -p, -s, -d, -i, -o and -j mean the word read last ("-ptcp" names the protocol "-ptcp"), -I without a number
 * is -I 1.
 */
import { Family, RuleFlag } from '../../netfilter/rule.js';
import { type MaskedAddress, maskOf, readAddresses } from './addresses.js';
import { readLink } from './box-text.js';
import { checkCounters, checkOptions, type Letter } from './command-checks.js';
import type { Extended, Registry, Use } from './extension.js';
import { type ExtensionOption, Loading } from './extension-options.js';
import { Getopt, type LongOptions, optionTables, Result } from './getopt-long.js';
import { type Box, type Jump, Rule } from './model.js';
import { Problem } from './problem.js';
import { RuleUse } from './rule-use.js';
import { protocolName, protocolNumber } from './services.js';

/** Names of chains and targets are shorter. */
export const NAME_LIMIT = 29;

const STANDARD = ['ACCEPT', 'DROP', 'RETURN', 'QUEUE'];

const OPTIONS = optionTables([
  ...[
    'append A:',
    'delete D:',
    'check C:',
    'insert I:',
    'replace R:',
    'list L::',
    'list-rules S::',
    'flush F::',
    'zero Z::',
  ],
  ...[
    'new-chain N:',
    'delete-chain X::',
    'rename-chain E:',
    'policy P:',
    'source s:',
    'destination d:',
    'src s:',
    'dst d:',
  ],
  ...[
    'protocol p:',
    'in-interface i:',
    'jump j:',
    'table t:',
    'match m:',
    'numeric n',
    'out-interface o:',
    'verbose v',
  ],
  ...[
    'wait w::',
    'wait-interval W:',
    'exact x',
    'fragments f',
    'version V',
    'help h::',
    'line-numbers 0',
    'modprobe M:',
  ],
  ...['set-counters c:', 'goto g:', 'ipv4 4', 'ipv6 6'],
]);

/** The tool's short options: line-numbers has none. */
const SHORT: LongOptions = new Map([...OPTIONS.short].filter(([letter]) => letter !== '0'));

const INVERTIBLE: Partial<Record<Letter, RuleFlag>> = {
  s: RuleFlag.NOT_SOURCE,
  d: RuleFlag.NOT_DESTINATION,
  p: RuleFlag.NOT_PROTOCOL,
  i: RuleFlag.NOT_IN,
  o: RuleFlag.NOT_OUT,
  f: RuleFlag.NOT_FRAGMENT,
};

/** What to do: the option's letter; "D#" and "Z#": by number. */
export type Verb = 'A' | 'D' | 'D#' | 'C' | 'I' | 'R' | 'L' | 'S' | 'F' | 'Z' | 'Z#' | 'N' | 'X' | 'E' | 'P';

export interface Command {
  verb: Verb;
  table: string;
  chain: string | undefined;
  /** From 1; 0: none was named. */
  number: number;
  newName: string;
  policy: string;
  /** -L or -S with -Z. */
  alsoZero: boolean;
  verbose: number;
  isNumeric: boolean;
  isExact: boolean;
  hasLineNumbers: boolean;
  packets: number;
  bytes: number;
  hasCounters: boolean;
  /** One for each pair of addresses. */
  rules: Rule[];
}

/** The command prints something and that is all: -h, -V. */
export class Answer extends Error {
  constructor(
    readonly stdout: string,
    readonly helpFor?: readonly Loading[],
  ) {
    super('');
  }
}

export interface Setting {
  readonly family: Family;
  readonly registry: Registry;
  /** iptables, ip6tables or their -restore. */
  readonly program: string;
  /** The words are a line for iptables-restore, which has named the table. */
  readonly isRestore: boolean;
  /** Lines for stderr. */
  warn(line: string): void;
}

const NO_MATCHES: readonly Loading[] = [];

/** Reads commands, one after the other: a restore has many. */
export class CommandReader implements Use {
  readonly family: Family;
  table = 'filter';
  chain = '';
  protocol = 0;
  isNotProtocol = false;
  private readonly getopt = new Getopt(SHORT);
  private readonly tables: LongOptions[] = [OPTIONS.long];
  /** Extensions by their place in `tables`, matches in the order of the rule, and the target. */
  private readonly owners: Array<Loading | undefined> = [undefined];
  private matches = NO_MATCHES;
  private target: Loading | undefined;
  private verb: Verb | undefined;
  private alsoZero = false;
  private chainName: string | undefined;
  private number = 0;
  private newName = '';
  private policy: string | undefined;
  private jump = '';
  private isGoto = false;
  private protocolWord: string | undefined;
  private usedProtocol = false;
  private source: string | undefined;
  private destination: string | undefined;
  private in = '';
  private out = '';
  private inverted = 0;
  /** Letters given. */
  private given = '';
  private verbose = 0;
  private packets = '';
  private bytes = '';
  private wait = false;
  private waitInterval = false;
  private hasTable = false;
  private isNot = false;
  /** The word in front of the first, as the real tool sees it. */
  private lastBefore = '';
  private lastUse: RuleUse | undefined;
  private readonly nextArgument = () => this.getopt.takeArgument();

  constructor(private readonly setting: Setting) {
    this.family = setting.family;
  }

  private reset(): void {
    this.chain = '';
    this.protocol = 0;
    this.isNotProtocol = false;
    this.tables.length = 1;
    this.owners.length = 1;
    this.matches = NO_MATCHES;
    this.target = undefined;
    this.verb = undefined;
    this.alsoZero = false;
    this.chainName = undefined;
    this.number = 0;
    this.newName = '';
    this.policy = undefined;
    this.jump = '';
    this.isGoto = false;
    this.protocolWord = undefined;
    this.usedProtocol = false;
    this.source = undefined;
    this.destination = undefined;
    this.in = '';
    this.out = '';
    this.inverted = 0;
    this.given = '';
    this.verbose = 0;
    this.packets = '';
    this.bytes = '';
    this.wait = false;
    this.waitInterval = false;
    this.isNot = false;
  }

  /** undefined: the words are for the other family. `table`: the one a restored line is for. Throws Problem, Answer or Unresolved. */
  read(words: readonly string[], table?: string): Command | undefined {
    this.reset();
    this.table = table ?? 'filter';
    this.hasTable = table !== undefined;
    this.lastBefore = table ?? this.setting.program;
    this.getopt.start(words);
    return this.readAll();
  }

  warn(line: string): void {
    this.setting.warn(line);
  }

  private readAll(): Command | undefined {
    for (;;) {
      const result = this.getopt.next(this.tables);
      if (result === Result.END) break;
      if (result === Result.OPERAND) {
        this.takeOperand();
        continue;
      }
      if (result === Result.OPTION) {
        if (this.isOtherFamily()) return undefined;
        this.takeOption();
      } else if (this.loadProtocol(result)) continue;
      this.isNot = false;
    }
    this.check();
    return this.finish();
  }

  private takeOperand(): void {
    const { value } = this.getopt;
    if (value !== '!') throw new Problem(`Bad argument \`${value}'`, 2, true);
    if (this.isNot) throw new Problem('multiple consecutive ! not allowed');
    this.isNot = true;
  }

  /** -4 and -6: of a line that is restored, those of the other family do not count. */
  private isOtherFamily(): boolean {
    const { letter } = this.getopt.option;
    if (letter !== '4' && letter !== '6') return false;
    if ((letter === '6') === (this.family === Family.IPV6)) return false;
    if (this.setting.isRestore) return true;
    throw new Problem('', 2, true);
  }

  private takeOption(): void {
    const { option, value, table } = this.getopt;
    const owner = this.owners[table];
    if (owner === undefined) this.takeOwn(option.letter as Letter, value);
    else if (owner.isComplete) this.unknown(Result.UNKNOWN);
    else {
      owner.take((option as ExtensionOption).of, value ?? '', this.isNot, this, this.nextArgument);
    }
  }

  /** An option nobody knows: of the protocol's match, if that has not been asked yet; then it is read again. */
  private loadProtocol(result: Result): boolean {
    const name = this.protocolWord;
    const isNumber = name !== undefined && /^\d/.test(name);
    const wanted = isNumber ? protocolName(this.protocol) : name;
    const isLoaded = this.matches.some(({ extension }) => extension.name === matchName(wanted ?? ''));
    if (wanted === undefined || (isLoaded && this.usedProtocol)) this.unknown(result);
    const extension = this.setting.registry.match(matchName(wanted as string), this.family);
    if (extension === undefined) this.unknown(result);
    else this.load(new Loading(extension));
    this.usedProtocol = true;
    this.getopt.at--;
    return true;
  }

  private unknown(result: Result): never {
    const last = this.getopt.finished ?? this.lastBefore;
    throw new Problem(result === Result.LACKING ? `option "${last}" requires an argument` : `unknown option "${last}"`);
  }

  private load(loading: Loading): void {
    const { name } = loading.extension;
    for (const one of this.matches) if (one.extension.name === name) one.isComplete = true;
    this.matches = this.matches.length === 0 ? [loading] : [...this.matches, loading];
    this.offer(loading);
  }

  /** Its options come before those of the extensions loaded earlier. */
  private offer(loading: Loading): void {
    this.tables.splice(1, 0, loading.options);
    this.owners.splice(1, 0, loading);
  }

  private takeOwn(letter: Letter, value: string | undefined): void {
    switch (letter) {
      case 's':
        this.give('s');
        this.source = this.getopt.last;
        return;
      case 'd':
        this.give('d');
        this.destination = this.getopt.last;
        return;
      case 'p':
        return this.setProtocol();
      case 'm':
        return this.takeMatch(value as string);
      case 'j':
      case 'g':
        this.give('j');
        return this.setJump(letter === 'j' ? this.getopt.last : (value as string), letter === 'g');
      case 'i':
        this.in = this.takeLink('i', value as string);
        return;
      case 'o':
        this.out = this.takeLink('o', value as string);
        return;
      case 'f':
        if (this.family === Family.IPV6) throw new Problem("`-f' is not supported in IPv6, use -m frag instead");
        return this.give('f');
      default:
        this.takeFurther(letter, value);
    }
  }

  private takeFurther(letter: Letter, value: string | undefined): void {
    switch (letter) {
      case 'n':
      case 'x':
      case '0':
        return this.give(letter);
      case 'v':
        if (this.verbose++ === 0) this.give('v');
        return;
      case 't':
        return this.setTable(value as string);
      case 'c':
        this.give('c');
        return this.setCounters(value as string);
      case 'w':
      case 'W':
        return this.setWait(letter, value);
      case 'V':
        throw new Answer(this.isNot ? 'Not 1.8.9 (nf_tables) ;-)\n' : `${this.setting.program} v1.8.9 (nf_tables)\n`);
      case 'h':
        return this.help();
      case 'M':
      case '4':
      case '6':
        return;
      default:
        this.setVerb(letter as Verb, value);
    }
  }

  private help(): never {
    if (this.matches.length === 0 && this.protocolWord !== undefined) {
      const extension = this.setting.registry.match(matchName(this.protocolWord), this.family);
      if (extension !== undefined) this.load(new Loading(extension));
    }
    throw new Answer('', this.target === undefined ? this.matches : [this.target, ...this.matches]);
  }

  /** Each but -v once, and `!` only where it makes sense. */
  private give(letter: Letter): void {
    if (this.given.includes(letter)) throw new Problem(`multiple -${letter} flags not allowed`);
    this.given += letter;
    if (!this.isNot) return;
    const flag = INVERTIBLE[letter];
    if (flag === undefined) throw new Problem(`cannot have ! before -${letter}`);
    this.inverted |= flag;
  }

  private setProtocol(): void {
    this.give('p');
    const name = this.getopt.last.toLowerCase();
    const number = protocolNumber(name);
    if (number === undefined) throw new Problem(`unknown protocol "${name}" specified`);
    if (number === 0 && this.isNot) throw new Problem('rule would never match protocol');
    this.protocolWord = name;
    this.protocol = number;
    this.isNotProtocol = this.isNot;
    const isHeader = number === 43 || number === 44 || number === 51 || number === 60;
    if (this.family === Family.IPV6 && isHeader && !this.isNot) {
      this.warn(`Warning: never matched protocol: ${name}. use extension match instead.`);
    }
  }

  private takeMatch(name: string): void {
    if (this.isNot) throw new Problem('unexpected ! flag before --match');
    if (name.length >= NAME_LIMIT) throw new Problem(`Invalid match name "${name}" (${NAME_LIMIT - 1} chars max)`);
    const extension = this.setting.registry.match(matchName(name), this.family);
    if (extension === undefined) throw new Problem(`Couldn't load match \`${name}':No such file or directory\n`);
    this.load(new Loading(extension));
  }

  private setJump(name: string, isGoto: boolean): void {
    checkTargetName(name);
    this.jump = name;
    this.isGoto = isGoto;
    const extension = isGoto || STANDARD.includes(name) ? undefined : this.setting.registry.target(name, this.family);
    if (extension === undefined) return;
    this.target = new Loading(extension);
    this.offer(this.target);
  }

  private takeLink(letter: 'i' | 'o', text: string): string {
    if (text === '') throw new Problem('Empty interface is likely to be undesired');
    this.give(letter);
    return readLink(this.getopt.last, (line) => this.warn(line));
  }

  private setTable(name: string): void {
    if (this.isNot) throw new Problem('unexpected ! flag before --table');
    if (this.setting.isRestore && this.hasTable) {
      throw new Problem(`The -t option cannot be used in ${this.setting.program}.\n`);
    }
    this.hasTable = true;
    this.table = name;
  }

  private setCounters(packets: string): void {
    const comma = packets.indexOf(',', 1);
    this.packets = comma < 0 ? packets : packets.slice(0, comma);
    const bytes = comma < 0 ? this.getopt.takeArgument() : packets.slice(comma + 1);
    if (bytes === undefined) throw new Problem('-c requires packet and byte counter');
    this.bytes = bytes;
    checkCounters(this.packets, bytes);
  }

  /** Requests are served one after the other: there is no lock to wait for, but the number must be one. */
  private setWait(letter: 'w' | 'W', value: string | undefined): void {
    if (this.setting.isRestore) throw new Problem(`You cannot use \`-${letter}' from iptables-restore`);
    if (letter === 'w') {
      const text = value ?? this.getopt.takeArgument();
      if (text !== undefined && !/^\s*[+-]?\d+$/.test(text)) throw new Problem('wait seconds not numeric');
      this.wait = true;
      return;
    }
    if (value?.startsWith('-') === true) throw new Problem('wait interval value required');
    if (!/^\s*[+-]?\d+$/.test(value as string)) throw new Problem('wait interval not numeric');
    this.warn('Ignoring deprecated --wait-interval option.');
    this.waitInterval = true;
  }

  private setVerb(verb: Verb, value: string | undefined): void {
    if (verb === 'N') checkNewChain(value as string, this.setting.registry, this.family);
    this.addVerb(verb);
    const getopt = this.getopt;
    this.chainName = value ?? ('LSFZX'.includes(verb) ? getopt.takeArgument() : undefined) ?? this.chainName;
    if (verb === 'E') this.newName = this.argument('-E requires old-chain-name and new-chain-name');
    else if (verb === 'P') this.policy = this.argument('-P requires a chain and a policy');
    else if (verb === 'R') this.number = readNumber(this.argument('-R requires a rule number'));
    else if ('DILSZ'.includes(verb)) {
      const number = getopt.takeArgument();
      if (number !== undefined) this.number = readNumber(number);
      else if (verb === 'I') this.number = 1;
      if (number !== undefined && (verb === 'D' || verb === 'Z')) this.verb = `${verb}#`;
    }
  }

  private argument(complaint: string): string {
    const word = this.getopt.takeArgument();
    if (word === undefined) throw new Problem(complaint);
    return word;
  }

  /** One verb; only -Z goes with -L or -S. */
  private addVerb(verb: Verb): void {
    if (this.isNot) throw new Problem("unexpected '!' flag");
    const before = this.verb;
    const isPair = (a: Verb, b: Verb | undefined) => a[0] === 'Z' && (b === 'L' || b === 'S');
    if (before === undefined) this.verb = verb;
    else if (!this.alsoZero && isPair(verb, before)) this.alsoZero = true;
    else if (!this.alsoZero && isPair(before, verb)) {
      this.alsoZero = true;
      this.verb = verb;
    } else throw new Problem(`Cannot use -${verb} with -${this.alsoZero ? 'Z' : before[0]}`);
  }

  // --- when all words have been read ---------------------------------------------------------------

  private check(): void {
    if (!this.wait && this.waitInterval) throw new Problem('--wait-interval only makes sense with --wait\n');
    if (this.table === 'nat' && (this.policy === 'DROP' || this.jump === 'DROP')) {
      throw new Problem('\nThe "nat" table is not intended for filtering, the use of DROP is therefore inhibited.\n\n');
    }
    this.chain = this.chainName ?? '';
    for (const match of this.matches) match.check(this);
    this.target?.check(this);
    if (!this.getopt.isDone) throw new Problem('unknown arguments found on commandline');
    if (this.verb === undefined) throw new Problem('no command specified');
    if (this.isNot) throw new Problem('nothing appropriate following !');
  }

  private finish(): Command {
    const verb = this.verb as Verb;
    const rules = 'ADCIR'.includes(verb) ? this.makeRules() : [];
    if (verb === 'R' && rules.length !== 1) {
      throw new Problem('Replacement rule does not specify a unique address');
    }
    checkOptions(verb, this.given);
    this.checkChain(verb);
    return {
      verb,
      table: this.table,
      chain: this.chainName,
      number: this.number,
      newName: this.newName,
      policy: this.policy ?? '',
      alsoZero: this.alsoZero,
      verbose: this.verbose,
      isNumeric: this.given.includes('n'),
      isExact: this.given.includes('x'),
      hasLineNumbers: this.given.includes('0'),
      packets: Number(this.packets),
      bytes: Number(this.bytes),
      hasCounters: this.packets !== '',
      rules,
    };
  }

  private checkChain(verb: Verb): void {
    const chain = this.chainName;
    if (chain !== undefined) checkLength(chain);
    if (!'ADCIR'.includes(verb)) return;
    const isIn = chain === 'PREROUTING' || chain === 'INPUT';
    const isOut = chain === 'POSTROUTING' || chain === 'OUTPUT';
    if (isIn && this.given.includes('o')) throw new Problem(`Can't use -o with ${chain}\n`);
    if (isOut && this.given.includes('i')) throw new Problem(`Can't use -i with ${chain}\n`);
  }

  private makeRules(): Rule[] {
    const sources = this.addresses(this.source);
    const destinations = this.addresses(this.destination);
    const isInverted = (this.inverted & (RuleFlag.NOT_SOURCE | RuleFlag.NOT_DESTINATION)) !== 0;
    if (isInverted && (sources.length > 1 || destinations.length > 1)) {
      throw new Problem('! not allowed with multiple source or destination IP addresses');
    }
    const matches = joined(this.matches.flatMap(stored));
    const jump: Jump = { name: this.jump, isGoto: this.isGoto, target: this.target };
    const use = this.useNow();
    return sources.flatMap((source) =>
      destinations.map((destination) => this.makeRule(source, destination, matches, jump, use)),
    );
  }

  /** What extensions are told, to stay with the rule: this reader goes on to the next. */
  private useNow(): Use {
    const { table, chain, protocol, isNotProtocol } = this;
    if (this.lastUse?.isFor(table, chain, protocol, isNotProtocol) !== true) {
      this.lastUse = new RuleUse(this.family, () => {}).setTo(table, chain, protocol, isNotProtocol);
    }
    return this.lastUse;
  }

  private makeRule(
    source: MaskedAddress,
    destination: MaskedAddress,
    matches: readonly Extended[],
    jump: Jump,
    use: Use,
  ): Rule {
    const box: Box = {
      source: source.address,
      sourceMask: source.mask,
      destination: destination.address,
      destinationMask: destination.mask,
      in: this.in,
      out: this.out,
      protocol: this.protocol,
      isFragment: this.given.includes('f'),
      inverted: this.inverted,
    };
    const rule = new Rule(box, matches, jump, use);
    rule.packets = Number(this.packets);
    rule.bytes = Number(this.bytes);
    return rule;
  }

  private addresses(text: string | undefined): readonly MaskedAddress[] {
    if (text === undefined) return this.family === Family.IPV6 ? ANY_IPV6 : ANY_IPV4;
    if (!text.includes(',')) return readAddresses(text, this.family);
    return text.split(',').flatMap((part) => readAddresses(part.trimStart(), this.family));
  }
}

/** As the real tool stores it. */
function stored(match: Extended): readonly Extended[] {
  const { extension, data } = match;
  if (extension.stored === undefined) return [match];
  const kept = extension.stored(data);
  return kept === undefined ? [] : [{ extension, data: kept }];
}

/** `-m tcp --sport 5 … -m tcp --dport 80` is one match, where the first stands. */
function joined(matches: readonly Extended[]): readonly Extended[] {
  if (matches.length < 2) return matches;
  const kept: Extended[] = [];
  for (const match of matches) {
    const at = kept.findIndex(({ extension }) => extension === match.extension);
    const data = at < 0 ? undefined : match.extension.joined?.(kept[at].data, match.data);
    if (data === undefined) kept.push(match);
    else kept[at] = { extension: match.extension, data };
  }
  return kept;
}

const ANY_IPV4: readonly MaskedAddress[] = [{ address: [0], mask: maskOf(0, Family.IPV4) }];
const ANY_IPV6: readonly MaskedAddress[] = [{ address: [0, 0, 0, 0], mask: maskOf(0, Family.IPV6) }];

/** Protocols with more than one name have one match. */
const OTHER_NAMES: Record<string, string> = {
  icmpv6: 'icmp6',
  'ipv6-icmp': 'icmp6',
};

function matchName(name: string): string {
  return Object.hasOwn(OTHER_NAMES, name) ? OTHER_NAMES[name] : name;
}

function checkTargetName(name: string): void {
  if (name === '') throw new Problem('Invalid target name (too short)');
  if (name.length >= NAME_LIMIT) {
    throw new Problem(`Invalid target name \`${name}' (${NAME_LIMIT - 1} chars max)`);
  }
  if (/\s/.test(name)) throw new Problem(`Invalid target name \`${name}'`);
}

export function checkLength(name: string): void {
  if (name.length < NAME_LIMIT) return;
  throw new Problem(`chain name \`${name}' too long (must be under ${NAME_LIMIT} chars)`);
}

/** Of a restored `:NAME`, too; there the real tool minds no targets but the standard ones. */
export function checkChainName(name: string): void {
  checkLength(name);
  if (name[0] === '-' || name[0] === '!') throw new Problem(`chain name not allowed to start with \`${name[0]}'`);
  if (name === '' || STANDARD.includes(name)) throw new Problem('chain name may not clash with target name');
}

function checkNewChain(name: string, registry: Registry, family: Family): void {
  checkChainName(name);
  if (registry.target(name, family) !== undefined) throw new Problem('chain name may not clash with target name');
  if (/\s/.test(name)) throw new Problem(`Invalid chain name \`${name}'`);
}

function readNumber(text: string): number {
  const value = /^\s*\+?(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : 0;
  if (value < 1 || value > 0x7fffffff) throw new Problem(`Invalid rule number \`${text}'`);
  return value;
}
