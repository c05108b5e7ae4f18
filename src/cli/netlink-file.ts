/*
 * Files of netlink messages behind a magic number, which `ip route save` and `ip rule save` write:
 * messages as the kernel would send them, so that the real tool reads ours and we read its. Numbers
 * are in the host's order, little-endian on every machine that Sluice runs on.
 *
 *   nlmsghdr   length 4, type 2, flags 2, sequence 4, port 4
 *   a header of 12 bytes: rtmsg or fib_rule_hdr
 *   rtattr…    length 2, type 2, value; each padded to 4
 */
import { isatty } from 'node:tty';
import { cannot, Refusal } from './refusal.js';
import type { Session } from './session.js';

/** A dump, and one that the kernel has filtered. */
const FLAGS = 0x22;
const HEADER = 16;
/** What is fixed of a message: its header and that of its kind. */
const FIXED = 28;

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
  /** The 12 bytes behind the netlink header. */
  head: Buffer;
  attributes: Buffer;
}

export function message(type: number, head: Uint8Array, list: readonly Attribute[]): Buffer {
  const body = attributes(list);
  const bytes = Buffer.alloc(FIXED);
  bytes.writeUInt32LE(FIXED + body.length, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(FLAGS, 6);
  bytes.set(head, HEADER);
  return Buffer.concat([bytes, body]);
}

/** What differs between the files: their number, the type of their messages, and how a refusal ends the command. */
export interface FileKind {
  /** "ip route" or "ip rule". */
  command: string;
  noun: string;
  magic: number;
  type: number;
  status: number;
}

function refuse(kind: FileKind, verb: string, line: string, cause: string, hint: string): Refusal {
  return new Refusal(line, kind.status, cannot(`${kind.command} ${verb}`, '', cause, hint));
}

/** Where the bytes go; refuses a terminal. */
export function output(kind: FileKind, session: Session): (bytes: Uint8Array) => void {
  const { raw } = session.terminal;
  if (raw !== undefined && !isatty(1)) return raw;
  const line = 'Not sending a binary stream to stdout';
  throw new Refusal(line, 1, cannot(`${kind.command} save`, '', 'stdout is a terminal', 'redirect it into a file'));
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
    const line = `Magic mismatch (${bytes.length < 4 ? 0 : 1} elems, ${magic.toString(16)} magic)`;
    throw refuse(kind, verb, line, 'stdin is no such file', hint);
  }
  const all: Message[] = [];
  for (let at = 4; at + FIXED <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    if (length < FIXED || at + length > bytes.length)
      throw refuse(kind, verb, `!!!malformed message: len=${length} @${at}`, 'the file is cut off or damaged', hint);
    const head = bytes.subarray(at + HEADER, at + FIXED);
    const rest = bytes.subarray(at + FIXED, at + length);
    if (bytes.readUInt16LE(at + 4) === kind.type) all.push({ head, attributes: rest });
    at += padded(length);
  }
  return all;
}
