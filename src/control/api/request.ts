/*
 * What a client and the daemon say to each other over the control socket.
 *
 * One JSON object a line, both ways. A request is { id, op, …arguments }; its answer carries the
 * same id and either `result` or `error`. Requests of one connection are carried out in order; a
 * client may send many before it reads (a batch). `capture` answers with many results, the last one
 * with `end: true`.
 *
 * Each noun has a file here: what requests about it say, and what they answer.
 *
 * What a link or a station looks like is iproute2's own JSON, complete (-d -s): the tools print it
 * as it is, or turn the same object into text. So there is one representation, and it is the one
 * that users' scripts know.
 */
import type { ChangeAddress } from './address.js';
import type { ConntrackFilter, ConntrackRequest } from './conntrack.js';
import type { EndpointRequest } from './endpoint.js';
import type { ExplainRequest } from './explain.js';
import type { Family } from './family.js';
import type { ChangeFdb, FlushFdb, ListFdb } from './fdb.js';
import type { AddLink, DeleteLink, SetLink } from './link.js';
import type { ChangeNeighbour } from './neighbour.js';
import type { ChangeRoute, ChangeRoutes, GetRoute, ListRoutes } from './route.js';
import type { ChangeRule } from './rule.js';
import type { RunIpset, RunIptables } from './tool.js';

/** What travels beside a request's own arguments. */
export interface Envelope {
  id: number;
  /** The namespace of Sluice that the command is for; absent: host. */
  ns?: string;
  /**
   * One of a batch that ends with its first failure: once a chained request of this connection has
   * failed, later chained ones are not carried out and answer with errno ECANCELED.
   */
  chain?: boolean;
}

export type Request =
  | AddLink
  | SetLink
  | DeleteLink
  | { op: 'link.list'; name?: string }
  | ChangeFdb
  | FlushFdb
  | ListFdb
  | { op: 'ethtool'; name: string }
  | { op: 'netns.add' | 'netns.del'; name: string }
  | { op: 'netns.list' }
  | ChangeAddress
  | { op: 'addr.list'; dev?: string }
  | ChangeRoute
  | ChangeRoutes
  | ListRoutes
  | GetRoute
  | ChangeRule
  | { op: 'rule.list'; family: Family }
  | ChangeNeighbour
  | { op: 'neigh.list'; family?: Family; proxy?: boolean }
  | { op: 'monitor' }
  | { op: 'sysctl.list'; prefix?: string }
  | { op: 'sysctl.get'; key: string }
  | { op: 'sysctl.set'; key: string; value: string }
  | EndpointRequest
  | ExplainRequest
  | RunIptables
  | RunIpset
  | ConntrackRequest
  | { op: 'conntrack.events'; filter?: ConntrackFilter }
  | { op: 'status' }
  | { op: 'down' }
  | { op: 'config.show' }
  | { op: 'config.apply'; text: string; file: string; folder?: string; check?: boolean }
  | { op: 'capture'; name: string; filter: string; snaplen: number };
