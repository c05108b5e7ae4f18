/*
 * A link as the control plane knows it.
 */

import type { PortState } from '../datapath.js';
import { formatMacAt } from '../wire/format.js';
import type { AddLink } from './api/link.js';
import type { Namespace } from './namespaces.js';
import type { LinkSettings } from './sysctls.js';

export type LinkKind = AddLink['kind'] | 'lo';

/** Attributes of a bridge (api.BridgeOptions), all of them. */
export interface BridgeSettings {
  ageingCs: number;
  groupForwardMask: number;
  isTransparent: boolean;
  learnLimit: number;
  /** It has had ports: without any left its MAC is then zero. */
  hadPorts: boolean;
}

/** Attributes of a bridge port (api.BridgePortOptions), all of them. */
export interface PortSettings {
  /** LinkFlag bits of the port options. */
  options: number;
  state: PortState;
  /** As the bridge's mask, for this port. */
  groupForwardMask: number;
  /** Stations it may have learned; 0 = no limit. */
  fdbLimit: number;
  storm: { broadcast: number; multicast: number; unknown: number };
  /** Number within the bridge, from 1. */
  number: number;
}

/** Descriptors and facts of a port's kernel device. */
export interface PortDevice {
  fds: Int32Array;
  queues: number;
  hasOffload: boolean;
  isPersistent: boolean;
  /** It was there before us and stays. */
  isAttached: boolean;
  /** Kernel device and namespace, as given. */
  dev: string;
  netns?: string;
}

export interface VlanSettings {
  lower: Link;
  id: number;
  protocol: '802.1Q' | '802.1ad';
}

export interface Link {
  /** Number in the dataplane. */
  number: number;
  ifindex: number;
  name: string;
  kind: LinkKind;
  namespace: Namespace;
  /** Six bytes. */
  address: Uint8Array;
  isAddressSet: boolean;
  mtu: number;
  isMtuSet: boolean;
  isUp: boolean;
  hasBeenUp: boolean;
  /** Its own, whether it is up or not: see carrier.ts. */
  hasCarrier: boolean;
  settings: LinkSettings;
  master?: Link;
  /** Of a bridge: its ports in order of joining. */
  ports: Link[];
  bridge?: BridgeSettings;
  port?: PortSettings;
  device?: PortDevice;
  /** Of a veth. */
  peer?: Link;
  /** Of a vlan: what it lies on, and its tag. */
  vlan?: VlanSettings;
  /** The vlans on it. */
  uppers: Link[];
  /** What was asked for, as a configuration says it. */
  tap?: NonNullable<AddLink['tap']>;
  packet?: NonNullable<AddLink['packet']>;
  pcap?: { read?: string; write?: string };
}

export const BRIDGE_DEFAULTS: BridgeSettings = {
  ageingCs: 30_000,
  groupForwardMask: 0,
  isTransparent: false,
  learnLimit: 0,
  hadPorts: false,
};

export function macText(address: Uint8Array): string {
  return formatMacAt(address, 0);
}

/** The MAC of two words of the FDB. */
export function macOfWords(high: number, low: number): Uint8Array {
  return Uint8Array.of(high, high >>> 8, low, low >>> 8, low >>> 16, low >>> 24);
}

/** MAC bytes 0..1 and 2..5, little-endian, as the FDB has them. */
export function macHigh(address: Uint8Array): number {
  return address[0] | (address[1] << 8);
}

export function macLow(address: Uint8Array): number {
  return address[2] | (address[3] << 8) | (address[4] << 16) | (address[5] << 24);
}

const MIN_MTU6 = 1280;
const PORT_KINDS: ReadonlySet<LinkKind> = new Set(['tap', 'packet', 'pcap', 'memory']);

/** Whether its other end is outside. */
export function isPort({ kind }: Link): boolean {
  return PORT_KINDS.has(kind);
}

/** A link of a smaller MTU has no IPv6 at all (ipv6_add_dev). */
export function hasIpv6({ mtu }: Link): boolean {
  return mtu >= MIN_MTU6;
}
