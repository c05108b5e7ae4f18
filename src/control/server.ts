/*
 * The control socket: JSON lines of api/request.ts over a Unix socket.
 */
import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { SluiceError } from '../core/errors.js';
import type { Answer } from './api/answer.js';
import type { Envelope, Request } from './api/request.js';
import { apiErrorOf } from './handler.js';

/** A line longer than this is no request. */
const MAX_LINE = 16 << 20;
/** Requests that are answered until they end of themselves, or the client goes. */
const IS_STREAM: ReadonlySet<string> = new Set(['capture', 'conntrack.events', 'monitor', 'ping', 'traceroute']);
/** sun_path without its NUL. */
const MAX_PATH = 107;

/** Carries out one request; `send` is for those with many answers. Resolves to the last answer's result. */
export type Serve = (request: Request, connection: Connection, send: (result: unknown) => void) => Promise<unknown>;

/** Resolves when the engine has done all that requests have asked of it so far. */
export type Settled = () => Promise<unknown>;

export class Connection {
  /** Called when the client is gone. */
  onClose: Array<() => void> = [];
  private rest = '';
  /** A chained request has. */
  private hasFailed = false;
  private unsent = '';
  /** Texts that wait until the engine has done what they tell of. */
  private readonly held: string[] = [];
  private last: Promise<void> = Promise.resolve();

  constructor(
    private readonly socket: Socket,
    private readonly serve: Serve,
    private readonly settled: Settled,
  ) {
    socket.setEncoding('utf8');
    socket.on('data', (text) => this.receive(String(text)));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      for (const close of this.onClose) close();
    });
  }

  /** Bytes that the client has not taken yet. */
  get backlog(): number {
    return this.socket.writableLength + this.unsent.length + this.held.reduce((sum, text) => sum + text.length, 0);
  }

  private receive(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    if (this.rest.length > MAX_LINE) return void this.socket.destroy();
    for (const line of lines) if (line !== '') this.last = this.last.then(() => this.answer(line));
  }

  private async answer(line: string): Promise<void> {
    let id = 0;
    let isChained = false;
    try {
      const request = JSON.parse(line) as Request & Envelope;
      id = request.id;
      isChained = request.chain === true;
      if (isChained && this.hasFailed)
        throw new SluiceError('ECANCELED', 'cannot go on: an earlier command of the batch failed; see there');
      const pending = this.serve(request, this, (result) => this.send({ id, result }));
      // A stream of answers does not hold up what the client asks next.
      if (IS_STREAM.has(request.op))
        void pending.then(
          () => this.send({ id, result: null, end: true }),
          (error) => this.fail(id, isChained, error),
        );
      else this.send({ id, result: await pending, end: true });
    } catch (error) {
      this.fail(id, isChained, error);
    }
  }

  /** Only a chained request's failure stops those chained to it. */
  private fail(id: number, isChained: boolean, error: unknown): void {
    this.hasFailed ||= isChained;
    this.send({ id, error: apiErrorOf(error) });
  }

  /** Answers of one turn of the event loop leave in one write. */
  private send(answer: Answer): void {
    if (this.unsent === '') setImmediate(() => this.flush());
    this.unsent += `${JSON.stringify(answer)}\n`;
  }

  private flush(): void {
    if (this.unsent === '') return;
    this.held.push(this.unsent);
    this.unsent = '';
    void this.settled().then(() => this.write(this.held.shift() ?? ''));
  }

  private write(text: string): void {
    if (text !== '' && !this.socket.destroyed) this.socket.write(text);
  }

  /** Answers that were given still leave; the engine has ended. */
  end(): void {
    this.write(this.held.splice(0).join('') + this.unsent);
    this.unsent = '';
    this.socket.destroySoon();
  }
}

function groupId(name: string): number {
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  if (line !== undefined) return Number(line.split(':')[2]);
  throw new SluiceError('ENOENT', `cannot give the socket to group "${name}": there is none; see /etc/group`);
}

/** Whether somebody answers on a socket that exists. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

export class ControlServer {
  private readonly connections = new Set<Connection>();
  private readonly server: Server;

  constructor(serve: Serve, settled: Settled) {
    this.server = createServer((socket) => {
      const connection = new Connection(socket, serve, settled);
      this.connections.add(connection);
      connection.onClose.push(() => this.connections.delete(connection));
    });
  }

  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(path, resolve);
    });
  }

  /** No new connections, and the socket is gone. */
  close(): void {
    this.server.close();
  }

  /** Answers that were given still leave; then all connections end. */
  end(): void {
    for (const connection of this.connections) connection.end();
  }
}

/** Listens at `path`, 0600 (with a group 0660); a stale socket is replaced. */
export async function listen(
  path: string,
  group: string | undefined,
  serve: Serve,
  settled: Settled,
): Promise<ControlServer> {
  const gid = group === undefined ? undefined : groupId(group);
  checkPath(path);
  if (await isAlive(path)) {
    throw new SluiceError(
      'EADDRINUSE',
      `cannot listen at ${path}: a daemon answers there; stop it with "sluice down", or choose another --socket`,
    );
  }
  const server = new ControlServer(serve, settled);
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    removeStale(path);
    await listenPrivately(server, path);
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new SluiceError(code, `cannot listen at ${path}: ${code}; choose another --socket`);
  }
  if (gid !== undefined) {
    chownSync(path, -1, gid);
    chmodSync(path, 0o660);
  }
  return server;
}

/** The socket is made in the same call, 0600 from its first moment. */
async function listenPrivately(server: ControlServer, path: string): Promise<void> {
  const umask = process.umask(0o177);
  try {
    await server.listen(path);
  } finally {
    process.umask(umask);
  }
}

/** A longer one would be cut short without a word. */
function checkPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= MAX_PATH) return;
  throw new SluiceError(
    'ENAMETOOLONG',
    `cannot listen at ${path}: ${bytes} bytes are too long for a socket's path; use ${MAX_PATH} at most`,
  );
}

/** Removes a socket that nobody answers; anything else is somebody's file. */
function removeStale(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket())
    throw new SluiceError(
      'EEXIST',
      `cannot listen at ${path}: a file is there that is no socket; choose another --socket`,
    );
  unlinkSync(path);
}
