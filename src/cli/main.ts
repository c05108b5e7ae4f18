/*
 * The command line's front: finds the verb and loads it alone.
 *
 * A command must start fast (60 ms above an empty Node is the contract), so this file and what it
 * imports stay small, and the dataplane is loaded by `up`, `demo` and `bench` only.
 */
import { socketPath } from '../control/client.js';
import { cannot } from './refusal.js';
import { realTerminal, type Terminal } from './terminal.js';
import { LATER, VERBS } from './verbs.js';

interface Front {
  socket?: string;
  namespace?: string;
  rest: readonly string[];
}

/** Options before the verb. */
function parseFront(argv: readonly string[]): Front | string {
  const front: Front = { rest: [] };
  let at = 0;
  for (; at < argv.length && argv[at].startsWith('-'); at += 2) {
    const [option, value] = [argv[at], argv[at + 1]];
    if (option === '--help' || option === '-h' || option === '--version' || option === '-V') break;
    if (option !== '--socket' && option !== '-n')
      return cannot('sluice', option, 'there is no such option', 'see "sluice --help"');
    if (value === undefined) return cannot('sluice', option, 'it needs a value', 'see "sluice --help"');
    if (option === '--socket') front.socket = value;
    else front.namespace = value;
  }
  return { ...front, rest: argv.slice(at) };
}

async function help(verb: string | undefined, words: readonly string[], terminal: Terminal): Promise<number> {
  const { helpText } = await import('./help.js');
  terminal.out(helpText(verb === undefined ? [] : [verb, ...words]));
  return 0;
}

async function version(terminal: Terminal): Promise<number> {
  const [{ readFileSync }, { packageRoot }] = await Promise.all([import('node:fs'), import('./package-root.js')]);
  const manifest = readFileSync(new URL('package.json', packageRoot()), 'utf8');
  const { version: number } = JSON.parse(manifest) as { version: string };
  terminal.out(`sluice ${number}\n`);
  return 0;
}

function unknownVerb(verb: string): string {
  if (Object.hasOwn(LATER, verb)) return cannot(verb, '', 'not there yet', LATER[verb]);
  return cannot('sluice', verb, 'there is no such verb', 'see "sluice --help"');
}

/** Words in, exit status out. */
export async function main(argv: readonly string[], terminal: Terminal): Promise<number> {
  const front = parseFront(argv);
  if (typeof front === 'string') {
    terminal.err(`${front}\n`);
    return 2;
  }
  const [verb, ...words] = front.rest;
  if (verb === '--version' || verb === '-V') return version(terminal);
  if (verb === '--help' || verb === '-h' || verb === 'help') return help(words[0], words.slice(1), terminal);
  if (verb === undefined) {
    terminal.err(`${cannot('sluice', '', 'it names no verb', 'see "sluice --help"')}\n`);
    return 2;
  }
  if (!Object.hasOwn(VERBS, verb)) {
    terminal.err(`${unknownVerb(verb)}\n`);
    return Object.hasOwn(LATER, verb) ? 1 : 2;
  }
  if (words.includes('--help') && !hasOwnHelp(verb, words)) return help(verb, words, terminal);
  const { run } = await VERBS[verb].load();
  return run(words, within(terminal, front));
}

/** `iptables -j REJECT --help` is about REJECT. */
function hasOwnHelp(verb: string, words: readonly string[]): boolean {
  return (verb === 'iptables' || verb === 'ip6tables') && words.length > 1;
}

function within(terminal: Terminal, { socket = terminal.socket, namespace = terminal.ns }: Front): Terminal {
  return { ...terminal, socket, ns: namespace };
}

/** Runs for real, on this process's arguments and descriptors. */
export async function start(argv: readonly string[]): Promise<void> {
  process.exitCode = await main(argv, realTerminal(socketPath()));
}
