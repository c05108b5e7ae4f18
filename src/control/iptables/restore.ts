/*
 * iptables-restore: a text of tables, each a change of its own that is made at COMMIT or not at all.
 *
 * Lines become steps first, which have no effect; at COMMIT they are done. So a host name may be looked up in between, and what is
 * wrong with a line is said before anything about tables and chains is.
 */
import { Unresolved } from './addresses.js';
import { type Command, CommandReader, checkChainName, type Setting } from './command.js';
import type { Rule } from './model.js';
import { PlainReader } from './plain-lines.js';
import { Problem } from './problem.js';
import { readCounters, splitWords } from './restore-lines.js';
import { tableKind } from './tables.js';

export interface RestoreOptions {
  isNoFlush: boolean;
  isTest: boolean;
  isVerbose: boolean;
  hasCounters: boolean;
  /** Only this one. */
  table: string | undefined;
  /** Ours: what has no meaning here loads as never matching. */
  isLax: boolean;
}

/** A line's work, done at COMMIT. */
export type Step =
  | { line: number; kind: 'policy'; chain: string; policy: string; packets: number; bytes: number }
  | { line: number; kind: 'chain'; chain: string }
  | { line: number; kind: 'append'; chain: string; rule: Rule }
  | { line: number; kind: 'command'; command: Command }
  /** A comment, for -v. */
  | { line: number; kind: 'note'; text: string };

export interface Section {
  table: string;
  steps: Step[];
  /** The line of COMMIT. */
  line: number;
}

/** "iptables-restore: line 3 failed": words and nothing else. */
export class Stop extends Error {}

export class RestoreReader {
  line = 0;
  failedLine = 0;
  readonly #reader: CommandReader;
  readonly #plain: PlainReader;
  #section: Section | undefined;
  /** The table that was named last, whether it is to be read or not. */
  #named: string | undefined;

  constructor(
    private readonly setting: Setting,
    private readonly options: RestoreOptions,
  ) {
    this.#reader = new CommandReader(setting);
    this.#plain = new PlainReader(setting, options.hasCounters);
  }

  /** What is wrong with a line, after the sections before it. */
  failure: unknown;

  /** Sections that are committed, and comments between them for -v, up to the first line that is wrong. A host name to be looked up is thrown. */
  all(text: string): Array<Section | string> {
    this.line = 0;
    this.#section = undefined;
    const sections: Array<Section | string> = [];
    try {
      for (const section of this.#sections(text)) sections.push(section);
    } catch (error) {
      if (error instanceof Unresolved) throw error;
      this.failure = error;
      this.failedLine = this.line;
    }
    return sections;
  }

  *#sections(text: string): Generator<Section | string> {
    let start = 0;
    while (start < text.length) {
      const end = text.indexOf('\n', start);
      const next = end < 0 ? text.length : end;
      this.line++;
      if (this.#section !== undefined && this.#append(text, start, next, this.#section)) {
        start = next + 1;
        continue;
      }
      const line = text.slice(start, next);
      start = next + 1;
      const section = this.#read(line, end >= 0);
      if (section !== undefined) yield section;
    }
    if (this.#section !== undefined) {
      throw new Stop(`${this.setting.program}: COMMIT expected at line ${this.line + 1}`);
    }
  }

  /** A plain line; with -v there is more to be said of it. */
  #append(text: string, start: number, end: number, { table, steps }: Section): boolean {
    if (this.options.isVerbose) return false;
    const rule = this.#plain.read(text, start, end, table);
    if (rule === undefined) return false;
    steps.push({ line: this.line, kind: 'append', chain: this.#plain.chain, rule });
    return true;
  }

  #read(line: string, hasEnd: boolean): Section | string | undefined {
    const first = line[0];
    if (first === undefined && hasEnd) return undefined;
    if (first === '#') return this.#note(`${line}\n`);
    const section = this.#section;
    if (section === undefined) {
      if (first === '*') this.#open(line);
      else if (this.options.table === undefined || this.options.table === this.#named) {
        throw new Stop(`${this.setting.program}: line ${this.line} failed`);
      }
      return undefined;
    }
    if (line === 'COMMIT') {
      this.#section = undefined;
      section.line = this.line;
      return section;
    }
    if (first === ':') this.#chain(line, section);
    else this.#command(hasEnd ? `${line}\n` : line, section);
    return undefined;
  }

  /** Told where it stands. */
  #note(text: string): string | undefined {
    if (!this.options.isVerbose) return undefined;
    if (this.#section === undefined) return text;
    this.#section.steps.push({ line: this.line, kind: 'note', text });
    return undefined;
  }

  #open(line: string): void {
    const [name] = words(line);
    if (name === undefined) throw this.#invalid('table name');
    if (tableKind(name) === undefined) throw this.#problem(`table name '${name}' invalid\n`);
    this.#named = name;
    if (this.options.table !== undefined && this.options.table !== name) return;
    this.#section = { table: name, steps: [], line: 0 };
  }

  #problem(text: string): Problem {
    return new Problem(`${this.setting.program}: line ${this.line} ${text}`.trimEnd());
  }

  #invalid(what: string): Problem {
    return this.#problem(`${what} invalid\n`);
  }

  #chain(line: string, section: Section): void {
    const [chain, policy, counts] = words(line);
    if (chain === undefined) throw this.#invalid('chain name');
    checkChainName(chain);
    if (policy === undefined) throw this.#invalid('policy');
    const isBase = tableKind(section.table)?.base.some(([name]) => name === chain) === true;
    if (!isBase) {
      section.steps.push({ line: this.line, kind: 'chain', chain });
      return;
    }
    const { hasCounters } = this.options;
    const parts = hasCounters ? /^\[(\d+):(\d+)/.exec(counts ?? '') : null;
    if (hasCounters && parts === null) throw new Problem(`invalid policy counters for chain '${chain}'`);
    const [, packets, bytes] = parts ?? [];
    section.steps.push({
      line: this.line,
      kind: 'policy',
      chain,
      policy,
      packets: Number(packets ?? 0),
      bytes: Number(bytes ?? 0),
    });
  }

  #command(line: string, section: Section): void {
    const { counters, rest } = readCounters(line, this.line);
    const list = splitWords(rest);
    if (counters !== undefined && this.options.hasCounters) {
      list.unshift('--set-counters', counters.packets, counters.bytes);
    }
    const command = this.#reader.read(list, section.table);
    if (command !== undefined) section.steps.push({ line: this.line, kind: 'command', command });
  }
}

/** Behind the first character. */
function words(line: string): string[] {
  return line
    .slice(1)
    .split(/[ \t]+/)
    .filter((word) => word !== '');
}
