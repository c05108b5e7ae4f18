/* `ip neigh show`, `get` and `flush`: which entries, and what is printed of them. */
import type { ApiError } from '../control/api/answer.js';
import type { Family } from '../control/api/family.js';
import type { LinkInfo } from '../control/api/link.js';
import type { ChangeNeighbour, NeighbourInfo } from '../control/api/neighbour.js';
import type { Request } from '../control/api/request.js';
import { ApiFailure } from '../control/client.js';
import { isWithin } from './inet-match.js';
import { type Prefix, takeInet } from './inet-words.js';
import { familyOf, prefixOf } from './ip-addr-filter.js';
import { badState, parseState, STATE_BITS, USAGE } from './ip-neigh-words.js';
import { json } from './json.js';
import { neighbourJson, neighbourText } from './neigh-format.js';
import { dialogue, type Plan } from './plan.js';
import { cannot, netlinkLine, Refusal, strerror } from './refusal.js';
import { PROTOCOLS } from './rt-names.js';
import type { Session } from './session.js';
import type { ToolFamily, ToolOptions } from './tool.js';
import { abbreviated, exactly, find, type Keyword, matches, Words } from './words.js';

/** Entries of no state at all: a bit that no state has. */
const NONE = 0x100;
const { noarp, permanent, failed } = STATE_BITS;
const SHOWN = 0xff & ~noarp;
const FLUSHED = ~(permanent | noarp);

export interface NeighbourFilter {
  flush: boolean;
  family: ToolFamily | undefined;
  dev?: string;
  master?: string;
  nomaster: boolean;
  to?: Prefix;
  /** Bits of STATE_BITS, and NONE. */
  states: number;
  statesGiven: boolean;
  proxy: boolean;
  unused: boolean;
  protocol?: number;
}

function takeDevice(filter: NeighbourFilter, words: Words): void {
  const dev = words.value();
  if (filter.dev !== undefined) throw words.duplicate('dev', dev);
  filter.dev = dev;
  words.object = dev;
}

function takeState(filter: NeighbourFilter, words: Words): void {
  const text = words.value();
  if (!filter.statesGiven) filter.states = 0;
  filter.statesGiven = true;
  const state = parseState(text);
  if (state === undefined && text !== 'all') throw badState(words, text);
  if (state === undefined) filter.states |= filter.flush ? ~noarp : ~0;
  else filter.states |= STATE_BITS[state] || NONE;
}

function takeProtocol(filter: NeighbourFilter, words: Words): void {
  const text = words.value();
  const protocol = PROTOCOLS.number(text);
  if (protocol !== undefined && protocol !== 0) filter.protocol = protocol;
  else if (protocol === 0 || text === 'all') delete filter.protocol;
  else throw words.invalid(text, 'invalid "protocol"', `there is no protocol "${text}"`);
}

export const NEIGHBOUR_FILTER_WORDS: readonly Keyword<NeighbourFilter>[] = [
  exactly('dev', takeDevice),
  exactly('master', (filter, words) => {
    filter.master = words.value();
  }),
  exactly(
    'vrf',
    (_, words) => {
      const text = words.value();
      throw words.invalid(text, 'Not a valid VRF name', `there is no VRF "${text}"`, 'leave it out');
    },
    true,
  ),
  exactly('nomaster', (filter) => {
    filter.nomaster = true;
  }),
  exactly('unused', (filter) => {
    filter.unused = true;
  }),
  exactly('nud', takeState),
  exactly('proxy', (filter) => {
    filter.proxy = true;
  }),
  abbreviated('protocol', takeProtocol),
];

function takeTo(filter: NeighbourFilter, words: Words, word: string): void {
  const text = word === 'to' ? words.value() : word;
  if (matches(text, 'help')) throw words.refuse(USAGE, 255, 'help was asked for');
  filter.to = prefixOf(words, text, filter.family);
  if (filter.to.family !== undefined) filter.family ??= filter.to.family === 4 ? 'inet' : 'inet6';
}

function parseFilter(words: Words, family: ToolFamily | undefined, flush: boolean): NeighbourFilter {
  const states = flush ? FLUSHED : SHOWN;
  const filter: NeighbourFilter = {
    flush,
    family,
    nomaster: false,
    states,
    statesGiven: false,
    proxy: false,
    unused: false,
  };
  while (!words.done) {
    const word = words.next();
    const keyword = find(NEIGHBOUR_FILTER_WORDS, word);
    if (keyword === undefined) takeTo(filter, words, word);
    else keyword.take(filter, words);
  }
  return filter;
}

function wants(filter: NeighbourFilter, neighbour: NeighbourInfo, masters: ReadonlyMap<string, string>): boolean {
  const { dst, dev, state, refcnt, protocol } = neighbour;
  if (filter.family !== undefined && familyOf(filter.family) !== neighbour.family) return false;
  if (filter.dev !== undefined && filter.dev !== dev) return false;
  const always = neighbour.proxy === true || neighbour.extern_learn === true;
  if (!always && (filter.states & (STATE_BITS[state] || NONE)) === 0) return false;
  if (filter.master !== undefined && masters.get(dev) !== filter.master) return false;
  if (filter.nomaster && masters.has(dev)) return false;
  if (filter.protocol !== undefined && filter.protocol !== (protocol ?? 0)) return false;
  if (filter.unused && neighbour.proxy !== true && refcnt) return false;
  return isWithin(dst, filter.to);
}

/** Links are asked for only where a name of one is to be checked. */
function requestsOf(filter: NeighbourFilter): Request[] {
  const family = familyOf(filter.family);
  const list: Request = { op: 'neigh.list', ...(family === undefined ? {} : { family }), proxy: filter.proxy };
  const asksLinks = filter.dev !== undefined || filter.master !== undefined || filter.nomaster;
  return asksLinks ? [list, { op: 'link.list' }] : [list];
}

export function noDevice(verb: string, name: string, sentence?: string): Refusal {
  const ours = sentence ?? cannot(verb, name, 'there is no such link', 'see "sluice ip link"');
  return new Refusal(`Cannot find device "${name}"`, 1, ours);
}

/** The entries of an answer that are wanted. */
function select(answers: readonly unknown[], filter: NeighbourFilter, words: Words): NeighbourInfo[] {
  const [neighbours, links] = answers as [NeighbourInfo[], LinkInfo[] | undefined];
  const has = (name: string) => links?.some(({ ifname }) => ifname === name) === true;
  if (filter.master !== undefined && !has(filter.master)) {
    const cause = `there is no link "${filter.master}"`;
    throw words.invalid(filter.master, 'Device does not exist', cause, 'see "sluice ip link"');
  }
  if (filter.dev !== undefined && !has(filter.dev)) throw noDevice(words.verb, filter.dev);
  const masters = new Map(links?.flatMap(({ ifname, master }) => (master === undefined ? [] : [[ifname, master]])));
  return neighbours.filter((neighbour) => wants(filter, neighbour, masters));
}

function format(neighbours: readonly NeighbourInfo[], options: ToolOptions, hideDevice: boolean): string {
  if (!options.json) return neighbours.map((one) => neighbourText(one, options, hideDevice)).join('');
  return json(
    neighbours.map((one) => neighbourJson(one, options, hideDevice)),
    options.pretty,
  );
}

export function parseShow(list: readonly string[], options: ToolOptions): Plan {
  const words = new Words(list, 'ip neigh show', 'ip neigh');
  const filter = parseFilter(words, options.family, false);
  return {
    requests: requestsOf(filter),
    print: (answers) => format(select(answers, filter, words), options, filter.dev !== undefined),
    explain: (error) => new Refusal(netlinkLine(error), 2, error.message),
  };
}

/** iproute2 gives up after that many. */
const ROUNDS = 10;

function deletion({ family, dst, dev, proxy }: NeighbourInfo): ChangeNeighbour {
  return { op: 'neigh.del', family, dst, dev, ...(proxy === true ? { proxy } : {}) };
}

async function remove(session: Session, all: readonly NeighbourInfo[]): Promise<void> {
  const answers = await Promise.allSettled(all.map((one) => session.ask(deletion(one))));
  for (const answer of answers) {
    if (answer.status === 'fulfilled') continue;
    const error: unknown = answer.reason;
    if (!(error instanceof ApiFailure)) throw error;
    // It expired in between.
    if (error.error.errno !== 'ENOENT')
      throw new Refusal(`Failed to send flush request: ${strerror(error.error.errno)}`, 1, error.message, true);
  }
}

function complete(session: Session, options: ToolOptions, rounds: number): number {
  const text =
    rounds === 0 ? 'Nothing to flush.\n' : `*** Flush is complete after ${rounds} round${rounds > 1 ? 's' : ''} ***\n`;
  if (options.stats > 0) session.terminal.out(text);
  return 0;
}

async function flush(session: Session, options: ToolOptions, filter: NeighbourFilter, words: Words): Promise<number> {
  const { out } = session.terminal;
  for (let round = 0; round < ROUNDS; ) {
    const answers = await Promise.all(requestsOf(filter).map((request) => session.ask<unknown>(request)));
    const found = select(answers, filter, words);
    if (found.length === 0) return complete(session, options, round);
    if (options.stats > 1) for (const one of found) out(neighbourText(one, options, filter.dev !== undefined));
    await remove(session, found);
    round++;
    if (options.stats > 0) out(`\n*** Round ${round}, deleting ${found.length} entries ***\n`);
    filter.states &= ~failed;
  }
  session.terminal.out(`*** Flush not complete bailing out after ${ROUNDS} rounds\n`);
  throw new Refusal('', 1, cannot('ip neigh flush', words.object, 'entries keep coming back', 'stop who makes them'));
}

export function parseFlush(list: readonly string[], options: ToolOptions): Plan {
  const words = new Words(list, 'ip neigh flush', 'ip neigh');
  if (words.done)
    throw words.refuse('Flush requires arguments.', 1, 'it does not say what', 'say "dev LINK", or "all"', false);
  const filter = parseFilter(words, options.family, true);
  return dialogue((session) => flush(session, options, filter, words));
}

interface Get {
  family: Family | undefined;
  dst?: { family: Family; address: string };
  dev?: string;
  proxy: boolean;
}

function takeGet(get: Get, words: Words, word: string): void {
  if (word === 'dev') {
    get.dev = words.value();
    return;
  }
  const isProxy = matches(word, 'proxy');
  if (isProxy) get.proxy = true;
  const text = isProxy || word === 'to' ? words.value() : word;
  if (matches(text, 'help')) throw words.refuse(USAGE, 255, 'help was asked for');
  if (get.dst !== undefined) throw isProxy ? words.duplicate('address', text) : words.garbage('to', text);
  get.dst = takeInet(new Words([text], words.verb, 'ip neigh'), get.family);
  words.object = text;
}

/** JSON has no part in it: the real tool prints the entry as text always. */
export function parseGet(list: readonly string[], options: ToolOptions): Plan {
  const words = new Words(list, 'ip neigh get', 'ip neigh');
  const get: Get = { family: familyOf(options.family), proxy: false };
  while (!words.done) takeGet(get, words, words.next());
  const { dst, dev, proxy } = get;
  if (dst === undefined || (dev === undefined && !proxy)) {
    const line = 'Device and address are required arguments.';
    throw words.refuse(line, 1, 'it names no address, or no link', 'say "ADDRESS dev LINK"', false);
  }
  const notFound = (cause: string) => {
    const ours = cannot('ip neigh get', dst.address, 'there is no such entry', 'see "sluice ip neigh"');
    return new Refusal(`Error: ${cause} not found.`, 2, ours);
  };
  const requests: Request[] = [{ op: 'neigh.list', family: dst.family, proxy }];
  if (dev !== undefined) requests.unshift({ op: 'link.list', name: dev });
  return {
    requests,
    print: (answers) => {
      const neighbours = answers[answers.length - 1] as NeighbourInfo[];
      const found = neighbours.find((one) => one.dst === dst.address && one.dev === (dev ?? ''));
      if (found === undefined) throw notFound(proxy ? 'Proxy neighbour entry' : 'Neighbour entry');
      // The look-up itself holds one of the references that are counted.
      return neighbourText({ ...found, refcnt: (found.refcnt ?? 0) + 1 }, options);
    },
    explain: (error: ApiError) => {
      if (error.errno === 'ENODEV' && dev !== undefined) return noDevice('ip neigh get', dev, error.message);
      return new Refusal(netlinkLine(error), 2, error.message);
    },
  };
}
