/*
 * `sluice ifconfig`, as net-tools has it: shows links, and sets an address, a mask, an MTU or a state
 * by the same requests as `ip`. The real tool carries its words out one by one; here they are read
 * first, so that a command that is wrong in the end has changed nothing. Words that would have no
 * effect are refused by name.
 */
import type { AddressInfo, ChangeAddress, LinkAddresses } from '../control/api/address.js';
import type { Request } from '../control/api/request.js';
import { ApiFailure } from '../control/client.js';
import { parseAddressBytes } from '../control/route-batch.js';
import { byName, interfaceText, namesOf } from './ifconfig-format.js';
import { parsePrefix } from './inet-words.js';
import { cannot, Refusal, strerror } from './refusal.js';
import { inSession, type Session } from './session.js';
import type { Terminal } from './terminal.js';
import { atoi } from './words.js';

/** What the words ask for. */
export interface InterfaceDraft {
  up?: boolean;
  mtu?: number;
  hardware?: string;
  /** "0.0.0.0" takes the address away. */
  address?: string;
  length?: number;
  broadcast?: string;
  add: string[];
  del: string[];
}

const USAGE = 'Usage:';
const USAGE_STATUS = 3;

function refuse(line: string, name: string, cause: string, hint = 'see "sluice ifconfig --help"', status = 1): Refusal {
  return new Refusal(line, status, cannot('ifconfig', name, cause, hint));
}

class Reader {
  #at = 0;

  constructor(
    private readonly list: readonly string[],
    readonly name: string,
  ) {}

  get done(): boolean {
    return this.#at >= this.list.length;
  }

  peek(): string | undefined {
    return this.list[this.#at];
  }

  next(): string {
    if (this.done) throw refuse(USAGE, this.name, 'a word needs a value', undefined, USAGE_STATUS);
    return this.list[this.#at++];
  }

  unknownHost(text: string): Refusal {
    return refuse(`${text}: Unknown host`, this.name, `"${text}" is no address`);
  }

  inet(): string {
    const text = this.next();
    const found = parseInet4(text);
    if (found === undefined) throw this.unknownHost(text);
    return found;
  }
}

/** As inet_aton(3): of fewer than four parts the last one fills the rest. */
export function parseInet4(text: string): string | undefined {
  const parts = text.split('.').map((part) => (/^(0[xX][0-9a-fA-F]+|[0-9]+)$/.test(part) ? Number(part) : Number.NaN));
  const last = parts.pop() ?? Number.NaN;
  const room = 256 ** (4 - parts.length);
  if (parts.length > 3 || parts.some((part) => !(part <= 255)) || !(last < room)) return undefined;
  const rest = [24, 16, 8, 0].map((shift) => Math.floor(last / 2 ** shift) & 0xff).slice(parts.length);
  return [...parts, ...rest].join('.');
}

function takeMask(draft: InterfaceDraft, reader: Reader): void {
  const mask = reader.inet();
  const length = parsePrefix(`0.0.0.0/${mask}`, 4)?.length;
  if (length === undefined)
    throw refuse('SIOCSIFNETMASK: Invalid argument', reader.name, `${mask} has holes`, 'write it as 255.255.255.0');
  draft.length = length;
}

function takeHardware(draft: InterfaceDraft, reader: Reader): void {
  const kind = reader.next();
  const address = reader.next();
  if (kind !== 'ether') throw refuse(`hw: unknown hardware type`, reader.name, `"${kind}" is not ether`);
  if (!/^([0-9a-f]{1,2}:){5}[0-9a-f]{1,2}$/i.test(address))
    throw refuse(`${address}: invalid ether address.`, reader.name, `"${address}" is no MAC address`);
  const bytes = address.split(':').map((byte) => byte.padStart(2, '0'));
  draft.hardware = bytes.join(':').toLowerCase();
}

/** An IPv6 address with its length for `add` and `del`. */
function takeInet6(reader: Reader): string {
  const text = reader.next();
  const prefix = parsePrefix(text, 6);
  if (prefix === undefined || prefix.address === '') throw reader.unknownHost(text);
  return `${prefix.address}/${prefix.length}`;
}

type Take = (draft: InterfaceDraft, reader: Reader) => void;

export const INTERFACE_WORDS: Readonly<Record<string, Take>> = {
  up: (draft) => {
    draft.up = true;
  },
  down: (draft) => {
    draft.up = false;
  },
  mtu: (draft, reader) => {
    draft.mtu = atoi(reader.next());
  },
  netmask: takeMask,
  broadcast: (draft, reader) => {
    draft.broadcast = reader.inet();
  },
  hw: takeHardware,
  add: (draft, reader) => {
    draft.add.push(takeInet6(reader));
  },
  del: (draft, reader) => {
    draft.del.push(takeInet6(reader));
  },
};

/** Words of the real tool that would change nothing here. */
const ABSENT = new Set(
  (
    'arp -arp promisc -promisc multicast -multicast allmulti -allmulti trailers -trailers dynamic -dynamic -broadcast ' +
    'pointopoint -pointopoint dstaddr tunnel outfill keepalive mem_start io_addr irq media txqueuelen name metric unix'
  ).split(' '),
);

function takeAddress(draft: InterfaceDraft, reader: Reader, text: string): void {
  const [address, length, ...more] = text.split('/');
  const found = parseInet4(address);
  const bits = length === undefined ? undefined : /^[0-9]+$/.test(length) ? Number(length) : Number.NaN;
  if (found === undefined || more.length > 0 || (bits !== undefined && !(bits <= 32))) throw reader.unknownHost(text);
  draft.address = found;
  if (bits !== undefined) draft.length = bits;
  draft.up = true;
}

/** inet6 ADDRESS/LENGTH adds, as `add` does. */
function takeFamily(draft: InterfaceDraft, reader: Reader, family: string): void {
  const word = reader.peek();
  if (family === 'inet6' && word !== 'add' && word !== 'del') draft.add.push(takeInet6(reader));
}

export function parseInterface(name: string, list: readonly string[]): InterfaceDraft {
  const draft: InterfaceDraft = { add: [], del: [] };
  const reader = new Reader(list, name);
  while (!reader.done) {
    const word = reader.next();
    if (Object.hasOwn(INTERFACE_WORDS, word)) INTERFACE_WORDS[word](draft, reader);
    else if (word === 'inet' || word === 'inet6') takeFamily(draft, reader, word);
    else if (ABSENT.has(word))
      throw refuse('SIOCSIFFLAGS: Operation not supported', name, `"${word}" is not there`, 'leave it out');
    else takeAddress(draft, reader, word);
  }
  return draft;
}

/** The classes of old: what a mask is that nobody said. */
function classLength(address: string): number {
  const first = Number(address.split('.')[0]);
  if (address === '0.0.0.0') return 0;
  return first < 128 ? 8 : first < 192 ? 16 : first < 224 ? 24 : 32;
}

function broadcastOf(address: string, length: number): string {
  const bytes = parseAddressBytes(address) ?? [];
  return Array.from(bytes, (byte, at) => byte | (0xff >> Math.min(8, Math.max(0, length - 8 * at)))).join('.');
}

/** One interface as a command names it: a link, or an alias of one. */
class Target {
  readonly dev: string;

  constructor(
    private readonly session: Session,
    readonly name: string,
  ) {
    this.dev = name.split(':')[0];
  }

  /** `call`: the system call that the real tool would have failed in. */
  async ask(request: Request, call: string, status = 1): Promise<void> {
    try {
      await this.session.ask(request);
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      throw new Refusal(`${call}: ${strerror(error.error.errno)}`, status, error.message);
    }
  }

  async entry(line: string, status: number): Promise<LinkAddresses> {
    try {
      return (await this.session.ask<LinkAddresses[]>({ op: 'addr.list', dev: this.dev }))[0];
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      throw new Refusal(line, status, error.message);
    }
  }

  async #delete(old: AddressInfo, call: string): Promise<void> {
    const request: ChangeAddress = { op: 'addr.del', dev: this.dev, local: `${old.local}/${old.prefixlen}` };
    if (old.address !== undefined) request.peer = `${old.address}/${old.prefixlen}`;
    await this.ask(request, call);
  }

  /** Puts one address in the place of the one that the interface has. */
  async setAddress({ address, length, broadcast }: InterfaceDraft): Promise<void> {
    const call = address !== undefined ? 'SIOCSIFADDR' : length !== undefined ? 'SIOCSIFNETMASK' : 'SIOCSIFBRDADDR';
    const { link, addresses } = await this.entry(`${call}: No such device`, address === undefined ? 1 : 255);
    const old = addresses.find(({ family, label }) => family === 'inet' && label === this.name);
    const local = address ?? old?.local;
    if (local === undefined)
      throw refuse(`${call}: Cannot assign requested address`, this.name, 'it has no address', 'say the address too');
    if (old !== undefined) await this.#delete(old, call);
    if (local === '0.0.0.0') return;
    const bits = length ?? (address === undefined ? old?.prefixlen : undefined) ?? classLength(local);
    const request: ChangeAddress = { op: 'addr.add', dev: this.dev, local: `${local}/${bits}` };
    if (this.name !== this.dev) request.label = this.name;
    if (broadcast !== undefined) request.broadcast = broadcast;
    else if (bits < 31 && link.flags.includes('BROADCAST')) request.broadcast = broadcastOf(local, bits);
    await this.ask(request, call);
  }

  /** An alias that goes down loses its address; it has no state of its own. */
  async setState(up: boolean): Promise<void> {
    const line = `${this.name}: ERROR while getting interface flags: No such device`;
    const { addresses } = await this.entry(line, 255);
    if (this.name === this.dev) return this.ask({ op: 'link.set', name: this.dev, up }, 'SIOCSIFFLAGS');
    const own = addresses.find(({ label }) => label === this.name);
    if (!up && own !== undefined) await this.#delete(own, 'SIOCSIFFLAGS');
  }
}

async function set(session: Session, name: string, draft: InterfaceDraft): Promise<void> {
  const target = new Target(session, name);
  const { dev } = target;
  if (draft.mtu !== undefined) await target.ask({ op: 'link.set', name: dev, mtu: draft.mtu }, 'SIOCSIFMTU');
  if (draft.hardware !== undefined)
    await target.ask({ op: 'link.set', name: dev, address: draft.hardware }, 'SIOCSIFHWADDR');
  if ([draft.address, draft.length, draft.broadcast].some((value) => value !== undefined))
    await target.setAddress(draft);
  for (const local of draft.add) await target.ask({ op: 'addr.add', dev, local }, 'SIOCSIFADDR');
  for (const local of draft.del) await target.ask({ op: 'addr.del', dev, local }, 'SIOCDIFADDR');
  if (draft.up !== undefined) await target.setState(draft.up);
}

async function showOne(session: Session, name: string): Promise<void> {
  const target = new Target(session, name);
  const line = `${name}: error fetching interface information: Device not found`;
  const entry = await target.entry(line, 1);
  session.terminal.out(interfaceText(name, entry));
}

async function showAll(session: Session, all: boolean): Promise<void> {
  const entries = await session.ask<LinkAddresses[]>({ op: 'addr.list' });
  const shown = entries.filter(({ link }) => all || link.flags.includes('UP'));
  const named = shown.flatMap((entry) => namesOf(entry).map((name) => ({ name, entry })));
  named.sort((a, b) => byName(a.name, b.name));
  session.terminal.out(named.map(({ name, entry }) => interfaceText(name, entry)).join(''));
}

export const OPTIONS = ['-a'];

export function run(words: readonly string[], terminal: Terminal): Promise<number> {
  return inSession(terminal, async (session) => {
    const [option] = words;
    const all = option === '-a';
    if (option?.startsWith('-') && !all) {
      const hint = option === '-s' ? 'use "sluice netstat -i"' : undefined;
      throw refuse(`ifconfig: option \`${option}' not recognised.`, option, 'there is no such option', hint);
    }
    const [name, ...rest] = all ? words.slice(1) : words;
    if (name === undefined) await showAll(session, all);
    else if (rest.length === 0) await showOne(session, name);
    else await set(session, name, parseInterface(name, rest));
    return 0;
  });
}
