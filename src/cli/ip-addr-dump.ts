/*
 * `ip addr save`, `restore` and `showdump`: addresses as RTM_NEWADDR messages in a file.
 *
 *   ifaddrmsg  family 1, prefix length 1, flags 1, scope 1, index 4
 */
import type { AddressInfo, ChangeAddress, LinkAddresses } from '../control/api/address.js';
import { ApiFailure } from '../control/client.js';
import { formatAddress, parseAddressBytes } from '../control/route-batch.js';
import { addressJson, addressText, FOREVER } from './addr-format.js';
import { familyOf } from './ip-addr-filter.js';
import { noDevice } from './ip-addr-show.js';
import { type Json, json } from './json.js';
import {
  AF_INET,
  AF_INET6,
  type Attribute,
  attributesOf,
  type FileKind,
  type Message,
  message,
  output,
  readMessages,
  u32,
} from './netlink-file.js';
import { cannot, netlinkLine, Refusal } from './refusal.js';
import type { Session } from './session.js';
import type { ToolOptions } from './tool.js';
import { Words } from './words.js';

export const FILE: FileKind = {
  command: 'ip addr',
  noun: 'address',
  magic: 0x47361222,
  type: 20,
  // NLM_F_MULTI.
  flags: 2,
  headBytes: 8,
  status: 255,
  terminalStatus: 255,
  magicElements: 4,
  ends: true,
};

const enum Ifa {
  Address = 1,
  Local = 2,
  Label = 3,
  Broadcast = 4,
  CacheInfo = 6,
  Flags = 8,
  Metric = 9,
}

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

function host(text: string): Uint8Array {
  return parseAddressBytes(text) ?? new Uint8Array();
}

/** IPv6 has IFA_LOCAL only beside a peer. */
function attributesFor(address: AddressInfo): Attribute[] {
  const isInet = address.family === 'inet';
  const list: Attribute[] = [[Ifa.Address, host(address.address ?? address.local)]];
  if (isInet || address.address !== undefined) list.push([Ifa.Local, host(address.local)]);
  if (address.broadcast !== undefined) list.push([Ifa.Broadcast, host(address.broadcast)]);
  if (address.label !== undefined) list.push([Ifa.Label, Buffer.from(`${address.label}\0`)]);
  list.push([Ifa.Flags, u32(flagBits(address))]);
  if (address.metric !== undefined) list.push([Ifa.Metric, u32(address.metric)]);
  list.push([Ifa.CacheInfo, u32(address.preferred_life_time, address.valid_life_time, 0, 0)]);
  return list;
}

export function encode({ index, address }: Saved): Buffer {
  const family = address.family === 'inet' ? AF_INET : AF_INET6;
  const flags = flagBits(address) & 0xff;
  const head = Buffer.concat([Buffer.from([family, address.prefixlen, flags, address.scope]), u32(index)]);
  return message(FILE, head, attributesFor(address));
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

export function decode({ head, attributes }: Message): Saved {
  const found = attributesOf(attributes);
  const isInet = head[0] === AF_INET;
  const text = (type: Ifa) => {
    const bytes = found.get(type);
    return bytes === undefined ? undefined : formatAddress(Uint8Array.from(bytes));
  };
  const number = (type: Ifa, at = 0) => found.get(type)?.readUInt32LE(at);
  const local = text(Ifa.Local) ?? text(Ifa.Address) ?? '';
  const peer = text(Ifa.Address);
  const address: AddressInfo = {
    family: isInet ? 'inet' : 'inet6',
    local,
    prefixlen: head[1],
    scope: head[3],
    ...flagsFrom(number(Ifa.Flags) ?? head[2], isInet),
    preferred_life_time: number(Ifa.CacheInfo) ?? FOREVER,
    valid_life_time: number(Ifa.CacheInfo, 4) ?? FOREVER,
  };
  if (peer !== undefined && peer !== local) address.address = peer;
  const [broadcast, metric, label] = [text(Ifa.Broadcast), number(Ifa.Metric), found.get(Ifa.Label)];
  if (broadcast !== undefined) address.broadcast = broadcast;
  if (metric !== undefined) address.metric = metric;
  if (label !== undefined) address.label = label.toString('utf8').replace(/\0.*$/s, '');
  return { index: head.readUInt32LE(4), address };
}

async function read(verb: string): Promise<Saved[]> {
  return (await readMessages(FILE, verb)).map(decode);
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
  const write = output(FILE, session);
  const family = familyOf(options.family);
  const messages = (await listed(session, words, dev)).flatMap(({ link, addresses }) =>
    addresses
      .filter((address) => family === undefined || (address.family === 'inet') === (family === 4))
      .map((address) => encode({ index: link.ifindex, address })),
  );
  write(Buffer.concat([u32(FILE.magic), ...messages]));
  return 0;
}

export async function showdump(session: Session, _: readonly string[], options: ToolOptions): Promise<number> {
  const all = await read('showdump');
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
  const all = await read('restore');
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
