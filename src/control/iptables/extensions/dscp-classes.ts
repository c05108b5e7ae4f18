/*
 * Names of DiffServ classes: CS0 … CS7, AF11 … AF43, EF, BE.
 */
import { Problem } from '../problem.js';

const CLASSES = new Map<string, number>([
  ['BE', 0],
  ['EF', 0x2e],
  ...Array.from({ length: 8 }, (_, i): [string, number] => [`CS${i}`, i << 3]),
  ...[1, 2, 3, 4].flatMap((group) =>
    [1, 2, 3].map((drop): [string, number] => [`AF${group}${drop}`, (group << 3) | (drop << 1)]),
  ),
]);

export function dscpOfClass(name: string): number {
  const value = CLASSES.get(name.toUpperCase());
  if (value === undefined) throw new Problem(`Invalid DSCP value \`${name}'`);
  return value;
}
