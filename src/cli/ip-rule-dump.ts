/* `ip rule save` and `restore`: rules as RTM_NEWRULE messages in a file. */
import type { Family } from '../control/api/family.js';
import type { RuleInfo } from '../control/api/rule.js';
import { ApiFailure } from '../control/client.js';
import { formatAddress, parseAddressBytes } from '../control/route-batch.js';
import { familyOf } from './ip-route-change.js';
import type { ListOptions } from './ip-route-show.js';
import {
  AF_INET,
  AF_INET6,
  type Attribute,
  attributesOf,
  type FileKind,
  LARGE_TABLE,
  type Message,
  message,
  output,
  ROUTING_FILE,
  readMessages,
  u32,
} from './netlink-file.js';
import { netlinkLine, Refusal } from './refusal.js';
import type { Session } from './session.js';
import type { Words } from './words.js';

export const FILE: FileKind = {
  ...ROUTING_FILE,
  command: 'ip rule',
  noun: 'rule',
  magic: 0x71706986,
  type: 32,
  status: 255,
};
const ALL_ONES = 0xffffffff;

const enum Fra {
  Dst = 1,
  Src = 2,
  Iif = 3,
  Goto = 4,
  Priority = 6,
  Mark = 10,
  SuppressGroup = 13,
  SuppressLength = 14,
  Table = 15,
  Mask = 16,
  Oif = 17,
  Protocol = 21,
  IpProto = 22,
  SPort = 23,
  DPort = 24,
}

/** FR_ACT_*; the last three are the types of routes. */
const ACTIONS: Record<RuleInfo['action'], number> = {
  lookup: 1,
  goto: 2,
  nop: 3,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
};

const FLAG_BITS = { not: 2, unresolved: 4, iif_detached: 8, oif_detached: 16 } as const;

const name = (text: string) => Buffer.from(`${text}\0`);
const ports = ([start, end]: [number, number]) => Buffer.from(Uint16Array.of(start, end).buffer);

function selectors(rule: RuleInfo): Attribute[] {
  const list: Attribute[] = [];
  if (rule.iif !== undefined) list.push([Fra.Iif, name(rule.iif)]);
  if (rule.oif !== undefined) list.push([Fra.Oif, name(rule.oif)]);
  if (rule.priority !== 0) list.push([Fra.Priority, u32(rule.priority)]);
  if (rule.fwmark !== undefined || rule.fwmask !== undefined) {
    list.push([Fra.Mark, u32(rule.fwmark ?? 0)]);
    list.push([Fra.Mask, u32(rule.fwmask ?? ALL_ONES)]);
  }
  if (rule.sport !== undefined) list.push([Fra.SPort, ports(rule.sport)]);
  if (rule.dport !== undefined) list.push([Fra.DPort, ports(rule.dport)]);
  if (rule.ipproto !== undefined) list.push([Fra.IpProto, Buffer.from([rule.ipproto])]);
  return list;
}

function split(prefix: string | undefined): { bytes: Uint8Array | undefined; length: number } {
  const [address, length] = (prefix ?? '/0').split('/');
  return { bytes: parseAddressBytes(address), length: Number(length) };
}

export function encode(rule: RuleInfo): Buffer {
  const [src, dst, table] = [split(rule.src), split(rule.dst), rule.table ?? 0];
  const family = rule.family === 4 ? AF_INET : AF_INET6;
  const head = Buffer.alloc(12);
  head.set([
    family,
    dst.length,
    src.length,
    rule.tos ?? 0,
    table < 256 ? table : LARGE_TABLE,
    0,
    0,
    ACTIONS[rule.action],
  ]);
  let flags = 0;
  for (const [key, bit] of Object.entries(FLAG_BITS)) if (rule[key as keyof typeof FLAG_BITS]) flags |= bit;
  head.writeUInt32LE(flags, 8);
  const list: Attribute[] = [[Fra.Table, u32(table)]];
  list.push([Fra.SuppressLength, u32(rule.suppress_prefixlength ?? ALL_ONES)]);
  list.push([Fra.Protocol, Buffer.from([rule.protocol])]);
  list.push(...selectors(rule));
  if (rule.goto !== undefined) list.push([Fra.Goto, u32(rule.goto)]);
  if (rule.suppress_ifgroup !== undefined) list.push([Fra.SuppressGroup, u32(rule.suppress_ifgroup)]);
  if (dst.bytes !== undefined) list.push([Fra.Dst, dst.bytes]);
  if (src.bytes !== undefined) list.push([Fra.Src, src.bytes]);
  return message(FILE, head, list);
}

function actionFrom(number: number): RuleInfo['action'] {
  return (Object.entries(ACTIONS).find(([, id]) => id === number)?.[0] ?? 'lookup') as RuleInfo['action'];
}

function flagsFrom(bits: number): Partial<RuleInfo> {
  const set = Object.entries(FLAG_BITS).filter(([, bit]) => (bits & bit) !== 0);
  return Object.fromEntries(set.map(([key]) => [key, true]));
}

export function decode({ head, attributes }: Message): RuleInfo {
  const found = attributesOf(attributes);
  const family: Family = head[0] === AF_INET ? 4 : 6;
  const number = (type: Fra) => found.get(type)?.readUInt32LE(0);
  const text = (type: Fra) => found.get(type)?.toString('latin1').replace(/\0.*$/s, '');
  const byte = (type: Fra) => found.get(type)?.[0];
  const range = (type: Fra) => {
    const bytes = found.get(type);
    return bytes === undefined ? undefined : [bytes.readUInt16LE(0), bytes.readUInt16LE(2)];
  };
  const prefix = (type: Fra, length: number) => {
    const bytes = found.get(type);
    return bytes === undefined ? undefined : `${formatAddress(Uint8Array.from(bytes))}/${length}`;
  };
  const flags = head.readUInt32LE(8);
  const set = (value: number | undefined) => (value === ALL_ONES ? undefined : value);
  const all = {
    family,
    priority: number(Fra.Priority) ?? 0,
    ...flagsFrom(flags),
    src: prefix(Fra.Src, head[2]),
    dst: prefix(Fra.Dst, head[1]),
    iif: text(Fra.Iif),
    oif: text(Fra.Oif),
    fwmark: number(Fra.Mark),
    fwmask: set(number(Fra.Mask)),
    tos: head[3] || undefined,
    ipproto: byte(Fra.IpProto),
    sport: range(Fra.SPort),
    dport: range(Fra.DPort),
    action: actionFrom(head[7]),
    table: (number(Fra.Table) ?? head[4]) || undefined,
    goto: number(Fra.Goto),
    suppress_prefixlength: set(number(Fra.SuppressLength)),
    suppress_ifgroup: set(number(Fra.SuppressGroup)),
    protocol: byte(Fra.Protocol) ?? 0,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as unknown as RuleInfo;
}

/** All rules of one family: nothing selects. */
export async function save(session: Session, words: Words, options: ListOptions): Promise<number> {
  if (!words.done) {
    const line = '"ip rule save" does not take any arguments.';
    throw words.refuse(line, 1, 'it saves all rules of a family', 'use -4 or -6', false);
  }
  const write = output(FILE, session);
  const rules = await session.ask<RuleInfo[]>({ op: 'rule.list', family: familyOf(options) ?? 4 });
  write(Buffer.concat([u32(FILE.magic), ...rules.map(encode)]));
  return 0;
}

/** One that is there already is passed over. iproute2 ends here, even in a batch. */
export async function restore(session: Session): Promise<number> {
  for (const one of await readMessages(FILE, 'restore')) {
    const { family, iif_detached: _iif, oif_detached: _oif, unresolved: _, ...rule } = decode(one);
    try {
      await session.ask({ op: 'rule.add', family, rule });
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      if (error.error.errno !== 'EEXIST') throw new Refusal(netlinkLine(error.error), 255, error.error.message, true);
    }
  }
  return 0;
}
