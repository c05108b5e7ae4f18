/*
 * `bridge fdb`: words to a Plan.
 *
 * As in iproute2, an entry is permanent unless it says otherwise, and belongs to the device itself
 * (`self`) unless it says `master`: so a station of a bridge port is added with `master`.
 */
import type { ApiError } from '../control/api/answer.js';
import type { ChangeFdb, FdbInfo, FlushFdb } from '../control/api/fdb.js';
import type { Request } from '../control/api/request.js';
import { type BridgeFlags, formatStations } from './fdb-format.js';
import { type Ask, change, exists, type Plan } from './plan.js';
import { cannot, netlinkLine, Refusal } from './refusal.js';
import { abbreviated, atoi, exactly, find, type Keyword, matches, parseInteger, Words } from './words.js';

const MAX_VLAN = 4095;

interface EntryDraft {
  address?: string;
  dev?: string;
  vlan?: number;
  self: boolean;
  master: boolean;
  permanent: boolean;
  static: boolean;
  dynamic: boolean;
  sticky: boolean;
}

function absent(word: string, keyword = exactly): Keyword<EntryDraft> {
  const take = (_: EntryDraft, words: Words) => {
    throw words.unsupported(word);
  };
  return keyword(word, take, true);
}

function vni<T>(word: string, message: string): Keyword<T> {
  const take = (_: T, words: Words) => {
    words.integer(message, 0, 0xffffff);
    throw words.unsupported(word);
  };
  return exactly(word, take, true);
}

/** iproute2 looks for a second one before it reads the value. */
function takeVlan(draft: EntryDraft, words: Words): void {
  if (draft.vlan !== undefined) throw words.garbage('vlan', 'vlan');
  draft.vlan = atoi(words.value());
}

export const ENTRY_WORDS: readonly Keyword<EntryDraft>[] = [
  exactly('dev', (draft, words) => {
    draft.dev = words.value();
  }),
  absent('dst'),
  absent('nhid'),
  absent('port'),
  vni('vni', 'invalid VNI'),
  vni('src_vni', 'invalid src VNI'),
  absent('via'),
  exactly('self', (draft) => {
    draft.self = true;
  }),
  abbreviated('master', (draft) => {
    draft.master = true;
  }),
  absent('router', abbreviated),
  ...['local', 'permanent'].map((word) =>
    abbreviated<EntryDraft>(word, (draft) => {
      draft.permanent = true;
    }),
  ),
  ...['temp', 'static'].map((word) =>
    abbreviated<EntryDraft>(word, (draft) => {
      draft.static = true;
    }),
  ),
  abbreviated('dynamic', (draft) => {
    draft.dynamic = true;
  }),
  abbreviated('vlan', takeVlan),
  absent('use', abbreviated),
  absent('extern_learn', abbreviated),
  abbreviated('sticky', (draft) => {
    draft.sticky = true;
  }),
];

const USAGE = 'Usage: bridge fdb { add | append | del | replace } ADDR dev DEV';

function helpWanted(words: Words): Refusal {
  return words.refuse(USAGE, 255, 'help was asked for');
}

function takeAddress(draft: { address?: string }, words: Words, word: string): void {
  const text = word === 'to' ? words.value() : word;
  if (matches(text, 'help')) throw helpWanted(words);
  if (draft.address !== undefined) throw words.garbage('to', text);
  draft.address = text;
  words.object = text;
}

/** As sscanf("%hhx:…") reads it: six parts of hexadecimal; what follows is not looked at. */
function macOf(words: Words, text: string): string {
  const parts =
    /^([0-9a-f]{1,2}):([0-9a-f]{1,2}):([0-9a-f]{1,2}):([0-9a-f]{1,2}):([0-9a-f]{1,2}):([0-9a-f]{1,2})$/i.exec(text);
  if (parts !== null)
    return parts
      .slice(1)
      .map((part) => part.toLowerCase().padStart(2, '0'))
      .join(':');
  throw words.refuse(
    `Invalid mac address ${text}`,
    255,
    `"${text}" is no MAC address`,
    'write it as 02:00:00:00:00:01',
    false,
  );
}

function stateOf(draft: EntryDraft, words: Words): NonNullable<ChangeFdb['state']> {
  const said = (['permanent', 'static', 'dynamic'] as const).filter((state) => draft[state]);
  if (said.length > 1)
    throw words.unsupported(said.join(' '), 'say one of them', `"${said.join('" and "')}" exclude each other`);
  return said[0] ?? 'permanent';
}

function parseEntry(op: ChangeFdb['op'], list: readonly string[]): Plan {
  const words = new Words(list, `bridge fdb ${op.slice('fdb.'.length)}`, 'bridge fdb');
  const flags = { self: false, master: false, permanent: false, static: false, dynamic: false, sticky: false };
  const draft: EntryDraft = flags;
  while (!words.done) {
    const word = words.next();
    const keyword = find(ENTRY_WORDS, word);
    if (keyword !== undefined) keyword.take(draft, words);
    else takeAddress(draft, words, word);
  }
  const { dev, address } = draft;
  if (dev === undefined || address === undefined) {
    throw words.refuse(
      'Device and address are required arguments.',
      255,
      'it names no device or no address',
      undefined,
      false,
    );
  }
  const request: ChangeFdb = { op, mac: macOf(words, address), dev, state: stateOf(draft, words) };
  if (draft.vlan !== undefined) request.vlan = draft.vlan;
  if (draft.sticky) request.sticky = true;
  if (draft.master) request.master = true;
  if (draft.self || !draft.master) request.self = true;
  return change([request], explainDevice);
}

/** ENODEV: which of the names is missing; each has its own words. */
async function explainDevice(error: ApiError, request: Request, ask: Ask): Promise<Refusal> {
  if (error.errno !== 'ENODEV' || !('dev' in request)) return new Refusal(netlinkLine(error), 255, error.message);
  const flush = request.op === 'fdb.flush';
  if (!(await exists(ask, request.dev))) {
    return new Refusal(`Cannot find ${flush ? 'bridge ' : ''}device "${request.dev}"`, 255, error.message);
  }
  const port = flush ? (request as FlushFdb).brport : undefined;
  if (port !== undefined) return new Refusal(`Cannot find bridge port device "${port}"`, 255, error.message);
  return new Refusal(netlinkLine(error), 255, error.message);
}

// --- show ----------------------------------------------------------------------------------------

interface ShowDraft {
  port?: string;
  bridge?: string;
  vlan?: number;
  /** Bits of the kernel's neighbour states. */
  state: number;
  dynamic: boolean;
}

const REACHABLE = 0x02;
const NOARP = 0x40;
const PERMANENT = 0x80;

/** What each of ours is in the kernel's bits: a static station is NOARP and REACHABLE. */
const BITS: Record<FdbInfo['state'], number> = { permanent: PERMANENT, static: NOARP | REACHABLE, '': REACHABLE };

const STATES: ReadonlyArray<[string, number]> = [
  ['permanent', PERMANENT],
  ['static', NOARP],
  ['temp', NOARP],
  ['stale', 0x04],
  ['reachable', REACHABLE],
  ['dynamic', REACHABLE],
];

function parseState(words: Words): number {
  const text = words.value();
  const known = STATES.find(([name]) => matches(text, name));
  const bits = known?.[1] ?? (text === 'all' ? 0xffff : parseInteger(text));
  if (bits === undefined) throw words.invalid(text, 'invalid state', `there is no state "${text}"`);
  return bits;
}

export const SHOW_WORDS: readonly Keyword<ShowDraft>[] = [
  ...['brport', 'dev'].map((word) =>
    exactly<ShowDraft>(word, (draft, words) => {
      draft.port = words.value();
    }),
  ),
  exactly('br', (draft, words) => {
    draft.bridge = words.value();
  }),
  exactly('vlan', (draft, words) => {
    const text = words.value();
    if (draft.vlan) throw words.duplicate('vlan', text);
    draft.vlan = atoi(text);
  }),
  exactly('state', (draft, words) => {
    draft.state |= parseState(words);
  }),
  exactly('dynamic', (draft) => {
    draft.dynamic = true;
  }),
];

function wanted(station: FdbInfo, draft: ShowDraft): boolean {
  if (draft.state !== 0 && (BITS[station.state] & draft.state) === 0) return false;
  if (draft.vlan && station.vlan !== draft.vlan) return false;
  return !(draft.dynamic && station.state === 'permanent');
}

/** iproute2 passes over a word that it does not know here; Sluice ignores nothing. */
function unknownWord(words: Words, word: string): Refusal {
  if (matches(word, 'help')) return helpWanted(words);
  return words.refuse(USAGE, 255, `"${word}" is no word of it`);
}

function parseShow(list: readonly string[], flags: BridgeFlags): Plan {
  const words = new Words(list, 'bridge fdb show', 'bridge fdb');
  const draft: ShowDraft = { state: 0, dynamic: false };
  while (!words.done) {
    const word = words.next();
    const keyword = find(SHOW_WORDS, word);
    if (keyword === undefined) throw unknownWord(words, word);
    keyword.take(draft, words);
  }
  const { port, bridge } = draft;
  const request: Request = {
    op: 'fdb.list',
    ...(bridge === undefined ? {} : { bridge }),
    ...(port === undefined ? {} : { port }),
  };
  return {
    requests: [request],
    print: ([stations]) =>
      formatStations(
        (stations as FdbInfo[]).filter((one) => wanted(one, draft)),
        flags,
        port === undefined,
      ),
    explain: (error, _, ask) => explainList(error, bridge, port, ask),
  };
}

async function explainList(
  error: ApiError,
  bridge: string | undefined,
  port: string | undefined,
  ask: Ask,
): Promise<Refusal> {
  if (error.errno !== 'ENODEV') return new Refusal(netlinkLine(error), 255, error.message);
  if (bridge !== undefined && !(await exists(ask, bridge)))
    return new Refusal(`Cannot find bridge device "${bridge}"`, 255, error.message);
  return new Refusal(`Cannot find device "${port ?? bridge}"`, 255, error.message);
}

// --- get -----------------------------------------------------------------------------------------

interface GetDraft {
  address?: string;
  port?: string;
  bridge?: string;
  vlan?: number;
  self: boolean;
  dynamic: boolean;
}

export const GET_WORDS: readonly Keyword<GetDraft>[] = [
  ...['brport', 'dev'].map((word) =>
    exactly<GetDraft>(word, (draft, words) => {
      draft.port = words.value();
    }),
  ),
  exactly('br', (draft, words) => {
    draft.bridge = words.value();
  }),
  vni('vni', 'invalid VNI'),
  exactly('self', (draft) => {
    draft.self = true;
  }),
  abbreviated('master', () => {
    // What a port's station is looked up in, and what a bridge is: said or not, it is so.
  }),
  abbreviated('vlan', (draft, words) => {
    if (draft.vlan !== undefined) throw words.garbage('vlan', 'vlan');
    draft.vlan = atoi(words.value());
  }),
  abbreviated('dynamic', (draft) => {
    draft.dynamic = true;
  }),
];

function parseGet(list: readonly string[], flags: BridgeFlags): Plan {
  const words = new Words(list, 'bridge fdb get', 'bridge fdb');
  const draft: GetDraft = { self: false, dynamic: false };
  while (!words.done) {
    const word = words.next();
    const keyword = find(GET_WORDS, word);
    if (keyword !== undefined) keyword.take(draft, words);
    else takeAddress(draft, words, word);
  }
  const { address, port, bridge } = draft;
  if ((port === undefined && bridge === undefined) || address === undefined) {
    throw words.refuse(
      'Device or master and address are required arguments.',
      255,
      'it names no device or no address',
      undefined,
      false,
    );
  }
  const mac = macOf(words, address);
  return {
    requests: [
      { op: 'fdb.list', ...(bridge === undefined ? {} : { bridge }), ...(port === undefined ? {} : { port }) },
    ],
    print: ([stations]) => formatStations([pick(stations as FdbInfo[], mac, draft, words)], flags, true),
    explain: (error, _, ask) => explainList(error, bridge, port, ask),
  };
}

function pick(stations: readonly FdbInfo[], mac: string, draft: GetDraft, words: Words): FdbInfo {
  const found = stations.find(
    (station) =>
      station.mac === mac &&
      (station.vlan ?? 0) === (draft.vlan ?? 0) &&
      station.flags.includes('self') === draft.self &&
      !(draft.dynamic && station.state === 'permanent'),
  );
  if (found !== undefined) return found;
  throw new Refusal(
    'Error: Fdb entry not found.',
    254,
    cannot('bridge fdb get', words.object, 'there is no such station', 'see "sluice bridge fdb show"'),
  );
}

// --- flush ---------------------------------------------------------------------------------------

interface FlushDraft {
  request: FlushFdb;
  self: boolean;
}

function flushState(word: 'permanent' | 'static' | 'dynamic'): Keyword<FlushDraft>[] {
  return [
    exactly(word, ({ request }) => {
      request[word] = true;
    }),
    exactly(`no${word}`, ({ request }) => {
      request[word] = false;
    }),
  ];
}

const ABSENT_FLUSH = ['added_by_user', 'extern_learn', 'sticky', 'offloaded'].flatMap((word) => [word, `no${word}`]);

function absentFlush(word: string): Keyword<FlushDraft> {
  const take = (_: FlushDraft, words: Words) => {
    throw words.unsupported(word);
  };
  return exactly(word, take, true);
}

export const FLUSH_WORDS: readonly Keyword<FlushDraft>[] = [
  exactly('dev', ({ request }, words) => {
    request.dev = words.value();
    words.object = request.dev;
  }),
  exactly('master', ({ request }) => {
    request.master = true;
  }),
  exactly('self', (draft) => {
    draft.self = true;
  }),
  ...flushState('permanent'),
  ...flushState('static'),
  ...flushState('dynamic'),
  ...ABSENT_FLUSH.map(absentFlush),
  exactly('brport', ({ request }, words) => {
    const port = words.value();
    if (request.brport !== undefined) throw words.garbage('brport', port);
    request.brport = port;
  }),
  exactly('vlan', ({ request }, words) => {
    if (request.vlan !== undefined) throw words.garbage('vlan', 'vlan');
    request.vlan = atoi(words.value());
  }),
];

function parseFlush(list: readonly string[]): Plan {
  const words = new Words(list, 'bridge fdb flush', 'bridge fdb');
  const draft: FlushDraft = { request: { op: 'fdb.flush', dev: '' }, self: false };
  while (!words.done) {
    const word = words.next();
    const keyword = find(FLUSH_WORDS, word);
    if (keyword === undefined) throw unknownWord(words, word);
    keyword.take(draft, words);
  }
  const { request } = draft;
  if (request.dev === '')
    throw words.refuse('Device is a required argument.', 255, 'it names no device', undefined, false);
  if ((request.vlan ?? 0) > MAX_VLAN) {
    throw words.refuse(
      `Invalid VLAN ID "${request.vlan}"`,
      255,
      `${request.vlan} is no VLAN`,
      `the last one is ${MAX_VLAN}`,
      false,
    );
  }
  return change([request], explainDevice);
}

const CHANGES: ReadonlyArray<[string, ChangeFdb['op']]> = [
  ['add', 'fdb.add'],
  ['append', 'fdb.append'],
  ['replace', 'fdb.replace'],
  ['delete', 'fdb.del'],
];

export function parseFdb(list: readonly string[], flags: BridgeFlags): Plan {
  const [word, ...rest] = list;
  if (word === undefined) return parseShow([], flags);
  const op = CHANGES.find(([name]) => matches(word, name))?.[1];
  if (op !== undefined) return parseEntry(op, rest);
  if (matches(word, 'get')) return parseGet(rest, flags);
  if (matches(word, 'show') || matches(word, 'lst') || matches(word, 'list')) return parseShow(rest, flags);
  if (word === 'flush') return parseFlush(rest);
  const words = new Words(rest, 'bridge fdb', 'bridge fdb');
  if (matches(word, 'help')) throw helpWanted(words);
  throw words.unknownCommand(word);
}
