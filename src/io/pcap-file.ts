/*
 * Capture files on disk (the format itself is in io/pcap-format.ts and its neighbours): what `sluice capture -w` writes and the `pcap`
 * port reads and writes. The name decides what is written: *.pcap is classic pcap, anything else pcapng; '-' is
 * stdout. Reading tells by the file's first bytes; '-' is stdin.
 *
 * Opening fails with an error, as all of the control path does. Afterwards nothing throws: `next` and `write`
 * answer false and `problem` says why, because they are also called where frames are forwarded.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { SluiceError } from '../core/errors.js';
import { errnoText } from './errno.js';
import { CaptureDecoder, type DecoderOptions, Step } from './pcap-decoder.js';
import { CaptureEncoder, type CaptureFormat, ENCODE_ROOM } from './pcap-encoder.js';
import type { CapturedFrame, CaptureLink, FrameRecord } from './pcap-format.js';

const CHUNK_BYTES = 65536;

/** Frames collect here before they are written: at least one always fits. */
const WRITE_BYTES = 4 * ENCODE_ROOM;

function causeOf(error: unknown): string {
  const { errno } = error as NodeJS.ErrnoException;
  return errno === undefined ? String(error) : errnoText(errno);
}

function open(path: string, flags: 'r' | 'w'): number {
  if (path === '-') return flags === 'r' ? 0 : 1;
  try {
    return openSync(path, flags, 0o644);
  } catch (error) {
    const verb = flags === 'r' ? 'read' : 'write';
    const { code = 'EIO' } = error as NodeJS.ErrnoException;
    throw new SluiceError(
      code,
      `cannot ${verb} capture "${path}": ${causeOf(error)}; check the path and its permissions`,
    );
  }
}

export function formatOf(path: string): CaptureFormat {
  return path.endsWith('.pcap') ? 'pcap' : 'pcapng';
}

export class CaptureReader {
  /** Why `next` answered false; '' at the proper end of the file. */
  problem = '';
  private readonly decoder: CaptureDecoder;
  private readonly path: string;
  private readonly chunk = new Uint8Array(CHUNK_BYTES);
  private fd: number;

  constructor(path: string, options: DecoderOptions = {}) {
    this.path = path;
    this.decoder = new CaptureDecoder(options);
    this.fd = open(path, 'r');
  }

  /** The frame that `next` found. Borrowed: valid until the next call. */
  get frame(): CapturedFrame {
    return this.decoder.frame;
  }

  /** The links described so far: in pcapng they may appear between frames. */
  get links(): readonly CaptureLink[] {
    return this.decoder.links;
  }

  next(): boolean {
    if (this.fd === -1) return false;
    for (;;) {
      const step = this.decoder.next();
      if (step === Step.FRAME) return true;
      if (step === Step.BAD || !this.fill()) return this.stop();
    }
  }

  close(): void {
    if (this.fd > 2) closeSync(this.fd);
    this.fd = -1;
  }

  private fill(): boolean {
    try {
      const bytes = readSync(this.fd, this.chunk);
      this.decoder.feed(this.chunk.subarray(0, bytes));
      return bytes > 0;
    } catch (error) {
      this.problem = `cannot read capture "${this.path}": ${causeOf(error)}`;
      return false;
    }
  }

  private stop(): boolean {
    if (this.problem === '' && this.decoder.finish() === Step.BAD) {
      this.problem = `cannot read capture "${this.path}": ${this.decoder.problem}`;
    }
    this.close();
    return false;
  }
}

export interface WriterOptions {
  links: readonly string[];
  unit?: 'us' | 'ns';
  snapLength?: number;
}

export class CaptureWriter {
  /** Why `write` answered false. */
  problem = '';
  private readonly encoder: CaptureEncoder;
  private readonly path: string;
  private readonly buffer = new Uint8Array(WRITE_BYTES);
  private used = 0;
  private fd: number;

  constructor(path: string, options: WriterOptions) {
    this.path = path;
    this.encoder = new CaptureEncoder({ format: formatOf(path), ...options });
    this.fd = open(path, 'w');
    const header = this.encoder.header();
    if (header.length <= this.buffer.length) {
      this.buffer.set(header);
      this.used = header.length;
    } else {
      this.writeFully(header, header.length);
    }
  }

  /** Arguments as CaptureEncoder.encode has them. What is written waits in a buffer until it is full, `flush` or `close`. */
  write(
    record: FrameRecord,
    bytes: Uint8Array,
    from: number,
    captured: number,
    tailFrom = 0,
    tailCaptured = 0,
  ): boolean {
    if (this.fd === -1) return false;
    for (let attempt = 0; attempt < 2; attempt++) {
      const size = this.encoder.encode(this.buffer, this.used, record, bytes, from, captured, tailFrom, tailCaptured);
      this.used += size;
      if (size !== 0) return true;
      if (!this.flush()) return false;
    }
    return this.fail(`a frame of ${captured + tailCaptured} bytes is too long`);
  }

  /** Hands on what waits, so that a reader of the file sees whole frames. */
  flush(): boolean {
    if (this.fd === -1) return false;
    const used = this.used;
    this.used = 0;
    return this.writeFully(this.buffer, used);
  }

  /** Flushes and closes. The file was whole if this answers true. */
  close(): boolean {
    if (this.fd === -1) return this.problem === '';
    const isWhole = this.flush();
    if (this.fd > 2) closeSync(this.fd);
    this.fd = -1;
    return isWhole;
  }

  private writeFully(bytes: Uint8Array, length: number): boolean {
    let done = 0;
    while (done < length) {
      try {
        done += writeSync(this.fd, bytes, done, length - done);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return this.fail(causeOf(error));
        waitMs(1);
      }
    }
    return true;
  }

  private fail(cause: string): boolean {
    this.problem = `cannot write capture "${this.path}": ${cause}; the file ends at the last whole write`;
    if (this.fd > 2) closeSync(this.fd);
    this.fd = -1;
    return false;
  }
}

const $sleep = new Int32Array(new SharedArrayBuffer(4));

/** stdout may be a pipe that does not block and is full. */
function waitMs(ms: number): void {
  Atomics.wait($sleep, 0, 0, ms);
}
