/* Settings of a namespace: sysctl(8). */

/** Keys as sysctl(8) prints them: net.ipv4.conf.eth0.rp_filter. */
export interface SysctlInfo {
  key: string;
  value: string;
}
