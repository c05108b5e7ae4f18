/*
 * Frames that no bridge forwards: the demo sends some of each kind and looks for every one of them among the drops, under its
 * reason.
 */
import type { StatusInfo } from '../control/api/status.js';
import { DROP_NAME, DropReason } from '../core/drop.js';
import { HOSTS } from './hosts.js';
import type { Stage } from './stage.js';

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

/** Sends the frames of one kind; answers how many were taken. */
export type SendForbidden = (frames: string[]) => Promise<number>;

export async function sendForbidden(stage: Stage, send: SendForbidden): Promise<void> {
  stage.screen.heading(`Frames that no bridge forwards: ${a.name} sends ${FORBIDDEN_COUNT} of each kind`);
  for (const { what, frame: bytes, reason } of FORBIDDEN) {
    const sent = await send(Array<string>(FORBIDDEN_COUNT).fill(bytes));
    const cause = `${a.name}'s device took ${sent} of ${FORBIDDEN_COUNT}`;
    const mark = stage.expect(sent === FORBIDDEN_COUNT, 'send', what, cause, 'try again');
    stage.screen.line(`  ${mark} ${what}: counted as ${reason} below`);
  }
}

/** How many of a kind were counted where they came in. */
function counted(status: StatusInfo, { reason }: Forbidden): number {
  return status.links[a.port]?.drops[reason] ?? 0;
}

export function haveAllArrived(status: StatusInfo): boolean {
  return FORBIDDEN.every((kind) => counted(status, kind) >= FORBIDDEN_COUNT);
}

export function checkForbidden(stage: Stage, status: StatusInfo): void {
  for (const kind of FORBIDDEN) {
    const n = counted(status, kind);
    const cause = `${FORBIDDEN_COUNT} were sent, ${n} are counted as ${kind.reason} on ${a.port}`;
    stage.expect(n === FORBIDDEN_COUNT, 'count', kind.what, cause, 'this is a bug');
  }
}
