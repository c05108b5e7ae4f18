/* `bridge link`: words to a Plan. A port's options are those of `ip link … type bridge_slave`. */
import type { ApiError } from '../control/api/answer.js';
import type { LinkInfo } from '../control/api/link.js';
import type { Request } from '../control/api/request.js';
import { PORT_WORDS, type PortDraft } from './bridge-words.js';
import { type BridgeFlags, formatPorts } from './fdb-format.js';
import { type Ask, change, exists, type Plan } from './plan.js';
import { netlinkLine, Refusal } from './refusal.js';
import { find, matches, Words } from './words.js';

const USAGE = 'Usage: bridge link set dev DEV [ cost COST ] [ priority PRIO ] [ state STATE ]';

function unknownWord(words: Words, word: string): Refusal {
  return words.refuse(USAGE, 255, word === 'help' ? 'help was asked for' : `"${word}" is no word of it`);
}

function takeSetWord(draft: PortDraft & { dev?: string }, words: Words, word: string): void {
  const keyword = find(PORT_WORDS, word);
  if (keyword !== undefined) {
    keyword.take(draft, words);
    return;
  }
  if (word === 'self')
    throw words.unsupported(
      'self',
      'leave it out',
      '"self" means a device that bridges by itself, and a port does not',
    );
  // The port's bridge carries it out: said or not, it is so.
  if (word === 'master') return;
  if (word !== 'dev') throw unknownWord(words, word);
  draft.dev = words.value();
  words.object = draft.dev;
}

function parseSet(list: readonly string[]): Plan {
  const words = new Words(list, 'bridge link set', 'bridge link');
  const draft: PortDraft & { dev?: string } = { port: {}, flush: false };
  while (!words.done) takeSetWord(draft, words, words.next());
  if (draft.dev === undefined)
    throw words.refuse('Device is a required argument.', 255, 'it names no port', undefined, false);
  return change([{ op: 'link.set', name: draft.dev, port: draft.port }], explainSet);
}

async function explainSet(error: ApiError, request: Request, ask: Ask): Promise<Refusal> {
  if (error.errno === 'ENODEV' && request.op === 'link.set' && !(await exists(ask, request.name))) {
    return new Refusal(`Cannot find bridge device "${request.name}"`, 255, error.message);
  }
  return new Refusal(netlinkLine(error), 255, error.message);
}

function parseDevice(words: Words): string | undefined {
  let dev: string | undefined;
  while (!words.done) {
    const word = words.next();
    if (word !== 'dev') throw unknownWord(words, word);
    const name = words.value();
    if (dev !== undefined) throw words.duplicate('dev', name);
    dev = name;
  }
  return dev;
}

function parseShow(list: readonly string[], flags: BridgeFlags): Plan {
  const dev = parseDevice(new Words(list, 'bridge link show', 'bridge link'));
  return {
    requests: [dev === undefined ? { op: 'link.list' } : { op: 'link.list', name: dev }],
    print: ([links]) => formatPorts(links as LinkInfo[], flags),
    explain: (error: ApiError) => {
      const line = error.errno === 'ENODEV' && dev !== undefined ? `Cannot find device "${dev}"` : netlinkLine(error);
      return new Refusal(line, 255, error.message);
    },
  };
}

export function parsePort(list: readonly string[], flags: BridgeFlags): Plan {
  const [word, ...rest] = list;
  if (word === undefined) return parseShow([], flags);
  if (matches(word, 'set') || matches(word, 'change')) return parseSet(rest);
  if (matches(word, 'show') || matches(word, 'lst') || matches(word, 'list')) return parseShow(rest, flags);
  const words = new Words(rest, 'bridge link', 'bridge link');
  if (matches(word, 'help')) throw unknownWord(words, 'help');
  throw words.unknownCommand(word);
}
