/*
 * Files of netlink messages behind a magic number, which `ip addr save`, `ip route save` and `ip rule save` write:
 * messages as the kernel would send them, so that the real tool reads ours and we read its. Numbers
 * are in the host's order, little-endian on every machine that Sluice runs on.
 *
 *   nlmsghdr   length 4, type 2, flags 2, sequence 4, port 4
 *   a header of the kind: ifaddrmsg, rtmsg or fib_rule_hdr
 *   rtattr…    length 2, type 2, value; each padded to 4
 */
import { isatty } from 'node:tty';
import { cannot, Refusal } from './refusal.js';
import type { Session } from './session.js';

const HEADER = 16;

export const AF_INET = 2;
export const AF_INET6 = 10;
/** RT_TABLE_COMPAT: the number does not fit the header's byte. */
export const LARGE_TABLE = 252;

export type Attribute = readonly [type: number, value: Uint8Array];

const padded = (length: number) => (length + 3) & ~3;

export function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [at, value] of values.entries()) bytes.writeUInt32LE(value >>> 0, 4 * at);
  return bytes;
}

export function attributes(list: readonly Attribute[]): Buffer {
  const parts = list.map(([type, value]) => {
    const bytes = Buffer.alloc(padded(4 + value.length));
    bytes.writeUInt16LE(4 + value.length, 0);
    bytes.writeUInt16LE(type, 2);
    bytes.set(value, 4);
    return bytes;
  });
  return Buffer.concat(parts);
}

/** Type → value, in order of types that come twice the last. */
export function attributesOf(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) break;
    found.set(bytes.readUInt16LE(at + 2), bytes.subarray(at + 4, at + length));
    at += padded(length);
  }
  return found;
}

export interface Message {
  /** The kind's header, behind that of netlink. */
  head: Buffer;
  attributes: Buffer;
}

export function message({ type, flags }: FileKind, head: Uint8Array, list: readonly Attribute[]): Buffer {
  const body = attributes(list);
  const header = Buffer.alloc(HEADER);
  header.writeUInt32LE(HEADER + head.length + body.length, 0);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(flags, 6);
  return Buffer.concat([header, head, body]);
}

/** What differs between the files: their number, their messages, and how a refusal ends the command. */
export interface FileKind {
  /** "ip route". */
  command: string;
  noun: string;
  magic: number;
  /** Of its messages: RTM_NEW*, NLM_F_*, and bytes of the header behind netlink's. */
  type: number;
  flags: number;
  headBytes: number;
  /** When a file is refused, and when a terminal is. */
  status: number;
  terminalStatus: number;
  /** What iproute2 calls the length of a magic number: it counts bytes, or numbers. */
  magicElements: number;
  /** The real tool ends on the spot, even in a batch. */
  ends: boolean;
}

/** Of routes and rules: a dump that the kernel has filtered. */
export const ROUTING_FILE = { flags: 0x22, headBytes: 12, terminalStatus: 1, magicElements: 1, ends: false };

function refuse(kind: FileKind, verb: string, line: string, cause: string, hint: string): Refusal {
  return new Refusal(line, kind.status, cannot(`${kind.command} ${verb}`, '', cause, hint), kind.ends);
}

/** Where the bytes go; refuses a terminal. */
export function output(kind: FileKind, session: Session): (bytes: Uint8Array) => void {
  const { raw } = session.terminal;
  if (raw !== undefined && !isatty(1)) return raw;
  const line = 'Not sending a binary stream to stdout';
  const ours = cannot(`${kind.command} save`, '', 'stdout is a terminal', 'redirect it into a file');
  throw new Refusal(line, kind.terminalStatus, ours, kind.ends);
}

export async function readMessages(kind: FileKind, verb: string): Promise<Message[]> {
  const hint = `redirect a file into it that "${kind.command} save" has written`;
  if (isatty(0)) {
    const line = `Can't restore ${kind.noun} dump from a terminal`;
    throw refuse(kind, verb, line, 'stdin is a terminal', hint);
  }
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return parseMessages(Buffer.concat(chunks), kind, verb);
}

export function parseMessages(bytes: Buffer, kind: FileKind, verb: string): Message[] {
  const hint = `redirect a file into it that "${kind.command} save" has written`;
  const magic = bytes.length < 4 ? 0 : bytes.readUInt32LE(0);
  if (magic !== kind.magic) {
    const line = `Magic mismatch (${bytes.length < 4 ? 0 : kind.magicElements} elems, ${magic.toString(16)} magic)`;
    throw refuse(kind, verb, line, 'stdin is no such file', hint);
  }
  const fixed = HEADER + kind.headBytes;
  const all: Message[] = [];
  for (let at = 4; at + fixed <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    if (length < fixed || at + length > bytes.length)
      throw refuse(kind, verb, `!!!malformed message: len=${length} @${at}`, 'the file is cut off or damaged', hint);
    const head = bytes.subarray(at + HEADER, at + fixed);
    const rest = bytes.subarray(at + fixed, at + length);
    if (bytes.readUInt16LE(at + 4) === kind.type) all.push({ head, attributes: rest });
    at += padded(length);
  }
  return all;
}
