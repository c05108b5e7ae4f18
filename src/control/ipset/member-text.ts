/* A member of a listing: from the dataplane's words to what ipset says of it. */
import { Member, MemberFlag, SetType } from '../../tables/ipset-member.js';
import { OPTIONS, type Option } from './options.js';
import { type AddressText, PARTS } from './parts.js';
import type { SetBody } from './sets.js';
import type { Values } from './values.js';

/** What the numbers in rows stand for. */
export interface Named {
  setName(number: number): string | undefined;
  linkName(number: number): string | undefined;
}

/** undefined: it names a set that is gone meanwhile. */
export function valuesOf(row: Int32Array, at: number, body: SetBody, named: Named): Values | undefined {
  const { kind, created } = body;
  const values: Values = { family: body.family };
  for (const part of kind.parts) {
    if (part === 'port' || part === 'tcpUdpPort') readPort(row, at, values);
    else if (part === 'host2' || part === 'net2') readSecond(row, at, values);
    else if (part === 'mark') values.mark = row[at + Member.MARK];
    else if (part === 'mac') readMac(row, at, kind.type, values);
    else if (part === 'iface') values.iface = named.linkName(row[at + Member.LINK_NAME]) ?? '?';
    else if (part === 'name') {
      const name = named.setName(row[at + Member.SET]);
      if (name === undefined) return undefined;
      values.name = name;
    } else readFirst(row, at, part === 'net', values);
  }
  const flags = row[at + Member.FLAGS];
  values.isNomatch = (flags & MemberFlag.NOMATCH) !== 0;
  values.isPhysdev = (flags & MemberFlag.PHYSDEV) !== 0;
  if (created.timeout !== undefined) values.timeout = row[at + Member.TIMEOUT];
  if (created.hasCounters === true) {
    values.packets = read64(row, at + Member.PACKETS);
    values.bytes = read64(row, at + Member.BYTES);
  }
  const comment = body.comments.get(row[at + Member.COMMENT]);
  if (comment !== undefined) values.comment = comment;
  if (created.hasSkbinfo === true) readSkbinfo(row, at, values);
  return values;
}

function address(row: Int32Array, at: number, values: Values): number[] {
  return [...row.subarray(at, at + (values.family === 6 ? 4 : 1))];
}

function readFirst(row: Int32Array, at: number, isNet: boolean, values: Values): void {
  values.ip = address(row, at + Member.ADDRESS, values);
  if (isNet) values.cidr = row[at + Member.LENGTH];
}

function readSecond(row: Int32Array, at: number, values: Values): void {
  values.ip2 = address(row, at + Member.SECOND, values);
  values.cidr2 = row[at + Member.SECOND_LENGTH];
}

function readPort(row: Int32Array, at: number, values: Values): void {
  values.protocol = row[at + Member.PROTOCOL];
  values.port = row[at + Member.PORT];
}

function readMac(row: Int32Array, at: number, type: SetType, values: Values): void {
  const hasMac = type !== SetType.BITMAP_IP_MAC || (row[at + Member.FLAGS] & MemberFlag.HAS_MAC) !== 0;
  if (hasMac) values.mac = [row[at + Member.MAC_HIGH], row[at + Member.MAC_LOW]];
}

/** What is 0 is not shown. */
function readSkbinfo(row: Int32Array, at: number, values: Values): void {
  const mark = row[at + Member.SKB_MARK];
  const mask = row[at + Member.SKB_MASK];
  if (mark !== 0 || mask !== 0) values.skbmark = [mark, mask];
  if (row[at + Member.SKB_PRIORITY] !== 0) values.skbprio = row[at + Member.SKB_PRIORITY];
  if (row[at + Member.SKB_QUEUE] !== 0) values.skbqueue = row[at + Member.SKB_QUEUE];
}

function read64(row: Int32Array, at: number): bigint {
  return BigInt(row[at] >>> 0) | (BigInt(row[at + 1] >>> 0) << 32n);
}

/** "10.0.0.1,tcp:80" */
export function elementText(body: SetBody, values: Values, addressText?: AddressText): string {
  const parts = body.kind.parts.map((name) => PARTS[name]);
  return parts
    .filter((part, i) => i === 0 || part.isGiven(values))
    .map((part) => part.write(values, addressText))
    .join(',');
}

/** The options that were given, with their texts; '' of a flag. */
export function* givenOptions(options: readonly Option[], values: Values): Generator<[Option, string]> {
  for (const option of options) {
    const text = option.print?.(values);
    if (text !== undefined) yield [option, text];
  }
}

export function addOptions({ kind }: SetBody): Option[] {
  return kind.options.add.map((name) => OPTIONS[name]);
}
