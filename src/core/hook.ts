/*
 * The hooks' own words: families, places, verdicts. Conntrack, the rules and the bridge have them in common.
 */

/** Families: rows of both lie in one store. */
export const enum Family {
  IPV4 = 0,
  IPV6 = 1,
  COUNT = 2,
}

/** Where a packet is on its way; numbers as in the kernel (NF_INET_*). */
export const enum Hook {
  PREROUTING = 0,
  INPUT = 1,
  FORWARD = 2,
  OUTPUT = 3,
  POSTROUTING = 4,
  COUNT = 5,
}

/** What a hook, a chain, a target or a match answers. */
export const enum Verdict {
  /** The packet goes on: to the next table, or its way. */
  ACCEPT = 0,
  /** It has been dropped and counted; the frame is gone. */
  DROP = 1,
  /** The frame is gone otherwise: queued, answered, held as a fragment. */
  STOLEN = 2,
  /** Of a target: the next rule's turn. */
  CONTINUE = 3,
}
