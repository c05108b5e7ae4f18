/* What `ip link … type bridge` and `bridge link set` set of a bridge and its ports. */

/** Storm control of a bridge port, packets per second; 0 = no limit. */
export interface StormLimits {
  broadcast?: number;
  multicast?: number;
  unknown?: number;
}

/** Attributes of a bridge, `ip link set br0 type bridge …`; times in iproute2's units (1/100 s). */
export interface BridgeOptions {
  ageing_time?: number;
  group_fwd_mask?: number;
  /** Ours: forward every 01:80:C2:00:00:0X, as a wire would. */
  transparent?: boolean;
  /** 0 = no limit; learned stations of this bridge (`fdb_max_learned`, newer iproute2). */
  fdb_max_learned?: number;
}

/** Attributes of a bridge port, `bridge link set dev t1 …` = `ip link set t1 type bridge_slave …`. */
export interface BridgePortOptions {
  learning?: boolean;
  flood?: boolean;
  bcast_flood?: boolean;
  mcast_flood?: boolean;
  isolated?: boolean;
  hairpin?: boolean;
  locked?: boolean;
  group_fwd_mask?: number;
  /** 0 disabled, 1 listening, 2 learning, 3 forwarding, 4 blocking (STP off: set by hand). */
  state?: number;
  /** Ours: stations that this port may have learned at a time; 0 = no limit. */
  fdb_limit?: number;
  /** Ours. */
  storm?: StormLimits;
}
