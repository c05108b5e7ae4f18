/*
 * `ip netns`: namespaces of Sluice, which live in the daemon. A program of the machine cannot run in
 * one; `exec` takes a verb of Sluice in its place. What is about processes is refused by name.
 */
import type { MonitorEvent } from '../control/api/monitor.js';
import type { NetnsInfo } from '../control/api/netns.js';
import { IP, parseIp } from './ip.js';
import { type Json, json } from './json.js';
import { asNetlink, change, dialogue, type Plan } from './plan.js';
import { cannot, Refusal } from './refusal.js';
import type { Session } from './session.js';
import { parseOptions, type ToolOptions } from './tool.js';
import { VERBS } from './verbs.js';
import { matches, parseInteger, Words } from './words.js';

/** Where Linux keeps the files of its namespaces; the real tool's complaints name them. */
const DIRECTORY = '/run/netns';
const NAME_BYTES = 255;

type Parse = (list: readonly string[], options: ToolOptions) => Plan | Promise<Plan>;

/** Not an exit of the real tool: in a batch, "Command failed" follows. */
function refusal(verb: string, object: string, line: string, cause: string, hint: string, status = 1): Refusal {
  return new Refusal(line, status, cannot(verb, object, cause, hint));
}

function noName(verb: string): Refusal {
  return refusal(verb, '', 'No netns name specified', 'it names no namespace', 'say its name');
}

/** The real tool passes over words that follow the name. */
function noMore(verb: string, name: string, rest: readonly string[]): void {
  if (rest.length === 0) return;
  throw refusal(verb, name, 'extra arguments specified', `"${rest[0]}" is one word too many`, 'leave it out');
}

function add([name, ...rest]: readonly string[]): Plan {
  if (name === undefined) throw noName('ip netns add');
  noMore('ip netns add', name, rest);
  return change([{ op: 'netns.add', name }], (error) => {
    const line = `Cannot create namespace file "${DIRECTORY}/${name}": File exists`;
    return error.errno === 'EEXIST' ? new Refusal(line, 1, error.message) : asRefused(error.message);
  });
}

/** The kernel has nothing to refuse here, so there is no line of its to quote. */
function asRefused(message: string): Refusal {
  return new Refusal('', 1, message);
}

function deletion(name: string): Plan {
  return change([{ op: 'netns.del', name }], (error) => {
    const line = `Cannot remove namespace file "${DIRECTORY}/${name}": No such file or directory`;
    return error.errno === 'ENOENT' ? new Refusal(line, 1, error.message) : asRefused(error.message);
  });
}

async function names(session: Session): Promise<string[]> {
  return (await session.ask<NetnsInfo[]>({ op: 'netns.list' })).map(({ name }) => name);
}

function remove([name, ...rest]: readonly string[], { all }: ToolOptions): Plan {
  if (all) {
    return dialogue(async (session) => {
      for (const one of await names(session)) await session.run(deletion(one));
      return 0;
    });
  }
  if (name === undefined) throw noName('ip netns delete');
  noMore('ip netns delete', name, rest);
  return deletion(name);
}

function list(rest: readonly string[], options: ToolOptions): Plan {
  noMore('ip netns list', '', rest);
  const line = ({ name, id }: NetnsInfo) => `${name}${id === undefined ? '' : ` (id: ${id})`}\n`;
  return {
    requests: [{ op: 'netns.list' }],
    print: ([answer]) => {
      const all = answer as NetnsInfo[];
      if (!options.json) return all.map(line).join('');
      return json(
        all.map(({ name, id }): Json => ({ name, id })),
        options.pretty,
      );
    },
    explain: asNetlink(1),
  };
}

function takeId(words: Words): number {
  const text = words.value();
  const id = parseInteger(text);
  if (id === undefined) throw words.invalid(text, '"nsid" value is invalid', `"${text}" is no number`);
  // The real tool names the word that follows.
  if (id < 0) throw words.invalid(words.peek() ?? '(null)', '"nsid" value should be >= 0', `"${text}" is negative`);
  return id;
}

function listIds(rest: readonly string[], options: ToolOptions): Plan {
  const words = new Words(rest, 'ip netns list-id', 'ip netns');
  let wanted: number | undefined;
  while (!words.done) {
    const word = words.next();
    if (word === 'target-nsid') throw words.unsupported(word);
    if (word !== 'nsid') throw words.refuse(USAGE, 255, `"${word}" is no word of it`);
    wanted = takeId(words);
  }
  return {
    requests: [{ op: 'netns.list' }],
    print: ([answer]) => {
      const numbered = (answer as NetnsInfo[]).filter(({ id }) => id !== undefined && (wanted ?? id) === id);
      if (numbered.length === 0 && wanted !== undefined) {
        const cause = `no namespace has the number ${wanted}`;
        throw words.refuse('Error: Peer netns reference is invalid.', 2, cause, 'see "sluice ip netns"', false);
      }
      if (options.json)
        return json(
          numbered.map(({ id, name }): Json => ({ nsid: id, name })),
          options.pretty,
        );
      return numbered.map(({ id, name }) => `nsid ${id} (iproute2 netns name: ${name})\n`).join('');
    },
    explain: asNetlink(2),
  };
}

function noProgram(name: string): Refusal {
  const cause = 'a namespace of Sluice lives in the daemon, and the kernel runs no programs in it';
  const hint = `name a verb of Sluice: ${Object.keys(VERBS).join(', ')}`;
  return refusal('ip netns exec', name, `exec of "${name}" failed: No such file or directory`, cause, hint);
}

/** The verb as it would run by itself, in the session's namespace. */
async function runVerb(session: Session, [verb, ...words]: readonly string[]): Promise<number> {
  await session.checkNamespace();
  const { run } = await VERBS[verb].load();
  return run(words, session.terminal);
}

/**
 * `exec NS ip …`: the plan of that command, so that the lines of a batch still leave in one piece.
 * undefined: it is more than one command.
 */
async function planOf(words: readonly string[], ns: string): Promise<Plan | undefined> {
  const options = parseOptions(IP, words);
  if (options === 'version' || options.batch !== undefined) return undefined;
  const plan = await parseIp(options.rest, options);
  const explain: Plan['explain'] = async (error, request, ask) => inChild(await plan.explain(error, request, ask));
  return { ...plan, ns: plan.ns ?? options.ns ?? ns, explain };
}

/** The real tool runs it in a process of its own, whose exit ends no batch. */
function inChild(refused: Refusal): Refusal {
  return new Refusal(refused.tool, refused.status, refused.message);
}

async function execIn(ns: string, command: readonly string[]): Promise<Plan> {
  const later = { ...dialogue((session) => runVerb(session, command)), ns };
  if (command[0] !== 'ip') return later;
  try {
    return (await planOf(command.slice(1), ns)) ?? later;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    // That the namespace is missing comes first.
    const refuse = async (session: Session): Promise<number> => {
      await session.checkNamespace();
      throw inChild(error);
    };
    return { ...dialogue(refuse), ns };
  }
}

function exec(words: readonly string[], { all }: ToolOptions): Plan | Promise<Plan> {
  const [ns, ...command] = all ? ['', ...words] : words;
  if (ns === undefined) throw noName('ip netns exec');
  if (command.length === 0)
    throw refusal('ip netns exec', ns, 'No command specified', 'it names no verb', 'say "ip netns exec NAME ip link"');
  if (!Object.hasOwn(VERBS, command[0])) throw noProgram(command[0]);
  if (!all) return execIn(ns, command);
  return dialogue(async (session) => {
    for (const name of await names(session)) {
      session.terminal.out(`\nnetns: ${name}\n`);
      await runVerb(session.within(name), command);
    }
    return 0;
  });
}

function monitor(rest: readonly string[]): Plan {
  noMore('ip netns monitor', '', rest);
  return dialogue(async (session) => {
    await session.stream<MonitorEvent>({ op: 'monitor' }, (event) => {
      if (event.object === 'netns') session.terminal.out(`${event.deleted ? 'delete' : 'add'} ${event.netns.name}\n`);
      return true;
    });
    return 0;
  });
}

function absent(word: string, cause: string): Parse {
  return (words) => {
    throw new Words(words, 'ip netns', 'ip netns').unsupported(word, 'see "sluice ip netns --help"', cause);
  };
}

const NO_PROCESSES = 'there are no processes in a namespace of Sluice';

/** In iproute2's order, which decides what an abbreviation means. */
const COMMANDS: ReadonlyArray<readonly [string, Parse]> = [
  ['list', list],
  ['show', list],
  ['lst', list],
  ['list-id', listIds],
  ['add', add],
  ['set', absent('set', 'numbers are given by the daemon')],
  ['delete', remove],
  ['identify', absent('identify', NO_PROCESSES)],
  ['pids', absent('pids', NO_PROCESSES)],
  ['exec', exec],
  ['monitor', monitor],
  ['attach', absent('attach', NO_PROCESSES)],
];

export const NETNS_COMMANDS = ['list', 'list-id', 'add', 'delete', 'exec', 'monitor'];

const USAGE = 'Usage:\tip netns list';

function isName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !name.includes('/') && Buffer.byteLength(name) <= NAME_BYTES;
}

export function parseNetns(all: readonly string[], options: ToolOptions): Plan | Promise<Plan> {
  const [word, ...rest] = all;
  if (word === undefined) return list([], options);
  const words = new Words(rest, 'ip netns', 'ip netns');
  if (!options.all && rest.length > 0 && !isName(rest[0])) {
    const cause = `"${rest[0]}" is no name`;
    throw words.refuse(`Invalid netns name "${rest[0]}"`, 255, cause, 'a name has no slash, and is not "." or ".."');
  }
  const command = COMMANDS.find(([name]) => matches(word, name));
  if (command !== undefined) return command[1](rest, options);
  if (matches(word, 'help')) throw words.refuse(USAGE, 255, 'help was asked for');
  throw words.unknownCommand(word);
}
