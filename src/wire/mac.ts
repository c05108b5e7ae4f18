/*
 * A MAC address as tables of the datapath keep it: bytes 0 and 1, and bytes 2 to 5, as little-endian numbers, whatever the
 * machine. In a frame whose IP header is aligned to 4 they are two stores; here for any place.
 */

export function high(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8);
}

export function low(bytes: Uint8Array, at: number): number {
  return bytes[at + 2] | (bytes[at + 3] << 8) | (bytes[at + 4] << 16) | (bytes[at + 5] << 24);
}

export function write(bytes: Uint8Array, at: number, high: number, low: number): void {
  bytes[at] = high;
  bytes[at + 1] = high >>> 8;
  bytes[at + 2] = low;
  bytes[at + 3] = low >>> 8;
  bytes[at + 4] = low >>> 16;
  bytes[at + 5] = low >>> 24;
}
