/*
 * Frames that no bridge forwards: the demo sends some of each kind and looks for every one of them among the drops, under its
 * reason.
 */
import { DROP_NAME, DropReason } from '../core/drop.js';
import { HOSTS } from './hosts.js';

/** Of each kind. */
export const FORBIDDEN_COUNT = 8;

export interface Forbidden {
  what: string;
  /** By what name `sluice status` counts it. */
  reason: string;
  /** The whole frame in hexadecimal. */
  frame: string;
}

function frame(destination: string, source: string, type: string): string {
  return `${destination}${source}${type}`.replaceAll(':', '').padEnd(60 * 2, '0');
}

const [a, b] = HOSTS;

export const FORBIDDEN: readonly Forbidden[] = [
  {
    what: 'PAUSE frames',
    reason: DROP_NAME[DropReason.PAUSE_FRAME],
    frame: frame('01:80:c2:00:00:01', a.mac, '8808'),
  },
  {
    what: 'frames from a multicast address',
    reason: DROP_NAME[DropReason.SOURCE_INVALID],
    frame: frame(b.mac, '01:00:5e:00:00:01', '88b5'),
  },
  {
    what: 'frames to the station that sends them',
    reason: DROP_NAME[DropReason.SAME_PORT],
    frame: frame(a.mac, a.mac, '88b5'),
  },
];
