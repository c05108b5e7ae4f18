/* What a match answers before it is inverted. */
export const enum Answer {
  NO = 0,
  YES = 1,
  /** It does not hold, inverted or not: there is nothing to be asked about. */
  NEVER = 3,
  /** The packet is malformed: it is dropped, whatever the rule says (hotdrop of xtables). */
  DROP = 2,
}

export function answer(holds: boolean): Answer {
  return holds ? Answer.YES : Answer.NO;
}
