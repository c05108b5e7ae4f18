/*
 * Lifetimes of addresses: seconds as commands give them, FOREVER being 2^32 − 1, counted from when they were set.
 */
import { AddressFlag } from '../../route/addresses.js';
import { refuse } from './refused.js';

export const FOREVER = 0xffffffff;

export interface Lifetimes {
  /** Seconds. */
  valid: number;
  preferred: number;
  /** host.now() when they were set. */
  since: number;
}

export function checkLifetimes(valid: number, preferred: number, extack: string): void {
  if (valid !== 0 && preferred <= valid) return;
  refuse('EINVAL', 'it would be preferred for longer than valid, or be valid never', 'choose other lifetimes', extack);
}

/** PERMANENT and DEPRECATED as lifetimes say. */
export function lifetimeFlags(valid: number, preferred: number): number {
  return (valid === FOREVER ? AddressFlag.PERMANENT : 0) | (preferred === 0 ? AddressFlag.DEPRECATED : 0);
}

function left(seconds: number, since: number, now: number): number {
  if (seconds === FOREVER) return FOREVER;
  return Math.max(0, seconds - Math.floor((now - since) / 1000));
}

/** Seconds that are left, as `ip addr` shows them. */
export function lifetimesLeft(
  { valid, preferred, since }: Lifetimes,
  now: number,
): { valid: number; preferred: number } {
  if (valid === FOREVER)
    return { valid: FOREVER, preferred: preferred === FOREVER ? FOREVER : left(preferred, since, now) };
  return { valid: left(valid, since, now), preferred: left(preferred, since, now) };
}

/** When something of it ends next, in ms from now; Infinity: never. */
export function nextEnd({ valid, preferred, since }: Lifetimes, flags: number, now: number): number {
  const ends = [];
  if (valid !== FOREVER) ends.push(since + valid * 1000);
  if (preferred !== FOREVER && (flags & AddressFlag.DEPRECATED) === 0) ends.push(since + preferred * 1000);
  return Math.min(...ends) - now;
}

export const isOver = ({ valid, since }: Lifetimes, now: number): boolean =>
  valid !== FOREVER && now - since >= valid * 1000;

export const isDeprecated = ({ preferred, since }: Lifetimes, now: number): boolean =>
  preferred !== FOREVER && now - since >= preferred * 1000;
