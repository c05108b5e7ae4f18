/*
 * The kernel's jhash2 of four words (Bob Jenkins' lookup3): NAT picks an address of a pool by it, so the same one is picked here.
 */

const INITIAL = 0xdeadbeef;

function rotate(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}

/** Of the words at `at`, as a little-endian machine reads them from memory. An int32. */
export function jhash4(words: Int32Array, at: number, initial: number): number {
  let a = (INITIAL + 16 + initial) | 0;
  let b = a;
  let c = a;
  a = (a + words[at]) | 0;
  b = (b + words[at + 1]) | 0;
  c = (c + words[at + 2]) | 0;
  a = ((a - c) | 0) ^ rotate(c, 4);
  c = (c + b) | 0;
  b = ((b - a) | 0) ^ rotate(a, 6);
  a = (a + c) | 0;
  c = ((c - b) | 0) ^ rotate(b, 8);
  b = (b + a) | 0;
  a = ((a - c) | 0) ^ rotate(c, 16);
  c = (c + b) | 0;
  b = ((b - a) | 0) ^ rotate(a, 19);
  a = (a + c) | 0;
  c = ((c - b) | 0) ^ rotate(b, 4);
  b = (b + a) | 0;
  a = (a + words[at + 3]) | 0;
  return finish(a, b, c);
}

function finish(a: number, b: number, c: number): number {
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  return ((c ^ b) - rotate(b, 24)) | 0;
}

/** ⌊hash × count ÷ 2³²⌋, both unsigned (reciprocal_scale). */
export function scaled(hash: number, count: number): number {
  const low = Math.floor(((hash & 0xffff) * count) / 0x10000);
  return Math.floor(((hash >>> 16) * count + low) / 0x10000);
}
