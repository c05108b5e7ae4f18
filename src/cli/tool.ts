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
import { inSession } from './session.js';
import type { Terminal } from './terminal.js';
import { matches } from './words.js';

export interface ToolOptions extends ShowFlags {
  force: boolean;
  batch?: string;
  rest: readonly string[];
}

/** What an option does, or why it would do nothing. */
export type Action = ((options: ToolOptions) => void) | 'batch' | 'netns' | 'help' | 'version' | { useless: string };

export const useless = (why: string): Action => ({ useless: why });

export interface Tool {
  name: 'ip' | 'bridge';
  /** Where its complaint about an unknown option points to. */
  helpCommand: string;
  /** In the tool's order. */
  options: ReadonlyArray<readonly [string, Action]>;
  /** Options that take no abbreviation; they win. */
  exact: Readonly<Record<string, Action>>;
  parse(words: readonly string[], options: ToolOptions): Plan;
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

function checkNamespace(tool: Tool, name: string | undefined): void {
  if (name === 'host') return;
  const line = `Cannot open network namespace "${name ?? '(null)'}": No such file or directory`;
  const cause = 'there is only the namespace "host" yet';
  throw new Refusal(line, 255, cannot(`${tool.name} -netns`, name ?? '', cause, 'leave it out'), true);
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
  return { ...counts, ...flags, rest: [] };
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
    if (action === 'netns') checkNamespace(tool, argv[++at]);
    else if (action === 'batch') takeBatch(tool, options, argv[++at]);
    else if (typeof action === 'function') action(options);
    else throw unknownOption(tool, option, action.useless);
  }
  if (argv[at] === '--') at++;
  return { ...options, rest: argv.slice(at) };
}

function takeBatch(tool: Tool, options: ToolOptions, file: string | undefined): void {
  if (file === undefined) throw usage(tool.name, '"-batch" needs a file');
  options.batch = file;
}

export function runTool(tool: Tool, argv: readonly string[], terminal: Terminal): Promise<number> {
  return inSession(terminal, async (session) => {
    const options = parseOptions(tool, argv);
    if (options === 'version') {
      terminal.out(`${tool.name} utility, sluice, in the words of iproute2-6.1.0\n`);
      return 0;
    }
    const { batch: file, force } = options;
    if (file !== undefined)
      return runBatch(session, tool.name, { file, force, parse: (words) => tool.parse(words, options) });
    await session.run(tool.parse(options.rest, options));
    return 0;
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
