/*
 * How long flows may be silent, in seconds, and the other settings of conntrack: the defaults of Linux 6.18 and those that the RFCs ask of
 * a NAT (RFC 4787 REQ-5, 5382 REQ-5, 5508 REQ-2; 7857 §2.1), and the names that sysctl has for them (net.netfilter.*).
 *
 * Before changing a value of `rfc`: RFC 4787 lets UDP have no less than 2 minutes, 5382 an established TCP flow 2 h 4 min and one that
 * opens or closes 4 min, 5508 ICMP 60 s.
 */
import { CtSetting } from './settings.js';

export type TimeoutProfile = 'linux' | 'rfc';

export interface CtSysctl {
  /** Behind `nf_conntrack_`. */
  name: string;
  setting: number;
  /** Of seconds, which the row has as ms. */
  isTime: boolean;
  linux: number;
  rfc: number;
  /** Largest value that is taken. */
  max: number;
}

/** Longest time in seconds, 12.4 days: the row counts ms in 31 bits, half of which are for what is past. Linux takes 99.4 days (at 250 Hz). */
const LONGEST = Math.floor(2 ** 30 / 1000);

function value(name: string, setting: number, linux: number, max: number): CtSysctl {
  return { name, setting, isTime: false, linux, rfc: linux, max };
}

function time(name: string, setting: number, linux: number, rfc = linux): CtSysctl {
  return { name, setting, isTime: true, linux, rfc, max: LONGEST };
}

const HOURS = 3600;
const ESTABLISHED_RFC = 2 * HOURS + 240;

export const CT_SYSCTLS: CtSysctl[] = [
  value('max', CtSetting.MAX, 262_144, 2 ** 31 - 1),
  value('checksum', CtSetting.CHECKSUM, 1, 1),
  value('acct', CtSetting.ACCT, 0, 1),
  value('timestamp', CtSetting.TIMESTAMP, 0, 1),
  value('events', CtSetting.EVENTS, 2, 2),
  value('log_invalid', CtSetting.LOG_INVALID, 0, 255),
  value('expect_max', CtSetting.EXPECT_MAX, 4096, 2 ** 31 - 1),
  value('tcp_loose', CtSetting.TCP_LOOSE, 1, 1),
  value('tcp_be_liberal', CtSetting.TCP_BE_LIBERAL, 0, 1),
  value('tcp_max_retrans', CtSetting.TCP_MAX_RETRANS, 3, 255),
  value('tcp_ignore_invalid_rst', CtSetting.TCP_IGNORE_INVALID_RST, 0, 1),
  time('generic_timeout', CtSetting.GENERIC, 600),
  time('udp_timeout', CtSetting.UDP, 30, 120),
  time('udp_timeout_stream', CtSetting.UDP_STREAM, 120, 300),
  time('icmp_timeout', CtSetting.ICMP, 30, 60),
  time('icmpv6_timeout', CtSetting.ICMPV6, 30, 60),
  time('gre_timeout', CtSetting.GRE, 30),
  time('gre_timeout_stream', CtSetting.GRE_STREAM, 180),
  time('tcp_timeout_syn_sent', CtSetting.TCP + 1, 120, 240),
  time('tcp_timeout_syn_recv', CtSetting.TCP + 2, 60, 240),
  time('tcp_timeout_established', CtSetting.TCP + 3, 432_000, ESTABLISHED_RFC),
  time('tcp_timeout_fin_wait', CtSetting.TCP + 4, 120, 240),
  time('tcp_timeout_close_wait', CtSetting.TCP + 5, 60, 240),
  time('tcp_timeout_last_ack', CtSetting.TCP + 6, 30, 240),
  time('tcp_timeout_time_wait', CtSetting.TCP + 7, 120, 240),
  time('tcp_timeout_close', CtSetting.TCP + 8, 10),
  time('tcp_timeout_max_retrans', CtSetting.TCP_RETRANS, 300, ESTABLISHED_RFC),
  time('tcp_timeout_unacknowledged', CtSetting.TCP_UNACKNOWLEDGED, 300, ESTABLISHED_RFC),
  time('sctp_timeout_closed', CtSetting.SCTP + 1, 10),
  time('sctp_timeout_cookie_wait', CtSetting.SCTP + 2, 3),
  time('sctp_timeout_cookie_echoed', CtSetting.SCTP + 3, 3),
  time('sctp_timeout_established', CtSetting.SCTP + 4, 210),
  time('sctp_timeout_shutdown_sent', CtSetting.SCTP + 5, 3),
  time('sctp_timeout_shutdown_recd', CtSetting.SCTP + 6, 3),
  time('sctp_timeout_shutdown_ack_sent', CtSetting.SCTP + 7, 3),
  time('sctp_timeout_heartbeat_sent', CtSetting.SCTP + 8, 30),
];

/** A simultaneous open has no sysctl. */
const SYN_SENT2 = CtSetting.TCP + 9;
const SYN_SENT2_MS: Record<TimeoutProfile, number> = { linux: 120_000, rfc: 240_000 };

/** What a row has for a sysctl's value. */
export function settingOf(sysctl: CtSysctl, value: number): number {
  return sysctl.isTime ? value * 1000 : value;
}

/** A row as it is in a new namespace. */
export function defaultSettings(profile: TimeoutProfile = 'linux'): Int32Array {
  const row = new Int32Array(CtSetting.COUNT);
  for (const sysctl of CT_SYSCTLS) row[sysctl.setting] = settingOf(sysctl, sysctl[profile]);
  row[SYN_SENT2] = SYN_SENT2_MS[profile];
  return row;
}

/** Sets all timeouts of a row to a profile's. */
export function applyProfile(settings: Int32Array, namespace: number, profile: TimeoutProfile): void {
  const at = namespace << CtSetting.SHIFT;
  for (const sysctl of CT_SYSCTLS) {
    if (sysctl.isTime) writeSetting(settings, namespace, sysctl, sysctl[profile]);
  }
  settings[at + SYN_SENT2] = SYN_SENT2_MS[profile];
}

/** Writes a sysctl's value, of seconds where it is a time. */
export function writeSetting(settings: Int32Array, namespace: number, sysctl: CtSysctl, value: number): void {
  settings[(namespace << CtSetting.SHIFT) + sysctl.setting] = settingOf(sysctl, value);
}
