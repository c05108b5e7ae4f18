/* Which addresses a prefix has: the `to PREFIX` of iproute2's selections. */
import { parseAddressBytes } from '../control/route-batch.js';
import type { Prefix } from './inet-words.js';

/** A prefix of no length, or "any", has all. */
export function isWithin(address: string, prefix: Prefix | undefined): boolean {
  if (prefix === undefined || prefix.address === '' || prefix.length === 0) return true;
  const one = parseAddressBytes(address);
  const other = parseAddressBytes(prefix.address);
  if (one === undefined || other === undefined || one.length !== other.length) return false;
  const whole = prefix.length >> 3;
  for (let at = 0; at < whole; at++) if (one[at] !== other[at]) return false;
  const mask = (0xff00 >> (prefix.length & 7)) & 0xff;
  return mask === 0 || ((one[whole] ^ other[whole]) & mask) === 0;
}
