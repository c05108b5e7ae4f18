/* The three hosts of the scene: who they are, wherever they live. */

export interface Host {
  name: string;
  /** Of its eth0. */
  mac: string;
  ipv4: string;
  ipv6: string;
  /** The bridge port that its eth0 is the other end of. */
  port: string;
}

function host(name: string, number: number): Host {
  return {
    name,
    mac: `02:00:00:00:00:0${(9 + number).toString(16)}`,
    ipv4: `10.77.0.${number}`,
    ipv6: `fd77::${number}`,
    port: `t${number}`,
  };
}

export const HOSTS: readonly Host[] = [host('a', 1), host('b', 2), host('c', 3)];

export const PREFIX4 = 24;
export const PREFIX6 = 64;

/** Every pair once, the lower first. */
export const PAIRS: ReadonlyArray<readonly [number, number]> = [
  [0, 1],
  [0, 2],
  [1, 2],
];
