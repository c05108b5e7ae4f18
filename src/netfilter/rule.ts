/*
 * A rule as the dataplane has it: a row of words, and a program for what does not fit into the row.
 *
 *   row (32 words)   box: addresses, protocol, links, ports ─ matches? ─► program: the other matches, in order ─ all? ─► target
 *
 * The box is what the classifier can index; every packet of a rule lies in it. Numbers only: names of links, lists and chains are
 * resolved before a rule gets here. Addresses are in host order, IPv4 in the first word of its four.
 */
export { Family, Hook, Verdict } from '../core/hook.js';

/** In the order of their priorities where several have a chain at one hook. */
export const enum TableId {
  RAW = 0,
  MANGLE = 1,
  NAT = 2,
  FILTER = 3,
  COUNT = 4,
}

/** Words of a row. The first 16 are all that an IPv4 packet needs: one cache line. */
export const enum Rule {
  SHIFT = 5,
  WORDS = 32,
  SOURCE = 0,
  SOURCE_MASK = 1,
  DESTINATION = 2,
  DESTINATION_MASK = 3,
  /** RuleFlag. */
  FLAGS = 4,
  /** IP protocol, 0 = any. */
  PROTOCOL = 5,
  /** Number of a pattern of link names (LinkPatterns), 0 = any; low half: the link it came by, high half: the link it leaves by. */
  LINKS = 6,
  /** low << 16 | high of TCP, UDP, SCTP, DCCP or UDP-Lite ports, with PROTOCOL set; 0x0000ffff = any. */
  SOURCE_PORTS = 7,
  DESTINATION_PORTS = 8,
  /** Word of the pool where the program of the other matches starts, 0 = none; it ends with Op.END. */
  PROGRAM = 9,
  /** Target. */
  TARGET = 10,
  /** What the target needs: a chain's number, or the word of the pool where its arguments start (layouts beside Target). */
  ARGUMENT = 11,
  /** Place in its chain: rules of a chain are in the order of this signed number. Kept by the store. */
  ORDER = 12,
  /** The chain it is in. */
  CHAIN = 13,
  /** Further words of IPv6 addresses and masks. */
  SOURCE_REST = 16,
  SOURCE_MASK_REST = 19,
  DESTINATION_REST = 22,
  DESTINATION_MASK_REST = 25,
}

/** Inversions (`!`) and what else the box says. */
export const enum RuleFlag {
  NOT_SOURCE = 1,
  NOT_DESTINATION = 2,
  NOT_PROTOCOL = 4,
  NOT_IN = 8,
  NOT_OUT = 16,
  NOT_SOURCE_PORTS = 32,
  NOT_DESTINATION_PORTS = 64,
  /** -f: second and further fragments only (IPv4); NOT_FRAGMENT: the others only. */
  FRAGMENT = 128,
  NOT_FRAGMENT = 256,
  IPV6 = 512,
  /** It has ports in its box: never matches a fragment's rest or a header cut short, inverted or not. */
  HAS_PORTS = 1024,
}

export const enum Target {
  /** None: the rule only counts. */
  CONTINUE = 0,
  ACCEPT = 1,
  DROP = 2,
  RETURN = 3,
  /** ARGUMENT: the chain. */
  JUMP = 4,
  GOTO = 5,
  /** From here on ARGUMENT is the word of the pool where arguments start, or 0. Layouts in ops.ts. */
  FIRST_EXTENSION = 16,
}
