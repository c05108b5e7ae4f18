/*
 * `ip addr save`, `restore` and `showdump`: a file of RTM_NEWADDR messages after a magic number, as
 * the kernel would send them, so that files of the real tool can be read here and the other way
 * round. Numbers are in the host's order, little-endian on every machine that Sluice runs on.
 *
 *   nlmsghdr   length 4, type 2, flags 2, sequence 4, port 4
 *   ifaddrmsg  family 1, prefix length 1, flags 1, scope 1, index 4
 *   rtattr…    length 2, type 2, value; each padded to 4
 */
import { isatty } from 'node:tty';
import type { AddressInfo, ChangeAddress, LinkAddresses } from '../control/api.js';
import { ApiFailure } from '../control/client.js';
import { formatAddress, parseAddressBytes } from '../control/route-batch.js';
import { addressJson, addressText, FOREVER } from './addr-format.js';
import { familyOf } from './ip-addr-filter.js';
import { noDevice } from './ip-addr-show.js';
import { type Json, json } from './json.js';
import { cannot, netlinkLine, Refusal } from './refusal.js';
import type { Session } from './session.js';
import type { ToolOptions } from './tool.js';
import { Words } from './words.js';

const MAGIC = 0x47361222;
const RTM_NEWADDR = 20;
const NLM_F_MULTI = 2;
const HEADER = 16;
const MESSAGE = 24;

const enum Attribute {
  Address = 1,
  Local = 2,
  Label = 3,
  Broadcast = 4,
  CacheInfo = 6,
  Flags = 8,
  Metric = 9,
}

const AF_INET = 2;
const AF_INET6 = 10;

/** IFA_F_*. A temporary address is a secondary one of IPv6. */
const FLAG_BITS = {
  secondary: 0x01,
  nodad: 0x02,
  dadfailed: 0x08,
  home: 0x10,
  deprecated: 0x20,
  tentative: 0x40,
  mngtmpaddr: 0x100,
  noprefixroute: 0x200,
} as const;
const PERMANENT = 0x80;

interface Saved {
  index: number;
  address: AddressInfo;
}

function flagBits(address: AddressInfo): number {
  let bits = address.dynamic === true ? 0 : PERMANENT;
  if (address.temporary === true) bits |= FLAG_BITS.secondary;
  for (const [name, bit] of Object.entries(FLAG_BITS))
    if (address[name as keyof typeof FLAG_BITS] === true) bits |= bit;
  return bits;
}

function attribute(type: Attribute, value: Uint8Array): Buffer {
  const bytes = Buffer.alloc((4 + value.length + 3) & ~3);
  bytes.writeUInt16LE(4 + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  bytes.set(value, 4);
  return bytes;
}

function words32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [at, value] of values.entries()) bytes.writeUInt32LE(value >>> 0, 4 * at);
  return bytes;
}

function host(text: string): Uint8Array {
  return parseAddressBytes(text) ?? new Uint8Array();
}

/** IPv6 has IFA_LOCAL only beside a peer. */
function attributes(address: AddressInfo): Buffer[] {
  const isInet = address.family === 'inet';
  const peer = address.address ?? address.local;
  const list = [attribute(Attribute.Address, host(peer))];
  if (isInet || address.address !== undefined) list.push(attribute(Attribute.Local, host(address.local)));
  if (address.broadcast !== undefined) list.push(attribute(Attribute.Broadcast, host(address.broadcast)));
  if (address.label !== undefined) list.push(attribute(Attribute.Label, Buffer.from(`${address.label}\0`)));
  list.push(attribute(Attribute.Flags, words32(flagBits(address))));
  if (address.metric !== undefined) list.push(attribute(Attribute.Metric, words32(address.metric)));
  const lives = words32(address.preferred_life_time, address.valid_life_time, 0, 0);
  list.push(attribute(Attribute.CacheInfo, lives));
  return list;
}

export function encode({ index, address }: Saved): Buffer {
  const body = Buffer.concat(attributes(address));
  const head = Buffer.alloc(MESSAGE);
  head.writeUInt32LE(MESSAGE + body.length, 0);
  head.writeUInt16LE(RTM_NEWADDR, 4);
  head.writeUInt16LE(NLM_F_MULTI, 6);
  head.writeUInt8(address.family === 'inet' ? AF_INET : AF_INET6, HEADER);
  head.writeUInt8(address.prefixlen, HEADER + 1);
  head.writeUInt8(flagBits(address) & 0xff, HEADER + 2);
  head.writeUInt8(address.scope, HEADER + 3);
  head.writeUInt32LE(index, HEADER + 4);
  return Buffer.concat([head, body]);
}

function attributesOf(message: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = MESSAGE; at + 4 <= message.length; ) {
    const length = message.readUInt16LE(at);
    if (length < 4 || at + length > message.length) break;
    found.set(message.readUInt16LE(at + 2), message.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return found;
}

/** Flags by name; `secondary` of IPv6 is a temporary address. */
function flagsFrom(bits: number, isInet: boolean): Partial<AddressInfo> {
  const flags: Partial<AddressInfo> = {};
  if ((bits & PERMANENT) === 0) flags.dynamic = true;
  for (const [name, bit] of Object.entries(FLAG_BITS)) {
    if ((bits & bit) === 0) continue;
    if (name === 'secondary' && !isInet) flags.temporary = true;
    else flags[name as keyof typeof FLAG_BITS] = true;
  }
  return flags;
}

export function decode(message: Buffer): Saved {
  const found = attributesOf(message);
  const family = message.readUInt8(HEADER);
  const isInet = family === AF_INET;
  const text = (type: Attribute) => {
    const bytes = found.get(type);
    return bytes === undefined ? undefined : formatAddress(Uint8Array.from(bytes));
  };
  const number = (type: Attribute, at = 0) => found.get(type)?.readUInt32LE(at);
  const local = text(Attribute.Local) ?? text(Attribute.Address) ?? '';
  const peer = text(Attribute.Address);
  const address: AddressInfo = {
    family: isInet ? 'inet' : 'inet6',
    local,
    prefixlen: message.readUInt8(HEADER + 1),
    scope: message.readUInt8(HEADER + 3),
    ...flagsFrom(number(Attribute.Flags) ?? message.readUInt8(HEADER + 2), isInet),
    preferred_life_time: number(Attribute.CacheInfo) ?? FOREVER,
    valid_life_time: number(Attribute.CacheInfo, 4) ?? FOREVER,
  };
  if (peer !== undefined && peer !== local) address.address = peer;
  const [broadcast, metric, label] = [text(Attribute.Broadcast), number(Attribute.Metric), found.get(Attribute.Label)];
  if (broadcast !== undefined) address.broadcast = broadcast;
  if (metric !== undefined) address.metric = metric;
  if (label !== undefined) address.label = label.toString('utf8').replace(/\0.*$/s, '');
  return { index: message.readUInt32LE(HEADER + 4), address };
}

/** Not an exit in the middle of a batch: the real tool ends there and then. */
function refuse(verb: string, line: string, cause: string, hint: string): Refusal {
  return new Refusal(line, 255, cannot(`ip addr ${verb}`, '', cause, hint), true);
}

const SAVED_BY = 'redirect a file into it that "ip addr save" has written';

async function standardInput(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** The messages of standard input. */
async function readDump(verb: string): Promise<Saved[]> {
  if (isatty(0)) throw refuse(verb, "Can't restore address dump from a terminal", 'stdin is a terminal', SAVED_BY);
  return parseDump(await standardInput(), verb);
}

export function parseDump(bytes: Buffer, verb: string): Saved[] {
  const magic = bytes.length < 4 ? 0 : bytes.readUInt32LE(0);
  if (magic !== MAGIC) {
    const line = `Magic mismatch (${bytes.length < 4 ? 0 : 4} elems, ${magic.toString(16)} magic)`;
    throw refuse(verb, line, 'stdin is no such file', SAVED_BY);
  }
  const all: Saved[] = [];
  for (let at = 4; at + MESSAGE <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    if (length < MESSAGE || at + length > bytes.length)
      throw refuse(verb, `!!!malformed message: len=${length} @${at}`, 'the file is cut off or damaged', SAVED_BY);
    if (bytes.readUInt16LE(at + 4) === RTM_NEWADDR) all.push(decode(bytes.subarray(at, at + length)));
    at += (length + 3) & ~3;
  }
  return all;
}

async function listed(session: Session, words: Words, dev: string | undefined): Promise<LinkAddresses[]> {
  try {
    return await session.ask<LinkAddresses[]>(dev === undefined ? { op: 'addr.list' } : { op: 'addr.list', dev });
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error;
    if (error.error.errno === 'ENODEV' && dev !== undefined) throw noDevice(words.verb, dev, error.message);
    throw new Refusal(netlinkLine(error.error), 2, error.message);
  }
}

/** Only the family and the link select what is saved. */
export async function save(session: Session, list: readonly string[], options: ToolOptions): Promise<number> {
  const words = new Words(list, 'ip addr save', 'ip addr');
  const [first, second] = list;
  const dev = first === 'dev' ? second : first;
  if (list.length > (first === 'dev' ? 2 : 1)) throw words.unsupported(list[list.length - 1], 'name a link at most');
  if (first === 'dev' && second === undefined) throw words.incomplete('"dev" needs a value');
  const { raw } = session.terminal;
  if (raw === undefined || isatty(1))
    throw refuse('save', 'Not sending a binary stream to stdout', 'stdout is a terminal', 'redirect it into a file');
  const family = familyOf(options.family);
  const magic = words32(MAGIC);
  const messages = (await listed(session, words, dev)).flatMap(({ link, addresses }) =>
    addresses
      .filter((address) => family === undefined || (address.family === 'inet') === (family === 4))
      .map((address) => encode({ index: link.ifindex, address })),
  );
  raw(Buffer.concat([magic, ...messages]));
  return 0;
}

export async function showdump(session: Session, _: readonly string[], options: ToolOptions): Promise<number> {
  const all = await readDump('showdump');
  if (options.json) {
    const info = all.map(({ index, address }): Json => ({ index, ...addressJson(address, options) }));
    session.terminal.out(json([{ addr_info: info }], options.pretty));
    return 0;
  }
  const newline = options.oneline ? '\\' : '\n';
  for (const { index, address } of all) session.terminal.out(`if${index}:${newline}${addressText(address, options)}`);
  return 0;
}

function addition(dev: string, { address }: Saved): ChangeAddress {
  const length = address.prefixlen;
  const request: ChangeAddress = { op: 'addr.add', dev, local: `${address.local}/${length}`, scope: address.scope };
  if (address.address !== undefined) request.peer = `${address.address}/${length}`;
  if (address.broadcast !== undefined) request.broadcast = address.broadcast;
  if (address.label !== undefined) request.label = address.label;
  if (address.metric !== undefined) request.metric = address.metric;
  if (address.valid_life_time !== FOREVER || address.preferred_life_time !== FOREVER) {
    request.valid_lft = address.valid_life_time;
    request.preferred_lft = address.preferred_life_time;
  }
  for (const flag of ['nodad', 'noprefixroute', 'home'] as const) if (address[flag] === true) request[flag] = true;
  return request;
}

/** Links are found by their number; an address that is there already is passed over. */
export async function restore(session: Session): Promise<number> {
  const all = await readDump('restore');
  const links = await session.ask<LinkAddresses[]>({ op: 'addr.list' });
  for (const saved of all) {
    const dev = links.find(({ link }) => link.ifindex === saved.index)?.link.ifname;
    if (dev === undefined) {
      const ours = cannot('ip addr restore', saved.address.local, `there is no link ${saved.index}`, 'make it first');
      throw new Refusal('RTNETLINK answers: No such device', 2, ours, true);
    }
    try {
      await session.ask(addition(dev, saved));
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      if (error.error.errno !== 'EEXIST') throw new Refusal(netlinkLine(error.error), 2, error.message, true);
    }
  }
  return 0;
}
