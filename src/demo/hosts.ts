/* The three hosts of the scene: who they are, wherever they live. */
import type { Screen } from './screen.js';
import type { Stage } from './stage.js';

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

/** The picture on top: hosts, what joins each to its port, and the bridge. */
export function showHosts(screen: Screen, place: string, joint: string, bridge: string): void {
  const ends = ['┐', `├ br0   ${bridge}`, '┘'];
  screen.line();
  for (const [i, { name, ipv4, ipv6, port }] of HOSTS.entries()) {
    screen.line(`  ${place} ${name}   eth0 ${ipv4}  ${ipv6} ── ${joint} ── ${port} ${ends[i]}`);
  }
  screen.line();
}

/** Each host must be learned behind its port, in what `brctl showmacs` prints. */
export function checkStations(stage: Stage, showmacs: string): void {
  const lines = showmacs.split('\n').map((line) => line.trim());
  for (const [i, { mac, port }] of HOSTS.entries()) {
    const isThere = lines.some((line) => line.startsWith(`${i + 1}\t${mac}\tno`));
    stage.expect(isThere, 'find', `station ${mac}`, `it is not behind ${port}`, 'see the table above');
  }
}
