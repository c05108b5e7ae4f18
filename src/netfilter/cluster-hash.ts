/*
 * The kernel's jhash of one and of three words (Bob Jenkins' lookup3), for what must come out as it does on a neighbour's machine: the
 * nodes of `cluster`, the marks of HMARK.
 */
import { scaled } from './jhash.js';

export { scaled };

const INITIAL = 0xdeadbeef | 0;

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** jhash_3words. An int32. */
export function jhashWords(first: number, second: number, third: number, seed: number): number {
  return finish(first, second, third, (seed + INITIAL + 12) | 0);
}

/** jhash_1word. */
export function jhashWord(word: number, seed: number): number {
  return finish(word, 0, 0, (seed + INITIAL + 4) | 0);
}

function finish(first: number, second: number, third: number, start: number): number {
  let a = (first + start) | 0;
  let b = (second + start) | 0;
  let c = (third + start) | 0;
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  return ((c ^ b) - rotate(b, 24)) | 0;
}
