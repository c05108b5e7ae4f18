/** The sooner of two delays in ms, -1 being never. */
export function sooner(a: number, b: number): number {
  if (a < 0) return b;
  return b < 0 || a < b ? a : b;
}
