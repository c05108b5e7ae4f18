/** Words of a rule's row (rule.ts) where the store and the classifier keep its place. The first cache line has what a look-up reads. */
export const enum Place {
  /** The next rule of the chain, or 0. */
  NEXT = 14,
  /** The next rule of its bucket. */
  BUCKET = 15,
  PREVIOUS = 28,
  /** Its table's number + 1 in the index, and its hash there. */
  TABLE = 29,
  HASH = 30,
}
