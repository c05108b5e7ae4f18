/* Neighbours: ip-neighbour. */
import type { Family } from './family.js';

export type NeighbourState =
  | 'none'
  | 'incomplete'
  | 'reachable'
  | 'stale'
  | 'delay'
  | 'probe'
  | 'failed'
  | 'noarp'
  | 'permanent';

/** A neighbour, in the key order of `ip -j -s neigh`. Times in s. */
export interface NeighbourInfo {
  family: Family;
  dst: string;
  dev: string;
  lladdr?: string;
  router?: boolean;
  proxy?: boolean;
  extern_learn?: boolean;
  refcnt?: number;
  used: number;
  confirmed: number;
  updated: number;
  probes: number;
  state: NeighbourState;
  protocol?: number;
}

export interface ChangeNeighbour {
  op: 'neigh.add' | 'neigh.change' | 'neigh.replace' | 'neigh.del';
  family: Family;
  dst: string;
  dev: string;
  lladdr?: string;
  state?: NeighbourState;
  router?: boolean;
  proxy?: boolean;
  extern_learn?: boolean;
  use?: boolean;
}
