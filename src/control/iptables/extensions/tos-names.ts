/*
 * The type of service: VALUE[/MASK], or one of five names, which stand for a value under a mask.
 */
import { Problem } from '../problem.js';
import { leadingNumber } from './values.js';

const NAMES: ReadonlyArray<[name: string, value: number]> = [
  ['Minimize-Delay', 0x10],
  ['Maximize-Throughput', 0x08],
  ['Maximize-Reliability', 0x04],
  ['Minimize-Cost', 0x02],
  ['Normal-Service', 0x00],
];
/** Of the names. */
const NAME_MASK = 0x3f;

export interface Tos {
  value: number;
  mask: number;
}

/** `nameMask`: what a name is compared or set under. */
export function readTos(text: string, nameMask: number): Tos {
  const value = leadingNumber(text);
  if (value === undefined || value.value > 255) return readName(text, nameMask);
  if (value.rest === '') return { value: value.value, mask: 0xff };
  const mask = value.rest.startsWith('/') ? leadingNumber(value.rest.slice(1)) : undefined;
  if (mask === undefined || mask.rest !== '' || mask.value > 255) throw new Problem(`Illegal value: "${text}"`);
  return { value: value.value, mask: mask.value };
}

function readName(text: string, mask: number): Tos {
  const named = NAMES.find(([name]) => name.toLowerCase() === text.toLowerCase());
  if (named === undefined) throw new Problem(`Symbolic name "${text}" is unknown`);
  return { value: named[1], mask };
}

export function tosName(value: number, mask: number): string | undefined {
  return mask === NAME_MASK ? NAMES.find(([, one]) => one === value)?.[0] : undefined;
}
