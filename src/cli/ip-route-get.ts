/* `ip route get`: the route that a packet would take. */
import type { ApiError } from '../control/api/answer.js';
import type { Family } from '../control/api/family.js';
import type { GetRoute, RouteInfo } from '../control/api/route.js';
import { hostLength, parseUnsigned, takeInet, takePrefix, takeUnsigned } from './inet-words.js';
import { familyOf, noDevice, refuseVrf, takeTos, USAGE } from './ip-route-change.js';
import type { ListOptions } from './ip-route-show.js';
import { type Ask, exists, type Plan } from './plan.js';
import { netlinkLine, Refusal } from './refusal.js';
import { ListPrinter, routeJson, routeText } from './route-format.js';
import { ipProtocolNumber } from './rt-names.js';
import { abbreviated, exactly, find, type Keyword, matches, type Words } from './words.js';

interface GetDraft {
  family: Family | undefined;
  request: Omit<GetRoute, 'op' | 'family' | 'dst'>;
  dst?: string;
  connected: boolean;
  /** Lines on stderr that do not stop it. */
  warning: string;
  absent?: string;
}

type Take = Keyword<GetDraft>['take'];

const help = (words: Words) => words.refuse(USAGE, 255, 'help was asked for');

const takeTosValue: Take = ({ request }, words) => {
  const tos = takeTos(words, 'TOS value is invalid');
  if (tos !== 0) request.tos = tos;
};

function takeFrom(draft: GetDraft, words: Words): void {
  const text = words.value();
  if (matches(text, 'help')) throw help(words);
  const { family, address } = takePrefix(words, text, draft.family);
  draft.family ??= family;
  if (address !== '') draft.request.from = address;
}

const takeOutput: Take = ({ request }, words) => {
  request.oif = words.value();
};

function takePort(key: 'sport' | 'dport'): Take {
  return ({ request }, words) => {
    request[key] = takeUnsigned(words, `invalid ${key}`, 65535);
  };
}

const takeProtocol: Take = ({ request }, words) => {
  const text = words.value();
  const number = ipProtocolNumber(text);
  if (number === undefined) throw words.invalid(text, 'Invalid "ipproto" value');
  request.ipproto = number;
};

export const GET_WORDS: readonly Keyword<GetDraft>[] = [
  exactly('tos', takeTosValue),
  abbreviated('dsfield', takeTosValue),
  abbreviated('from', takeFrom),
  abbreviated('iif', ({ request }, words) => {
    request.iif = words.value();
  }),
  abbreviated('mark', ({ request }, words) => {
    const text = words.value();
    const mark = parseUnsigned(text);
    if (mark === undefined) throw words.invalid(text, 'invalid mark value');
    if (mark !== 0) request.mark = mark;
  }),
  abbreviated('oif', takeOutput),
  exactly('dev', takeOutput),
  abbreviated(
    'notify',
    (draft) => {
      draft.absent ??= 'notify';
    },
    true,
  ),
  abbreviated('connected', (draft) => {
    draft.connected = true;
  }),
  abbreviated(
    'vrf',
    (_, words) => {
      throw refuseVrf(words);
    },
    true,
  ),
  abbreviated(
    'uid',
    (draft, words) => {
      takeUnsigned(words, 'invalid UID');
      draft.absent ??= 'uid';
    },
    true,
  ),
  abbreviated('fibmatch', ({ request }) => {
    request.fibmatch = true;
  }),
  exactly(
    'as',
    (draft, words) => {
      if (words.peek() === 'to') words.next();
      takeInet(words, draft.family);
      draft.absent ??= 'as';
    },
    true,
  ),
  abbreviated('sport', takePort('sport')),
  abbreviated('dport', takePort('dport')),
  abbreviated('ipproto', takeProtocol),
];

function takeDestination(draft: GetDraft, words: Words, first: string): void {
  const text = first === 'to' ? words.value() : first;
  if (matches(text, 'help')) throw help(words);
  const { family, address, length } = takePrefix(words, text, draft.family);
  draft.family ??= family;
  draft.dst = address;
  words.object = text;
  if (draft.family === undefined || length === hostLength(draft.family)) return;
  const host = hostLength(draft.family);
  draft.warning += `Warning: /${length} as prefix is invalid, only /${host} (or none) is supported.\n`;
}

function parseDraft(words: Words, family: Family | undefined): GetDraft {
  const draft: GetDraft = { family, request: {}, connected: false, warning: '' };
  while (!words.done) {
    const word = words.next();
    const keyword = find(GET_WORDS, word);
    if (keyword !== undefined) keyword.take(draft, words);
    else takeDestination(draft, words, word);
  }
  if (draft.dst === undefined) {
    const line = 'need at least a destination address';
    throw words.refuse(line, 1, 'it names no destination', 'name an address', false);
  }
  if (draft.absent !== undefined)
    throw words.unsupported(draft.absent, undefined, `"${draft.absent}" has no effect here`);
  return draft;
}

/** iproute2 looks up both names itself, the input's first. */
async function explain(error: ApiError, { iif, oif }: GetDraft['request'], ask: Ask): Promise<Refusal> {
  if (error.errno === 'ENODEV') {
    for (const name of [iif, oif])
      if (name !== undefined && !(await exists(ask, name))) return noDevice(name, error.message);
  }
  return new Refusal(netlinkLine(error), 2, error.message);
}

/** With "connected" iproute2 looks up twice, and prints the second in text, whatever was asked for. */
function print(route: RouteInfo, options: ListOptions, isTwice: boolean): string {
  const text = (item: RouteInfo) => routeText(item, options);
  const printer = new ListPrinter(options, text, (item) => routeJson(item, options));
  return printer.piece([route]) + printer.end() + (isTwice ? text(route) : '');
}

export function parseGet(words: Words, options: ListOptions): Plan {
  const draft = parseDraft(words, familyOf(options));
  if (options.family === 'link') throw words.refuse(linkLine(draft), 1, 'links have no routes', 'use -4 or -6');
  const family = draft.family ?? 4;
  const dst = draft.dst === '' ? (family === 4 ? '0.0.0.0' : '::') : (draft.dst ?? '');
  const request: GetRoute = { op: 'route.get', family, dst, ...draft.request };
  const isTwice = draft.connected && request.from === undefined;
  return {
    requests: [request],
    print: ([route]) => print(route as RouteInfo, options, isTwice),
    explain: (error, _, ask) => explain(error, draft.request, ask),
    ...(draft.warning !== '' && { note: draft.warning }),
  };
}

function linkLine({ dst }: GetDraft): string {
  return `Error: "${dst}" may be inet prefix, but it is not allowed in this context.`;
}
