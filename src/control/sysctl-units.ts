/*
 * How sysctls read and write their values: text in, the datapath's number out, and back. Times are ms in the datapath; the
 * kernel keeps them in jiffies of 4 ms (HZ 250), so what it is told comes back rounded to those, and some keys show them.
 *
 * A value is one C integer (0x10 and 010 count), and what follows it after a space is not looked at.
 */

export interface Unit {
  /** undefined: the kernel answers EINVAL. */
  parse(text: string, min: number, max: number): number | undefined;
  format(value: number): string;
}

const JIFFY_MS = 4;
/** Jiffies of the unit that user space sees: 1/100 s. */
const JIFFIES_PER_CENTISECOND = 2.5;
/** What one Ethernet frame of 1514 bytes takes of a queue's budget (SKB_TRUESIZE). */
const FRAME_TRUESIZE = 2090;

export const INT_MAX = 2_147_483_647;
export const INT_MIN = -2_147_483_648;

function integer(text: string, min: number, max: number): number | undefined {
  const parts = /^\s*(-?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)(?=\s|$)/.exec(text);
  if (parts === null) return undefined;
  const [, sign, digits] = parts;
  const isOctal = /^0[0-7]/.test(digits);
  const size = isOctal ? Number.parseInt(digits, 8) : Number(digits);
  const value = sign === '-' ? -size : size;
  return value >= min && value <= max ? value : undefined;
}

/** An integer that the user sees as `value / factor`. */
function scaled(parseFactor: (value: number) => number, format: (value: number) => number): Unit {
  return {
    parse: (text, min, max) => {
      const value = integer(text, min, max);
      return value === undefined ? undefined : parseFactor(value);
    },
    format: (value) => String(format(value)),
  };
}

export const NUMBER: Unit = scaled(
  (value) => value,
  (value) => value,
);

export const SECONDS: Unit = scaled(
  (value) => value * 1000,
  (value) => Math.trunc(value / 1000),
);

export const MILLISECONDS: Unit = scaled(
  (value) => Math.ceil(value / JIFFY_MS) * JIFFY_MS,
  (value) => value,
);

export const CENTISECONDS: Unit = scaled(
  (value) => Math.trunc(value * JIFFIES_PER_CENTISECOND) * JIFFY_MS,
  (value) => Math.trunc(value / JIFFY_MS / JIFFIES_PER_CENTISECOND),
);

export const JIFFIES: Unit = scaled(
  (value) => value * JIFFY_MS,
  (value) => Math.trunc(value / JIFFY_MS),
);

/** A number of frames, kept as the bytes that they may take. */
export const FRAMES: Unit = scaled(
  (value) => value * FRAME_TRUESIZE,
  (value) => Math.trunc(value / FRAME_TRUESIZE),
);

/** Seconds that fit into an int of jiffies. */
export const MAX_SECONDS = Math.trunc(INT_MAX / 250);
export const MAX_FRAMES = Math.trunc(INT_MAX / FRAME_TRUESIZE);

/** The bits of a list of numbers and ranges (0-1,3-127), 32 a word; undefined: that is none. Empty: no bit. */
export function parseBitmap(text: string, bits: number): number[] | undefined {
  const words = new Array<number>(bits / 32).fill(0);
  const list = text.trim();
  if (list === '') return words;
  for (const part of list.split(',')) {
    const range = /^(\w+)(?:-(\w+))?$/.exec(part);
    const first = range === null ? undefined : integer(range[1], 0, bits - 1);
    const last = range?.[2] === undefined ? first : integer(range[2], 0, bits - 1);
    if (first === undefined || last === undefined || last < first) return undefined;
    for (let bit = first; bit <= last; bit++) words[bit >> 5] |= 1 << (bit & 31);
  }
  return words;
}

export function formatBitmap(words: readonly number[]): string {
  const isSet = (bit: number): boolean => ((words[bit >> 5] ?? 0) & (1 << (bit & 31))) !== 0;
  const ranges: string[] = [];
  for (let bit = 0; bit < words.length * 32; bit++) {
    if (!isSet(bit)) continue;
    const first = bit;
    while (isSet(bit + 1)) bit++;
    ranges.push(first === bit ? String(bit) : `${first}-${bit}`);
  }
  return ranges.join(',');
}
