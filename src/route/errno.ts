/** Why a packet of our own cannot be sent: negative numbers, the kernel's. */
import { type Fib, NoRoute, Route, RouteType } from './fib.js';

export const enum Errno {
  /** A hook has dropped it. */
  EPERM = -1,
  EACCES = -13,
  ENODEV = -19,
  EINVAL = -22,
  EMSGSIZE = -90,
  EADDRNOTAVAIL = -99,
  ENETDOWN = -100,
  ENETUNREACH = -101,
  ENOBUFS = -105,
  EHOSTUNREACH = -113,
}

/** Why a packet may not go by what a look-up answered; 0: it may. */
export function errnoOf(fib: Fib, route: number): number {
  if (route === NoRoute.PROHIBITED) return Errno.EACCES;
  if (route === NoRoute.BLACKHOLE) return Errno.EINVAL;
  if (route <= 0) return Errno.ENETUNREACH;
  const type = fib.routes[(route << Route.SHIFT) + Route.TYPE];
  if (type === RouteType.UNREACHABLE) return Errno.EHOSTUNREACH;
  if (type === RouteType.PROHIBIT) return Errno.EACCES;
  if (type === RouteType.THROW) return Errno.ENETUNREACH;
  return type === RouteType.BLACKHOLE ? Errno.EINVAL : 0;
}
