/* DHCPv4: servers and clients on links. */

/** A host that always gets the same address. */
export interface DhcpHost {
  mac?: string;
  /** Client identifier, hexadecimal. */
  id?: string;
  address: string;
  name?: string;
}

/** A DHCPv4 server on a link. What is absent comes from the link: its address's subnet, itself as router, and so on. */
export interface DhcpServerOptions {
  /** ADDRESS/LENGTH. */
  subnet?: string;
  /** First and last address that it gives. */
  pool?: [string, string];
  /** Empty: none is told. */
  router?: string[];
  dns?: string[];
  domain?: string;
  mtu?: number;
  lease_s?: number;
  hosts?: DhcpHost[];
}

export interface DhcpServerInfo extends DhcpServerOptions {
  dev: string;
  /** Why it does not answer now, if so. */
  problem?: string;
  leases: number;
}

export interface DhcpLeaseInfo {
  dev: string;
  address: string;
  mac: string;
  id: string;
  name: string;
  state: 'offered' | 'bound' | 'declined';
  /** s left. */
  expires: number;
}

export interface DhcpClientOptions {
  hostname?: string;
  /** Metric of the default route. */
  metric?: number;
}

export interface DhcpClientInfo extends DhcpClientOptions {
  dev: string;
  state: 'off' | 'selecting' | 'requesting' | 'bound' | 'renewing' | 'rebinding' | 'rebooting';
  /** ADDRESS/LENGTH. */
  address?: string;
  server?: string;
  routers?: string[];
  dns?: string[];
  domain?: string;
  mtu?: number;
  lease_s?: number;
  /** s left; absent: for ever. */
  expires?: number;
}
