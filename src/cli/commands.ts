/*
 * The commands of `ip addr` and `ip neigh`: `ip OBJECT COMMAND …`, and `ip OBJECT` alone, which shows.
 */
import type { Plan } from './plan.js';
import type { ToolOptions } from './tool.js';
import { matches, Words } from './words.js';

export type Parse = (list: readonly string[], options: ToolOptions) => Plan;

export interface Commands {
  /** The object, as sentences name it. */
  verb: string;
  /** iproute2 says to ask it for help. */
  help: string;
  usage: string;
  show: Parse;
  /** In iproute2's order, which decides what an abbreviation means. */
  list: ReadonlyArray<readonly [name: string, parse: Parse]>;
}

export type ModifyCommand = 'add' | 'change' | 'replace' | 'del';

/** What adds to the kernel's list, changes it and takes from it: one parser for all. */
export function modifying(
  parse: (list: readonly string[], options: ToolOptions, command: ModifyCommand) => Plan,
): Commands['list'] {
  const as =
    (command: ModifyCommand): Parse =>
    (list, options) =>
      parse(list, options, command);
  return [
    ['add', as('add')],
    ['change', as('change')],
    ['replace', as('replace')],
    ['delete', as('del')],
  ];
}

export function parseCommand(commands: Commands, all: readonly string[], options: ToolOptions): Plan {
  const [word, ...rest] = all;
  if (word === undefined) return commands.show([], options);
  const name = word === 'chg' ? 'change' : word;
  const command = commands.list.find(([known]) => matches(name, known));
  if (command !== undefined) return command[1](rest, options);
  const words = new Words(rest, commands.verb, commands.verb);
  if (matches(word, 'help')) throw words.refuse(commands.usage, 255, 'help was asked for');
  throw words.unknownCommand(word, commands.help);
}
