/*
 * Where a verb's words go. Tests give their own; the real one writes synchronously, so that
 * nothing is lost when the process ends, and stops quietly when the reader of a pipe has gone.
 */
import { writeSync } from 'node:fs';

export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** Path of the control socket. */
  socket: string;
}

const $pause = new Int32Array(new SharedArrayBuffer(4));

/** A pipe whose reader set O_NONBLOCK answers EAGAIN when it is full: wait a little for it. */
function write(fd: number, text: string): void {
  const bytes = Buffer.from(text);
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
  const to = (fd: number) => (text: string) => {
    try {
      write(fd, text);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit(BROKEN_PIPE);
      throw error;
    }
  };
  return { out: to(1), err: to(2), socket };
}
