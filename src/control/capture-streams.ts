/*
 * The `capture` requests of clients: frames from the engine, on to the connection that asked.
 */

import { parse } from '../wire/filter.js';
import type { CaptureInfo } from './api/capture.js';
import type { Request } from './api/request.js';
import type { CapturedFrame, CapturedFrames } from './captures.js';
import type { EngineThread } from './engine-thread.js';
import type { Network } from './network.js';
import type { Connection } from './server.js';

/** A client that has more than this unread is let catch up. */
const BACKLOG_BYTES = 4 << 20;
const RETRY_MS = 20;

type CaptureRequest = Extract<Request, { op: 'capture' }> & { ns?: string };

function infoOf(frame: CapturedFrame): CaptureInfo {
  return {
    ts_us: Math.floor(frame.timeUs),
    direction: frame.isOut ? 'out' : 'in',
    length: frame.length,
    data: Buffer.from(frame.bytes).toString('base64'),
  };
}

interface Stream {
  connection: Connection;
  send: (result: unknown) => void;
}

export class CaptureStreams {
  private readonly streams = new Map<number, Stream>();
  private nextId = 1;

  constructor(
    private readonly network: Network,
    private readonly engine: EngineThread,
  ) {
    network.onFrames = (frames) => this.deliver(frames);
  }

  /** Runs until the client goes. */
  async run(request: CaptureRequest, connection: Connection, send: (result: unknown) => void): Promise<void> {
    const link = this.network.get(request.name, 'capture on', this.network.namespaces.get(request.ns));
    parse(request.filter);
    const id = this.nextId++;
    this.streams.set(id, { connection, send });
    await this.engine.call('startCapture', id, link.number, request.filter, request.snaplen);
    await new Promise<void>((resolve) => connection.onClose.push(resolve));
    this.streams.delete(id);
    await this.engine.call('stopCapture', id);
  }

  private deliver({ id, frames }: CapturedFrames): void {
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    for (const frame of frames) stream.send(infoOf(frame));
    this.acknowledge(id, frames.length, stream.connection);
  }

  /** Gives the engine room for more once the client has read. */
  private acknowledge(id: number, frames: number, connection: Connection): void {
    if (!this.streams.has(id)) return;
    if (connection.backlog <= BACKLOG_BYTES) void this.engine.call('ackCapture', id, frames).catch(() => {});
    else setTimeout(() => this.acknowledge(id, frames, connection), RETRY_MS);
  }
}
