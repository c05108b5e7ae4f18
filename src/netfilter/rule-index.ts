/** Words of an index, a block of the pool. */
export const enum Index {
  /** 1: IPv6. */
  FAMILY = 1,
  COUNT = 2,
  /** Tables in use, as bits. */
  LOW = 3,
  HIGH = 4,
  /** Block, and ScreenBits. */
  SCREEN = 5,
  BITS = 6,
  /** Block, and tables that it has room for. */
  TABLES = 7,
  CAPACITY = 8,
  /** Rules removed since the screen was made. */
  REMOVED = 9,
  /** The screen being made, or 0; the table, the slot and in its list the rule (0: the first) up to which rules are in it. */
  SHADOW = 10,
  SWEEP_TABLE = 11,
  SWEEP_SLOT = 12,
  SHADOW_BITS = 13,
  /** Parts of the screen (as bits) that tell packets apart: those that some rule has not left open. */
  PARTS = 14,
  SWEEP_RULE = 15,
  /** Of each table. */
  SIGNATURES = 16,
  WORDS = 80,
}
