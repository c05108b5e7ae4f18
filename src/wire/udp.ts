/*
 * UDP (RFC 768):
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-------------------------------+-------------------------------+
 *   |          source port          |       destination port        |
 *   +-------------------------------+-------------------------------+
 *   |            length             |  checksum; 0 = none, v4 only  |
 *   +-------------------------------+-------------------------------+
 */
import { read16 } from './field.js';

export const enum Udp {
  SOURCE_PORT = 0,
  DESTINATION_PORT = 2,
  LENGTH = 4,
  CHECKSUM = 6,
  BYTES = 8,
}

/** Whether the header is there. What `length` says is not looked at: a capture may be cut short. */
export function check(_bytes: Uint8Array, at: number, end: number): boolean {
  return at + Udp.BYTES <= end;
}

export function sourcePort(bytes: Uint8Array, at: number): number {
  return read16(bytes, at + Udp.SOURCE_PORT);
}

export function destinationPort(bytes: Uint8Array, at: number): number {
  return read16(bytes, at + Udp.DESTINATION_PORT);
}

/** Bytes of header and data. */
export function length(bytes: Uint8Array, at: number): number {
  return read16(bytes, at + Udp.LENGTH);
}
