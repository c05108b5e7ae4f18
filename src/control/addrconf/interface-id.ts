/*
 * Interface identifiers and the addresses made of them (RFC 4291 §2.5.1, appendix A; RFC 4862 §5.3, §5.5.3).
 */

/** Modified EUI-64 of a MAC address: ff:fe in the middle, the universal bit inverted. */
export function eui64(mac: Uint8Array): Uint8Array {
  return Uint8Array.of(mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]);
}

/** A /64's address with an identifier. */
export function addressIn(prefix: Uint8Array, identifier: Uint8Array): Uint8Array {
  return Uint8Array.of(...prefix.subarray(0, 8), ...identifier);
}

export function linkLocal(identifier: Uint8Array): Uint8Array {
  return addressIn(Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0), identifier);
}

export function isLinkLocal(address: Uint8Array): boolean {
  return address[0] === 0xfe && (address[1] & 0xc0) === 0x80;
}

export function isMulticast(address: Uint8Array): boolean {
  return address[0] === 0xff;
}

/** Last word of an address's solicited-node group, ff02::1:ffXX:XXXX (RFC 4291 §2.7.1). */
export function solicitedNodeEnd(address: Uint8Array): number {
  return (0xff << 24) | (address[13] << 16) | (address[14] << 8) | address[15];
}

/** A prefix with all other bits zero: the subnet-router anycast address (RFC 4291 §2.6.1). */
export function prefixOf(address: Uint8Array, length: number): Uint8Array {
  return address.map((byte, i) => {
    const bits = Math.min(Math.max(length - i * 8, 0), 8);
    return byte & (0xff << (8 - bits));
  });
}

export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Four int32, as the datapath has addresses. */
export function words(address: Uint8Array): [number, number, number, number] {
  const view = new DataView(address.buffer, address.byteOffset, 16);
  return [view.getInt32(0), view.getInt32(4), view.getInt32(8), view.getInt32(12)];
}

export function bytesOfWords(a: number, b: number, c: number, d: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  for (const [i, word] of [a, b, c, d].entries()) view.setInt32(i * 4, word);
  return new Uint8Array(view.buffer);
}
