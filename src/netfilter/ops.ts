/*
 * The words of match programs and of targets' arguments: what the control plane writes and the dataplane reads.
 *
 *   program:  op | op | … | Op.END
 *   op:       word 0 = Op | flags << 8 | length << 16 ── arguments (words 1 …), the offsets are in the enum of the op's name
 *             flags: bit 0 (word bit 8) = inverted as a whole; bits 1 to 7 are the op's own
 *             length: of the whole op in words, word 0 included
 *
 *   target:   words from Rule.ARGUMENT on, offsets in the enum of the target's name; ARGUMENT = 0 where there is none to give
 *
 * - Every number is in host order. An address is four words, IPv4 in the first, the others 0. A prefix's mask is given as a mask.
 * - Bytes are packed four to a word, the first in the lowest bits; what is left of the last word is 0.
 * - A range is two words, both ends belong to it. A 64-bit number is two words, the low one first.
 * - Words called STATE… belong to the dataplane: the control plane writes what their comment says, normally 0.
 * - Names are resolved before: a set, a table of recent, hashlimit or connlimit, a pattern of link names is its number.
 * - A rule's ports, protocol, links and addresses are in its box (rule.ts), not here; PORTS is for the second `-m tcp` of a rule.
 */

export const enum OpWord {
  INVERTED = 1 << 8,
  FLAGS_SHIFT = 8,
  LENGTH_SHIFT = 16,
  /** Of an op without arguments. */
  FIRST = 1,
}

export const enum Op {
  END = 0,
  /** Never matches: what has no meaning in userspace, loaded by --lax. Inverted or not. */
  NEVER = 1,
  TCP_FLAGS = 2,
  TCP_OPTION = 3,
  PORTS = 4,
  ICMP = 5,
  CT_STATE = 6,
  CONNTRACK = 7,
  ADDRESS_TYPE = 8,
  MARK = 9,
  CONNMARK = 10,
  MULTIPORT = 11,
  RANDOM = 12,
  NTH = 13,
  LIMIT = 14,
  HASHLIMIT = 15,
  RECENT = 16,
  IPRANGE = 17,
  MAC = 18,
  PACKET_TYPE = 19,
  LENGTH = 20,
  TTL = 21,
  TOS = 22,
  ECN = 23,
  TCPMSS = 24,
  PHYSDEV = 25,
  RPFILTER = 26,
  TIME = 27,
  STRING = 28,
  U32 = 29,
  BPF = 30,
  SET = 31,
  CONNLIMIT = 32,
  CONNBYTES = 33,
  QUOTA = 34,
  CONNLABEL = 35,
  SPI = 36,
  HELPER = 37,
  SCTP_CHUNKS = 38,
  DCCP_TYPES = 39,
  DCCP_OPTION = 40,
  IPV6_FRAGMENT = 41,
  IPV6_HEADERS = 42,
  IPV6_ROUTING = 43,
  IPV6_OPTIONS = 44,
  EUI64 = 45,
  CLUSTER = 46,
  DEVICE_GROUP = 47,
  MOBILITY = 48,
  CPU = 49,
}

/** -p tcp --tcp-flags MASK COMPARE, --syn: bits of byte 13 of the header. Inverted: OpWord.INVERTED. */
export const enum TcpFlagsOp {
  MASK = 1,
  COMPARE = 2,
  WORDS = 3,
}

/** --tcp-option NUMBER. */
export const enum TcpOptionOp {
  NUMBER = 1,
  WORDS = 2,
}

/** --sport, --dport of a further -m tcp, udp, sctp, dccp (any range must match): low << 16 | high, 0x0000ffff = any. */
export const enum PortsOp {
  SOURCE = 1,
  DESTINATION = 2,
  WORDS = 3,
  NOT_SOURCE = 2 << 8,
  NOT_DESTINATION = 4 << 8,
}

/** --icmp-type, --icmpv6-type. TYPE 255 = any (IPv4 only); codes CODE_LOW to CODE_HIGH. Any packet whose header is cut short is dropped. */
export const enum IcmpOp {
  TYPE = 1,
  CODE_LOW = 2,
  CODE_HIGH = 3,
  WORDS = 4,
}

/** Bits of CT_STATE and ConntrackOp.STATES (XT_CONNTRACK_STATE_*). */
export const enum CtStateBit {
  INVALID = 1,
  ESTABLISHED = 2,
  RELATED = 4,
  NEW = 8,
  SNAT = 64,
  DNAT = 128,
  UNTRACKED = 256,
}

/** -m state, and -m conntrack where --ctstate is all it has. Inverted: OpWord.INVERTED. */
export const enum CtStateOp {
  STATES = 1,
  WORDS = 2,
}

/** What a CONNTRACK op compares (MATCH) and inverts (INVERT); XT_CONNTRACK_*. */
export const enum CtMatch {
  STATE = 1,
  PROTOCOL = 2,
  ORIGINAL_SOURCE = 4,
  ORIGINAL_DESTINATION = 8,
  REPLY_SOURCE = 16,
  REPLY_DESTINATION = 32,
  STATUS = 64,
  EXPIRES = 128,
  ORIGINAL_SOURCE_PORT = 256,
  ORIGINAL_DESTINATION_PORT = 512,
  REPLY_SOURCE_PORT = 1024,
  REPLY_DESTINATION_PORT = 2048,
  /** --ctdir ORIGINAL; with the bit in INVERT: --ctdir REPLY. */
  DIRECTION = 4096,
}

/** -m conntrack in full. */
export const enum ConntrackOp {
  MATCH = 1,
  INVERT = 2,
  /** CtStateBit. */
  STATES = 3,
  /** IPS_*: EXPECTED 1, SEEN_REPLY 2, ASSURED 4, CONFIRMED 8; --ctstatus NONE = 0. */
  STATUS = 4,
  /** Seconds, a range. */
  EXPIRES = 5,
  PROTOCOL = 7,
  /** Address and mask, four words each. */
  ORIGINAL_SOURCE = 8,
  ORIGINAL_DESTINATION = 16,
  REPLY_SOURCE = 24,
  REPLY_DESTINATION = 32,
  /** low << 16 | high. */
  ORIGINAL_SOURCE_PORT = 40,
  ORIGINAL_DESTINATION_PORT = 41,
  REPLY_SOURCE_PORT = 42,
  REPLY_DESTINATION_PORT = 43,
  WORDS = 44,
}

/** --src-type, --dst-type: bit 1 << RTN_* (UNSPEC 0, UNICAST 1, LOCAL 2, BROADCAST 3, ANYCAST 4, MULTICAST 5, BLACKHOLE 6 …); 0 = not asked. */
export const enum AddressTypeOp {
  SOURCE = 1,
  DESTINATION = 2,
  WORDS = 3,
  NOT_SOURCE = 2 << 8,
  NOT_DESTINATION = 4 << 8,
  LIMIT_IN = 8 << 8,
  LIMIT_OUT = 16 << 8,
}

/** -m mark, -m connmark: (mark & MASK) == VALUE. */
export const enum MarkOp {
  VALUE = 1,
  MASK = 2,
  WORDS = 3,
}

/** --sports, --dports, --ports: COUNT words low << 16 | high from RANGES on. */
export const enum MultiportOp {
  COUNT = 1,
  RANGES = 2,
  SOURCE = 2 << 8,
  DESTINATION = 4 << 8,
  /** Either port: both bits. */
  EITHER = 6 << 8,
}

/** --mode random: PROBABILITY of 2^31, as iptables rounds it. */
export const enum RandomOp {
  PROBABILITY = 1,
  WORDS = 2,
}

/** --mode nth: EVERY = n − 1 and PACKET as xt_statistic_info has them; STATE_LEFT, packets to go, starts as PACKET. */
export const enum NthOp {
  EVERY = 1,
  PACKET = 2,
  STATE_LEFT = 3,
  WORDS = 4,
}

/**
 * -m limit. COST by limitCost(average) of limit.ts, average as iptables has it (seconds of the unit × 10,000 ÷ rate). STATE_PACKETS
 * starts as BURST, the other two as 0.
 */
export const enum LimitOp {
  COST = 1,
  BURST = 2,
  STATE_PACKETS = 3,
  STATE_PART = 4,
  STATE_TIME = 5,
  WORDS = 6,
}

/** What a hashlimit table's entries are told apart by, and how (XT_HASHLIMIT_HASH_*, and the rest of the mode word). */
export const enum HashlimitMode {
  DESTINATION = 1,
  DESTINATION_PORT = 2,
  SOURCE = 4,
  SOURCE_PORT = 8,
  /** --hashlimit-above. */
  INVERT = 16,
  BYTES = 32,
  RATE_MATCH = 64,
}

/**
 * -m hashlimit, as hashlimit_cfg3. TABLE: one number for each name of a namespace and family. The first rule that a packet asks makes the table of
 * its words from AVERAGE on; of a later rule only MODE's INVERT, BYTES and RATE_MATCH count.
 */
export const enum HashlimitOp {
  TABLE = 1,
  /** HashlimitMode. */
  MODE = 2,
  /** 64 bits: packets: 1,000,000 × seconds of the unit ÷ rate; bytes: 2^32 ÷ (bytes a second >> 4). */
  AVERAGE = 3,
  BURST = 5,
  /** Buckets and entries at most, 0 = the dataplane's own choice; ms. */
  SIZE = 6,
  MAX = 7,
  GC_INTERVAL = 8,
  EXPIRE = 9,
  /** Prefix lengths. */
  SOURCE_LENGTH = 10,
  DESTINATION_LENGTH = 11,
  /** Seconds of --hashlimit-rate-interval. */
  INTERVAL = 12,
  WORDS = 13,
}

/**
 * -m recent. TABLE: one number for each name of a namespace. The first rule that a packet asks makes the table, with its MASK; a
 * larger HIT_COUNT than the table has room for empties it, as in the kernel.
 */
export const enum RecentOp {
  TABLE = 1,
  SECONDS = 2,
  HIT_COUNT = 3,
  /** Of the address before it is looked up; four words. */
  MASK = 4,
  WORDS = 8,
  SET = 2 << 8,
  CHECK = 4 << 8,
  UPDATE = 8 << 8,
  REMOVE = 16 << 8,
  TTL = 32 << 8,
  REAP = 64 << 8,
  /** --rdest. */
  DESTINATION = 128 << 8,
}

/** --src-range, --dst-range: first and last, four words each. */
export const enum IprangeOp {
  SOURCE_FIRST = 1,
  SOURCE_LAST = 5,
  DESTINATION_FIRST = 9,
  DESTINATION_LAST = 13,
  WORDS = 17,
  SOURCE = 2 << 8,
  DESTINATION = 4 << 8,
  NOT_SOURCE = 8 << 8,
  NOT_DESTINATION = 16 << 8,
}

/** --mac-source: its first two bytes, its last four, as numbers. */
export const enum MacOp {
  HIGH = 1,
  LOW = 2,
  WORDS = 3,
}

/** --pkt-type: PACKET_* (HOST 0, BROADCAST 1, MULTICAST 2, OTHERHOST 3). */
export const enum PacketTypeOp {
  TYPE = 1,
  WORDS = 2,
}

/** --length: of the IP packet in bytes, a range. */
export const enum LengthOp {
  LOW = 1,
  HIGH = 2,
  WORDS = 3,
}

/** -m ttl, -m hl: LOW to HIGH (eq: both the same; lt n: 0 to n − 1; gt n: n + 1 to 255; ne: inverted). */
export const enum TtlOp {
  LOW = 1,
  HIGH = 2,
  WORDS = 3,
}

/** -m tos, and -m dscp as VALUE << 2 under MASK 0xfc: (field & MASK) == VALUE. */
export const enum TosOp {
  VALUE = 1,
  MASK = 2,
  WORDS = 3,
}

/** -m ecn. FLAGS as below, ECT the number of --ecn-ip-ect. */
export const enum EcnOp {
  ECT = 1,
  WORDS = 2,
  IP_ECT = 2 << 8,
  TCP_ECE = 4 << 8,
  TCP_CWR = 8 << 8,
  NOT_IP_ECT = 16 << 8,
  NOT_TCP_ECE = 32 << 8,
  NOT_TCP_CWR = 64 << 8,
}

/** --mss LOW:HIGH; a segment without the option never matches unless inverted. */
export const enum TcpmssOp {
  LOW = 1,
  HIGH = 2,
  WORDS = 3,
}

/** -m physdev: patterns of the bridge's ports, 0 = not asked. */
export const enum PhysdevOp {
  IN = 1,
  OUT = 2,
  /** PhysdevBit: what is asked, and which of it is inverted. */
  ASKED = 3,
  INVERT = 4,
  WORDS = 5,
}

export const enum PhysdevBit {
  IN = 1,
  OUT = 2,
  IS_BRIDGED = 4,
  IS_IN = 8,
  IS_OUT = 16,
}

/** -m rpfilter. */
export const enum RpfilterOp {
  WORDS = 1,
  LOOSE = 2 << 8,
  VALID_MARK = 4 << 8,
  ACCEPT_LOCAL = 8 << 8,
}

/** -m time, as xt_time_info. */
export const enum TimeOp {
  /** Seconds since 1970, unsigned. */
  DATE_START = 1,
  DATE_STOP = 2,
  /** Seconds of the day. */
  DAY_START = 3,
  DAY_STOP = 4,
  /** Bit 1 … 31; bit 1 (Monday) … 7. */
  MONTH_DAYS = 5,
  WEEK_DAYS = 6,
  WORDS = 7,
  KERNEL_TIMEZONE = 2 << 8,
  CONTIGUOUS = 4 << 8,
}

/** -m string: the pattern's LENGTH bytes from PATTERN on, searched in bytes FROM to TO of the IP packet. bm and kmp find the same. */
export const enum StringOp {
  FROM = 1,
  TO = 2,
  LENGTH = 3,
  PATTERN = 4,
  IGNORE_CASE = 2 << 8,
}

/**
 * -m u32: TESTS tests, each: locations, values, then per location: U32Step and its number, then per value: low and high.
 * The first location's step means nothing: it counts from the IP header's start, as in xt_u32.
 */
export const enum U32Op {
  TESTS = 1,
  FIRST = 2,
}

export const enum U32Step {
  AND = 0,
  LEFT_SHIFT = 1,
  RIGHT_SHIFT = 2,
  AT = 3,
}

/** -m bpf --bytecode: COUNT instructions of two words: code | jt << 16 | jf << 24, and k. */
export const enum BpfOp {
  COUNT = 1,
  FIRST = 2,
}

/** Which addresses a set is asked about, and how its counters are compared. */
export const enum SetOp {
  SET = 1,
  /** Number of src/dst words given, at most 6. */
  DIMENSIONS = 2,
  /** Bit i: the word i + 1 is src. */
  SOURCES = 3,
  /** SetCompare and a 64-bit number. */
  PACKETS_COMPARE = 4,
  PACKETS = 5,
  BYTES_COMPARE = 7,
  BYTES = 8,
  WORDS = 10,
  RETURN_NOMATCH = 2 << 8,
  SKIP_COUNTERS = 4 << 8,
  SKIP_SUBCOUNTERS = 8 << 8,
}

export const enum SetCompare {
  NONE = 0,
  EQUAL = 1,
  NOT_EQUAL = 2,
  LESS = 3,
  GREATER = 4,
}

/** -m connlimit: above LIMIT; inverted (--connlimit-upto): at most. STATE_TABLE: the rule's own table of counted flows, starts as 0. */
export const enum ConnlimitOp {
  STATE_TABLE = 1,
  LIMIT = 2,
  MASK = 3,
  WORDS = 7,
  DESTINATION = 2 << 8,
}

/** -m connbytes: a 64-bit range as in xt_connbytes_info (inverted: FROM is greater than TO). */
export const enum ConnbytesOp {
  WHAT = 1,
  DIRECTION = 2,
  FROM = 3,
  TO = 5,
  WORDS = 7,
}

/** Numbers of xt_connbytes. */
export const enum ConnbytesWhat {
  PACKETS = 0,
  BYTES = 1,
  AVERAGE = 2,
}

export const enum ConnbytesDirection {
  ORIGINAL = 0,
  REPLY = 1,
  BOTH = 2,
}

/** -m quota: STATE_LEFT starts as the quota, bytes, 64 bits. */
export const enum QuotaOp {
  STATE_LEFT = 1,
  WORDS = 3,
}

/** -m connlabel: bit BIT of the flow's 128. */
export const enum ConnlabelOp {
  BIT = 1,
  WORDS = 2,
  SET = 2 << 8,
}

/** -m esp, -m ah, -m ipcomp: the SPI (CPI) of PROTOCOL (50, 51, 108), a range. */
export const enum SpiOp {
  PROTOCOL = 1,
  LOW = 2,
  HIGH = 3,
  /** ah of IPv6: header's length in bytes, 0 = not asked. */
  LENGTH = 4,
  WORDS = 5,
  NOT_LENGTH = 2 << 8,
  /** --ahres: the reserved field must be 0. */
  RESERVED = 4 << 8,
}

/** -m helper: CtHelper; 0 = any helper. */
export const enum HelperOp {
  HELPER = 1,
  WORDS = 2,
}

/** --chunk-types (the ports are in the box). */
export const enum SctpChunksOp {
  /** SctpChunkMatch. */
  MATCH = 1,
  /** 256 bits: the types asked for. */
  TYPES = 2,
  /** COUNT words type | flags << 8 | mask of the flags compared << 16 from FLAGS on. */
  COUNT = 10,
  FLAGS = 11,
}

export const enum SctpChunkMatch {
  ANY = 1,
  ALL = 2,
  ONLY = 4,
}

/** --dccp-types: bit per type. */
export const enum DccpTypesOp {
  TYPES = 1,
  WORDS = 2,
}

/** --dccp-option. */
export const enum DccpOptionOp {
  NUMBER = 1,
  WORDS = 2,
}

/** -m frag (IPv6). */
export const enum Ipv6FragmentOp {
  ID_LOW = 1,
  ID_HIGH = 2,
  /** Header's length, 0 = not asked. */
  LENGTH = 3,
  WORDS = 4,
  NOT_ID = 2 << 8,
  NOT_LENGTH = 4 << 8,
  RESERVED = 8 << 8,
  FIRST = 16 << 8,
  MORE = 32 << 8,
  LAST = 64 << 8,
}

/** -m ipv6header: HEADERS as MASK_* of ip6t_ipv6header.h (hop 128, dst 64, route 32, frag 16, auth 8, esp 4, none 2, proto 1). */
export const enum Ipv6HeadersOp {
  HEADERS = 1,
  WORDS = 2,
  /** --soft: contains, instead of: is just these. */
  SOFT = 2 << 8,
}

/** -m rt. */
export const enum Ipv6RoutingOp {
  TYPE = 1,
  SEGMENTS_LOW = 2,
  SEGMENTS_HIGH = 3,
  LENGTH = 4,
  /** COUNT addresses of four words from ADDRESSES on (type 0). */
  COUNT = 5,
  ADDRESSES = 6,
  ASK_TYPE = 2 << 8,
  NOT_TYPE = 4 << 8,
  NOT_SEGMENTS = 8 << 8,
  /** LENGTH is asked for by this bit in word 0 and inverted by the next. */
  ASK_LENGTH = 16 << 8,
  NOT_LENGTH = 32 << 8,
  RESERVED = 64 << 8,
  /** --rt-0-not-strict. */
  NOT_STRICT = 128 << 8,
}

/** -m hbh, -m dst. */
export const enum Ipv6OptionsOp {
  /** 0 = hop-by-hop, 60 = destination options. */
  PROTOCOL = 1,
  /** Header's length in bytes, 0 = not asked. */
  LENGTH = 2,
  /** COUNT words type | length << 8 (0xff = any) from OPTIONS on. */
  COUNT = 3,
  OPTIONS = 4,
  NOT_LENGTH = 2 << 8,
}

/** -m cluster. */
export const enum ClusterOp {
  TOTAL = 1,
  NODES = 2,
  SEED = 3,
  WORDS = 4,
}

/** -m devgroup: (group & MASK) == VALUE. */
export const enum DeviceGroupOp {
  SOURCE_VALUE = 1,
  SOURCE_MASK = 2,
  DESTINATION_VALUE = 3,
  DESTINATION_MASK = 4,
  WORDS = 5,
  SOURCE = 2 << 8,
  DESTINATION = 4 << 8,
  NOT_SOURCE = 8 << 8,
  NOT_DESTINATION = 16 << 8,
}

/** -m mh: types, a range. */
export const enum MobilityOp {
  LOW = 1,
  HIGH = 2,
  WORDS = 3,
}

/** -m cpu: frames are all handled by the one that is number 0. */
export const enum CpuOp {
  CPU = 1,
  WORDS = 2,
}

/** Rule.TARGET of the extensions. */
export const enum Extension {
  MARK = 16,
  CONNMARK = 17,
  SNAT = 18,
  DNAT = 19,
  MASQUERADE = 20,
  REDIRECT = 21,
  NETMAP = 22,
  REJECT = 23,
  LOG = 24,
  NFLOG = 25,
  TRACE = 26,
  CT = 27,
  TCPMSS = 28,
  TCPOPTSTRIP = 29,
  CHECKSUM = 30,
  /** TTL and HL. */
  TTL = 31,
  /** TOS and DSCP. */
  TOS = 32,
  ECN = 33,
  TEE = 34,
  SET = 35,
  CLASSIFY = 36,
  HMARK = 37,
  SNPT = 38,
  DNPT = 39,
  AUDIT = 40,
  NFQUEUE = 41,
  SYNPROXY = 42,
  /** Loaded by --lax without a meaning here: the rule only counts. */
  NOTHING = 43,
  /** Written in TypeScript: ProgramTarget.NUMBER is the program's. None can be loaded yet. */
  PROGRAM = 63,
}

/** MARK: mark = (mark & ~MASK) ^ VALUE, which all of --set-mark, --set-xmark, --and-mark, --or-mark, --xor-mark are. */
export const enum MarkTarget {
  VALUE = 0,
  MASK = 1,
  WORDS = 2,
}

export const enum ConnmarkMode {
  SET = 0,
  SAVE = 1,
  RESTORE = 2,
}

/** CONNMARK, as xt_connmark_tginfo2 (VALUE and CT_MASK of set; CT_MASK and NF_MASK of save and restore). */
export const enum ConnmarkTarget {
  MODE = 0,
  VALUE = 1,
  CT_MASK = 2,
  NF_MASK = 3,
  /** Left by SHIFT bits; right where negative. */
  SHIFT = 4,
  WORDS = 5,
}

/** NF_NAT_RANGE_*. */
export const enum NatFlag {
  ADDRESSES = 1,
  PORTS = 2,
  RANDOM = 4,
  PERSISTENT = 8,
  RANDOM_FULLY = 16,
  /** --to-destination a:low-high/base: the port keeps its distance from BASE_PORT. */
  OFFSET = 32,
  NETMAP = 64,
}

/** SNAT, DNAT, MASQUERADE, REDIRECT, NETMAP (first and last address of the net): one layout. */
export const enum NatRange {
  FLAGS = 0,
  FIRST = 1,
  LAST = 5,
  LOW_PORT = 9,
  HIGH_PORT = 10,
  BASE_PORT = 11,
  WORDS = 12,
}

/** REJECT: --reject-with. */
export const enum RejectTarget {
  WITH = 0,
  WORDS = 1,
}

/** Numbers of ipt_REJECT, and 16 + those of ip6t_REJECT. */
export const enum RejectWith {
  NET_UNREACHABLE = 0,
  HOST_UNREACHABLE = 1,
  PROTO_UNREACHABLE = 2,
  PORT_UNREACHABLE = 3,
  NET_PROHIBITED = 5,
  HOST_PROHIBITED = 6,
  TCP_RESET = 7,
  ADMIN_PROHIBITED = 8,
  NO_ROUTE_6 = 16,
  ADMIN_PROHIBITED_6 = 17,
  BEYOND_SCOPE_6 = 18,
  ADDRESS_UNREACHABLE_6 = 19,
  PORT_UNREACHABLE_6 = 20,
  TCP_RESET_6 = 22,
  POLICY_FAIL_6 = 23,
  REJECT_ROUTE_6 = 24,
}

/** LOG: FLAGS are XT_LOG_* (TCPSEQ 1, TCPOPT 2, IPOPT 4, UID 8, MACDECODE 32); the prefix's LENGTH bytes from PREFIX on. */
export const enum LogTarget {
  LEVEL = 0,
  FLAGS = 1,
  LENGTH = 2,
  PREFIX = 3,
}

/** NFLOG: SIZE bytes of the packet at most, −1 = all. */
export const enum NflogTarget {
  GROUP = 0,
  SIZE = 1,
  THRESHOLD = 2,
  LENGTH = 3,
  PREFIX = 4,
}

/** CT, NOTRACK. */
export const enum CtTarget {
  /** CtFlag. */
  FLAGS = 0,
  ZONE = 1,
  /** CtHelper, 0 = none. */
  HELPER = 2,
  /** Bits 1 << IPCT_*, 0 = all. */
  EVENTS = 3,
  WORDS = 4,
}

export const enum CtFlag {
  NOTRACK = 1,
  /** --zone mark: the zone is the packet's mark. */
  ZONE_MARK = 2,
  /** --zone-orig, --zone-reply; neither: --zone. */
  ZONE_ORIGINAL = 4,
  ZONE_REPLY = 8,
}

export const enum CtHelper {
  NONE = 0,
  FTP = 1,
  TFTP = 2,
}

/** TCPMSS: MSS, or 0xffff = --clamp-mss-to-pmtu. */
export const enum TcpmssTarget {
  MSS = 0,
  WORDS = 1,
}

/** TCPOPTSTRIP: 256 bits. */
export const enum TcpoptstripTarget {
  OPTIONS = 0,
  WORDS = 8,
}

export const enum TtlMode {
  SET = 0,
  INCREMENT = 1,
  DECREMENT = 2,
}

/** TTL, HL. */
export const enum TtlTarget {
  MODE = 0,
  VALUE = 1,
  WORDS = 2,
}

/** TOS, DSCP: field = (field & ~MASK) ^ VALUE; a DSCP is << 2 under MASK 0xfc. */
export const enum TosTarget {
  VALUE = 0,
  MASK = 1,
  WORDS = 2,
}

/** ECN: OPERATION as ipt_ECN_info has it, bits 1 = ECT into the IP header, 16 = ECE, 32 = CWR into TCP's (--ecn-tcp-remove: 48, TCP 0). */
export const enum EcnTarget {
  OPERATION = 0,
  ECT = 1,
  /** Bit 0: ECE's new value, bit 1: CWR's. */
  TCP = 2,
  WORDS = 3,
}

/** TEE: OUT is a pattern of link names, 0 = any. */
export const enum TeeTarget {
  GATEWAY = 0,
  OUT = 4,
  WORDS = 5,
}

/** SET: what is added to, taken from, and mapped by; set number 0 = not asked. */
export const enum SetTarget {
  ADD = 0,
  ADD_DIMENSIONS = 1,
  ADD_SOURCES = 2,
  DELETE = 3,
  DELETE_DIMENSIONS = 4,
  DELETE_SOURCES = 5,
  MAP = 6,
  MAP_DIMENSIONS = 7,
  MAP_SOURCES = 8,
  /** SetTargetFlag. */
  FLAGS = 9,
  /** Seconds, −1 = the set's own. */
  TIMEOUT = 10,
  WORDS = 11,
}

export const enum SetTargetFlag {
  EXIST = 1,
  MAP_MARK = 2,
  MAP_PRIORITY = 4,
  MAP_QUEUE = 8,
}

/** CLASSIFY: major << 16 | minor. It has no effect here: links have no classes. */
export const enum ClassifyTarget {
  PRIORITY = 0,
  WORDS = 1,
}

/** HMARK, as xt_hmark_info; FLAGS bits 1 << XT_HMARK_*. */
export const enum HmarkTarget {
  FLAGS = 0,
  SOURCE_MASK = 1,
  DESTINATION_MASK = 5,
  /** source << 16 | destination; of spi or ports. */
  PORT_MASK = 9,
  PORT_SET = 10,
  PROTOCOL_MASK = 11,
  RANDOM = 12,
  MODULUS = 13,
  OFFSET = 14,
  WORDS = 15,
}

/** SNPT, DNPT. */
export const enum NptTarget {
  SOURCE = 0,
  DESTINATION = 4,
  SOURCE_LENGTH = 8,
  DESTINATION_LENGTH = 9,
  WORDS = 10,
}

/** AUDIT: accept 0, drop 1, reject 2. */
export const enum AuditTarget {
  TYPE = 0,
  WORDS = 1,
}

/** NFQUEUE: nobody listens, so a packet is dropped or, by BYPASS, goes on. */
export const enum NfqueueTarget {
  QUEUE = 0,
  TOTAL = 1,
  /** Bit 0: bypass, bit 1: by cpu. */
  FLAGS = 2,
  WORDS = 3,
}

/** Targets written in TypeScript. */
export const enum ProgramTarget {
  NUMBER = 0,
  WORDS = 1,
}
