/*
 * What conntrack is told by sysctls, a row of words for each namespace. Times are ms, as the dataplane counts; control converts and keeps
 * what was written. Rows are plain shared memory: who sets one writes the word.
 */
export const enum CtSetting {
  SHIFT = 6,
  COUNT = 64,

  /** nf_conntrack_max: flows of both families together; 0 = no limit. */
  MAX = 0,
  CHECKSUM = 1,
  ACCT = 2,
  TIMESTAMP = 3,
  /** 0 = no events, but of flows with a mask; 1 and 2 = while somebody listens. */
  EVENTS = 4,
  /** 255 = every protocol's, else one protocol's, 0 = none. */
  LOG_INVALID = 5,
  EXPECT_MAX = 6,
  TCP_LOOSE = 7,
  TCP_BE_LIBERAL = 8,
  TCP_MAX_RETRANS = 9,
  TCP_IGNORE_INVALID_RST = 10,

  GENERIC = 16,
  UDP = 17,
  UDP_STREAM = 18,
  ICMP = 19,
  ICMPV6 = 20,
  GRE = 21,
  GRE_STREAM = 22,

  /** + TcpState (Linux's numbers: SYN_SENT 1 … CLOSE 8; SYN_SENT2, 9, has that of SYN_SENT). */
  TCP = 24,
  TCP_RETRANS = 34,
  TCP_UNACKNOWLEDGED = 35,

  /** + SctpState (CLOSED 1 … HEARTBEAT_SENT 8). */
  SCTP = 40,
}
