/* Raw sockets on kernel devices: the test's side of wire.py, which says what they can do. */
import { resolve } from 'node:path';
import type { Host } from './host.js';
import { Program } from './program.js';

/** How long to listen for what must not come, s. What is to come is waited for by number. */
const SILENCE_S = 0.15;

interface Reply {
  failure?: string;
  frames?: string[];
  each?: string[][];
  errors?: Array<[number, number]>;
}

type Ask = { op: string; name?: string } & Record<string, unknown>;

const toHex = (frames: readonly Uint8Array[]): string[] => frames.map((frame) => Buffer.from(frame).toString('hex'));

export class Wires {
  private readonly program = new Program(['python3', resolve(import.meta.dirname, 'wire.py')]);
  private last: Promise<unknown> = Promise.resolve();

  /** A socket on a device, which the test calls `name`. */
  async open(name: string, host: Host, dev: string): Promise<void> {
    await this.ask({ op: 'open', name, netns: host.name, dev });
  }

  /** Makes a TAP in a namespace and holds its descriptor, as a virtual machine does. */
  async openTap(name: string, host: Host, dev: string): Promise<void> {
    await this.ask({ op: 'tun', name, netns: host.name, dev });
  }

  async close(name: string): Promise<void> {
    await this.ask({ op: 'close', name });
  }

  /** All must be taken by the device. */
  async send(name: string, ...frames: Uint8Array[]): Promise<void> {
    const errors = await this.trySend(name, ...frames);
    if (errors.length > 0) throw new Error(`${name}: frame ${errors[0][0]} could not be sent: errno ${errors[0][1]}`);
  }

  /** Those that the device refused: which, and errno. */
  async trySend(name: string, ...frames: Uint8Array[]): Promise<Array<[number, number]>> {
    const { errors = [] } = await this.ask({ op: 'send', name, frames: toHex(frames) });
    return errors;
  }

  /** What has come since last asked: at least `count` frames, or fewer if they do not come. */
  async take(name: string, count = 0, timeout = count === 0 ? 0 : 10): Promise<Buffer[]> {
    const { frames = [] } = await this.ask({ op: 'take', name, count, timeout });
    return frames.map((hex) => Buffer.from(hex, 'hex'));
  }

  /** Everything that comes until it is quiet. */
  async drain(name: string): Promise<Buffer[]> {
    const [frames] = await this.drainAll([name]);
    return frames;
  }

  /** The same of several, one list each. */
  async drainAll(names: readonly string[]): Promise<Buffer[][]> {
    const { each = [] } = await this.ask({ op: 'drain', names, silence: SILENCE_S });
    return each.map((frames) => frames.map((hex) => Buffer.from(hex, 'hex')));
  }

  private ask(request: Ask): Promise<Reply> {
    const answer = this.last.then(() => this.exchange(request));
    this.last = answer.catch(() => {});
    return answer;
  }

  private async exchange(request: Ask): Promise<Reply> {
    this.program.write(`${JSON.stringify(request)}\n`);
    const reply = JSON.parse(await this.program.line()) as Reply;
    if (reply.failure !== undefined) throw new Error(`${request.op} ${request.name ?? ''}: ${reply.failure}`);
    return reply;
  }

  async end(): Promise<void> {
    await this.program.stop('SIGKILL');
  }
}
