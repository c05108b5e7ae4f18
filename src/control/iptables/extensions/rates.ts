/*
 * Rates of packets: "3/hour". Kept as the time between two packets, in parts of a second, rounded down: so 9999/sec comes back as
 * 10000/sec where a second has 10,000 parts.
 */

/** Longest first. */
const UNITS: ReadonlyArray<[name: string, seconds: number]> = [
  ['day', 86_400],
  ['hour', 3600],
  ['min', 60],
  ['sec', 1],
];

/** Units by any start of their names. */
const NAMES: ReadonlyArray<[name: string, seconds: number]> = [
  ['second', 1],
  ['minute', 60],
  ['hour', 3600],
  ['day', 86_400],
];

export interface Rate {
  packets: number;
  /** Seconds of its unit. */
  unit: number;
}

/** undefined: no rate. A negative one is a very large one, as in C. */
export function readRate(text: string): Rate | undefined {
  const slash = text.indexOf('/');
  const name = slash < 0 ? 's' : text.slice(slash + 1).toLowerCase();
  const unit = name === '' ? undefined : NAMES.find(([known]) => known.startsWith(name))?.[1];
  const packets = Number.parseInt(text, 10) >>> 0;
  if (unit === undefined || packets === 0) return undefined;
  return { packets, unit };
}

/** Where the units end that still tell the period well. */
function unitOf(period: number, scale: number): [name: string, seconds: number] {
  let i = 1;
  for (; i < UNITS.length; i++) {
    const length = UNITS[i][1] * scale;
    if (period > length || Math.floor(length / period) < length % period) break;
  }
  return UNITS[i - 1];
}

/** "3/hour", of a period in parts of a second. */
export function rateText(period: number, scale: number): string {
  const [name, seconds] = unitOf(period, scale);
  return `${Math.floor((seconds * scale) / period)}/${name}`;
}

/** Seconds of the unit that rateText takes. */
export function rateUnit(period: number, scale: number): number {
  return unitOf(period, scale)[1];
}
