/* `ip neigh`: words to a Plan. Words that Linux has and Sluice lacks are refused by name. */
import type { Family } from '../control/api/family.js';
import type { ChangeNeighbour, NeighbourState } from '../control/api/neighbour.js';
import { type Commands, type ModifyCommand, modifying, type Parse, parseCommand } from './commands.js';
import { takeInet } from './inet-words.js';
import { familyOf } from './ip-addr-filter.js';
import { noDevice, parseFlush, parseGet, parseShow } from './ip-neigh-show.js';
import { badState, parseState, USAGE } from './ip-neigh-words.js';
import { change, type Plan } from './plan.js';
import { netlinkLine, Refusal } from './refusal.js';
import { PROTOCOLS } from './rt-names.js';
import type { ToolOptions } from './tool.js';
import { abbreviated, exactly, find, formatAddress, type Keyword, matches, parseAddress, Words } from './words.js';

export interface NeighbourDraft {
  /** undefined: any. */
  family: Family | undefined;
  dst?: { family: Family; address: string };
  /** "any", "all" or "default" stood in its place: iproute2 takes the word and then misses the address. */
  anyDst: boolean;
  dev?: string;
  lladdr?: string;
  state?: NeighbourState;
  router: boolean;
  use: boolean;
  externLearn: boolean;
  proxy: boolean;
}

function setDestination(draft: NeighbourDraft, words: Words, text: string): void {
  words.object = text;
  const isAny = draft.family === undefined && ['any', 'all', 'default'].includes(text);
  if (isAny) draft.anyDst = true;
  else draft.dst = takeInet(new Words([text], words.verb, 'ip neigh'), draft.family);
}

const hasDestination = (draft: NeighbourDraft): boolean => draft.dst !== undefined || draft.anyDst;

function takeProxy(draft: NeighbourDraft, words: Words): void {
  const text = words.value();
  if (matches(text, 'help')) throw words.refuse(USAGE, 255, 'help was asked for');
  if (hasDestination(draft)) throw words.duplicate('address', text);
  setDestination(draft, words, text);
  draft.proxy = true;
}

function takeLinkAddress(draft: NeighbourDraft, words: Words): void {
  const text = words.value();
  if (draft.lladdr !== undefined) throw words.duplicate('lladdr', text);
  draft.lladdr = text;
}

function takeState(draft: NeighbourDraft, words: Words): void {
  const text = words.value();
  const state = parseState(text);
  if (state === undefined) throw badState(words, text);
  draft.state = state;
}

export const NEIGHBOUR_WORDS: readonly Keyword<NeighbourDraft>[] = [
  abbreviated('lladdr', takeLinkAddress),
  exactly('nud', takeState),
  abbreviated('proxy', takeProxy),
  exactly('router', (draft) => {
    draft.router = true;
  }),
  exactly('use', (draft) => {
    draft.use = true;
  }),
  exactly(
    'managed',
    (_, words) => {
      throw words.unsupported('managed');
    },
    true,
  ),
  abbreviated('extern_learn', (draft) => {
    draft.externLearn = true;
  }),
  exactly('dev', (draft, words) => {
    draft.dev = words.value();
  }),
  abbreviated(
    'protocol',
    (_, words) => {
      const text = words.value();
      if (PROTOCOLS.number(text) === undefined)
        throw words.invalid(text, '"protocol" value is invalid', `there is no protocol "${text}"`);
      throw words.unsupported('protocol');
    },
    true,
  ),
];

function takeDestination(draft: NeighbourDraft, words: Words, word: string): void {
  let text = word === 'to' ? words.value() : word;
  // The real tool steps over it, and takes what follows.
  if (matches(text, 'help')) text = words.value();
  if (hasDestination(draft)) throw words.garbage('to', text);
  setDestination(draft, words, text);
}

/** "null" is none at all. */
function linkAddress(draft: NeighbourDraft, words: Words): string | undefined {
  if (draft.lladdr === undefined || draft.lladdr === 'null') return undefined;
  const bytes = parseAddress(words, draft.lladdr);
  if (bytes.length === 6) return formatAddress(bytes);
  const cause = `a MAC address has 6 bytes, not ${bytes.length}`;
  throw words.refuse('Error: Invalid link address.', 2, cause, 'write it as 02:00:00:00:00:01');
}

function requestOf(draft: NeighbourDraft, words: Words, command: ModifyCommand): ChangeNeighbour {
  const { dst, dev, state, proxy } = draft;
  if (dst === undefined || (dev === undefined && !proxy)) {
    const line = 'Device and destination are required arguments.';
    throw words.refuse(line, 255, 'it names no address, or no link', 'say "ADDRESS dev LINK"');
  }
  const lladdr = linkAddress(draft, words);
  if (dev === undefined) {
    const cause = 'a proxy entry is of one link';
    throw words.refuse('RTNETLINK answers: Operation not supported', 2, cause, 'say "dev LINK" too');
  }
  const request: ChangeNeighbour = { op: `neigh.${command}`, family: dst.family, dst: dst.address, dev };
  if (proxy) request.proxy = true;
  if (command === 'del') return request;
  if (lladdr !== undefined) request.lladdr = lladdr;
  if (draft.router) request.router = true;
  if (draft.use) request.use = true;
  if (draft.externLearn) request.extern_learn = true;
  if (!proxy) request.state = state ?? 'permanent';
  return request;
}

function parseModify(list: readonly string[], options: ToolOptions, command: ModifyCommand): Plan {
  const words = new Words(list, `ip neigh ${command}`, 'ip neigh');
  const family = familyOf(options.family);
  const flags = { router: false, use: false, externLearn: false, proxy: false };
  const draft: NeighbourDraft = { family, anyDst: false, ...flags };
  while (!words.done) {
    const word = words.next();
    const keyword = find(NEIGHBOUR_WORDS, word);
    if (keyword === undefined) takeDestination(draft, words, word);
    else keyword.take(draft, words);
  }
  const request = requestOf(draft, words, command);
  return change([request], (error) => {
    if (error.errno === 'ENODEV') return noDevice(words.verb, request.dev, error.message);
    return new Refusal(netlinkLine(error), 2, error.message, true);
  });
}

const COMMANDS: Commands = {
  verb: 'ip neigh',
  help: 'ip neigh',
  usage: USAGE,
  show: parseShow,
  list: [
    ...modifying(parseModify),
    ['get', parseGet],
    ['show', parseShow],
    ['lst', parseShow],
    ['list', parseShow],
    ['flush', parseFlush],
  ],
};

export const NEIGHBOUR_COMMANDS: readonly string[] = COMMANDS.list.map(([name]) => name);

export const parseNeighbour: Parse = (list, options) => parseCommand(COMMANDS, list, options);
