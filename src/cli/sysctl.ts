/*
 * `sluice sysctl`: settings of the IP stack under their Linux names, as procps' sysctl reads and writes them.
 *
 * Each word is carried out for itself, and what fails does not stop the next; the status tells whether all went well. The
 * real tool takes a key that can only be read, or a folder, for no failure, and so does this.
 */
import type { ApiError } from '../control/api/answer.js';
import type { SysctlInfo } from '../control/api/sysctl.js';
import { ApiFailure } from '../control/client.js';
import { cannot, Refusal, strerror } from './refusal.js';
import { inSession, type Session } from './session.js';
import type { Terminal } from './terminal.js';

interface Options {
  isAll: boolean;
  isWrite: boolean;
  isQuiet: boolean;
  ignoresUnknown: boolean;
  output: 'both' | 'names' | 'values' | 'binary';
  pattern?: string;
  words: string[];
}

type Flag = (options: Options) => void;

const all: Flag = (options) => {
  options.isAll = true;
};
const show =
  (output: Options['output']): Flag =>
  (options) => {
    options.output = output;
  };

const FLAGS: Record<string, Flag> = {
  a: all,
  A: all,
  X: all,
  b: show('binary'),
  e: (options) => {
    options.ignoresUnknown = true;
  },
  N: show('names'),
  n: show('values'),
  q: (options) => {
    options.isQuiet = true;
  },
  w: (options) => {
    options.isWrite = true;
  },
};

const LONG: Record<string, string> = {
  all: 'a',
  binary: 'b',
  ignore: 'e',
  names: 'N',
  values: 'n',
  quiet: 'q',
  write: 'w',
  pattern: 'r',
};

/** What the real tool has and would do nothing here, or nothing good. */
const USELESS: Record<string, string> = {
  '--system': 'the files of the system are for its kernel',
  '--load': 'files are for the kernel; write the keys here, or in the configuration',
  '-p': 'files are for the kernel; write the keys here, or in the configuration',
  '-f': 'files are for the kernel; write the keys here, or in the configuration',
  '--deprecated': 'deprecated names can be read and written, but are in no list',
  '--dry-run': 'there is nothing to try',
  '-o': 'it has no effect',
  '-x': 'it has no effect',
};

const USAGE = 'Usage:\n sysctl [options] [variable[=value] ...]';

function unknownOption(option: string): Refusal {
  const why = USELESS[option];
  const isShort = option.length === 2;
  const line = isShort ? `sysctl: invalid option -- '${option[1]}'` : `sysctl: unrecognized option '${option}'`;
  const cause = why ?? 'there is no such option';
  return new Refusal(line, 1, cannot('sysctl', option, cause, why === undefined ? SEE : 'leave it out'), true);
}

const SEE = 'see "sluice sysctl --help"';

function noWords(line: string, cause: string): Refusal {
  return new Refusal(line, 1, cannot('sysctl', '', cause, 'name a key, or say "-a"'), true);
}

/** Options may stand anywhere; after "--" all are words. */
function parse(argv: readonly string[]): Options {
  const options: Options = {
    isAll: false,
    isWrite: false,
    isQuiet: false,
    ignoresUnknown: false,
    output: 'both',
    words: [],
  };
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at];
    if (word === '--') {
      options.words.push(...argv.slice(at + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-') options.words.push(word);
    else at += takeOption(options, word, argv[at + 1]);
  }
  return options;
}

/** Takes `-an`, `-r PATTERN`, `-rPATTERN`, `--pattern=PATTERN`; answers how many words more than one. */
function takeOption(options: Options, word: string, next: string | undefined): number {
  if (!word.startsWith('--')) return takeShort(options, word, next);
  const [name, value] = word.slice(2).split(/=(.*)/s, 2);
  const letter = Object.hasOwn(LONG, name) ? LONG[name] : undefined;
  if (letter === undefined) throw unknownOption(`--${name}`);
  if (letter === 'r') return takePattern(options, value, next);
  FLAGS[letter](options);
  return 0;
}

function takeShort(options: Options, word: string, next: string | undefined): number {
  for (let i = 1; i < word.length; i++) {
    if (word[i] === 'r') return takePattern(options, word.slice(i + 1) || undefined, next);
    if (!Object.hasOwn(FLAGS, word[i])) throw unknownOption(`-${word[i]}`);
    FLAGS[word[i]](options);
  }
  return 0;
}

function takePattern(options: Options, given: string | undefined, next: string | undefined): number {
  const pattern = given ?? next;
  if (pattern === undefined)
    throw new Refusal(
      "sysctl: option requires an argument -- 'r'",
      1,
      cannot('sysctl', '-r', 'it needs a pattern', SEE),
      true,
    );
  options.pattern = pattern;
  return given === undefined ? 1 : 0;
}

/** An expression that is none matches nothing. */
function matcherOf(pattern: string | undefined): (key: string) => boolean {
  if (pattern === undefined) return () => true;
  try {
    const expression = new RegExp(pattern);
    return (key) => expression.test(key);
  } catch {
    return () => false;
  }
}

/** The file of a key: dots are slashes and the other way round, unless its first separator is a slash. */
function fileOf(key: string): string {
  const isDotted = /[./]/.exec(key)?.[0] !== '/';
  const swapped = key.replace(/[./]/g, (separator) => (separator === '.' ? '/' : '.'));
  return `/proc/sys/${isDotted ? swapped : key}`;
}

function dotted(key: string): string {
  if (/[./]/.exec(key)?.[0] !== '/') return key;
  return key.replace(/[./]/g, (separator) => (separator === '.' ? '/' : '.'));
}

class Run {
  private status = 0;
  private readonly matches: (key: string) => boolean;

  constructor(
    private readonly session: Session,
    private readonly options: Options,
  ) {
    this.matches = matcherOf(options.pattern);
  }

  async all(): Promise<number> {
    if (this.options.isAll) this.print(await this.session.ask<SysctlInfo[]>({ op: 'sysctl.list' }));
    else for (const word of this.options.words) await this.one(word);
    return this.status;
  }

  private one(word: string): Promise<void> | void {
    if (word.includes('=')) return this.write(word);
    if (!this.options.isWrite) return this.read(word);
    const line = 'sysctl: command line(0): invalid syntax, continuing...';
    this.fail(line, cannot('sysctl -w', word, 'it gives no value', 'write KEY=VALUE'));
  }

  private async read(key: string): Promise<void> {
    try {
      this.print(await this.session.ask<SysctlInfo[]>({ op: 'sysctl.list', prefix: key }));
    } catch (error) {
      this.refused(key, error, false);
    }
  }

  /** A minus before the key: it may fail. */
  private async write(word: string): Promise<void> {
    const [, minus, name, value] = /^\s*(-?)([^=]*?)\s*=\s*(.*?)\s*$/s.exec(word) ?? [];
    const key = dotted(name);
    if (!this.matches(key)) return;
    try {
      await this.session.ask<SysctlInfo>({ op: 'sysctl.set', key: name, value });
      if (!this.options.isQuiet) this.print([{ key, value }]);
    } catch (error) {
      this.refused(name, error, minus === '-');
    }
  }

  private refused(key: string, error: unknown, mayFail: boolean): void {
    if (!(error instanceof ApiFailure)) throw error;
    const { errno, message } = error.error;
    const isLost = !mayFail && errno !== 'EACCES' && errno !== 'EISDIR';
    if (errno === 'ENOENT' && this.options.ignoresUnknown) return;
    this.fail(this.lineOf(key, error.error), message, isLost);
  }

  private lineOf(key: string, { errno }: ApiError): string {
    if (errno === 'ENOENT') return `sysctl: cannot stat ${fileOf(key)}: ${strerror(errno)}`;
    const said = errno === 'EACCES' || errno === 'EISDIR' ? 'EINVAL' : errno;
    return `sysctl: setting key "${dotted(key)}": ${strerror(said)}`;
  }

  private fail(line: string, sentence: string, isLost = true): void {
    this.session.terminal.err(`${line}\n${sentence}\n`);
    if (isLost) this.status = 1;
  }

  private print(found: readonly SysctlInfo[]): void {
    const { output } = this.options;
    let text = '';
    for (const { key, value } of found) {
      if (!this.matches(key)) continue;
      if (output === 'both') text += `${key} = ${value}\n`;
      else if (output === 'names') text += `${key}\n`;
      else text += output === 'binary' ? value : `${value}\n`;
    }
    this.session.terminal.out(text);
  }
}

export function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  return inSession(terminal, (session) => {
    const options = parse(argv);
    const { isAll, words } = options;
    if (argv.length === 0) throw noWords(USAGE, 'it names no key');
    if (!isAll && words.length === 0) throw noWords('sysctl: no variables specified', 'it names no key');
    return new Run(session, options).all();
  });
}
