/* Endpoints: what a namespace's own stack says and hears. */
import type { DhcpClientOptions, DhcpServerOptions } from './dhcp.js';
import type { PingRequest } from './ping.js';
import type { AdvertiserOptions } from './radv.js';
import type { TracerouteRequest } from './traceroute.js';

export type EndpointRequest =
  | PingRequest
  | TracerouteRequest
  | { op: 'dhcp.server.add'; dev: string; options: DhcpServerOptions }
  | { op: 'dhcp.server.del'; dev: string }
  | { op: 'dhcp.server.list'; dev?: string }
  | { op: 'dhcp.leases'; dev?: string }
  | { op: 'dhcp.lease.del'; dev: string; address: string }
  | { op: 'dhcp.client.add'; dev: string; options: DhcpClientOptions }
  | { op: 'dhcp.client.del'; dev: string }
  | { op: 'dhcp.client.list'; dev?: string }
  | { op: 'ra.add'; dev: string; options: AdvertiserOptions }
  | { op: 'ra.del'; dev: string }
  | { op: 'ra.list'; dev?: string };
