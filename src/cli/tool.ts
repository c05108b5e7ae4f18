/*
 * What `ip` and `bridge` share: options before the object, batches, and the run of one command.
 *
 * Options are matched as both tools match them: any beginning of an option's name, the first of the
 * list that fits. An option that would have no effect here is refused by name, with the reason.
 */
import { runBatch } from './batch.js';
import type { ShowFlags } from './link-format.js';
import type { Plan } from './plan.js';
import { cannot, Refusal } from './refusal.js';
import { inSession, type Session } from './session.js';
import type { Terminal } from './terminal.js';
import { matches } from './words.js';

/** AF_INET, AF_INET6 and AF_PACKET; absent: all. */
export type ToolFamily = 'inet' | 'inet6' | 'link';

export interface ToolOptions extends ShowFlags {
  force: boolean;
  batch?: string;
  /** -n: the namespace of Sluice. */
  ns?: string;
  family?: ToolFamily;
  /** -N: numbers in place of names of scopes, tables, protocols. */
  numeric: boolean;
  /** -t and -ts: what stands before an event. */
  timestamp?: 'long' | 'short';
  /** -a: all namespaces. */
  all: boolean;
  /** -l: rounds of a flush; 0: until nothing is left. */
  loops: number;
  rest: readonly string[];
}

type Setter = (options: ToolOptions) => void;
type ValueSetter = (options: ToolOptions, value: string) => void;

/** What an option does, or why it would do nothing. */
export type Action = Setter | { value: ValueSetter } | 'batch' | 'netns' | 'help' | 'version' | { useless: string };

export const useless = (why: string): Action => ({ useless: why });

export interface Tool {
  name: 'ip' | 'bridge';
  /** Where its complaint about an unknown option points to. */
  helpCommand: string;
  /** In the tool's order. */
  options: ReadonlyArray<readonly [string, Action]>;
  /** Options that take no abbreviation; they win. */
  exact: Readonly<Record<string, Action>>;
  /** A promise only while the object's file has not been loaded yet. */
  parse(words: readonly string[], options: ToolOptions): Plan | Promise<Plan>;
}

/** Its usage, of which the first line is the real tool's. */
export function usage(name: Tool['name'], cause: string): Refusal {
  const line = `Usage: ${name} [ OPTIONS ] OBJECT { COMMAND | help }`;
  return new Refusal(line, 255, cannot(name, '', cause, `see "sluice ${name} --help"`), true);
}

function unknownOption(tool: Tool, option: string, why?: string): Refusal {
  const cause = why === undefined ? 'there is no such option' : `it has no effect: ${why}`;
  const hint = why === undefined ? `see "sluice ${tool.name} --help"` : 'leave it out';
  const line = `Option "${option}" is unknown, try "${tool.helpCommand}".`;
  return new Refusal(line, 255, cannot(tool.name, option, cause, hint), true);
}

/** Whether it is there is asked only when something has failed: see Session.blame. */
function takeNamespace(tool: Tool, options: ToolOptions, name: string | undefined): void {
  if (name !== undefined) {
    options.ns = name;
    return;
  }
  const line = 'Cannot open network namespace "(null)": No such file or directory';
  const ours = cannot(`${tool.name} -netns`, '', 'it needs a namespace', 'see "sluice ip netns"');
  throw new Refusal(line, 255, ours, true);
}

/** -color may be followed by =auto and the like. */
function find(tool: Tool, option: string): Action | undefined {
  if (Object.hasOwn(tool.exact, option)) return tool.exact[option];
  const name = option.startsWith('-c') ? option.split('=')[0] : option;
  return tool.options.find(([known]) => matches(name, known))?.[1];
}

function newOptions(): ToolOptions {
  const counts = { stats: 0, details: 0 };
  const flags = { json: false, pretty: false, oneline: false, brief: false, human: false, iec: false, force: false };
  return { ...counts, ...flags, numeric: false, all: false, loops: 10, rest: [] };
}

export function parseOptions(tool: Tool, argv: readonly string[]): ToolOptions | 'version' {
  const options = newOptions();
  let at = 0;
  for (; at < argv.length && argv[at].startsWith('-') && argv[at] !== '--'; at++) {
    const option = argv[at].startsWith('--') ? argv[at].slice(1) : argv[at];
    const action = find(tool, option);
    if (action === undefined) throw unknownOption(tool, option);
    if (action === 'version') return 'version';
    if (action === 'help') throw usage(tool.name, 'help was asked for');
    if (action === 'netns') takeNamespace(tool, options, argv[++at]);
    else if (action === 'batch') takeBatch(tool, options, argv[++at]);
    else if (typeof action === 'function') action(options);
    else if ('useless' in action) throw unknownOption(tool, option, action.useless);
    else action.value(options, needValue(tool, option, argv[++at]));
  }
  if (argv[at] === '--') at++;
  return { ...options, rest: argv.slice(at) };
}

function takeBatch(tool: Tool, options: ToolOptions, file: string | undefined): void {
  if (file === undefined) throw usage(tool.name, '"-batch" needs a file');
  options.batch = file;
}

function needValue(tool: Tool, option: string, value: string | undefined): string {
  if (value === undefined) throw usage(tool.name, `"${option}" needs a value`);
  return value;
}

async function runFile(session: Session, tool: Tool, options: ToolOptions, file: string): Promise<number> {
  await session.checkNamespace();
  const parse = (words: readonly string[]) => tool.parse(words, options);
  return runBatch(session, tool.name, { file, force: options.force, parse });
}

export function runTool(tool: Tool, argv: readonly string[], terminal: Terminal): Promise<number> {
  return inSession(terminal, async (session) => {
    const options = parseOptions(tool, argv);
    if (options === 'version') {
      terminal.out(`${tool.name} utility, sluice, in the words of iproute2-6.1.0\n`);
      return 0;
    }
    if (options.ns !== undefined) session.enter(options.ns);
    if (options.batch !== undefined) return runFile(session, tool, options, options.batch);
    return session.run(await tool.parse(options.rest, options));
  });
}

/** An object that is not there: unknown, or not yet. */
export function unknownObject(
  name: Tool['name'],
  word: string,
  known: string | undefined,
  status: number,
  hint: string,
): Refusal {
  const cause = known === undefined ? 'there is no such object' : `"${name} ${known}" is not there yet`;
  const line = `Object "${word}" is unknown, try "${name} help".`;
  return new Refusal(line, status, cannot(name, word, cause, hint));
}

/** Options that both tools have and that mean the same. */
export const COMMON = {
  force: (options: ToolOptions) => {
    options.force = true;
  },
  stats: (options: ToolOptions) => {
    options.stats++;
  },
  details: (options: ToolOptions) => {
    options.details++;
  },
  oneline: (options: ToolOptions) => {
    options.oneline = true;
  },
  json: (options: ToolOptions) => {
    options.json = true;
  },
  pretty: (options: ToolOptions) => {
    options.pretty = true;
  },
} satisfies Record<string, Action>;
