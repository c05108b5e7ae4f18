/*
 * The thin client: JSON lines over the daemon's control socket (see api/request.ts).
 *
 * Requests are pipelined: `request` writes at once and answers are matched by id, so a batch of
 * thousands costs one round trip. Requests made in one turn of the event loop leave in one write.
 * Loads nothing but node:net: a command must start within milliseconds.
 */
import { connect as connectSocket, type Socket } from 'node:net';
import type { Answer, ApiError } from './api/answer.js';
import type { CaptureInfo } from './api/capture.js';
import type { Envelope, Request } from './api/request.js';

/** The daemon's "no", with the kernel's errno and the sentence for the user. */
export class ApiFailure extends Error {
  constructor(readonly error: ApiError) {
    super(error.message);
  }
}

/** Nobody answers on the socket, or the daemon went away in mid-answer. */
export class Unreachable extends Error {}

/** The namespace that is always there; a request for it names none. */
export const HOST = 'host';

interface Destination {
  ns: string | undefined;
  chain?: boolean;
}

interface Waiter {
  /** Answers come until one says `end`. */
  many: boolean;
  result(value: unknown, end: boolean): void;
  failure(error: Error): void;
}

/** --socket, else SLUICE_SOCKET, else root's or the user's default. */
export function socketPath(option?: string): string {
  if (option !== undefined) return option;
  if (process.env.SLUICE_SOCKET) return process.env.SLUICE_SOCKET;
  if (process.getuid?.() === 0) return '/run/sluice/sluice.sock';
  return `${process.env.XDG_RUNTIME_DIR ?? `/run/user/${process.getuid?.() ?? 0}`}/sluice.sock`;
}

const CAUSES: Record<string, string> = {
  ENOENT: 'there is no such socket',
  ECONNREFUSED: 'nobody listens there',
  EACCES: 'permission denied',
  ENOTSOCK: 'it is not a socket',
  EPIPE: 'the daemon closed the connection',
  ECONNRESET: 'the daemon closed the connection',
};

function unreachable(path: string, error: NodeJS.ErrnoException): Unreachable {
  const cause = CAUSES[error.code ?? ''] ?? error.message;
  const hint =
    error.code === 'EACCES' ? 'run as its user, or start it with "sluice up --group G"' : 'start it with "sluice up"';
  return new Unreachable(`cannot reach the daemon at ${path}: ${cause}; ${hint}`);
}

/** The socket, and who waits for what on it. */
class Connection {
  readonly #waiting = new Map<number, Waiter>();
  #nextId = 1;
  #unsent = '';
  #rest = '';
  #closed = false;

  constructor(
    private readonly socket: Socket,
    private readonly path: string,
  ) {
    socket.setEncoding('utf8');
    socket.on('data', (text: unknown) => this.#receive(text as string));
    socket.on('error', (error) => this.#fail(unreachable(path, error)));
    socket.on('close', () => this.#fail(this.#gone()));
  }

  send({ chain = false, ns }: Destination, request: Request, waiter: Waiter): void {
    const id = this.#nextId++;
    this.#waiting.set(id, waiter);
    if (this.#unsent === '') setImmediate(() => this.#flush());
    const envelope: Envelope = { id };
    if (ns !== undefined && ns !== HOST) envelope.ns = ns;
    if (chain) envelope.chain = true;
    this.#unsent += `${JSON.stringify({ ...envelope, ...request })}\n`;
  }

  close(): void {
    this.#closed = true;
    this.socket.destroy();
  }

  #gone(): Unreachable {
    return new Unreachable(`cannot reach the daemon at ${this.path}: it went away; see its log`);
  }

  #flush(): void {
    const text = this.#unsent;
    this.#unsent = '';
    if (this.#closed || this.socket.destroyed) this.#fail(this.#gone());
    else this.socket.write(text);
  }

  #receive(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') this.#answer(JSON.parse(line) as Answer);
  }

  #answer(answer: Answer): void {
    const waiter = this.#waiting.get(answer.id);
    if (waiter === undefined) return;
    if ('error' in answer) {
      this.#waiting.delete(answer.id);
      waiter.failure(new ApiFailure(answer.error));
      return;
    }
    const end = !waiter.many || answer.end === true;
    if (end) this.#waiting.delete(answer.id);
    waiter.result(answer.result, end);
  }

  #fail(error: Error): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    if (!this.#closed) for (const waiter of waiting) waiter.failure(error);
  }
}

export class Client {
  private constructor(
    private readonly connection: Connection,
    /** The namespace of Sluice that requests are for, unless they name another. */
    private readonly ns?: string,
  ) {}

  static connect(path: string, ns?: string): Promise<Client> {
    return new Promise((resolve, reject) => {
      const socket = connectSocket(path);
      socket.once('error', (error) => reject(unreachable(path, error)));
      socket.once('connect', () => {
        socket.removeAllListeners('error');
        resolve(new Client(new Connection(socket, path), ns));
      });
    });
  }

  /** The same connection, for another namespace. */
  within(ns: string): Client {
    return new Client(this.connection, ns);
  }

  /** One request, one answer. `chain`: not carried out if an earlier chained request of this connection failed. */
  request<T>(request: Request, chain = false, ns = this.ns): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const result = (value: unknown) => resolve(value as T);
      this.connection.send({ chain, ns }, request, { many: false, result, failure: reject });
    });
  }

  /** One request, many answers. Resolves when the daemon says `end`; `each` may return false to stop early. */
  stream<T = CaptureInfo>(request: Request, each: (value: T) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const result = (value: unknown, end: boolean) => {
        const stop = value !== null && value !== undefined && !each(value as T);
        if (end || stop) resolve();
      };
      this.connection.send({ ns: this.ns }, request, { many: true, result, failure: reject });
    });
  }

  close(): void {
    this.connection.close();
  }
}
