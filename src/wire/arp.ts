/*
 * ARP for IPv4 over Ethernet (RFC 826):
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-------------------------------+-------------------------------+
 *   |     hardware space: 1         |    protocol space: 0x0800     |
 *   +---------------+---------------+-------------------------------+
 *   |  length: 6    |  length: 4    |           operation           |
 *   +---------------+---------------+-------------------------------+
 *   |                    sender's hardware address                  |
 *   +                               +-------------------------------+
 *   |                               |   sender's protocol address   |
 *   +-------------------------------+-------------------------------+
 *   |            …                  |                               |
 *   +-------------------------------+   target's hardware address   +
 *   |                                                               |
 *   +---------------------------------------------------------------+
 *   |                    target's protocol address                  |
 *   +---------------------------------------------------------------+
 */
import { writeAddress } from './ethernet.js';
import { read16, read32, write16, write32 } from './field.js';

export const enum Arp {
  HARDWARE_SPACE = 0,
  PROTOCOL_SPACE = 2,
  HARDWARE_LENGTH = 4,
  PROTOCOL_LENGTH = 5,
  OPERATION = 6,
  SENDER_MAC = 8,
  SENDER_IP = 14,
  TARGET_MAC = 18,
  TARGET_IP = 24,
  BYTES = 28,

  /** The first 6 bytes as numbers: Ethernet, IPv4, lengths 6 and 4. */
  SPACES = 0x00010800,
  /** The same with the hardware space of IEEE 802 networks, which means Ethernet as well (RFC 1042). */
  SPACES_802 = 0x00060800,
  LENGTHS = 0x0604,
}

export const enum ArpOperation {
  REQUEST = 1,
  REPLY = 2,
}

/** Whether this is whole and maps IPv4 to Ethernet. */
export function check(bytes: Uint8Array, at: number, end: number): boolean {
  if (at + Arp.BYTES > end) return false;
  const spaces = read32(bytes, at);
  const isKnown = spaces === Arp.SPACES || spaces === Arp.SPACES_802;
  return isKnown && read16(bytes, at + Arp.HARDWARE_LENGTH) === Arp.LENGTHS;
}

export function operation(bytes: Uint8Array, at: number): number {
  return read16(bytes, at + Arp.OPERATION);
}

export function senderIp(bytes: Uint8Array, at: number): number {
  return read32(bytes, at + Arp.SENDER_IP);
}

export function targetIp(bytes: Uint8Array, at: number): number {
  return read32(bytes, at + Arp.TARGET_IP);
}

/** Writes everything but the target, which `writeTarget` does. */
export function write(
  bytes: Uint8Array,
  at: number,
  operation: number,
  macHigh: number,
  macLow: number,
  ip: number,
): void {
  write32(bytes, at, Arp.SPACES);
  write16(bytes, at + Arp.HARDWARE_LENGTH, Arp.LENGTHS);
  write16(bytes, at + Arp.OPERATION, operation);
  writeAddress(bytes, at + Arp.SENDER_MAC, macHigh, macLow);
  write32(bytes, at + Arp.SENDER_IP, ip);
}

/** The target; its MAC is 0 in a request. */
export function writeTarget(bytes: Uint8Array, at: number, macHigh: number, macLow: number, ip: number): void {
  writeAddress(bytes, at + Arp.TARGET_MAC, macHigh, macLow);
  write32(bytes, at + Arp.TARGET_IP, ip);
}
