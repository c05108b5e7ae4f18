/*
 * Names of protocols, as `conntrack` prints them.
 */

/** Those that libnetfilter_conntrack knows by name; all others are "unknown". */
export const PROTOCOL_NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'icmp'],
  [6, 'tcp'],
  [17, 'udp'],
  [33, 'dccp'],
  [47, 'gre'],
  [58, 'icmpv6'],
  [132, 'sctp'],
  [136, 'udplite'],
]);
