/*
 * Memory of the hot tables: shared, page-aligned and, where the system gives them, in huge pages. A table of some MiB
 * with random access otherwise misses the TLB with every look-up.
 *
 * V8 aligns a buffer to 16 bytes only, so a page more is allocated than asked for. Where the native shim is loaded it
 * supplies `align`; without it (a browser) tables start at 0, which costs speed and nothing else.
 */

const PAGE = 4096;

export const memory = {
  /** Asks for huge pages and answers the bytes from the buffer's start to its first page boundary. */
  align: (_buffer: SharedArrayBuffer): number => 0,
};

/** `bytes` of zeroed memory: the buffer and where they start in it. */
export function allocate(bytes: number): { buffer: SharedArrayBuffer; start: number } {
  const buffer = new SharedArrayBuffer(bytes + PAGE);
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
