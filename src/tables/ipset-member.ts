/*
 * A member of an IP set as the control plane writes and reads it, whatever the set's type: one row of words. What a type
 * does not have is 0. Addresses are in host order, IPv4 in the first word.
 */

export const enum Member {
  /** MemberFlag. */
  FLAGS = 0,
  ADDRESS = 1,
  /** Prefix length: 32 or 128 for one address. */
  LENGTH = 5,
  PROTOCOL = 6,
  PORT = 7,
  SECOND = 8,
  SECOND_LENGTH = 12,
  /** Number of a link's name (IpSets.linkNames). */
  LINK_NAME = 13,
  MARK = 14,
  MAC_HIGH = 15,
  MAC_LOW = 16,
  /** Seconds left: 0 = for ever; when added: DEFAULT_TIMEOUT = the set's own. */
  TIMEOUT = 17,
  /** 64-bit numbers, the low word first. */
  PACKETS = 18,
  BYTES = 20,
  SKB_MARK = 22,
  SKB_MASK = 23,
  SKB_PRIORITY = 24,
  SKB_QUEUE = 25,
  /** Of a list: the set; and where it is put: MemberPlace, beside this one. */
  SET = 26,
  PLACE = 27,
  REFERENCE = 28,
  /** Number that the control plane has given its comment, 0 = it has none. */
  COMMENT = 29,
  SHIFT = 5,
  WORDS = 32,
}

export const DEFAULT_TIMEOUT = -1;

export const enum MemberFlag {
  NOMATCH = 1,
  /** Of net,iface: the name is that of a bridge's port. */
  PHYSDEV = 2,
  /** Of bitmap:ip,mac: it has a MAC address. */
  HAS_MAC = 4,
  /** Of hash: it has skbinfo words of its own. */
  HAS_SKBINFO = 8,
  /** Its counters are told: what is written anew keeps its own without. */
  HAS_PACKETS = 16,
  HAS_BYTES = 32,
}

export const enum MemberPlace {
  LAST = 0,
  BEFORE = 1,
  AFTER = 2,
}

export const enum SetType {
  BITMAP_IP = 1,
  BITMAP_IP_MAC = 2,
  BITMAP_PORT = 3,
  HASH_IP = 4,
  HASH_NET = 5,
  HASH_IP_PORT = 6,
  HASH_NET_PORT = 7,
  HASH_IP_PORT_IP = 8,
  HASH_IP_PORT_NET = 9,
  HASH_NET_IFACE = 10,
  HASH_MAC = 11,
  HASH_IP_MARK = 12,
  HASH_IP_MAC = 13,
  HASH_NET_NET = 14,
  HASH_NET_PORT_NET = 15,
  LIST_SET = 16,
}

/** What a change of a set's members answers. */
export const enum SetAnswer {
  DONE = 0,
  /** It is in the set already; nothing has changed. */
  EXISTS = 1,
  ABSENT = 2,
  FULL = 3,
  OUT_OF_RANGE = 4,
  /** No such set, or one that cannot have such a member. */
  INVALID = 5,
}

/** What of a packet sets ask about: filled in by who asks. */
export class MemberQuestion {
  readonly source = new Int32Array(4);
  readonly destination = new Int32Array(4);
  /** 4 or 6. */
  family = 4;
  protocol = 0;
  /** -1: not known. Of ICMP: type << 8 | code; of what has no ports: 0. */
  sourcePort = 0;
  destinationPort = 0;
  in = 0;
  out = 0;
  physicalIn = 0;
  physicalOut = 0;
  mark = 0;
  sourceMacHigh = 0;
  sourceMacLow = 0;
  destinationMacHigh = 0;
  destinationMacLow = 0;
  hasMac = false;
  /** Bytes of the packet, for the counters. */
  length = 0;
  /** How many src/dst words the rule has, and bit i: word i + 1 is src. */
  dimensions = 0;
  sources = 0;
  returnsNomatch = false;
  skipsCounters = false;
  skipsSubcounters = false;
  /** Comparisons of counters: SetCompare of ops.ts and the number; 0 = none. */
  packetsCompare = 0;
  packets = 0;
  bytesCompare = 0;
  bytes = 0;
  /** Of SET: seconds, or DEFAULT_TIMEOUT; and whether what is there already is renewed. */
  timeout = DEFAULT_TIMEOUT;
  renews = false;
  /** The skbinfo of the member that was found: mark, mask, priority, queue; hasFound: it has some. */
  readonly found = new Int32Array(4);
  hasFound = false;
}
