/*
 * The words of iptables-save and iptables-restore, and what they say of wrong ones.
 */
import { Getopt, type LongOptions, optionTables, Result, Takes } from './getopt-long.js';
import type { RestoreOptions } from './restore.js';
import type { SaveOptions } from './save.js';

/** The tool ends: with this on stdout, that on stderr. */
export class End extends Error {
  constructor(
    readonly stdout: string,
    readonly stderr: string,
    readonly status: number,
  ) {
    super(stderr);
  }
}

const RESTORE = optionTables([
  ...['counters c', 'verbose v', 'version V', 'test t', 'help h', 'noflush n', 'modprobe M:', 'table T:'],
  ...['wait w::', 'wait-interval W::', 'lax L', 'ipv4 4', 'ipv6 6'],
]);

const SAVE = optionTables([
  'counters c',
  'version V',
  'dump d',
  'table t:',
  'modprobe M:',
  'file f:',
  'ipv4 4',
  'ipv6 6',
]);

function shorts(options: LongOptions, letters: string): LongOptions {
  return new Map([...options].filter(([letter]) => letters.includes(letter)));
}

/** -w and -W have no value joined to them: they take the next word, if it is no option. */
const RESTORE_SHORT: LongOptions = new Map([
  ...shorts(RESTORE.short, 'cvVthnMT'),
  ...['w', 'W'].map((letter) => [letter, { name: '', takes: Takes.NOTHING, letter }] as const),
]);
const SAVE_SHORT = shorts(SAVE.short, 'cVdtMf');

const RESTORE_HELP = `[OPTION]… [FILE]

Loads a text as iptables-save writes it, from FILE or stdin: each table as a whole or not at all.

  -c, --counters       counters too
  -n, --noflush        leave the rules that are there
  -t, --test           only read it
  -T, --table TABLE    this table only
      --lax            load what has no meaning here as rules that never match
  -v, --verbose        tell what is done
  -V, --version
  -h, --help
`;

function* optionsOf(
  words: readonly string[],
  long: LongOptions,
  short: LongOptions,
  program: string,
  hint: string,
  operands: string[],
): Generator<[letter: string, value: string]> {
  const getopt = new Getopt(short).start(words);
  for (;;) {
    const before = getopt.at;
    const result = getopt.next([long]);
    if (result === Result.END) break;
    if (result === Result.OPERAND) operands.push(getopt.value as string);
    else if (result === Result.OPTION) {
      const { letter } = getopt.option;
      const isWait = letter === 'w' || letter === 'W';
      yield [letter, getopt.value ?? (isWait ? getopt.takeArgument() : '') ?? ''];
    } else throw wrong(words[before] ?? '', getopt.letter, result, program, hint);
  }
  while (!getopt.isDone) operands.push(words[getopt.at++]);
}

function wrong(word: string, letter: string, result: Result, program: string, hint: string): End {
  const isLong = word.startsWith('--');
  const isLacking = result === Result.LACKING;
  let text = isLacking ? `option requires an argument -- '${letter}'` : `invalid option -- '${letter}'`;
  if (isLong) text = isLacking ? `option '${word}' requires an argument` : `unrecognized option '${word}'`;
  return new End('', `${program}: ${text}\n${hint}\n`, 1);
}

/** `file` is set where one is to be read. */
export function readRestoreWords(
  words: readonly string[],
  program: string,
): RestoreOptions & { file: string | undefined } {
  const options: RestoreOptions = {
    isNoFlush: false,
    isTest: false,
    isVerbose: false,
    hasCounters: false,
    table: undefined,
    isLax: false,
  };
  const operands: string[] = [];
  const hint = `Try \`${program} -h' for more information.`;
  for (const [letter, value] of optionsOf(words, RESTORE.long, RESTORE_SHORT, program, hint, operands)) {
    if (letter === 'c') options.hasCounters = true;
    else if (letter === 'v') options.isVerbose = true;
    else if (letter === 't') options.isTest = true;
    else if (letter === 'n') options.isNoFlush = true;
    else if (letter === 'T') options.table = value;
    else if (letter === 'L') options.isLax = true;
    else if (letter === 'V') throw new End(`${program} v1.8.9 (nf_tables)\n`, '', 0);
    else if (letter === 'h') throw new End('', `Usage: ${program} ${RESTORE_HELP}`, 0);
  }
  if (operands.length > 1) throw new End('', 'Unknown arguments found on commandline\n', 1);
  return { ...options, file: operands[0] };
}

export function readSaveWords(words: readonly string[], program: string): SaveOptions {
  const options: SaveOptions = { hasCounters: false, table: undefined, file: undefined };
  const operands: string[] = [];
  const hint = `Look at manual page \`${program}.8' for more information.`;
  for (const [letter, value] of optionsOf(words, SAVE.long, SAVE_SHORT, program, hint, operands)) {
    if (letter === 'c') options.hasCounters = true;
    else if (letter === 't') options.table = value;
    else if (letter === 'f') options.file = value;
    else if (letter === 'V') throw new End(`${program} v1.8.9 (nf_tables)\n`, '', 0);
  }
  if (operands.length > 0) throw new End('', 'Unknown arguments found on commandline\n', 1);
  return options;
}
