/*
 * `ip addr`: words to a Plan. Words that Linux has and no address of Sluice takes are refused by name.
 *
 * What iproute2 only warns of, it warns of here too: the lines go to stderr ahead of everything else.
 */
import type { ChangeAddress } from '../control/api/address.js';
import type { Family } from '../control/api/family.js';
import { parseAddressBytes } from '../control/route-batch.js';
import { FOREVER } from './addr-format.js';
import { type Commands, type ModifyCommand, modifying, type Parse, parseCommand } from './commands.js';
import { type Prefix, parseUnsigned, takeInet } from './inet-words.js';
import { familyOf, prefixOf, USAGE } from './ip-addr-filter.js';
import { parseFlush } from './ip-addr-flush.js';
import { parseShow } from './ip-addr-show.js';
import { change, type Plan } from './plan.js';
import { netlinkLine, Refusal } from './refusal.js';
import { SCOPES } from './rt-names.js';
import type { ToolFamily, ToolOptions } from './tool.js';
import { abbreviated, exactly, find, type Keyword, matches, Words } from './words.js';

/** What the words said so far; the first address decides the family. */
export interface AddressDraft {
  family: ToolFamily | undefined;
  local?: Prefix;
  /** As it was typed. */
  localText: string;
  peer?: Prefix;
  broadcast?: string;
  label?: string;
  dev?: string;
  scope?: number;
  metric?: number;
  validLife?: number;
  preferredLife?: number;
  flags: Array<'nodad' | 'noprefixroute' | 'home'>;
  autojoin: boolean;
  warnings: string;
}

function decideFamily(draft: AddressDraft, of: Family | undefined): void {
  if (of !== undefined) draft.family ??= of === 4 ? 'inet' : 'inet6';
}

function takePeer(draft: AddressDraft, words: Words): void {
  const text = words.value();
  if (draft.peer !== undefined) throw words.duplicate('peer', text);
  draft.peer = prefixOf(words, text, draft.family);
  decideFamily(draft, draft.peer.family);
}

function takeBroadcast(draft: AddressDraft, words: Words): void {
  const text = words.peek();
  if (draft.broadcast !== undefined && text !== undefined) throw words.duplicate('broadcast', text);
  if (text === '+' || text === '-') {
    draft.broadcast = words.next();
    return;
  }
  const { family, address } = takeInet(words, familyOf(draft.family));
  draft.broadcast = address;
  decideFamily(draft, family);
}

function takeScope(draft: AddressDraft, words: Words): void {
  const text = words.value();
  const scope = SCOPES.number(text);
  if (scope === undefined) throw words.invalid(text, 'invalid scope value.', `there is no scope "${text}"`);
  draft.scope = scope;
}

function takeMetric(draft: AddressDraft, words: Words): void {
  const text = words.value();
  const metric = parseUnsigned(text);
  if (metric === undefined) throw words.invalid(text, '"metric" value is invalid', `"${text}" is no metric`);
  draft.metric = metric;
}

/** Seconds, or "forever". A second time is noticed before its value is read. */
function lifetime(words: Words, keyword: string, before: number | undefined): number {
  if (before !== undefined) throw words.duplicate(keyword, words.list[words.list.length - words.rest.length - 1]);
  const text = words.value();
  const seconds = text === 'forever' ? FOREVER : parseUnsigned(text);
  if (seconds === undefined) throw words.invalid(text, `${keyword} value`, `"${text}" is no time in seconds`);
  return seconds;
}

function readOnly(word: string): Keyword<AddressDraft> {
  const take = (draft: AddressDraft) => {
    draft.warnings += `Warning: ${word} option is not mutable from userspace\n`;
  };
  return exactly(word, take, true);
}

/** A flag that only IPv6 has: without an IPv6 address before it, iproute2 warns and goes on without. */
function inet6Only(draft: AddressDraft, word: string): boolean {
  if (draft.family === 'inet6') return true;
  draft.warnings += `Warning: ${word} option can be set only for IPv6 addresses\n`;
  return false;
}

function inet6Flag(word: 'nodad' | 'home'): Keyword<AddressDraft> {
  return exactly(word, (draft) => {
    if (inet6Only(draft, word)) draft.flags.push(word);
  });
}

function absentInet6Flag(word: string): Keyword<AddressDraft> {
  const take = (draft: AddressDraft, words: Words) => {
    if (inet6Only(draft, word)) throw words.unsupported(word);
  };
  return exactly(word, take, true);
}

const metricWord = (word: string): Keyword<AddressDraft> => abbreviated(word, takeMetric);

export const ADDRESS_WORDS: readonly Keyword<AddressDraft>[] = [
  exactly('peer', takePeer),
  exactly('remote', takePeer),
  abbreviated('broadcast', takeBroadcast),
  exactly('brd', takeBroadcast),
  exactly(
    'anycast',
    (draft, words) => {
      takeInet(words, familyOf(draft.family));
      throw words.unsupported('anycast');
    },
    true,
  ),
  exactly('scope', takeScope),
  exactly('dev', (draft, words) => {
    draft.dev = words.value();
  }),
  exactly('label', (draft, words) => {
    draft.label = words.value();
  }),
  metricWord('metric'),
  metricWord('priority'),
  metricWord('preference'),
  abbreviated('valid_lft', (draft, words) => {
    draft.validLife = lifetime(words, 'valid_lft', draft.validLife);
  }),
  abbreviated('preferred_lft', (draft, words) => {
    draft.preferredLife = lifetime(words, 'preferred_lft', draft.preferredLife);
  }),
  ...['secondary', 'temporary', 'dadfailed', 'deprecated', 'tentative', 'permanent', 'stable-privacy'].map(readOnly),
  inet6Flag('nodad'),
  inet6Flag('home'),
  absentInet6Flag('optimistic'),
  absentInet6Flag('mngtmpaddr'),
  exactly('noprefixroute', (draft) => {
    draft.flags.push('noprefixroute');
  }),
  exactly(
    'autojoin',
    (draft) => {
      draft.autojoin = true;
    },
    true,
  ),
];

function takeLocal(draft: AddressDraft, words: Words, word: string): void {
  const text = word === 'local' ? words.value() : word;
  if (matches(text, 'help')) throw words.refuse(USAGE, 255, 'help was asked for');
  if (draft.local !== undefined) throw words.garbage('local', text);
  draft.local = prefixOf(words, text, draft.family);
  draft.localText = text;
  words.object = text;
  decideFamily(draft, draft.local.family);
}

function parseDraft(words: Words, draft: AddressDraft): void {
  while (!words.done) {
    const word = words.next();
    const keyword = find(ADDRESS_WORDS, word);
    if (keyword === undefined) takeLocal(draft, words, word);
    else keyword.take(draft, words);
  }
}

/** Not an exit of the real tool: in a batch, "Command failed" follows. */
function refuse(words: Words, line: string, status: number, cause: string, hint?: string): Refusal {
  return words.refuse(line, status, cause, hint, false);
}

function deviceOf(draft: AddressDraft, words: Words): string {
  if (draft.dev !== undefined) return draft.dev;
  const line = 'Not enough information: "dev" argument is required.';
  throw refuse(words, line, 1, 'it names no link', 'say "dev LINK"');
}

/** Without a local address the kernel refuses, in words that depend on the family. */
function localOf(draft: AddressDraft, words: Words): Prefix & { family: Family } {
  const { local } = draft;
  if (local?.family !== undefined && local.address !== '') return { ...local, family: local.family };
  const lines: Record<string, string> = {
    inet: 'Error: ipv4: Local address is not supplied.',
    inet6: 'RTNETLINK answers: Invalid argument',
  };
  const line = lines[draft.family ?? ''] ?? 'RTNETLINK answers: Operation not supported';
  throw refuse(words, line, 2, 'it names no address', 'say "ip addr add ADDRESS/LENGTH dev LINK"');
}

/** All host bits set, or cleared; none where a network has no broadcast address. */
function broadcastOf(draft: AddressDraft, of: Prefix, words: Words): string | undefined {
  const { broadcast } = draft;
  if (broadcast !== '+' && broadcast !== '-') return broadcast;
  if (draft.family !== 'inet') {
    const line = 'Broadcast can be set only for IPv4 addresses';
    throw refuse(words, line, 1, 'an IPv6 address has no broadcast address', 'leave it out');
  }
  if (of.length > 30) return undefined;
  const bytes = parseAddressBytes(of.address) ?? [];
  return Array.from(bytes, (byte, at) => {
    const host = 0xff >> Math.min(8, Math.max(0, of.length - 8 * at));
    return broadcast === '+' ? byte | host : byte & ~host;
  }).join('.');
}

function checkLives(draft: AddressDraft, words: Words): void {
  const { validLife: valid = FOREVER, preferredLife: preferred = FOREVER } = draft;
  if (valid === 0) throw refuse(words, 'valid_lft is zero', 1, 'it would be gone at once', 'say seconds, or forever');
  if (valid >= preferred) return;
  const cause = `it would be preferred for longer than it is valid`;
  throw refuse(words, 'preferred_lft is greater than valid_lft', 1, cause, 'say "preferred_lft" too, and not more');
}

function isMulticast(address: string): boolean {
  const first = (parseAddressBytes(address) ?? [0])[0];
  return address.includes(':') ? first === 0xff : first >> 4 === 14;
}

function checkAutojoin(draft: AddressDraft, words: Words): void {
  if (!draft.autojoin) return;
  if (isMulticast(draft.local?.address ?? '')) throw words.unsupported('autojoin');
  throw refuse(words, 'autojoin needs multicast address', 1, 'it is no multicast address', 'leave out "autojoin"');
}

const WILDCARD = (text: string) =>
  'Warning: Executing wildcard deletion to stay compatible with old scripts.\n' +
  `         Explicitly specify the prefix length (${text}/32) to avoid this warning.\n` +
  '         This special behaviour is likely to disappear in further releases,\n' +
  '         fix your scripts!\n';

/** The address, and the length that the link's end and its peer share. */
function endsOf(
  draft: AddressDraft,
  command: ModifyCommand,
  local: Prefix & { family: Family },
): Pick<ChangeAddress, 'local' | 'peer'> {
  const { peer } = draft;
  const length = peer === undefined || peer.length === 0 ? local.length : peer.length;
  if (peer !== undefined) return { local: `${local.address}/${length}`, peer: `${peer.address}/${length}` };
  if (command !== 'del' || local.family !== 4 || local.hasLength) return { local: `${local.address}/${length}` };
  draft.warnings += WILDCARD(draft.localText);
  return { local: local.address };
}

/** 127.0.0.0/8 is the host's own. */
function scopeOf(draft: AddressDraft, local: Prefix): number | undefined {
  return draft.scope ?? (local.family === 4 && local.address.startsWith('127.') ? 254 : undefined);
}

function requestOf(draft: AddressDraft, words: Words, command: ModifyCommand): ChangeAddress {
  const dev = deviceOf(draft, words);
  const local = localOf(draft, words);
  const ends = endsOf(draft, command, local);
  const request: ChangeAddress = { op: `addr.${command}`, dev, ...ends };
  if (draft.label !== undefined) request.label = draft.label;
  if (command === 'del') return request;
  const broadcast = broadcastOf(draft, draft.peer ?? local, words);
  const scope = scopeOf(draft, local);
  if (broadcast !== undefined) request.broadcast = broadcast;
  if (scope !== undefined) request.scope = scope;
  if (draft.metric !== undefined) request.metric = draft.metric;
  if (draft.validLife !== undefined || draft.preferredLife !== undefined) {
    checkLives(draft, words);
    request.valid_lft = draft.validLife ?? FOREVER;
    request.preferred_lft = draft.preferredLife ?? FOREVER;
  }
  checkAutojoin(draft, words);
  for (const flag of draft.flags) request[flag] = true;
  return request;
}

function parseModify(list: readonly string[], options: ToolOptions, command: ModifyCommand): Plan {
  const words = new Words(list, `ip addr ${command}`, 'ip addr');
  const draft: AddressDraft = {
    family: options.family,
    localText: '',
    flags: [],
    autojoin: false,
    warnings: '',
  };
  try {
    parseDraft(words, draft);
    const request = requestOf(draft, words, command);
    const plan = change([request], (error) => {
      const line = error.errno === 'ENODEV' ? `Cannot find device "${request.dev}"` : netlinkLine(error);
      return new Refusal(line, error.errno === 'ENODEV' ? 1 : 2, error.message);
    });
    return draft.warnings === '' ? plan : { ...plan, note: draft.warnings };
  } catch (error) {
    if (!(error instanceof Refusal) || draft.warnings === '') throw error;
    throw new Refusal(`${draft.warnings}${error.tool}`, error.status, error.message, error.ends);
  }
}

/** `save`, `restore` and `showdump` read and write a stream of netlink messages; they are seldom wanted. */
function dump(which: 'save' | 'restore' | 'showdump', list: readonly string[], options: ToolOptions): Plan {
  return {
    requests: [],
    print: () => '',
    explain: (error) => new Refusal(netlinkLine(error), 1, error.message),
    run: async (session) => (await import('./ip-addr-dump.js'))[which](session, list, options),
  };
}

const COMMANDS: Commands = {
  verb: 'ip addr',
  help: 'ip address',
  usage: USAGE,
  show: parseShow,
  list: [
    ...modifying(parseModify),
    ['list', parseShow],
    ['show', parseShow],
    ['lst', parseShow],
    ['flush', parseFlush],
    ['save', (list, options) => dump('save', list, options)],
    ['showdump', (list, options) => dump('showdump', list, options)],
    ['restore', (list, options) => dump('restore', list, options)],
  ],
};

/** Those that completion offers: the others read standard input. */
export const ADDRESS_COMMANDS = COMMANDS.list
  .map(([name]) => name)
  .filter((name) => !/^(showdump|restore)$/.test(name));

export const parseAddress: Parse = (list, options) => parseCommand(COMMANDS, list, options);
