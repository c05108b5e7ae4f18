/*
 * `ip link`: words to a Plan.
 *
 * The words before `type` are one list, read as iproute2 reads it: in that order, with those
 * abbreviations. What iproute2 knows and Sluice lacks stands in the list too, and is refused.
 */
import type { AddLink, ApiError, DeleteLink, Request, SetLink } from '../control/api.js';
import { parseBridge, parseSlave } from './bridge-words.js';
import type { ShowFlags } from './link-format.js';
import { KINDS, NAME_BYTES, unknownKind } from './link-kinds.js';
import { type Ask, asNetlink, change, exists, type Plan } from './plan.js';
import { netlinkLine, Refusal } from './refusal.js';
import {
  abbreviated,
  exactly,
  find,
  formatAddress,
  isName,
  type Keyword,
  matches,
  parseAddress,
  Words,
} from './words.js';

/** What the words before `type` said. `dev` may have been set by `name`. */
export interface LinkDraft {
  create: boolean;
  name?: string;
  dev?: string;
  devFromName: boolean;
  up?: boolean;
  mtu?: number;
  address?: number[];
  /** null: nomaster. */
  master?: string | null;
  type?: string;
}

function absent(word: string, keyword = exactly): Keyword<LinkDraft> {
  const take = (_: LinkDraft, words: Words) => {
    throw words.unsupported(word);
  };
  return keyword(word, take, true);
}

/** A flag that iproute2 itself checks for on and off. */
function absentFlag(word: string, keyword = exactly): Keyword<LinkDraft> {
  const take = (_: LinkDraft, words: Words) => {
    const text = words.value();
    if (text === 'on' || text === 'off') throw words.unsupported(word);
    const line = `Error: argument of "${word}" must be "on" or "off", not "${text}"`;
    throw words.refuse(line, 1, `"${word}" is on or off, not "${text}"`, undefined, false);
  };
  return keyword(word, take, true);
}

function takeName(draft: LinkDraft, words: Words): void {
  const text = words.value();
  if (draft.name !== undefined) throw words.duplicate('name', text);
  if (!isName(text, NAME_BYTES)) throw notName(words, 'name', text);
  draft.name = text;
  if (draft.dev === undefined) {
    draft.dev = text;
    draft.devFromName = true;
  }
}

function takeDevice(draft: LinkDraft, words: Words, text: string): void {
  if (draft.dev !== undefined && !draft.devFromName) throw words.garbage('dev', text);
  if (!isName(text)) throw notName(words, 'dev', text);
  draft.dev = text;
  draft.devFromName = false;
  words.object = text;
}

function notName(words: Words, keyword: string, text: string): Refusal {
  const hint = `a name has 1 to ${NAME_BYTES} bytes, no slash and no space`;
  return words.invalid(text, `"${keyword}" not a valid ifname`, `"${text}" is no name`, hint);
}

function takeNamespace(_: LinkDraft, words: Words): void {
  const text = words.value();
  if (text === 'host') return;
  throw words.invalid(text, 'Invalid "netns" value', 'there is only the namespace "host" yet', 'leave it out');
}

function takeMtu(draft: LinkDraft, words: Words): void {
  const before = draft.mtu;
  const text = words.peek() ?? '';
  if (before !== undefined && !words.done) throw words.duplicate('mtu', text);
  draft.mtu = words.integer('Invalid "mtu" value');
}

export const LINK_WORDS: readonly Keyword<LinkDraft>[] = [
  exactly('up', (draft) => {
    draft.up = true;
  }),
  exactly('down', (draft) => {
    draft.up = false;
  }),
  exactly('name', takeName),
  absent('index'),
  absent('link', abbreviated),
  abbreviated('address', (draft, words) => {
    draft.address = parseAddress(words, words.value());
  }),
  absent('broadcast', abbreviated),
  absent('brd'),
  absent('txqueuelen', abbreviated),
  absent('qlen'),
  absent('txqlen', abbreviated),
  exactly('mtu', takeMtu),
  absent('xdpgeneric'),
  absent('xdpdrv'),
  absent('xdpoffload'),
  absent('xdp'),
  exactly('netns', takeNamespace),
  absentFlag('multicast'),
  absentFlag('allmulticast'),
  absentFlag('promisc'),
  absentFlag('trailers'),
  absentFlag('arp'),
  absent('carrier'),
  absent('vf'),
  abbreviated('master', (draft, words) => {
    draft.master = words.value();
  }),
  absent('vrf'),
  abbreviated('nomaster', (draft) => {
    draft.master = null;
  }),
  absentFlag('dynamic', abbreviated),
  abbreviated('type', (draft, words) => {
    draft.type = words.value();
  }),
  absent('alias', abbreviated),
  absent('group'),
  absent('mode'),
  absent('state'),
  absent('numtxqueues', abbreviated),
  absent('numrxqueues', abbreviated),
  absent('addrgenmode', abbreviated),
  absent('link-netns', abbreviated),
  absent('link-netnsid', abbreviated),
  absent('protodown'),
  absent('protodown_reason'),
  absent('gso_max_size'),
  absent('gso_max_segs'),
  absent('gro_max_size'),
  absent('parentdev'),
];

/** First line of iproute2's usage; ours is `ip link help`. */
const USAGE = 'Usage: ip link add [link DEV | parentdev NAME] [ name ] NAME';

function parseDraft(words: Words, create: boolean): LinkDraft {
  const draft: LinkDraft = { create, devFromName: false };
  while (!words.done && draft.type === undefined) {
    const word = words.next();
    const keyword = find(LINK_WORDS, word);
    if (keyword !== undefined) {
      keyword.take(draft, words);
    } else if (matches(word, 'help')) {
      throw words.refuse(USAGE, 255, 'help was asked for');
    } else {
      takeDevice(draft, words, word === 'dev' ? words.value() : word);
    }
  }
  words.object = draft.dev ?? '';
  return draft;
}

function addressOf(draft: LinkDraft, words: Words): string | undefined {
  if (draft.address === undefined) return undefined;
  if (draft.address.length === 6) return formatAddress(draft.address);
  const length = draft.address.length;
  const cause = `a MAC address has 6 bytes, not ${length}`;
  if (draft.create)
    throw words.refuse('RTNETLINK answers: Invalid argument', 2, cause, 'write it as 02:00:00:00:00:01', false);
  throw words.refuse(
    `Invalid address length ${length} - must be 6 bytes`,
    1,
    cause,
    'write it as 02:00:00:00:00:01',
    false,
  );
}

function addName(draft: LinkDraft, words: Words): string {
  if (draft.name !== undefined && draft.name !== draft.dev) {
    throw words.refuse(
      'both "name" and "dev" cannot be used when creating devices.',
      255,
      'it has two names',
      'say one',
    );
  }
  const name = draft.dev;
  if (name === undefined) {
    throw words.refuse(
      'RTNETLINK answers: Operation not supported',
      2,
      'it has no name',
      'say "ip link add NAME type TYPE"',
      false,
    );
  }
  if (isName(name, NAME_BYTES)) return name;
  const cause = `"${name}" is longer than ${NAME_BYTES} bytes`;
  throw words.refuse('Error: Attribute failed policy validation.', 2, cause, 'choose a shorter name', false);
}

function kindOf(draft: LinkDraft, words: Words): Partial<AddLink> {
  const type = draft.type;
  if (type === undefined) {
    const line = 'Not enough information: "type" argument is required';
    throw words.refuse(line, 1, 'it says no type', 'say "type bridge", "type tap", …', false);
  }
  if (type === 'bridge') return { kind: 'bridge', bridge: parseBridge(words).bridge };
  const parse = Object.hasOwn(KINDS, type) ? KINDS[type] : undefined;
  if (parse === undefined) throw unknownKind(words, type);
  return parse(words);
}

/** Leaves out what is undefined: exactOptionalPropertyTypes, and short lines on the wire. */
function given<T extends object>(values: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}

export function parseAdd(list: readonly string[]): Plan {
  const words = new Words(list, 'ip link add', 'ip link');
  const draft = parseDraft(words, true);
  const master = draft.master ?? undefined;
  const kind = kindOf(draft, words);
  const name = addName(draft, words);
  const address = addressOf(draft, words);
  const request = given<AddLink>({
    op: 'link.add',
    name,
    kind: kind.kind ?? 'memory',
    address,
    mtu: draft.mtu,
    up: draft.up,
    master,
    tap: kind.tap,
    packet: kind.packet,
    pcap: kind.pcap,
    bridge: kind.bridge,
  });
  return change([request], explainLink);
}

function deviceOf(draft: LinkDraft, words: Words): string {
  if (draft.dev !== undefined) return draft.dev;
  throw words.refuse('Not enough information: "dev" argument is required.', 255, 'it names no link');
}

/** What `type …` of a set means; iproute2 tells the kernel, which looks at the link. */
function typeOptions(draft: LinkDraft, words: Words): { set: Partial<SetLink>; flush: boolean } {
  if (draft.type === undefined) return { set: {}, flush: false };
  if (draft.type === 'bridge') {
    const { bridge, flush } = parseBridge(words);
    return { set: { bridge }, flush };
  }
  if (draft.type !== 'bridge_slave') {
    throw words.unsupported(`type ${draft.type}`, 'the types that can be set are bridge and bridge_slave');
  }
  const { port, flush } = parseSlave(words);
  return { set: { port }, flush };
}

export function parseSet(list: readonly string[]): Plan {
  const words = new Words(list, 'ip link set', 'ip link');
  const draft = parseDraft(words, false);
  const name = deviceOf(draft, words);
  const { set, flush } = typeOptions(draft, words);
  const request = given<SetLink>({
    op: 'link.set',
    name,
    up: draft.up,
    mtu: draft.mtu,
    address: addressOf(draft, words),
    master: draft.master,
    rename: draft.name === name ? undefined : draft.name,
    bridge: set.bridge,
    port: set.port,
  });
  const requests: Request[] = [request];
  if (flush)
    requests.push(
      set.port === undefined ? { op: 'fdb.flush', dev: name } : { op: 'fdb.flush', dev: name, master: true },
    );
  return change(requests, explainLink);
}

export function parseDelete(list: readonly string[]): Plan {
  const words = new Words(list, 'ip link delete', 'ip link');
  const draft = parseDraft(words, false);
  const name = deviceOf(draft, words);
  const others = [draft.up, draft.mtu, draft.address, draft.master, draft.name === name ? undefined : draft.name];
  if (others.some((value) => value !== undefined)) {
    throw words.unsupported(
      'more than a name and a type',
      'say "ip link delete NAME"',
      'only a name and a type have a meaning here',
    );
  }
  if (!words.done) {
    const line = `Garbage instead of arguments "${words.peek()} ...". Try "ip link help".`;
    throw words.refuse(line, 1, `nothing may follow the type`, undefined, false);
  }
  const request = given<DeleteLink>({ op: 'link.del', name, kind: draft.type === 'tun' ? 'tap' : draft.type });
  return change([request], explainLink);
}

/** iproute2 looks names up before it sends; the daemon answers ENODEV, and we find out of what. */
async function explainLink(error: ApiError, request: Request, ask: Ask): Promise<Refusal> {
  if (error.errno !== 'ENODEV') return asNetlink(2)(error, request, ask);
  const master = 'master' in request ? request.master : undefined;
  if (typeof master === 'string' && !(await exists(ask, master))) {
    return new Refusal(`Error: argument "${master}" is wrong: Device does not exist`, 255, error.message, true);
  }
  if (request.op === 'link.set' || request.op === 'link.del') {
    if (!(await exists(ask, request.name)))
      return new Refusal(`Cannot find device "${request.name}"`, 1, error.message);
  }
  return new Refusal(netlinkLine(error), 2, error.message);
}

const ABSENT_COMMANDS = ['xstats', 'afstats', 'property'];

/** `ip link COMMAND …`; `show` is loaded by its caller. */
export type LinkShow = (list: readonly string[], flags: ShowFlags) => Plan;

export function parseLink(list: readonly string[], flags: ShowFlags, show: LinkShow): Plan {
  const [word, ...rest] = list;
  if (word === undefined) return show([], flags);
  if (matches(word, 'add')) return parseAdd(rest);
  if (matches(word, 'set') || matches(word, 'change')) return parseSet(rest);
  if (matches(word, 'replace'))
    throw new Words(rest, 'ip link', 'ip link').unsupported('replace', 'say "add" or "set"');
  if (matches(word, 'delete')) return parseDelete(rest);
  if (matches(word, 'show') || matches(word, 'lst') || matches(word, 'list')) return show(rest, flags);
  const words = new Words(rest, 'ip link', 'ip link');
  const absentCommand = ABSENT_COMMANDS.find((command) => matches(word, command));
  if (absentCommand !== undefined) throw words.unsupported(absentCommand);
  if (matches(word, 'help')) throw words.refuse(USAGE, 255, 'help was asked for');
  throw words.refuse(`Command "${word}" is unknown, try "ip link help".`, 255, `there is no command "${word}"`);
}
