/*
 * `sluice capture LINK [-w FILE] [-c N] [-s BYTES] [FILTER]`: a link's frames as text on stdout, or
 * into a file that tcpdump and Wireshark read.
 *
 * The filter is checked here, so that a mistake in it is told at once, and applied by the daemon.
 * SIGINT and SIGTERM end a capture in good order. The file is flushed after every burst of frames,
 * so it can be read while it grows.
 */
import type { CaptureInfo } from '../control/api/capture.js';
import { ApiFailure } from '../control/client.js';
import { cannot, misuse, Refusal } from './refusal.js';
import { inSession, type Session } from './session.js';
import type { Terminal } from './terminal.js';
import { parseInteger } from './words.js';

export interface CaptureOptions {
  link: string;
  file?: string;
  /** Frames to stop after. */
  count: number;
  /** Bytes to keep of each frame. */
  snaplen: number;
  filter: string;
}

/** libpcap's limit, and more than a superframe. */
const MAX_SNAPLEN = 262144;

function positive(option: string, text: string | undefined, most: number): number {
  const number = parseInteger(text ?? '');
  if (number === undefined || number < 1 || number > most)
    throw misuse('capture', option, `"${text ?? ''}" is no number from 1 to ${most}`);
  return number;
}

type Setter = (options: CaptureOptions, value: string | undefined) => void;

export const OPTIONS: Record<string, Setter> = {
  '-w': (options, value) => {
    if (value === undefined) throw misuse('capture', '-w', 'it needs a file');
    options.file = value;
  },
  '-c': (options, value) => {
    options.count = positive('-c', value, Number.MAX_SAFE_INTEGER);
  },
  '-s': (options, value) => {
    options.snaplen = positive('-s', value, MAX_SNAPLEN);
  },
};

/** The first word that is no option is the link; what is no option after it is the filter. */
export function parseCapture(words: readonly string[]): CaptureOptions {
  const options: CaptureOptions = { link: '', count: Number.POSITIVE_INFINITY, snaplen: MAX_SNAPLEN, filter: '' };
  const filter: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at];
    if (filter.length === 0 && Object.hasOwn(OPTIONS, word)) OPTIONS[word](options, words[++at]);
    else if (filter.length === 0 && word.startsWith('-')) throw misuse('capture', word, 'there is no such option');
    else if (options.link === '') options.link = word;
    else filter.push(word);
  }
  if (options.link === '') throw misuse('capture', '', 'it names no link');
  return { ...options, filter: filter.join(' ') };
}

/** Where frames go. */
interface Sink {
  take(frame: CaptureInfo): void;
  flush(): void;
  close(): void;
}

async function fileSink(options: CaptureOptions, path: string): Promise<Sink> {
  const [{ CaptureWriter }, { newRecord, stamp }] = await Promise.all([
    import('../io/pcap-file.js'),
    import('../io/pcap-format.js'),
  ]);
  const writer = new CaptureWriter(path, { links: [options.link], snapLength: options.snaplen });
  const record = newRecord();
  const check = (done: boolean) => {
    if (!done) throw new Refusal('', 1, writer.problem);
  };
  return {
    take(frame) {
      stamp(record, frame.ts_us);
      record.length = frame.length;
      record.direction = frame.direction === 'in' ? 1 : 2;
      const bytes = Buffer.from(frame.data, 'base64');
      check(writer.write(record, bytes, 0, bytes.length));
    },
    flush: () => check(writer.flush()),
    close: () => check(writer.close()),
  };
}

/** Time of day here, as tcpdump prints it. */
function clock(micros: number): string {
  const date = new Date(Math.floor(micros / 1000));
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0'));
  return `${parts.join(':')}.${String(Math.floor(micros % 1e6)).padStart(6, '0')}`;
}

async function textSink(terminal: Terminal): Promise<Sink> {
  const { describe } = await import('../wire/describe.js');
  let text = '';
  const flush = () => {
    if (text !== '') terminal.out(text);
    text = '';
  };
  return {
    take(frame) {
      const bytes = Buffer.from(frame.data, 'base64');
      const way = frame.direction === 'in' ? 'In ' : 'Out';
      text += `${clock(frame.ts_us)} ${way} ${describe(bytes, 0, bytes.length, frame.length)}\n`;
    },
    flush,
    close: flush,
  };
}

/** Throws the filter's own complaint. */
async function checkFilter(filter: string): Promise<void> {
  if (filter === '') return;
  const { parse } = await import('../wire/filter.js');
  try {
    parse(filter);
  } catch (error) {
    const message = (error as Error).message;
    throw new Refusal(
      '',
      2,
      message.startsWith('cannot ')
        ? message
        : cannot('capture', `"${filter}"`, message, 'see "sluice capture --help"'),
    );
  }
}

async function openSink(options: CaptureOptions, terminal: Terminal): Promise<Sink> {
  if (options.file === undefined) return textSink(terminal);
  try {
    return await fileSink(options, options.file);
  } catch (error) {
    throw new Refusal('', 1, (error as Error).message);
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** A capture that is going on: counts, hands on, and ends at the count or when the sink fails. */
class Run {
  taken = 0;
  readonly ended: Promise<void>;
  #end!: (error?: unknown) => void;
  #flushing: NodeJS.Immediate | undefined;

  constructor(
    private readonly count: number,
    private readonly sink: Sink,
  ) {
    this.ended = new Promise((resolve, reject) => {
      this.#end = (error) => (error === undefined ? resolve() : reject(error));
    });
    for (const signal of SIGNALS) process.once(signal, this.#stop);
  }

  #stop = (): void => this.#end();

  /** One frame; false: no more. A burst is flushed when it is over. */
  take = (frame: CaptureInfo): boolean => {
    if (this.taken >= this.count) return false;
    this.taken++;
    this.#guard(() => this.sink.take(frame));
    this.#flushing ??= setImmediate(() => this.#flush());
    return this.taken < this.count;
  };

  close(): void {
    clearImmediate(this.#flushing);
    for (const signal of SIGNALS) process.off(signal, this.#stop);
    this.sink.close();
  }

  #flush(): void {
    this.#flushing = undefined;
    this.#guard(() => this.sink.flush());
  }

  /** Frames come in events, where nobody catches: a full disk ends the capture instead. */
  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#end(error);
    }
  }
}

/** Captures until the count is reached, a signal comes, or the link goes. The frames taken. */
async function capture(session: Session, options: CaptureOptions, sink: Sink): Promise<number> {
  const { link: name, filter, snaplen } = options;
  const client = await session.client();
  const current = new Run(options.count, sink);
  session.terminal.err(`sluice: capturing on ${name}\n`);
  await Promise.race([
    current.ended,
    client.stream<CaptureInfo>({ op: 'capture', name, filter, snaplen }, current.take),
  ]);
  current.close();
  return current.taken;
}

export function run(words: readonly string[], terminal: Terminal): Promise<number> {
  return inSession(terminal, async (session) => {
    const options = parseCapture(words);
    await checkFilter(options.filter);
    // So that a name that is wrong is told before any file is touched.
    await session.ask({ op: 'link.list', name: options.link });
    const sink = await openSink(options, terminal);
    try {
      const taken = await capture(session, options, sink);
      terminal.err(`${taken} frame${taken === 1 ? '' : 's'} captured\n`);
    } catch (error) {
      if (error instanceof ApiFailure) throw new Refusal('', 1, error.message);
      throw error;
    }
    return 0;
  });
}
