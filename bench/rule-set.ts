/* Rule sets that benchmarks load into Sluice and into the kernel, as texts of iptables-save. */

/** An address of 203.0.0.0/10 that no benchmark sends from. */
function stranger(n: number): string {
  return `203.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
}

/** Rules that no packet of a benchmark meets: every one of them has to be ruled out. */
export function strangers(count: number): string[] {
  return Array.from(
    { length: count },
    (_, n) => `-A FORWARD -s ${stranger(n)}/32 -p tcp -m tcp --dport ${1024 + (n % 30_000)} -j DROP`,
  );
}

/** MASQUERADE out of one link, and `count` rules in FORWARD. */
export function natRouter(out: string, count: number): string {
  return [
    '*nat',
    ':PREROUTING ACCEPT [0:0]',
    ':INPUT ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ':POSTROUTING ACCEPT [0:0]',
    `-A POSTROUTING -o ${out} -j MASQUERADE`,
    'COMMIT',
    '*filter',
    ':INPUT ACCEPT [0:0]',
    ':FORWARD ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ...strangers(count),
    'COMMIT',
    '',
  ].join('\n');
}
