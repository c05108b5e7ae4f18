/*
 * TCP (RFC 9293 §3.1):
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-------------------------------+-------------------------------+
 *   |          source port          |       destination port        |
 *   +-------------------------------+-------------------------------+
 *   |                        sequence number                        |
 *   +---------------------------------------------------------------+
 *   |                     acknowledgment number                     |
 *   +-------+-----+-+-+-+-+-+-+-+-+-+-------------------------------+
 *   | Data  |     |A|C|E|U|A|P|R|S|F|                               |
 *   | Offset| Rsv |E|W|C|R|C|S|S|Y|I|            window             |
 *   |       |     | |R|E|G|K|H|T|N|N|                               |
 *   +-------+-----+-+-+-+-+-+-+-+-+-+-------------------------------+
 *   |           checksum            |        urgent pointer         |
 *   +-------------------------------+-------------------------------+
 *   |                    options, 0 to 40 bytes                     |
 *   +---------------------------------------------------------------+
 */
import { read16, read32 } from './field.js';

export const enum Tcp {
  SOURCE_PORT = 0,
  DESTINATION_PORT = 2,
  SEQUENCE = 4,
  ACKNOWLEDGMENT = 8,
  DATA_OFFSET = 12,
  FLAGS = 13,
  WINDOW = 14,
  CHECKSUM = 16,
  URGENT = 18,
  BYTES = 20,
}

export const enum TcpFlag {
  FIN = 0x01,
  SYN = 0x02,
  RST = 0x04,
  PSH = 0x08,
  ACK = 0x10,
  URG = 0x20,
  ECE = 0x40,
  CWR = 0x80,
}

/** Whether the whole header is there, options included. */
export function check(bytes: Uint8Array, at: number, end: number): boolean {
  if (at + Tcp.BYTES > end) return false;
  const header = headerLength(bytes, at);
  return header >= Tcp.BYTES && at + header <= end;
}

export function headerLength(bytes: Uint8Array, at: number): number {
  return (bytes[at + Tcp.DATA_OFFSET] >>> 4) << 2;
}

export function sourcePort(bytes: Uint8Array, at: number): number {
  return read16(bytes, at + Tcp.SOURCE_PORT);
}

export function destinationPort(bytes: Uint8Array, at: number): number {
  return read16(bytes, at + Tcp.DESTINATION_PORT);
}

/** An int32, as is the acknowledgment number. */
export function sequence(bytes: Uint8Array, at: number): number {
  return read32(bytes, at + Tcp.SEQUENCE);
}

export function acknowledgment(bytes: Uint8Array, at: number): number {
  return read32(bytes, at + Tcp.ACKNOWLEDGMENT);
}

/** TcpFlag, or-ed. */
export function flags(bytes: Uint8Array, at: number): number {
  return bytes[at + Tcp.FLAGS];
}

export function window(bytes: Uint8Array, at: number): number {
  return read16(bytes, at + Tcp.WINDOW);
}
