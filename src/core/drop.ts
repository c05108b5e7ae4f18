/*
 * Why a frame was dropped. Every frame that does not come out has exactly one reason, counted for the
 * link it came from (reasons below FIRST_TX) or the link it should have left by (the others).
 *
 * The compiler demands a name and a sentence for each. Add a reason behind its group's last one.
 */

export const enum DropReason {
  /** Not a reason: the frame goes on. */
  NONE = 0,

  LINK_DOWN,
  RUNT,
  BAD_VNET_HEADER,
  ARENA_FULL,
  NO_LISTENER,
  SOURCE_INVALID,
  PORT_NOT_FORWARDING,
  PORT_LOCKED,
  PAUSE_FRAME,
  STORM_BROADCAST,
  STORM_MULTICAST,
  STORM_UNKNOWN,
  SAME_PORT,
  ISOLATED,
  EGRESS_NOT_FORWARDING,
  NO_EGRESS,

  FIRST_TX,
  TX_LINK_DOWN = FIRST_TX,
  TX_MTU,
  TX_BUSY,
  TX_REFUSED,
  TX_ARENA_FULL,
  TX_UNSEGMENTABLE,

  COUNT,
}

type Reason = Exclude<DropReason, DropReason.NONE | DropReason.COUNT>;

/** The names that `status -j` and `ethtool -S` show. */
export const DROP_NAME: Record<Reason, string> = {
  [DropReason.LINK_DOWN]: 'link_down',
  [DropReason.RUNT]: 'runt',
  [DropReason.BAD_VNET_HEADER]: 'bad_vnet_header',
  [DropReason.ARENA_FULL]: 'arena_full',
  [DropReason.NO_LISTENER]: 'no_listener',
  [DropReason.SOURCE_INVALID]: 'source_invalid',
  [DropReason.PORT_NOT_FORWARDING]: 'port_not_forwarding',
  [DropReason.PORT_LOCKED]: 'port_locked',
  [DropReason.PAUSE_FRAME]: 'pause_frame',
  [DropReason.STORM_BROADCAST]: 'storm_broadcast',
  [DropReason.STORM_MULTICAST]: 'storm_multicast',
  [DropReason.STORM_UNKNOWN]: 'storm_unknown',
  [DropReason.SAME_PORT]: 'same_port',
  [DropReason.ISOLATED]: 'isolated',
  [DropReason.EGRESS_NOT_FORWARDING]: 'egress_not_forwarding',
  [DropReason.NO_EGRESS]: 'no_egress',
  [DropReason.TX_LINK_DOWN]: 'tx_link_down',
  [DropReason.TX_MTU]: 'tx_mtu',
  [DropReason.TX_BUSY]: 'tx_busy',
  [DropReason.TX_REFUSED]: 'tx_refused',
  [DropReason.TX_ARENA_FULL]: 'tx_arena_full',
  [DropReason.TX_UNSEGMENTABLE]: 'tx_unsegmentable',
};

export const DROP_TEXT: Record<Reason, string> = {
  [DropReason.LINK_DOWN]: 'it arrived on a link that is down',
  [DropReason.RUNT]: 'it is shorter than an Ethernet header',
  [DropReason.BAD_VNET_HEADER]: 'its checksum or segmentation metadata points outside of it',
  [DropReason.ARENA_FULL]: 'the arena had no free slot for it',
  [DropReason.NO_LISTENER]: 'its link is in no bridge and nothing listens on it',
  [DropReason.SOURCE_INVALID]: 'its source address is a group address or all zero',
  [DropReason.PORT_NOT_FORWARDING]: 'the bridge port it arrived on is not in the forwarding state',
  [DropReason.PORT_LOCKED]: 'its port is locked and its source is not in the forwarding database there',
  [DropReason.PAUSE_FRAME]: 'it is a PAUSE frame, which no bridge forwards',
  [DropReason.STORM_BROADCAST]: "it exceeds its port's limit of broadcast frames",
  [DropReason.STORM_MULTICAST]: "it exceeds its port's limit of multicast frames",
  [DropReason.STORM_UNKNOWN]: "it exceeds its port's limit of frames to unknown stations",
  [DropReason.SAME_PORT]: 'its destination is behind the port it came from, which is no hairpin port',
  [DropReason.ISOLATED]: 'both its ports are isolated',
  [DropReason.EGRESS_NOT_FORWARDING]: 'the port of its destination is not in the forwarding state',
  [DropReason.NO_EGRESS]: 'no port may flood it',
  [DropReason.TX_LINK_DOWN]: 'the other end of the link it should leave by is down',
  [DropReason.TX_MTU]: 'it is longer than the MTU of the link it should leave by',
  [DropReason.TX_BUSY]: 'the device it should leave by had no room',
  [DropReason.TX_REFUSED]: 'the device it should leave by refused it',
  [DropReason.TX_ARENA_FULL]: 'the arena had no free slot for a copy or a segment of it',
  [DropReason.TX_UNSEGMENTABLE]: 'it must be segmented for its link and cannot be',
};

/** All reasons, in order of number. */
export const DROP_REASONS = Object.keys(DROP_NAME).map(Number) as Reason[];
