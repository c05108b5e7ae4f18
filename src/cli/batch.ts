/*
 * `ip -batch FILE` and `bridge -batch FILE`, as iproute2's do_batch reads a file: comments from #,
 * a backslash at the end of a line continues it, quotes hold a word together, the first failure
 * ends it unless -force.
 *
 * All lines of a chunk are parsed and sent before the first answer is read. `chain` tells the
 * daemon to stop at the first failure, so that a batch leaves behind what iproute2 would have left.
 * From stdin, lines are carried out as they come, so another program may talk to it.
 */
import { createReadStream, openSync } from 'node:fs';
import type { Plan } from './plan.js';
import { cannot, Refusal } from './refusal.js';
import { report, type Session } from './session.js';

/** A command of the file: its words, and the number of its last line, which is what iproute2 reports. */
export interface BatchLine {
  words: string[];
  line: number;
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
  #rest = '';
  #command = '';
  #line = 0;

  /** Commands that are complete now. `last`: the file ends here. */
  read(chunk: string, last: boolean): BatchLine[] {
    const lines = (this.#rest + chunk).split('\n');
    const tail = lines.pop() ?? '';
    this.#rest = last ? '' : tail;
    const commands: BatchLine[] = [];
    for (const line of lines) this.#take(line, true, commands);
    if (last && tail !== '') this.#take(tail, false, commands);
    return commands;
  }

  /** The file ended in a continued line, which is lost. */
  get unfinished(): boolean {
    return this.#command !== '';
  }

  #take(text: string, ended: boolean, commands: BatchLine[]): void {
    this.#line++;
    const comment = text.indexOf('#');
    const line = comment < 0 ? text : text.slice(0, comment);
    if (ended && comment < 0 && line.endsWith('\\')) {
      this.#command += line.slice(0, -1);
      return;
    }
    const words = splitWords(this.#command + line);
    this.#command = '';
    if (words === undefined)
      throw new Refusal(
        'Unterminated quoted string',
        1,
        cannot('batch', `line ${this.#line}`, 'a quote is not closed', 'close it'),
        true,
      );
    if (words.length > 0) commands.push({ words, line: this.#line });
  }
}

export interface BatchOptions {
  file: string;
  force: boolean;
  /** Words of one line to a Plan; throws a Refusal. */
  parse(words: readonly string[]): Plan;
}

interface Pending {
  line: number;
  plan?: Plan;
  answers: ReadonlyArray<Promise<unknown>>;
  refusal?: Refusal;
}

async function* chunks(file: string, verb: string): AsyncGenerator<string> {
  if (file === '-') {
    process.stdin.setEncoding('utf8');
    yield* process.stdin as AsyncIterable<string>;
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
  yield* createReadStream('', { fd, encoding: 'utf8', highWaterMark: 1 << 20 }) as AsyncIterable<string>;
}

/** Sends one command, or notes why it cannot be. */
async function start(session: Session, options: BatchOptions, command: BatchLine): Promise<Pending> {
  try {
    const plan = options.parse(command.words);
    return { line: command.line, plan, answers: await session.send(plan, !options.force) };
  } catch (error) {
    if (error instanceof Refusal) return { line: command.line, answers: [], refusal: error };
    throw error;
  }
}

/** Waits for one command. The exit status to stop with, or undefined to go on. */
async function finish(session: Session, options: BatchOptions, pending: Pending): Promise<number | undefined> {
  try {
    if (pending.refusal !== undefined) throw pending.refusal;
    if (pending.plan !== undefined) await session.settle(pending.plan, pending.answers);
    return undefined;
  } catch (error) {
    const status = report(error, session.terminal);
    if (!(error instanceof Refusal) || error.ends) return status;
    session.terminal.err(`Command failed ${options.file}:${pending.line}\n`);
    return options.force ? 0 : 1;
  }
}

/** The commands of one chunk. 0: all done; otherwise what the batch ends with (−1: failed, but forced on). */
async function runChunk(session: Session, options: BatchOptions, commands: readonly BatchLine[]): Promise<number> {
  const pending: Pending[] = [];
  for (const command of commands) {
    const started = await start(session, options, command);
    pending.push(started);
    if (started.refusal !== undefined && (!options.force || started.refusal.ends)) break;
  }
  let failed = 0;
  for (const one of pending) {
    const status = await finish(session, options, one);
    if (status === 0) failed = -1;
    else if (status !== undefined) return status;
  }
  return failed;
}

export async function runBatch(session: Session, verb: string, options: BatchOptions): Promise<number> {
  const reader = new LineReader();
  let failed = false;
  const step = async (chunk: string, last: boolean) => {
    const status = await runChunk(session, options, reader.read(chunk, last));
    if (status < 0) failed = true;
    return Math.max(status, 0);
  };
  for await (const chunk of chunks(options.file, verb)) {
    const status = await step(chunk, false);
    if (status !== 0) return status;
  }
  const status = await step('', true);
  if (reader.unfinished) session.terminal.err('Missing continuation line\n');
  return status !== 0 ? status : failed ? 1 : 0;
}
