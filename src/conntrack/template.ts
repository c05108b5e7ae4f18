/* What the CT target says of a packet before conntrack sees it (nf_ct_tmpl_alloc of Linux), as one word; 0: nothing. */
import { KindFlag } from './flows.js';

export const enum Template {
  ZONE_MASK = 0xffff,
  /** The zone counts for original, and for reply tuples. */
  ORIGINAL = 1 << 16,
  REPLY = 1 << 17,
  /** Helper that a new flow gets. */
  HELPER_SHIFT = 18,
  HELPER_MASK = 3,
  /** CtEvent bits, the first ten, that listeners hear of a new flow; 0: all. */
  EVENTS_SHIFT = 20,
}

/** KindFlag.ZONE_*, of a template. */
export function zoneFlags(template: number): number {
  return (template & (Template.ORIGINAL | Template.REPLY)) << 3;
}

/** The template that a zone and a flow's KindFlag.ZONE_* come from. */
export function templateOf(zone: number, kind: number): number {
  return zone | ((kind & (KindFlag.ZONE_ORIGINAL | KindFlag.ZONE_REPLY)) >>> 3);
}
