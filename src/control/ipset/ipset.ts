/*
 * ipset: words and text in, what the tool prints and its exit status out; and the numbers of sets for rules that name them.
 *
 *   words ─ words.ts ─► Command ─ rows.ts ─► rows of members ─► engine
 *   text ── line by line ┘   └─ create.ts, sets.ts: names, references
 *
 * Requests are served one after the other. Members of lines in a row that are about the same set go to the engine together: those that
 * wait when a line cannot be read are not done, as with the real tool.
 */
import { Family } from '../../netfilter/rule.js';
import type { SetOptions } from '../../tables/ipset.js';
import { Member, SetAnswer, SetType } from '../../tables/ipset-member.js';
import type { ToolOutcome } from '../api/tool.js';
import type { Call } from '../engine-thread.js';
import { Problem } from '../iptables/problem.js';
import { isSameSet, newSet } from './create.js';
import { BadWords, Complaint, kernel, Refused, Useless, VERSION } from './failures.js';
import { helpText } from './help.js';
import { Hosts, hostTexts, Unresolved } from './hosts.js';
import { joinSets, listNames, listSet, type Mode, type SetSize } from './listing.js';
import { elementText, valuesOf } from './member-text.js';
import { rowsOf } from './rows.js';
import { type NamedSet, type SetBody, Sets } from './sets.js';
import type { Values } from './values.js';
import { type Command, CommandReader, newSettings, type Settings, takeSettings } from './words.js';

/** How far a change of members came, and why it stopped there. */
export interface MembersChanged {
  done: number;
  answer: SetAnswer;
}

export interface MemberPage {
  /** Rows of Member.WORDS. */
  rows: Int32Array;
  /** Where to go on; 0: that was all. */
  next: number;
}

/** The dataplane's sets, by number. */
export interface SetEngine {
  post(calls: Call[]): void;
  addMembers(set: number, rows: Int32Array, renews: boolean): Promise<MembersChanged>;
  deleteMembers(set: number, rows: Int32Array, ignoresAbsent: boolean): Promise<MembersChanged>;
  hasMember(set: number, row: Int32Array): Promise<boolean>;
  memberPage(set: number, cursor: number): Promise<MemberPage>;
  size(set: number): Promise<SetSize>;
}

/** Links and their names. */
export interface NamedLinks {
  all(): Iterable<{ number: number; name: string }>;
}

/** Rows that wait until they go to the engine, and that it takes at once. */
const BATCH = 1024;
const AT_ONCE = 256;

/** Members of lines that wait to go to the engine. */
interface Batch {
  verb: 'add' | 'del';
  set: NamedSet;
  isExist: boolean;
  rows: Int32Array;
  /** The line of each row. */
  lines: number[];
}

export class IpsetControl {
  readonly #sets = new Sets();
  readonly #links = new Map<string, number>();
  readonly #linkNames = new Map<number, string>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly engine: SetEngine,
    private readonly links: NamedLinks,
  ) {}

  // --- for rules ------------------------------------------------------------------------------------

  /** Of a set that rules of a family name: one of the other cannot hold their addresses. */
  number(namespace: number, name: string, family: Family): number {
    const set = this.#sets.find(namespace, name);
    if (set === undefined) throw new Problem(`Set ${name} doesn't exist.\n`);
    const own = set.body.family;
    if (own !== undefined && own !== (family === Family.IPV6 ? 6 : 4)) {
      throw new Problem(`The protocol family of set ${name} is IPv${own}, which is not applicable.\n`);
    }
    return set.number;
  }

  /** A rule names the set. */
  hold(number: number): void {
    const set = this.#sets.ofNumber(number);
    if (set !== undefined) set.rules++;
  }

  /** A rule that named the set is gone. */
  release(number: number): void {
    const set = this.#sets.ofNumber(number);
    if (set !== undefined) set.rules--;
  }

  // --- links and namespaces -------------------------------------------------------------------------

  /** From 1, and for good: names are few. */
  #linkNumber(name: string): number {
    const known = this.#links.get(name);
    if (known !== undefined) return known;
    const number = this.#links.size + 1;
    this.#links.set(name, number);
    this.#linkNames.set(number, name);
    const calls = [...this.links.all()]
      .filter((link) => link.name === name)
      .map((link): Call => ['setSetLink', link.number, number]);
    this.engine.post(calls);
    return number;
  }

  linkNamed(link: { number: number; name: string }, calls: Call[]): void {
    if (this.#links.size > 0) calls.push(['setSetLink', link.number, this.#links.get(link.name) ?? 0]);
  }

  linkRemoved(link: { number: number }, calls: Call[]): void {
    if (this.#links.size > 0) calls.push(['setSetLink', link.number, 0]);
  }

  /** Its sets go once its rules are gone. */
  forgetNamespace(namespace: number, rulesGone: Promise<unknown>): Promise<void> {
    return this.#inTurn(async () => {
      await rulesGone;
      this.#destroy(namespace, this.#sets.all(namespace));
    });
  }

  #destroy(namespace: number, sets: readonly NamedSet[]): void {
    for (const set of sets) this.#sets.remove(namespace, set);
    this.engine.post(sets.map(({ number }): Call => ['destroySet', number]));
  }

  // --- requests -------------------------------------------------------------------------------------

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  run(namespace: number, words: readonly string[], text?: string): Promise<ToolOutcome> {
    return this.#inTurn(() => new ToolRun(this.engine, this.#sets, namespace, this.#names(namespace)).run(words, text));
  }

  #names(namespace: number): MemberNames {
    return {
      set: (name) => this.#sets.find(namespace, name),
      link: (name) => this.#linkNumber(name),
      setName: (number) => this.#sets.ofNumber(number)?.name,
      linkName: (number) => this.#linkNames.get(number),
    };
  }
}

interface MemberNames {
  set(name: string): NamedSet | undefined;
  link(name: string): number;
  setName(number: number): string | undefined;
  linkName(number: number): string | undefined;
}

/** The tool has come to its end before the end of its text. */
class Done extends Error {
  constructor(readonly status: number) {
    super('done');
  }
}

/** One run of the tool. */
class ToolRun {
  readonly #settings: Settings = newSettings();
  #stdout = '';
  #stderr = '';
  #line = 0;
  #hosts = new Hosts();
  #warnings: string[] = [];
  #batch: Batch | undefined;
  /** Where a listing is to go. */
  #file: string | undefined;

  constructor(
    private readonly engine: SetEngine,
    private readonly sets: Sets,
    private readonly namespace: number,
    private readonly names: MemberNames,
  ) {}

  async run(words: readonly string[], text: string | undefined): Promise<ToolOutcome> {
    let status = 0;
    try {
      await this.#command(words, text);
    } catch (error) {
      status = this.#end(error);
    }
    const outcome = { stdout: this.#stdout, stderr: this.#stderr, status };
    return this.#file === undefined || text !== undefined ? outcome : { ...outcome, file: this.#file };
  }

  #end(error: unknown): number {
    if (error instanceof Done) return error.status;
    if (!(error instanceof Complaint)) throw error;
    if (!this.#settings.isQuiet) this.#stderr += error.text(this.#line);
    return error.status;
  }

  async #command(words: readonly string[], text: string | undefined): Promise<void> {
    const rest = takeSettings(words, this.#settings);
    const command = await this.#read(rest);
    if (command.verb === 'restore') await this.#restore(text ?? '');
    else await this.#do(command);
  }

  /** Again with each name of a host that had to be looked up. */
  async #read(words: readonly string[]): Promise<Command> {
    for (;;) {
      this.#warnings = [];
      const reading = { hosts: this.#hosts, warn: (line: string) => this.#warnings.push(line) };
      const reader = new CommandReader((name) => this.#known(name), reading);
      try {
        return reader.read(words, this.#line > 0);
      } catch (error) {
        if (!(error instanceof Unresolved)) throw error;
        await this.#hosts.learn(error);
      }
    }
  }

  #known(name: string): SetBody | undefined {
    return this.sets.find(this.namespace, name)?.body;
  }

  #find(name: string): NamedSet {
    const set = this.sets.find(this.namespace, name);
    if (set === undefined) throw kernel('noSet');
    return set;
  }

  #warn(text: string): void {
    if (!this.#settings.isQuiet) this.#stderr += text;
  }

  // --- text -----------------------------------------------------------------------------------------

  async #restore(text: string): Promise<void> {
    for (const line of text.split('\n')) {
      this.#line++;
      const start = line.trimStart();
      if (start === '' || start.startsWith('#')) continue;
      if (start === 'COMMIT' || start === 'COMMIT\r') await this.#flushBatch();
      else await this.#textLine(start);
    }
    await this.#flushBatch();
  }

  async #textLine(line: string): Promise<void> {
    const command = await this.#read(takeSettings(splitLine(line), this.#settings));
    if (command.verb === 'add' || command.verb === 'del')
      await this.#change(command.verb, command.name, command.values);
    else {
      await this.#flushBatch();
      await this.#do(command);
    }
  }

  // --- commands -------------------------------------------------------------------------------------

  async #do(command: Command): Promise<void> {
    this.#tellAmbiguous();
    switch (command.verb) {
      case 'create':
        this.#create(command.name, command);
        break;
      case 'add':
      case 'del':
        await this.#change(command.verb, command.name, command.values);
        await this.#flushBatch();
        break;
      case 'test':
        await this.#test(this.#find(command.name), command.values);
        break;
      case 'list':
      case 'save':
        await this.#list(command.verb, command.name);
        break;
      case 'destroy':
        await this.#destroy(command.name);
        break;
      case 'flush':
        this.#flush(command.name);
        break;
      case 'rename':
        await this.#rename(command.name, command.other);
        break;
      case 'swap':
        this.#swap(command.name, command.other);
        break;
      case 'help':
        helpText(command.name, this.#settings.isQuiet, (text) => {
          this.#stdout += text;
        });
        break;
      case 'version':
        this.#stdout += `ipset ${VERSION}, protocol version: 7\n`;
        break;
      case 'quit':
        throw new Done(0);
    }
    this.#tellWarnings();
  }

  #tellAmbiguous(): void {
    for (const host of this.#hosts.ambiguous.splice(0)) {
      this.#warn(
        `Warning: ${host} resolves to multiple addresses: using only the first one returned by the resolver.\n`,
      );
    }
  }

  /** The real tool takes a warning for the end of a text. */
  #tellWarnings(): void {
    if (this.#warnings.length === 0) return;
    this.#warn(`Warning: ${this.#warnings.join('\n')}\n`);
    throw new Done(0);
  }

  #create(name: string, { kind, values }: Extract<Command, { verb: 'create' }>): void {
    const { body, options } = newSet(kind, values);
    const there = this.sets.find(this.namespace, name);
    if (there !== undefined) {
      if (this.#settings.isExist && isSameSet(there.body, body)) return;
      throw kernel('setExists');
    }
    const set = this.sets.add(this.namespace, name, body);
    if (set === undefined) throw kernel('tooManySets');
    this.engine.post([['createSet', set.number, options satisfies SetOptions]]);
  }

  async #destroy(name: string | undefined): Promise<void> {
    const sets = name === undefined ? this.sets.all(this.namespace) : [this.#find(name)];
    await this.#lookAtLists();
    if (sets.some(({ references }) => references > 0)) throw kernel('busy');
    for (const set of sets) this.sets.remove(this.namespace, set);
    this.engine.post(sets.map(({ number }): Call => ['destroySet', number]));
  }

  #flush(name: string | undefined): void {
    const sets = name === undefined ? this.sets.all(this.namespace) : [this.#find(name)];
    for (const set of sets) {
      this.sets.emptyList(set);
      set.body.comments.clear();
    }
    this.engine.post(sets.map(({ number }): Call => ['flushSet', number]));
  }

  async #rename(name: string, other: string): Promise<void> {
    const set = this.#find(name);
    await this.#lookAtLists();
    if (set.references > 0) throw kernel('referenced');
    if (this.sets.find(this.namespace, other) !== undefined) throw kernel('nameTaken');
    this.sets.rename(this.namespace, set, other);
  }

  #swap(name: string, other: string): void {
    const one = this.#find(name);
    const two = this.sets.find(this.namespace, other);
    if (two === undefined) throw kernel('noSecondSet');
    const isSame = one.body.kind.features === two.body.kind.features && one.body.family === two.body.family;
    if (!isSame) throw kernel('otherType');
    this.sets.swap(one, two);
    this.engine.post([['swapSets', one.number, two.number]]);
  }

  // --- members --------------------------------------------------------------------------------------

  async #change(verb: 'add' | 'del', name: string, values: Values): Promise<void> {
    const set = this.#find(name);
    const { isExist } = this.#settings;
    let batch = this.#batch;
    if (batch === undefined || batch.verb !== verb || batch.set !== set || batch.isExist !== isExist) {
      const line = this.#line;
      await this.#flushBatch();
      this.#line = line;
      batch = { verb, set, isExist, rows: new Int32Array(BATCH * Member.WORDS), lines: [] };
      this.#batch = batch;
    }
    for (const row of this.#rows(set, verb, values)) {
      batch.rows.set(row, batch.lines.length * Member.WORDS);
      batch.lines.push(this.#line);
      if (batch.lines.length === BATCH) await this.#send(batch);
    }
    // Who is in a list, and who is beside whom, is known one after the other.
    if (set.body.kind.type === SetType.LIST_SET) await this.#send(batch, values.reference !== undefined);
    if (set.body.hasManyComments) await this.#forgetComments(batch);
  }

  /** What comes before a row that cannot be is done first. */
  *#rows(set: NamedSet, verb: 'add' | 'del', values: Values): Generator<Int32Array> {
    yield* rowsOf(set.body, verb, values, this.names);
  }

  async #flushBatch(): Promise<void> {
    const batch = this.#batch;
    this.#batch = undefined;
    if (batch !== undefined) await this.#send(batch);
  }

  /** A part at a time, between which packets pass. */
  async #send(batch: Batch, isBeside = false): Promise<void> {
    const { set, verb, isExist, lines } = batch;
    batch.lines = [];
    for (let from = 0; from < lines.length; from += AT_ONCE) {
      const count = Math.min(AT_ONCE, lines.length - from);
      const rows = batch.rows.slice(from * Member.WORDS, (from + count) * Member.WORDS);
      const { done, answer } =
        verb === 'add'
          ? await this.engine.addMembers(set.number, rows, isExist)
          : await this.engine.deleteMembers(set.number, rows, isExist && !isBeside);
      if (set.body.kind.type === SetType.LIST_SET) this.#enterLists(batch, rows, done);
      if (done === count) continue;
      this.#line = lines[from + done];
      throw refusal(verb, answer, isBeside);
    }
  }

  #enterLists({ set, verb }: Batch, rows: Int32Array, done: number): void {
    for (let i = 0; i < done; i++) {
      const member = rows[i * Member.WORDS + Member.SET];
      if (verb === 'add') this.sets.enterList(set, member);
      else this.sets.leaveList(set, member);
    }
  }

  async #test(set: NamedSet, values: Values): Promise<void> {
    const row = testRow(set.body, values, this.names);
    const isIn = row !== undefined && (await this.engine.hasMember(set.number, row));
    const element = elementText(set.body, withoutPhysdev(values));
    this.#warn(isIn ? `Warning: ${element} is in set ${set.name}.\n` : `${element} is NOT in set ${set.name}.\n`);
    throw new Done(isIn ? 0 : 1);
  }

  async #pages(set: NamedSet, take: (rows: Int32Array) => void): Promise<void> {
    let cursor = 0;
    do {
      const { rows, next } = await this.engine.memberPage(set.number, cursor);
      take(rows);
      cursor = next;
    } while (cursor !== 0);
  }

  /** Texts of members that are gone. */
  async #forgetComments(batch: Batch): Promise<void> {
    await this.#send(batch);
    const { body } = batch.set;
    const used = new Set<number>();
    await this.#pages(batch.set, (rows) => {
      for (let at = Member.COMMENT; at < rows.length; at += Member.WORDS) used.add(rows[at]);
    });
    for (const number of body.comments.keys()) if (!used.has(number)) body.comments.delete(number);
    body.commentsInUse = body.comments.size;
  }

  /** Members of lists may have come to their time. */
  async #lookAtLists(): Promise<void> {
    for (const list of this.sets.all(this.namespace)) {
      if (list.body.members.size === 0 || list.body.created.timeout === undefined) continue;
      const left = new Set<number>();
      await this.#pages(list, (rows) => {
        for (let at = Member.SET; at < rows.length; at += Member.WORDS) left.add(rows[at]);
      });
      for (const member of [...list.body.members]) if (!left.has(member)) this.sets.leaveList(list, member);
    }
  }

  // --- listings -------------------------------------------------------------------------------------

  async #list(verb: 'list' | 'save', name: string | undefined): Promise<void> {
    this.#file = this.#settings.file;
    const sets = name === undefined ? this.sets.all(this.namespace) : [this.#find(name)];
    const mode: Mode = this.#settings.mode ?? (verb === 'list' ? 'plain' : 'save');
    if (this.#settings.isNames && mode !== 'save') {
      this.#stdout += listNames(sets, mode);
      return;
    }
    await this.#lookAtLists();
    const texts: string[] = [];
    for (const set of sets) texts.push(await this.#listSet(set, mode));
    this.#stdout += joinSets(texts, mode);
  }

  async #listSet(set: NamedSet, mode: Mode): Promise<string> {
    const { isTerse, isSorted } = this.#settings;
    const members: Values[] = [];
    const size = await this.engine.size(set.number);
    let count = 0;
    await this.#pages(set, (rows) => {
      count += rows.length / Member.WORDS;
      for (let at = 0; !isTerse && at < rows.length; at += Member.WORDS) {
        const values = valuesOf(rows, at, set.body, this.names);
        if (values !== undefined) members.push(values);
      }
    });
    const options = { mode, isTerse, isSorted };
    if (!this.#settings.isResolving) return listSet(set, { ...size, members: count }, members, options);
    const addressText = await hostTexts(members.flatMap(({ ip, ip2 }) => [ip, ip2].filter((one) => one !== undefined)));
    return listSet(set, { ...size, members: count }, members, { ...options, addressText });
  }
}

export function refusal(verb: 'add' | 'del', answer: SetAnswer, isBeside: boolean): Refused {
  switch (answer) {
    case SetAnswer.EXISTS:
      return kernel('isIn');
    case SetAnswer.FULL:
      return kernel('full');
    case SetAnswer.OUT_OF_RANGE:
      return kernel('outOfRange');
    case SetAnswer.ABSENT:
      return kernel(isBeside || verb === 'add' ? 'notBeside' : 'isNotIn');
    default:
      return kernel('invalid');
  }
}

/** What cannot be in a set is not in it. */
function testRow(body: SetBody, values: Values, names: MemberNames): Int32Array | undefined {
  try {
    return rowsOf(body, 'test', values, names).next().value;
  } catch (error) {
    if (error instanceof Refused && !(error instanceof Useless)) return undefined;
    throw error;
  }
}

/** The tool leaves it out of this sentence. */
function withoutPhysdev(values: Values): Values {
  return { ...values, isPhysdev: false };
}

/** Words of a line: blanks part them, quotes keep them together. */
export function splitLine(line: string): string[] {
  const words: string[] = [];
  let word = '';
  let isQuoted = false;
  for (const char of `${line} `) {
    if (char === '"') isQuoted = !isQuoted;
    else if (isQuoted || !/\s/.test(char)) word += char;
    else if (word !== '') {
      words.push(word);
      word = '';
    }
  }
  if (isQuoted) throw new BadWords('Missing close quote!');
  return words;
}
