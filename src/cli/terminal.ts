/*
 * Where a verb's words go. Tests give their own; the real one writes synchronously, so that
 * nothing is lost when the process ends, and stops quietly when the reader of a pipe has gone.
 */
import { writeSync } from 'node:fs';

export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** Bytes that are no text, to stdout. */
  raw?(bytes: Uint8Array): void;
  /** Path of the control socket. */
  socket: string;
  /** The namespace of Sluice that the verb runs in; absent: host. */
  ns?: string | undefined;
}

const $pause = new Int32Array(new SharedArrayBuffer(4));

/** A pipe whose reader set O_NONBLOCK answers EAGAIN when it is full: wait a little for it. */
function write(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait($pause, 0, 0, 1);
    }
  }
}

/** 128 + SIGPIPE, as a shell reports a program that a closed pipe ended. */
const BROKEN_PIPE = 141;

export function realTerminal(socket: string): Terminal {
  const to = (fd: number) => (data: string | Uint8Array) => {
    try {
      write(fd, typeof data === 'string' ? Buffer.from(data) : data);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit(BROKEN_PIPE);
      throw error;
    }
  };
  return { out: to(1), err: to(2), raw: to(1), socket };
}
