/*
 * `ip link`: words to a Plan. The words before `type` are link-words.ts's, those after it link-kinds.ts's.
 */
import type { ApiError } from '../control/api/answer.js';
import type { AddLink, DeleteLink, SetLink } from '../control/api/link.js';
import type { NetnsInfo } from '../control/api/netns.js';
import type { Request } from '../control/api/request.js';
import { HOST } from '../control/client.js';
import { parseBridge, parseSlave } from './bridge-words.js';
import type { ShowFlags } from './link-format.js';
import { KINDS, unknownKind } from './link-kinds.js';
import { addressOf, type LinkDraft, NAME_BYTES, parseDraft, USAGE } from './link-words.js';
import { type Ask, asNetlink, change, exists, type Plan } from './plan.js';
import { netlinkLine, Refusal } from './refusal.js';
import { isName, matches, Words } from './words.js';

export { LINK_WORDS } from './link-words.js';

/** Without one the kind's first free one is taken. */
function addName(draft: LinkDraft, words: Words): string | undefined {
  if (draft.name !== undefined && draft.name !== draft.dev) {
    throw words.refuse(
      'both "name" and "dev" cannot be used when creating devices.',
      255,
      'it has two names',
      'say one',
    );
  }
  const name = draft.dev;
  if (name === undefined || isName(name, NAME_BYTES)) return name;
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

/** Only a vlan lies on another link. */
function lowerOf(draft: LinkDraft, words: Words, kind: AddLink['kind'] | undefined): string | undefined {
  if (draft.link === undefined || kind === 'vlan') return draft.link;
  throw words.unsupported('link', 'leave it out', `a ${kind} lies on no other link`);
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
    link: lowerOf(draft, words, kind.kind),
    netns: draft.netns,
    addr_gen_mode: draft.addrGenMode,
    veth: kind.veth,
    vlan: kind.vlan,
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
  if (draft.link !== undefined) throw words.unsupported('link', 'make the link anew', 'what it lies on cannot change');
  const request = given<SetLink>({
    op: 'link.set',
    name,
    up: draft.up,
    mtu: draft.mtu,
    address: addressOf(draft, words),
    netns: draft.netns,
    addr_gen_mode: draft.addrGenMode,
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
  const { up, mtu, address, master, link, netns, addrGenMode } = draft;
  const others = [up, mtu, address, master, link, netns, addrGenMode, draft.name === name ? undefined : draft.name];
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

/** Namespaces of Sluice that a request names. */
function namespacesOf(request: Request): string[] {
  const peer = request.op === 'link.add' ? request.veth?.peer?.netns : undefined;
  const own = request.op === 'link.add' || request.op === 'link.set' ? request.netns : undefined;
  return [own, peer].filter((name) => name !== undefined);
}

async function missingNamespace(request: Request, ask: Ask): Promise<string | undefined> {
  const names = namespacesOf(request).filter((name) => name !== HOST);
  if (names.length === 0) return undefined;
  const known = await ask<NetnsInfo[]>({ op: 'netns.list' });
  return names.find((name) => !known.some((one) => one.name === name));
}

/** iproute2 looks names up before it sends; the daemon answers ENODEV or ENOENT, and we find out of what. */
async function explainLink(error: ApiError, request: Request, ask: Ask): Promise<Refusal> {
  const isLookUp = error.errno === 'ENOENT' || error.errno === 'ENODEV';
  const missing = isLookUp ? await missingNamespace(request, ask) : undefined;
  if (missing !== undefined)
    return new Refusal(`Error: argument "${missing}" is wrong: Invalid "netns" value`, 255, error.message, true);
  if (error.errno !== 'ENODEV') return asNetlink(2)(error, request, ask);
  const lower = request.op === 'link.add' ? request.link : undefined;
  if (lower !== undefined && !(await exists(ask, lower)))
    return new Refusal(`Cannot find device "${lower}"`, 1, error.message);
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
  throw words.unknownCommand(word);
}
