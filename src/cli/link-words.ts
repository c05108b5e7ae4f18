/*
 * The words of `ip link` before `type`, and of the other end of a veth after `peer`, which has the same.
 *
 * They are one list, read as iproute2 reads it: in that order, with those abbreviations. What iproute2 knows and Sluice
 * lacks stands in the list too, and is refused.
 */
import type { AddrGenMode } from '../control/api/link.js';
import type { Refusal } from './refusal.js';
import {
  abbreviated,
  exactly,
  find,
  formatAddress,
  isName,
  type Keyword,
  matches,
  parseAddress,
  type Words,
} from './words.js';

/** The kernel's limit on a name, without its NUL. */
export const NAME_BYTES = 15;

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
  /** What a vlan lies on. */
  link?: string;
  /** A namespace of Sluice. */
  netns?: string;
  addrGenMode?: AddrGenMode;
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

const MODES: Record<string, AddrGenMode> = { eui64: 'eui64', none: 'none' };
/** Those of IN6_ADDR_GEN_MODE_* that need a secret. */
const SECRET_MODES = ['stable_secret', 'random'];

function takeMode(draft: LinkDraft, words: Words): void {
  const text = words.value();
  if (SECRET_MODES.includes(text))
    throw words.refuse(
      'RTNETLINK answers: Operation not supported',
      2,
      `"${text}" is not there yet`,
      'say eui64 or none',
      false,
    );
  if (!Object.hasOwn(MODES, text))
    throw words.invalid(text, 'Invalid address generation mode', `there is no mode "${text}"`, 'say eui64 or none');
  draft.addrGenMode = MODES[text];
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
  abbreviated('link', (draft, words) => {
    draft.link = words.value();
  }),
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
  exactly('netns', (draft, words) => {
    draft.netns = words.value();
  }),
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
  abbreviated('addrgenmode', takeMode),
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
export const USAGE = 'Usage: ip link add [link DEV | parentdev NAME] [ name ] NAME';

export function parseDraft(words: Words, create: boolean): LinkDraft {
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

export function addressOf(draft: LinkDraft, words: Words): string | undefined {
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
