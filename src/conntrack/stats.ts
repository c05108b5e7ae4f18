/* What conntrack counts, in each namespace. */

/** Counters of a namespace, as `conntrack -S` has them. */
export const enum CtStat {
  SHIFT = 4,
  FOUND = 0,
  INVALID = 1,
  INSERT = 2,
  INSERT_FAILED = 3,
  DROP = 4,
  EARLY_DROP = 5,
  ERROR = 6,
  SEARCH_RESTART = 7,
  CLASH_RESOLVE = 8,
  CHAIN_TOO_LONG = 9,
  EXPECT_NEW = 10,
}
