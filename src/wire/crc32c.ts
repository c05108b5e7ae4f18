/*
 * CRC-32C (Castagnoli), SCTP's checksum (RFC 9260 appendix A): reflected polynomial 0x82f63b78, eight bits a step by a table.
 *
 *   start with −1 ─► crc32c(…, crc) for each piece, in order ─► complement ─► little-endian in the header's checksum field
 */

const POLYNOMIAL = 0x82f63b78;
const TABLE = new Int32Array(256).map((_, byte) => {
  let crc = byte;
  for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (-(crc & 1) & POLYNOMIAL);
  return crc;
});

/** The CRC after further bytes; it begins as −1 and is complemented by whoever is done. */
export function crc32c(bytes: Uint8Array, at: number, length: number, crc: number): number {
  const end = at + length;
  for (let i = at; i < end; i++) crc = TABLE[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8);
  return crc;
}
