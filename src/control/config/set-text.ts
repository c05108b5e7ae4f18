/*
 * IP sets of a configuration in their one spelling: `create` and `add` as `ipset save -sorted` prints them, each set with its members behind
 * it. Left out are what passes (members that expire, counters) and initval, which is a number drawn by chance.
 */
import { IpSets } from '../../tables/ipset.js';
import { DEFAULT_TIMEOUT, Member, SetAnswer } from '../../tables/ipset-member.js';
import { newSet } from '../ipset/create.js';
import { Complaint, kernel, syntax } from '../ipset/failures.js';
import { Hosts, Unresolved } from '../ipset/hosts.js';
import { refusal, splitLine } from '../ipset/ipset.js';
import { compareElements, listSet } from '../ipset/listing.js';
import { valuesOf } from '../ipset/member-text.js';
import { rowsOf } from '../ipset/rows.js';
import { NamedSet } from '../ipset/sets.js';
import type { Values } from '../ipset/values.js';
import { type Command, CommandReader, newSettings, takeSettings } from '../ipset/words.js';
import type { TextProblem } from './rule-text.js';

/** Members looked at together. */
const PAGE = 1024;
const PLAIN = { mode: 'save', isTerse: false, isSorted: false } as const;

function isList({ body }: NamedSet): boolean {
  return body.kind.name === 'list:set';
}

interface Named {
  name: string;
  values: Values;
}

/** The sets of a text, filled as the dataplane's are. */
class ScratchSets {
  private readonly sets = new Map<string, NamedSet>();
  private readonly tables = new IpSets();
  private readonly links: string[] = [];
  private readonly reader = new CommandReader((name) => this.sets.get(name)?.body, {
    hosts: new Hosts(),
    warn: () => {},
  });
  private readonly names = {
    set: (name: string) => this.sets.get(name),
    link: (name: string) => this.linkNumber(name),
    setName: (number: number) => [...this.sets.values()].find((set) => set.number === number)?.name,
    linkName: (number: number) => this.links[number - 1],
  };

  /** `keepsAll`: what expires is refused; otherwise it is left out. */
  constructor(private readonly keepsAll: boolean) {}

  private linkNumber(name: string): number {
    if (!this.links.includes(name)) this.links.push(name);
    return this.links.indexOf(name) + 1;
  }

  line(text: string): void {
    const settings = newSettings();
    const command = this.reader.read(takeSettings(splitLine(text), settings), true);
    if (command.verb === 'create') this.create(command);
    else if (command.verb === 'add') this.add(command, settings.isExist);
    else throw syntax(`"${command.verb}" is for a running set: say "create" and "add" only`);
  }

  private create({ name, kind, values }: Extract<Command, { verb: 'create' }>): void {
    if (this.sets.has(name)) throw kernel('setExists');
    const { body, options } = newSet(kind, values);
    const set = new NamedSet(name, this.sets.size + 1, body);
    if (!this.tables.create(set.number, options)) throw kernel('invalid');
    this.sets.set(name, set);
  }

  private add({ name, values }: Named, isExist: boolean): void {
    const set = this.sets.get(name);
    if (set === undefined) throw kernel('noSet');
    for (const row of rowsOf(set.body, 'add', values, this.names)) {
      if (this.expires(row, set.body.created)) continue;
      const answer = this.tables.add(set.number, row, 0, isExist, 0);
      if (answer !== SetAnswer.DONE) throw refusal('add', answer, values.reference !== undefined);
    }
  }

  private expires(row: Int32Array, { timeout }: Readonly<Values>): boolean {
    const own = row[Member.TIMEOUT] === DEFAULT_TIMEOUT ? timeout : row[Member.TIMEOUT];
    if (timeout === undefined || own === 0) return false;
    if (!this.keepsAll) return true;
    throw syntax('a member that expires would not be there the next time: say "timeout 0", or leave it out');
  }

  /** Lists last, as what they hold has to be there before them. */
  text(): string {
    const all = [...this.sets.values()];
    const inOrder = [...all.filter((set) => !isList(set)), ...all.filter(isList)];
    return inOrder.map((set) => textOf(set, this.members(set))).join('');
  }

  private members(set: NamedSet): Values[] {
    const rows = new Int32Array(PAGE * Member.WORDS);
    const found: Values[] = [];
    let cursor = 0;
    do {
      cursor = this.tables.page(set.number, cursor, PAGE, rows, 0);
      for (let i = 0; i < this.tables.written; i++) {
        const values = valuesOf(rows, i * Member.WORDS, set.body, this.names);
        if (values === undefined) continue;
        delete values.packets;
        delete values.bytes;
        found.push(values);
      }
    } while (cursor !== 0);
    return found;
  }
}

function textOf(set: NamedSet, members: Values[]): string {
  const [head, ...lines] = listSet(set, { members: 0, bytes: 0 }, members, PLAIN).trimEnd().split('\n');
  const start = `add ${set.name} `.length;
  if (!isList(set)) lines.sort((a, b) => compareElements(a.slice(start), b.slice(start)));
  return [head.replace(/ initval \S+/, ''), ...lines].map((line) => `${line}\n`).join('');
}

function problem(error: unknown, line: number): TextProblem {
  if (error instanceof Complaint)
    return { line, text: `${error.message.replace(/^Syntax error: /, '')}; correct it there` };
  if (error instanceof Unresolved)
    return { line, text: `"${error.host}" is a name that would have to be looked up; write the address` };
  throw error;
}

function read(text: string, keepsAll: boolean): ScratchSets | TextProblem[] {
  const scratch = new ScratchSets(keepsAll);
  for (const [i, line] of text.split('\n').entries()) {
    const start = line.trim();
    if (start === '' || start.startsWith('#') || start === 'COMMIT') continue;
    try {
      scratch.line(start);
    } catch (error) {
      return [problem(error, i + 1)];
    }
  }
  return scratch;
}

/** The one spelling of a text, or what is wrong with it. */
export function normalSets(text: string): string | TextProblem[] {
  const scratch = read(text, true);
  return scratch instanceof ScratchSets ? scratch.text() : scratch;
}

/** The same of what `ipset save` has printed. */
export function plainSets(saved: string): string {
  const scratch = read(saved, false);
  if (scratch instanceof ScratchSets) return scratch.text();
  throw new Error(`ipset save, line ${scratch[0].line}: ${scratch[0].text}`);
}

interface SetLines {
  create: string;
  /** Whole lines. */
  adds: string[];
}

/** By name, in order. */
function linesOf(text: string): Map<string, SetLines> {
  const sets = new Map<string, SetLines>();
  for (const line of text.split('\n').filter((one) => one !== '')) {
    const [verb, name] = line.split(' ', 2);
    if (verb === 'create') sets.set(name, { create: line, adds: [] });
    else sets.get(name)?.adds.push(line);
  }
  return sets;
}

export function setNames(text: string): Set<string> {
  return new Set(linesOf(text).keys());
}

/** Deletes a member: its options do not count. */
function deletion(add: string): string {
  const [, name, element, ...rest] = add.split(' ');
  return `del ${name} ${element}${rest.includes('nomatch') ? ' nomatch' : ''}`;
}

/** While it is filled it has another name, so that rules never see it half full. */
function remade(name: string, { create, adds }: SetLines): string[] {
  const spare = `~${name}`.slice(0, 31);
  const own = (line: string): string => line.replace(` ${name}`, () => ` ${spare}`);
  return [own(create), ...adds.map(own), `swap ${spare} ${name}`, `destroy ${spare}`];
}

function changed(name: string, from: SetLines, to: SetLines): string[] {
  const isOrdered = / list:set( |$)/.test(to.create);
  const isSame = from.adds.length === to.adds.length && from.adds.every((line, i) => line === to.adds[i]);
  if (from.create !== to.create || (isOrdered && !isSame)) return remade(name, to);
  const [old, next] = [new Set(from.adds), new Set(to.adds)];
  return [...from.adds.filter((line) => !next.has(line)).map(deletion), ...to.adds.filter((line) => !old.has(line))];
}

/** Lines for `ipset restore`: what comes before rules change, and what goes after them. */
export function setChanges(there: string, wanted: string): { fresh: string; gone: string } {
  const [from, to] = [linesOf(there), linesOf(wanted)];
  const fresh = [...to].flatMap(([name, lines]) => {
    const old = from.get(name);
    return old === undefined ? [lines.create, ...lines.adds] : changed(name, old, lines);
  });
  const gone = [...from.keys()].filter((name) => !to.has(name)).reverse();
  const text = (lines: string[]): string => lines.map((line) => `${line}\n`).join('');
  return { fresh: text(fresh), gone: text(gone.map((name) => `destroy ${name}`)) };
}
