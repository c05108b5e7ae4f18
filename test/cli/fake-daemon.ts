/* A daemon for tests of the client: a socket in a directory of its own, answers by a function. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiError } from '../../src/control/api/answer.js';
import type { Envelope, Request } from '../../src/control/api/request.js';

export type Received = Request & Envelope;

/** A result, or { error }. */
export type Answerer = (request: Received) => unknown;

export function refusal(errno: string, message: string, extack?: string): { error: ApiError } {
  return { error: { errno, message, ...(extack === undefined ? {} : { extack }) } };
}

export class FakeDaemon {
  readonly socket: string;
  readonly received: Received[] = [];
  /** Chunks that came, to see what was pipelined. */
  chunks = 0;
  readonly #directory = mkdtempSync(join(tmpdir(), 'sluice-cli-'));
  readonly #server: Server;
  readonly #connections = new Set<Socket>();

  private constructor(private answer: Answerer) {
    this.socket = join(this.#directory, 'sluice.sock');
    this.#server = createServer((connection) => this.#serve(connection));
  }

  static start(answer: Answerer): Promise<FakeDaemon> {
    const daemon = new FakeDaemon(answer);
    return new Promise((resolve) => daemon.#server.listen(daemon.socket, () => resolve(daemon)));
  }

  get requests(): unknown[] {
    return this.received.map(({ id: _, chain: __, ...request }) => request);
  }

  answerWith(answer: Answerer): void {
    this.answer = answer;
    this.received.length = 0;
  }

  stop(): void {
    for (const connection of this.#connections) connection.destroy();
    this.#server.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #serve(connection: Socket): void {
    let rest = '';
    let failed = false;
    this.#connections.add(connection);
    connection.on('error', () => {});
    connection.setEncoding('utf8');
    connection.on('data', (text: unknown) => {
      this.chunks++;
      const lines = (rest + (text as string)).split('\n');
      rest = lines.pop() ?? '';
      const answers = lines.map((line) => {
        const request = JSON.parse(line) as Received;
        this.received.push(request);
        const answer =
          failed && request.chain ? refusal('ECANCELED', 'cannot: an earlier one failed') : this.answer(request);
        const isError = typeof answer === 'object' && answer !== null && 'error' in answer;
        if (isError && request.chain) failed = true;
        return answerLines(request.id, answer, isError);
      });
      connection.write(answers.join(''));
    });
  }
}

/** Many results of one request, the last with `end`. */
export class Many {
  constructor(readonly results: readonly unknown[]) {}
}

function answerLines(id: number, answer: unknown, isError: boolean): string {
  if (isError) return `${JSON.stringify({ id, ...(answer as object) })}\n`;
  if (!(answer instanceof Many)) return `${JSON.stringify({ id, result: answer ?? {} })}\n`;
  const lines = answer.results.map((result) => JSON.stringify({ id, result }));
  return `${[...lines, JSON.stringify({ id, result: null, end: true })].join('\n')}\n`;
}
