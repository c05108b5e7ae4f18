/*
 * Neighbours as `ip neigh` and `ip monitor` print them. A proxy entry has neither state nor times,
 * and one of all links no link either.
 */
import type { NeighbourInfo } from '../control/api/neighbour.js';
import type { Json } from './json.js';
import { PROTOCOLS } from './rt-names.js';

export interface NeighbourFlags {
  stats: number;
  brief: boolean;
  /** -N: protocols by number. */
  numeric: boolean;
}

function marks(neighbour: NeighbourInfo): string[] {
  return (['router', 'proxy', 'extern_learn'] as const).filter((mark) => neighbour[mark] === true);
}

/** The real tool has no space before "probes" either. */
function times(neighbour: NeighbourInfo): string {
  const { refcnt, used, confirmed, updated, probes } = neighbour;
  return `${refcnt ? ` ref ${refcnt}` : ''} used ${used}/${confirmed}/${updated}probes ${probes} `;
}

function briefText({ dst, dev, lladdr }: NeighbourInfo, hideDevice: boolean): string {
  return `${dst.padEnd(39)} ${hideDevice || dev === '' ? '' : `${dev.padEnd(16)} `}${lladdr ?? ''}\n`;
}

/** @param hideDevice the command named it */
export function neighbourText(neighbour: NeighbourInfo, flags: NeighbourFlags, hideDevice = false): string {
  if (flags.brief) return briefText(neighbour, hideDevice);
  const { dst, dev, lladdr, state, protocol } = neighbour;
  let text = `${dst} `;
  if (!hideDevice && dev) text += `dev ${dev} `;
  if (lladdr !== undefined) text += `lladdr ${lladdr} `;
  for (const mark of marks(neighbour)) text += `${mark} `;
  if (flags.stats > 0 && neighbour.proxy !== true) text += times(neighbour);
  if (state !== 'none' && neighbour.proxy !== true) text += `${state.toUpperCase()} `;
  if (protocol) text += `proto ${PROTOCOLS.name(protocol, flags.numeric)} `;
  return `${text}\n`;
}

export function neighbourJson(neighbour: NeighbourInfo, flags: NeighbourFlags, hideDevice = false): Json {
  const { dst, dev, lladdr, state, protocol } = neighbour;
  const ends = { dst, dev: hideDevice || !dev ? undefined : dev, lladdr };
  if (flags.brief) return ends;
  const isProxy = neighbour.proxy === true;
  const { used, confirmed, updated, probes } = neighbour;
  return {
    ...ends,
    ...Object.fromEntries(marks(neighbour).map((mark) => [mark, null])),
    ...(flags.stats > 0 && !isProxy ? { refcnt: neighbour.refcnt || undefined, used, confirmed, updated, probes } : {}),
    state: isProxy || state === 'none' ? undefined : [state.toUpperCase()],
    protocol: protocol ? PROTOCOLS.name(protocol, flags.numeric) : undefined,
  };
}
