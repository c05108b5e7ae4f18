/*
 * `ip -batch FILE` and `bridge -batch FILE`, as iproute2's do_batch reads a file: comments from #,
 * a backslash at the end of a line continues it, quotes hold a word together, the first failure
 * ends it unless -force.
 *
 * Lines are parsed and sent without waiting for the answers of those before; answers are settled in
 * order, beside it. `chain` tells the daemon to stop at the first failure, so that a batch leaves
 * behind what iproute2 would have left. Lines that change routes travel together: ip-route-lines.ts.
 * From stdin, lines are carried out as they come, so another program may talk to it.
 */
import { createReadStream, openSync } from 'node:fs';
import type { RouteFailures } from '../control/api/route.js';
import { ApiFailure } from '../control/client.js';
import { explainBulk, type RouteBulk, RouteLines, routeChangeOf } from './ip-route-lines.js';
import type { Plan } from './plan.js';
import { cannot, Refusal } from './refusal.js';
import { report, type Session } from './session.js';

/** Commands that may be under way before the oldest has been answered. */
const UNDER_WAY = 2048;
/** Of requests that carry many routes. */
const BULKS_UNDER_WAY = 64;
/** Between chunks what has been parsed leaves, so they are not too large. */
const CHUNK_BYTES = 1 << 18;
const NEWLINE = 10;

/** A command of the file: its words, and the number of its last line, which is what iproute2 reports. */
export interface BatchLine {
  words: string[];
  line: number;
  /** As it stands in the file, if it is one line without a comment. */
  text?: string;
}

const SPACE = ' \t\r\n';

/** Splits as `makeargs`: a quote counts only at the beginning of a word. undefined: a quote is not closed. */
export function splitWords(text: string): string[] | undefined {
  const words: string[] = [];
  let at = 0;
  for (;;) {
    while (at < text.length && SPACE.includes(text[at])) at++;
    if (at >= text.length) return words;
    const quote = text[at] === '"' || text[at] === "'" ? text[at++] : undefined;
    let end = at;
    if (quote !== undefined) end = text.indexOf(quote, at);
    else while (end < text.length && !SPACE.includes(text[end])) end++;
    if (end < 0) return undefined;
    words.push(text.slice(at, end));
    at = end + 1;
  }
}

/** Turns chunks of a file into commands; keeps what is not complete yet. */
export class LineReader {
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  /** Behind the last line that is complete. */
  #end = 0;
  #command = '';
  #line = 0;

  push(chunk: Buffer, isLast: boolean): void {
    const rest = this.#bytes.subarray(this.#at);
    this.#bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    this.#at = 0;
    this.#end = isLast ? this.#bytes.length : this.#bytes.lastIndexOf(NEWLINE) + 1;
  }

  /** The next command that is complete; lines without words are passed over. Throws a Refusal. */
  next(): BatchLine | undefined {
    while (this.#at < this.#end) {
      const newline = this.#bytes.indexOf(NEWLINE, this.#at);
      const isEnded = newline >= 0;
      const text = this.#bytes.toString('utf8', this.#at, isEnded ? newline : this.#end);
      this.#at = isEnded ? newline + 1 : this.#end;
      const command = this.#take(text, isEnded);
      if (command !== undefined) return command;
    }
    return undefined;
  }

  /** Lets `lines` take what it knows. */
  scan(lines: RouteLines): void {
    if (this.#command !== '') return;
    this.#at = lines.scan(this.#bytes, this.#at, this.#end, this.#line);
    this.#line += lines.scanned;
  }

  /** The file ended in a continued line, which is lost. */
  get isUnfinished(): boolean {
    return this.#command !== '';
  }

  #take(text: string, isEnded: boolean): BatchLine | undefined {
    this.#line++;
    const comment = text.indexOf('#');
    const line = comment < 0 ? text : text.slice(0, comment);
    if (isEnded && comment < 0 && line.endsWith('\\')) {
      this.#command += line.slice(0, -1);
      return undefined;
    }
    const isWhole = this.#command === '' && comment < 0;
    const words = splitWords(this.#command + line);
    this.#command = '';
    if (words === undefined) throw unterminated(this.#line);
    if (words.length === 0) return undefined;
    return { words, line: this.#line, ...(isWhole && { text }) };
  }
}

function unterminated(line: number): Refusal {
  const ours = cannot('batch', `line ${line}`, 'a quote is not closed', 'close it');
  return new Refusal('Unterminated quoted string', 1, ours, true);
}

export interface BatchOptions {
  file: string;
  force: boolean;
  /** Words of one line to a Plan; throws a Refusal. */
  parse(words: readonly string[]): Plan | Promise<Plan>;
}

interface Pending {
  line: number;
  plan?: Plan;
  answers?: ReadonlyArray<Promise<unknown>>;
  refusal?: Refusal;
  bulk?: RouteBulk;
}

async function* chunks(file: string, verb: string): AsyncGenerator<Buffer> {
  if (file === '-') {
    yield* process.stdin as AsyncIterable<Buffer>;
    return;
  }
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    const cause =
      (error as NodeJS.ErrnoException).code === 'EACCES' ? 'Permission denied' : 'No such file or directory';
    throw new Refusal(
      `Cannot open file "${file}" for reading: ${cause}`,
      1,
      cannot(`${verb} -batch`, file, cause, 'name a file, or - for stdin'),
    );
  }
  yield* createReadStream('', { fd, highWaterMark: CHUNK_BYTES }) as AsyncIterable<Buffer>;
}

/** Answers, settled one after the other while more is sent. */
class Answers {
  /** What the batch ends with, once something has ended it. */
  status: number | undefined;
  hasFailed = false;
  #last: Promise<void> = Promise.resolve();
  #underWay: Promise<void>[] = [];

  constructor(
    private readonly session: Session,
    private readonly options: BatchOptions,
  ) {}

  push(pending: Pending): void {
    this.#last = this.#last.then(() => this.#settle(pending));
    // Whoever waits for the last hears of it.
    this.#last.catch(() => {});
    this.#underWay.push(this.#last);
  }

  /** Waits while more than `limit` are under way. */
  async room(limit: number): Promise<void> {
    while (this.#underWay.length > limit) await this.#underWay.shift();
  }

  async idle(): Promise<void> {
    await this.#last;
    this.#underWay = [];
  }

  async #settle(pending: Pending): Promise<void> {
    if (this.status !== undefined) return;
    const { bulk, line } = pending;
    try {
      if (bulk !== undefined) await this.#settleBulk(bulk, pending.answers ?? []);
      else if (await this.#settleOne(pending)) this.#failed(line);
    } catch (error) {
      this.#report(error, line);
    }
  }

  /** A command of several rounds fails by its status; what was wrong, it has said. */
  async #settleOne({ refusal, plan, answers }: Pending): Promise<boolean> {
    if (refusal !== undefined) throw refusal;
    if (plan?.run !== undefined) return (await plan.run(this.session)) !== 0;
    if (plan !== undefined) await this.session.settle(plan, answers ?? []);
    return false;
  }

  /** With -force the answer lists those that failed; without, it is the error of the first. */
  async #settleBulk(bulk: RouteBulk, [answer]: ReadonlyArray<Promise<unknown>>): Promise<void> {
    try {
      const { failures } = ((await answer) ?? {}) as Partial<RouteFailures>;
      for (const [index, error] of failures ?? [])
        this.#report(await explainBulk(bulk, index, error, this.session.ask), bulk.lines[index]);
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      const index = error.error.index ?? 0;
      this.#report(await explainBulk(bulk, index, error.error, this.session.ask), bulk.lines[index]);
    }
  }

  #report(error: unknown, line: number): void {
    const status = report(error, this.session.terminal);
    if (!(error instanceof Refusal) || error.ends) this.status ??= status;
    else this.#failed(line);
  }

  #failed(line: number): void {
    this.session.terminal.err(`Command failed ${this.options.file}:${line}\n`);
    this.hasFailed = true;
    if (!this.options.force) this.status ??= 1;
  }
}

class Batch {
  readonly #reader = new LineReader();
  readonly #lines = new RouteLines();
  readonly #answers: Answers;
  /** Nothing more is to be read. */
  #hasEnded = false;

  constructor(
    private readonly session: Session,
    private readonly options: BatchOptions,
  ) {
    this.#answers = new Answers(session, options);
  }

  async run(file: AsyncIterable<Buffer>): Promise<number> {
    for await (const chunk of file) {
      await this.#chunk(chunk, false);
      if (this.#isOver) break;
    }
    if (!this.#isOver) await this.#chunk(Buffer.alloc(0), true);
    await this.#answers.idle();
    if (this.#reader.isUnfinished) this.session.terminal.err('Missing continuation line\n');
    return this.#answers.status ?? (this.#answers.hasFailed ? 1 : 0);
  }

  get #isOver(): boolean {
    return this.#hasEnded || this.#answers.status !== undefined;
  }

  async #chunk(chunk: Buffer, isLast: boolean): Promise<void> {
    this.#reader.push(chunk, isLast);
    while (!this.#isOver) {
      this.#reader.scan(this.#lines);
      if (this.#lines.isFull) {
        await this.#sendRoutes();
        continue;
      }
      const command = this.#next();
      if (command === undefined) break;
      await this.#command(command);
    }
    await this.#sendRoutes();
  }

  #next(): BatchLine | Refusal | undefined {
    try {
      return this.#reader.next();
    } catch (error) {
      if (error instanceof Refusal) return error;
      throw error;
    }
  }

  async #command(command: BatchLine | Refusal): Promise<void> {
    if (command instanceof Refusal) return this.#refuse(command, 0);
    try {
      const parsed = this.options.parse(command.words);
      const plan = parsed instanceof Promise ? await parsed : parsed;
      const change = routeChangeOf(plan);
      if (change === undefined) return await this.#send(plan, command.line);
      const { words, line, text } = command;
      if (this.#lines.add(change, plan, words, line, text)) return;
      await this.#sendRoutes();
      this.#lines.add(change, plan, words, line, text);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      await this.#refuse(error, command.line);
    }
  }

  async #refuse(refusal: Refusal, line: number): Promise<void> {
    await this.#sendRoutes();
    this.#answers.push({ line, refusal });
    if (!this.options.force || refusal.ends) this.#hasEnded = true;
  }

  async #send(plan: Plan, line: number): Promise<void> {
    await this.#sendRoutes();
    // What depends on answers waits for those before it, and nothing is sent ahead of it.
    if (plan.run !== undefined) {
      await this.#answers.idle();
      this.#answers.push({ line, plan });
      return this.#answers.idle();
    }
    this.#answers.push({ line, plan, answers: await this.session.send(plan, !this.options.force) });
    await this.#answers.room(UNDER_WAY);
  }

  /** Those that wait. */
  async #sendRoutes(): Promise<void> {
    if (!this.#lines.isWaiting) return;
    const chain = !this.options.force;
    const bulk = this.#lines.take(chain);
    const client = await this.session.client();
    const answer = client.request(bulk.request, chain);
    answer.catch(() => {});
    this.#answers.push({ line: bulk.lines[0], bulk, answers: [answer] });
    await this.#answers.room(BULKS_UNDER_WAY);
  }
}

export function runBatch(session: Session, verb: string, options: BatchOptions): Promise<number> {
  return new Batch(session, options).run(chunks(options.file, verb));
}
