/*
 * Plain lines of a restored text, as iptables-save writes them: "-A CHAIN" and options in their short form, one blank between words.
 * Most lines are, and reading them by getopt is most of what a restore costs.
 *
 *   -A FORWARD -s 10.1.0.0/16 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1
 *              └ read here ─────────┘ └ a part ───────┘ └ a part ──────────────────────┘
 *
 * What lies in the rule's box is read here. A match or a target with its options is a part: one that came before in the text, for the
 * same table and protocol, is taken from there; one of the commonest is read by its extension (`readPlain`); any other by the usual
 * reader, as the only part of a rule. Whatever is not plain, or wrong, is not read here at all: the line is left to the usual reader,
 * which has the words for it.
 */
import { Family, RuleFlag } from '../../netfilter/rule.js';
import { type Address, type MaskedAddress, maskOf, readAddresses, Unresolved } from './addresses.js';
import { Answer, CommandReader, NAME_LIMIT, type Setting } from './command.js';
import type { Extended, Extension } from './extension.js';
import { type Box, type Jump, Rule } from './model.js';
import { Problem } from './problem.js';
import { splitWords } from './restore-lines.js';
import { RuleUse } from './rule-use.js';
import { protocolNumber } from './services.js';

const enum Char {
  BLANK = 32,
  BANG = 33,
  QUOTE = 34,
  DASH = 45,
  DOT = 46,
  SLASH = 47,
  ZERO = 48,
  NINE = 57,
  COLON = 58,
  BRACKET = 91,
  BACKSLASH = 92,
  END_BRACKET = 93,
}

/** Digits of a counter that a double holds for sure. */
const MOST_DIGITS = 15;
/** Longest name of a link, and one more. */
const LINK_LIMIT = 16;
/** Of parts that are remembered, for one table and protocol. */
const MOST_PARTS = 10_000;

const ANY_IPV4: Address = [0];
const ANY_IPV6: Address = [0, 0, 0, 0];
const NOWHERE: Jump = { name: '', isGoto: false, target: undefined };
/** IPv6 headers that are no protocols: the usual reader warns of them. */
const HEADERS = [43, 44, 51, 60];
const IN_ONLY = ['PREROUTING', 'INPUT'];
const OUT_ONLY = ['POSTROUTING', 'OUTPUT'];

/** What parts are read for. */
class Surroundings {
  readonly matches = new Map<string, Extended>();
  readonly jumps = new Map<string, Jump>();

  constructor(readonly use: RuleUse) {}
}

/** The line is not plain. */
const NOT_PLAIN = 0;

export class PlainReader {
  /** Of the rule that was read. */
  chain = '';
  private text = '';
  private at = 0;
  private end = 0;
  private value = 0;
  private readonly family: Family;
  private readonly reader: CommandReader;
  private hasWarned = false;
  private readonly surroundings = new Map<string, Surroundings>();
  private now: Surroundings;
  private readonly protocols = new Map<string, number>();
  private readonly extensions = new Map<string, Extension | undefined>();
  /** Letters of options that this line has had. */
  private given = 0;
  private matches: Extended[] = [];
  private jump = NOWHERE;
  private box: Box;

  constructor(
    private readonly setting: Setting,
    private readonly hasCounters: boolean,
  ) {
    this.family = setting.family;
    const warn = () => {
      this.hasWarned = true;
    };
    this.reader = new CommandReader({ ...setting, warn });
    this.now = this.surroundingsOf('', 0, false);
    this.box = this.emptyBox();
  }

  /** The rule that a line from `start` to `end` adds to `chain`; undefined: the line has to be read another way. */
  read(text: string, start: number, end: number, table: string): Rule | undefined {
    this.text = text;
    this.at = start;
    this.end = end;
    try {
      return this.readRule(table);
    } catch (error) {
      if (error instanceof Problem || error instanceof Unresolved || error instanceof Answer) return undefined;
      throw error;
    }
  }

  private readRule(table: string): Rule | undefined {
    let packets = 0;
    let bytes = 0;
    if (this.text.charCodeAt(this.at) === Char.BRACKET) {
      if (!this.counter(Char.COLON)) return undefined;
      packets = this.value;
      if (!this.counter(Char.END_BRACKET) || !this.takeBlank()) return undefined;
      bytes = this.value;
    }
    if (!this.text.startsWith('-A ', this.at)) return undefined;
    this.at += 3;
    const chain = this.word();
    if (chain === undefined || chain.length >= NAME_LIMIT) return undefined;
    this.begin(chain, table);
    while (this.at < this.end) if (!this.takeBlank() || !this.option(table)) return undefined;
    if (this.isMisplaced(chain)) return undefined;
    const rule = new Rule(this.box, this.matches, this.jump, this.now.use);
    if (this.hasCounters) {
      rule.packets = packets;
      rule.bytes = bytes;
    }
    return rule;
  }

  private begin(chain: string, table: string): void {
    this.chain = chain;
    this.given = 0;
    this.matches = [];
    this.jump = NOWHERE;
    this.box = this.emptyBox();
    this.surround(table, 0, false);
  }

  private emptyBox(): Box {
    const any = this.family === Family.IPV4 ? ANY_IPV4 : ANY_IPV6;
    const mask = maskOf(0, this.family);
    return {
      source: any,
      sourceMask: mask,
      destination: any,
      destinationMask: mask,
      in: '',
      out: '',
      protocol: 0,
      isFragment: false,
      inverted: 0,
    };
  }

  private surround(table: string, protocol: number, isNot: boolean): void {
    if (!this.now.use.isFor(table, '', protocol, isNot)) this.now = this.surroundingsOf(table, protocol, isNot);
  }

  private surroundingsOf(table: string, protocol: number, isNot: boolean): Surroundings {
    const key = `${table} ${isNot ? -protocol : protocol}`;
    let found = this.surroundings.get(key);
    if (found === undefined) {
      found = new Surroundings(new RuleUse(this.family, () => {}).setTo(table, '', protocol, isNot));
      this.surroundings.set(key, found);
    }
    return found;
  }

  private isMisplaced(chain: string): boolean {
    return (this.box.out !== '' && IN_ONLY.includes(chain)) || (this.box.in !== '' && OUT_ONLY.includes(chain));
  }

  // --- options --------------------------------------------------------------------------------------

  /** One option with all that belongs to it. */
  private option(table: string): boolean {
    const { text } = this;
    const isNot = text.charCodeAt(this.at) === Char.BANG;
    if (isNot) {
      this.at++;
      if (!this.takeBlank()) return false;
    }
    if (text.charCodeAt(this.at) !== Char.DASH || text.charCodeAt(this.at + 2) !== Char.BLANK) return false;
    const letter = text[this.at + 1];
    this.at += 3;
    if (this.at >= this.end) return false;
    if (letter === 'm') return !isNot && this.match(table);
    if (!this.isFirst(letter)) return false;
    switch (letter) {
      case 's':
      case 'd':
        return this.address(letter === 's', isNot);
      case 'p':
        return this.protocol(table, isNot);
      case 'i':
      case 'o':
        return this.link(letter === 'i', isNot);
      case 'j':
      case 'g':
        return !isNot && this.target(table, letter === 'g');
      default:
        return false;
    }
  }

  /** -g counts as -j. */
  private isFirst(letter: string): boolean {
    const bit = 1 << (letter === 'g' ? 9 : letter.charCodeAt(0) - 97);
    if ((this.given & bit) !== 0) return false;
    this.given |= bit;
    return true;
  }

  private address(isSource: boolean, isNot: boolean): boolean {
    const found = this.family === Family.IPV4 ? this.address4() : this.address6();
    if (found === undefined) return false;
    const { box } = this;
    if (isSource) {
      box.source = found.address;
      box.sourceMask = found.mask;
    } else {
      box.destination = found.address;
      box.destinationMask = found.mask;
    }
    if (isNot) box.inverted |= isSource ? RuleFlag.NOT_SOURCE : RuleFlag.NOT_DESTINATION;
    return true;
  }

  private address4(): MaskedAddress | undefined {
    let address = 0;
    for (let i = 0; i < 4; i++) {
      if (!this.decimal(3, 255)) return undefined;
      address = (address << 8) | this.value;
      if (i === 3) break;
      if (this.text.charCodeAt(this.at++) !== Char.DOT) return undefined;
    }
    let length = 32;
    if (this.at < this.end && this.text.charCodeAt(this.at) === Char.SLASH) {
      this.at++;
      if (!this.decimal(2, 32)) return undefined;
      length = this.value;
    }
    if (!this.isAtWordEnd()) return undefined;
    const mask = maskOf(length, Family.IPV4);
    return { address: [address & mask[0]], mask };
  }

  private address6(): MaskedAddress | undefined {
    const word = this.word();
    return word !== undefined && /^[0-9a-f:.]+(\/\d{1,3})?$/.test(word)
      ? readAddresses(word, this.family)[0]
      : undefined;
  }

  private protocol(table: string, isNot: boolean): boolean {
    const name = this.word();
    // Extensions are read for the protocol: it has to come before them.
    if (name === undefined || this.matches.length > 0 || this.jump !== NOWHERE) return false;
    let number = this.protocols.get(name);
    if (number === undefined) {
      number = protocolNumber(name.toLowerCase()) ?? -1;
      this.protocols.set(name, number);
    }
    if (number < 0 || (number === 0 && isNot)) return false;
    if (this.family === Family.IPV6 && HEADERS.includes(number)) return false;
    this.box.protocol = number;
    if (isNot) this.box.inverted |= RuleFlag.NOT_PROTOCOL;
    this.surround(table, number, isNot);
    return true;
  }

  private link(isIn: boolean, isNot: boolean): boolean {
    const name = this.word();
    if (name === undefined || name.length >= LINK_LIMIT || name.includes('/')) return false;
    if (isIn) this.box.in = name;
    else this.box.out = name;
    if (isNot) this.box.inverted |= isIn ? RuleFlag.NOT_IN : RuleFlag.NOT_OUT;
    return true;
  }

  // --- parts ----------------------------------------------------------------------------------------

  private match(table: string): boolean {
    const start = this.at;
    const name = this.word();
    const optionsAt = this.at;
    if (name === undefined || !this.skipOptions()) return false;
    const extension = this.extension(name);
    // A second one of a name may join the first.
    for (const other of this.matches) if (other.extension === extension) return false;
    const data = extension?.readPlain?.(this.text, optionsAt, this.at);
    if (extension !== undefined && data !== undefined) {
      extension.finalCheck?.(data, this.now.use);
      this.matches.push({ extension, data });
      return true;
    }
    const part = this.text.slice(start, this.at);
    const match = this.now.matches.get(part) ?? this.learnMatch(part, table);
    if (match === undefined) return false;
    this.matches.push(match);
    return true;
  }

  private extension(name: string): Extension | undefined {
    const known = this.extensions.get(name);
    if (known !== undefined) return known;
    const found = this.setting.registry.match(name, this.family);
    this.extensions.set(name, found);
    return found;
  }

  private learnMatch(part: string, table: string): Extended | undefined {
    const rule = this.readAlone(`-m ${part}`, table);
    if (rule === undefined || rule.matches.length !== 1) return undefined;
    const { matches } = this.now;
    if (matches.size >= MOST_PARTS) matches.clear();
    matches.set(part, rule.matches[0]);
    return rule.matches[0];
  }

  private target(table: string, isGoto: boolean): boolean {
    const start = this.at;
    const name = this.word();
    const optionsAt = this.at;
    if (name === undefined || !this.skipOptions()) return false;
    const part = `-${isGoto ? 'g' : 'j'} ${this.text.slice(start, this.at)}`;
    const jump =
      this.now.jumps.get(part) ?? this.plainJump(name, isGoto, optionsAt === this.at) ?? this.learnJump(part, table);
    if (jump === undefined || (jump.name === 'DROP' && table === 'nat')) return false;
    const { jumps } = this.now;
    if (jumps.size >= MOST_PARTS) jumps.clear();
    jumps.set(part, jump);
    this.jump = jump;
    return true;
  }

  private learnJump(part: string, table: string): Jump | undefined {
    const rule = this.readAlone(part, table);
    return rule?.matches.length === 0 ? rule.jump : undefined;
  }

  /** To a chain, or a verdict. */
  private plainJump(name: string, isGoto: boolean, isAll: boolean): Jump | undefined {
    if (!isAll || name.length >= NAME_LIMIT) return undefined;
    if (!isGoto && this.setting.registry.target(name, this.family) !== undefined) return undefined;
    return { name, isGoto, target: undefined };
  }

  /** A rule of the protocol that is at hand, and nothing else but the part. Long names must be whole: others may be of something else. */
  private readAlone(part: string, table: string): Rule | undefined {
    const { protocol, isNotProtocol } = this.now.use;
    const front = protocol === 0 ? [] : [...(isNotProtocol ? ['!'] : []), '-p', `${protocol}`];
    const words = splitWords(part);
    this.hasWarned = false;
    const rule = this.reader.read(['-A', this.chain, ...front, ...words], table)?.rules[0];
    if (rule === undefined || this.hasWarned) return undefined;
    const extension = rule.jump.target?.extension ?? rule.matches[0]?.extension;
    const isWhole = (word: string) => extension?.options.some(({ name }) => word === `--${name}`) === true;
    return words.every((word) => !word.startsWith('--') || isWhole(word)) ? rule : undefined;
  }

  /** Goes to where the options of a match or target end: at the next one-letter option, or the `!` of it. */
  private skipOptions(): boolean {
    while (this.at < this.end) {
      const next = this.at + 1;
      if (this.isShort(next)) return true;
      if (this.text.charCodeAt(next) === Char.BANG && this.text.charCodeAt(next + 1) === Char.BLANK) {
        if (this.isShort(next + 2)) return true;
      }
      const end = this.wordEnd(next);
      if (end === NOT_PLAIN) return false;
      this.at = end;
    }
    return true;
  }

  private isShort(at: number): boolean {
    return this.text.charCodeAt(at) === Char.DASH && this.text.charCodeAt(at + 1) !== Char.DASH;
  }

  // --- words ----------------------------------------------------------------------------------------

  /** A bare word; `at` is behind it. */
  private word(): string | undefined {
    const start = this.at;
    if (this.text.charCodeAt(start) === Char.QUOTE) return undefined;
    const end = this.wordEnd(start);
    if (end === NOT_PLAIN) return undefined;
    this.at = end;
    return this.text.slice(start, end);
  }

  /** Where a word ends that starts here; NOT_PLAIN: it is empty, or has what only the usual reader knows how to split. */
  private wordEnd(start: number): number {
    const { text, end } = this;
    if (text.charCodeAt(start) === Char.QUOTE) return this.quoteEnd(start);
    let at = start;
    for (; at < end; at++) {
      const code = text.charCodeAt(at);
      if (code === Char.BLANK) break;
      if (code < Char.BLANK || code === Char.QUOTE) return NOT_PLAIN;
    }
    return at === start ? NOT_PLAIN : at;
  }

  private quoteEnd(start: number): number {
    const { text, end } = this;
    for (let at = start + 1; at < end; at++) {
      const code = text.charCodeAt(at);
      if (code === Char.BACKSLASH) at++;
      else if (code === Char.QUOTE)
        return at + 1 === end || text.charCodeAt(at + 1) === Char.BLANK ? at + 1 : NOT_PLAIN;
    }
    return NOT_PLAIN;
  }

  private isAtWordEnd(): boolean {
    return this.at === this.end || this.text.charCodeAt(this.at) === Char.BLANK;
  }

  /** One blank, and something behind it. */
  private takeBlank(): boolean {
    return this.text.charCodeAt(this.at++) === Char.BLANK && this.at < this.end;
  }

  /** Into `value`: a number of at most so many digits, without a needless 0 in front (that would be octal). */
  private decimal(digits: number, high: number): boolean {
    const { text, end } = this;
    const start = this.at;
    let value = 0;
    let at = start;
    for (; at < end; at++) {
      const code = text.charCodeAt(at);
      if (code < Char.ZERO || code > Char.NINE) break;
      value = value * 10 + code - Char.ZERO;
    }
    const count = at - start;
    if (count === 0 || count > digits || value > high) return false;
    if (count > 1 && text.charCodeAt(start) === Char.ZERO) return false;
    this.at = at;
    this.value = value;
    return true;
  }

  /** A counter, the bracket or colon in front of it and what is behind it. */
  private counter(behind: Char): boolean {
    this.at++;
    if (!this.decimal(MOST_DIGITS, Number.MAX_SAFE_INTEGER)) return false;
    if (this.text.charCodeAt(this.at) !== behind) return false;
    if (behind === Char.END_BRACKET) this.at++;
    return true;
  }
}
