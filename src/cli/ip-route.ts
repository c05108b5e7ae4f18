/* `ip route`: finds the command, in iproute2's order, which decides what an abbreviation means. */
import type { RouteVerb } from '../control/api/route.js';
import { parseChange, USAGE } from './ip-route-change.js';
import { parseGet } from './ip-route-get.js';
import { type ListOptions, parseFlush, parseShow } from './ip-route-show.js';
import { dialogue, type Plan } from './plan.js';
import { matches, Words } from './words.js';

type Parse = (words: Words, options: ListOptions) => Plan;

const changes =
  (verb: RouteVerb): Parse =>
  (words, options) =>
    parseChange(verb, words, options);

/** Adds nothing and changes nothing: not there. */
const refuseTest: Parse = (words) => {
  throw words.unsupported('test', 'use "ip route show exact PREFIX"');
};

/** Read and written seldom, so loaded then. */
const dump =
  (which: 'save' | 'restore' | 'showdump'): Parse =>
  (words, options) =>
    dialogue(async (session) => (await import('./ip-route-dump.js'))[which](session, words, options));

const refuseHelp: Parse = (words) => {
  throw words.refuse(USAGE, 255, 'help was asked for');
};

interface Command {
  name: string;
  exact?: boolean;
  parse: Parse;
}

const COMMANDS: readonly Command[] = [
  { name: 'add', parse: changes('add') },
  { name: 'change', parse: changes('change') },
  { name: 'chg', exact: true, parse: changes('change') },
  { name: 'replace', parse: changes('replace') },
  { name: 'prepend', parse: changes('prepend') },
  { name: 'append', parse: changes('append') },
  { name: 'test', parse: refuseTest },
  { name: 'delete', parse: changes('del') },
  { name: 'list', parse: parseShow },
  { name: 'show', parse: parseShow },
  { name: 'lst', parse: parseShow },
  { name: 'get', parse: parseGet },
  { name: 'flush', parse: parseFlush },
  { name: 'save', parse: dump('save') },
  { name: 'restore', parse: dump('restore') },
  { name: 'showdump', parse: dump('showdump') },
  { name: 'help', parse: refuseHelp },
];

export const ROUTE_COMMANDS = [
  'add',
  'change',
  'replace',
  'prepend',
  'append',
  'delete',
  'show',
  'get',
  'flush',
  'save',
];

export function parseRoute(list: readonly string[], options: ListOptions): Plan {
  const [word, ...rest] = list;
  if (word === undefined) return parseShow(new Words([], 'ip route show', 'ip route'), options);
  const command = COMMANDS.find(({ name, exact }) => (exact ? name === word : matches(word, name)));
  const words = new Words(command === undefined ? list : rest, `ip route ${command?.name ?? word}`, 'ip route');
  if (command !== undefined) return command.parse(words, options);
  throw words.unknownCommand(word);
}
