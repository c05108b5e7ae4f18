/* System error numbers in words. */
import { getSystemErrorMap } from 'node:util';

/** "EPERM" of 1 or -1. */
export function errnoName(errno: number): string {
  return getSystemErrorMap().get(-Math.abs(errno))?.[0] ?? `E${Math.abs(errno)}`;
}

/** "operation not permitted" of 1 or -1. */
export function errnoText(errno: number): string {
  return getSystemErrorMap().get(-Math.abs(errno))?.[1] ?? `error ${Math.abs(errno)}`;
}
