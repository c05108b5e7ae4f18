/* `sluice up`: parses the options and loads the daemon, the only command that loads the dataplane. */
import { misuse, type Refusal } from './refusal.js';
import type { Terminal } from './terminal.js';

/** What `sluice up` was told; the daemon's `run` takes it. */
export interface UpOptions {
  socket: string;
  config?: string;
  /** Undefined: as the configuration says, adaptive without one. */
  poll?: 'adaptive' | 'busy';
  group?: string;
  logLevel: LogLevel;
}

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';
const LEVELS: readonly string[] = ['error', 'warn', 'info', 'debug'];

type Setter = (options: UpOptions, value: string) => void;

function oneOf(option: string, value: string, list: readonly string[]): void {
  if (!list.includes(value)) throw misuse('up', option, `"${value}" is not one of ${list.join(', ')}`);
}

export const UP_OPTIONS: Record<string, Setter> = {
  '-c': (options, value) => {
    options.config = value;
  },
  '--poll': (options, value) => {
    oneOf('--poll', value, ['adaptive', 'busy']);
    options.poll = value as 'adaptive' | 'busy';
  },
  '--socket': (options, value) => {
    options.socket = value;
  },
  '--group': (options, value) => {
    options.group = value;
  },
  '--log-level': (options, value) => {
    oneOf('--log-level', value, LEVELS);
    options.logLevel = value as LogLevel;
  },
};

export function parseUp(words: readonly string[], socket: string): UpOptions | Refusal {
  const options: UpOptions = { socket, logLevel: 'info' };
  try {
    for (let at = 0; at < words.length; at += 2) {
      const [option, value] = [words[at], words[at + 1]];
      if (!Object.hasOwn(UP_OPTIONS, option)) throw misuse('up', option, 'there is no such option');
      if (value === undefined) throw misuse('up', option, 'it needs a value');
      UP_OPTIONS[option](options, value);
    }
    return options;
  } catch (error) {
    return error as Refusal;
  }
}

export async function run(words: readonly string[], terminal: Terminal): Promise<number> {
  const options = parseUp(words, terminal.socket);
  if (options instanceof Error) {
    terminal.err(options.text);
    return options.status;
  }
  try {
    const daemon = await import('../control/daemon.js');
    return await daemon.run(options);
  } catch (error) {
    // The dataplane does not load: a sentence, not a stack. Anything else is a bug and shows where.
    if (!(error instanceof Error) || !error.message.startsWith('cannot ')) throw error;
    terminal.err(`${error.message}\n`);
    return 1;
  }
}
