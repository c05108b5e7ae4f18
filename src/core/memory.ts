/*
 * Memory of the hot tables: shared, page-aligned and, where the system gives them, in huge pages. A table of some MiB
 * with random access otherwise misses the TLB with every look-up.
 *
 * V8 aligns a buffer to 16 bytes only, so a page more is allocated than asked for, a huge one for what fills one; what
 * is not touched costs nothing. Where the native shim is loaded it
 * supplies `align`; without it (a browser) tables start at 0, which costs speed and nothing else.
 */

const PAGE = 4096;
const HUGE_PAGE = 2 << 20;

export const memory = {
  /** Answers the bytes from the buffer's start to its first page boundary, of huge pages where the buffer has room for two. */
  align: (_buffer: SharedArrayBuffer): number => 0,
};

/** `bytes` of zeroed memory: the buffer and where they start in it. */
export function allocate(bytes: number): { buffer: SharedArrayBuffer; start: number } {
  const buffer = new SharedArrayBuffer(bytes + (bytes >= HUGE_PAGE ? HUGE_PAGE : PAGE));
  return { buffer, start: memory.align(buffer) };
}

export function sharedInts(length: number): Int32Array<SharedArrayBuffer> {
  const { buffer, start } = allocate(length * 4);
  return new Int32Array(buffer, start, length);
}

export function sharedDoubles(length: number): Float64Array<SharedArrayBuffer> {
  const { buffer, start } = allocate(length * 8);
  return new Float64Array(buffer, start, length);
}
