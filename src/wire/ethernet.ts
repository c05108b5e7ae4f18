/*
 * Ethernet II (IEEE 802.3 §3.2.6):
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-------------------------------+-------------------------------+
 *   |                      destination address                      |
 *   +                               +-------------------------------+
 *   |                               |                               |
 *   +-------------------------------+        source address         +
 *   |                                                               |
 *   +-------------------------------+-------------------------------+
 *   |      EtherType or length      |            payload …          |
 *   +-------------------------------+-------------------------------+
 *
 * A MAC address is two numbers, its first 16 bits and its last 32 as int32. Accessors never fail once `check` said yes.
 */
import { read16, read32, write16, write32 } from './field.js';

export const enum Ethernet {
  DESTINATION = 0,
  SOURCE = 6,
  TYPE = 12,
  BYTES = 14,
}

export const enum EtherType {
  IPV4 = 0x0800,
  ARP = 0x0806,
  /** 802.1Q customer tag. */
  VLAN = 0x8100,
  IPV6 = 0x86dd,
  /** 802.1ad service tag. */
  SERVICE_VLAN = 0x88a8,
  LLDP = 0x88cc,
  /** Smaller values are an 802.3 length: an LLC header follows (STP, for one). */
  FIRST = 0x0600,
}

/** Whether the header is there. As everywhere in wire/, 0 ≤ at ≤ end ≤ bytes.length is the caller's promise. */
export function check(_bytes: Uint8Array, at: number, end: number): boolean {
  return at + Ethernet.BYTES <= end;
}

export function destinationHigh(bytes: Uint8Array, at: number): number {
  return read16(bytes, at + Ethernet.DESTINATION);
}

export function destinationLow(bytes: Uint8Array, at: number): number {
  return read32(bytes, at + Ethernet.DESTINATION + 2);
}

export function sourceHigh(bytes: Uint8Array, at: number): number {
  return read16(bytes, at + Ethernet.SOURCE);
}

export function sourceLow(bytes: Uint8Array, at: number): number {
  return read32(bytes, at + Ethernet.SOURCE + 2);
}

export function type(bytes: Uint8Array, at: number): number {
  return read16(bytes, at + Ethernet.TYPE);
}

/** A group address: multicast or broadcast. */
export function isGroup(high: number): boolean {
  return (high & 0x0100) !== 0;
}

export function isBroadcast(high: number, low: number): boolean {
  return high === 0xffff && low === -1;
}

/** 01:80:C2:00:00:00 to :0F, which no bridge forwards (IEEE 802.1Q table 8-1): its last 4 bits, or −1 for any other. */
export function reserved(high: number, low: number): number {
  return high === 0x0180 && (low & 0xfffffff0) === (0xc2000000 | 0) ? low & 15 : -1;
}

/** Writes one address, e.g. at `at + Ethernet.SOURCE`. */
export function writeAddress(bytes: Uint8Array, at: number, high: number, low: number): void {
  write16(bytes, at, high);
  write32(bytes, at + 2, low);
}

export function writeType(bytes: Uint8Array, at: number, type: number): void {
  write16(bytes, at + Ethernet.TYPE, type);
}
