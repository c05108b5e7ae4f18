/*
 * Capture files: what reading (pcap-decoder.ts) and writing (pcap-encoder.ts) have in common. Classic pcap
 * (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng); files on disk are io/pcap-file.ts.
 *
 *   pcap:    header │ record record …                     one link, without a name
 *   pcapng:  SHB  IDB IDB …  EPB EPB …   [SHB  IDB …  EPB …]
 *            │    │          └ a frame: link, time, bytes, comment, direction
 *            │    └ a link: name, link type, unit of time
 *            └ a section: byte order; its links are its own
 *   block:   type 4 │ total length 4 │ body, padded to 4 │ total length 4
 *
 * Time is two numbers, seconds since 1970 and nanoseconds, because ns since 1970 do not fit in a double.
 */

/** LINKTYPE_ETHERNET, the only one that Sluice's links carry. */
export const ETHERNET = 1;

/** Longest frame in a file, as libpcap has it (MAXIMUM_SNAPLEN). A longer one is taken for a damaged file. */
export const MAX_CAPTURED = 262144;

export const enum Magic {
  PCAP_MICRO = 0xa1b2c3d4,
  PCAP_NANO = 0xa1b23c4d,
  PCAP_MODIFIED = 0xa1b2cd34,
  /** Reads the same in both byte orders. */
  SECTION = 0x0a0d0d0a,
  BYTE_ORDER = 0x1a2b3c4d,
}

export const enum Block {
  INTERFACE = 1,
  /** Obsolete, still read. */
  PACKET = 2,
  SIMPLE_PACKET = 3,
  ENHANCED_PACKET = 6,
  /** Type, length, length again. */
  MIN_BYTES = 12,
}

/** Option codes; from 2 on they mean something else in each type of block. */
export const enum Option {
  END = 0,
  COMMENT = 1,
  FRAME_FLAGS = 2,
  IF_NAME = FRAME_FLAGS,
  SHB_APPLICATION = 4,
  IF_RESOLUTION = 9,
  IF_TIME_OFFSET = 14,
}

/** Bits 0–1 of epb_flags: seen from the link, as it arrives or as it leaves. */
export const enum Direction {
  UNKNOWN = 0,
  IN = 1,
  OUT = 2,
}

/** A frame's record: all but its bytes. */
export interface FrameRecord {
  /** Since 1970-01-01. */
  seconds: number;
  nanoseconds: number;
  /** Index of the link, over all sections of a file. */
  link: number;
  /** Bytes of the whole frame, of which fewer may have been captured. */
  length: number;
  direction: Direction;
  comment: string;
}

export function newRecord(): FrameRecord {
  return { seconds: 0, nanoseconds: 0, link: 0, length: 0, direction: Direction.UNKNOWN, comment: '' };
}

/** Sets a record's time from µs since 1970. */
export function stamp(record: FrameRecord, micros: number): void {
  record.seconds = Math.floor(micros / 1e6);
  record.nanoseconds = Math.round(micros - record.seconds * 1e6) * 1000;
}

/** A record and where its bytes are. Borrowed: valid until the decoder's next `feed`. */
export interface CapturedFrame extends FrameRecord {
  bytes: Uint8Array;
  at: number;
  captured: number;
}

export interface CaptureLink {
  /** if_name, '' if the file does not say. */
  name: string;
  linkType: number;
  /** Units of time a second: 10⁶, 10⁹, or what if_tsresol says. */
  resolution: number;
  /** if_tsoffset: seconds to add. */
  timeOffset: number;
  /** Most bytes of a frame that were kept; 0: all. */
  snapLength: number;
}

const LINK_TYPE_NAMES: Record<number, string> = {
  0: 'NULL',
  1: 'EN10MB',
  6: 'IEEE802',
  9: 'PPP',
  50: 'PPP_SERIAL',
  51: 'PPP_ETHER',
  101: 'RAW',
  104: 'C_HDLC',
  105: 'IEEE802_11',
  108: 'LOOP',
  113: 'LINUX_SLL',
  127: 'IEEE802_11_RADIO',
  143: 'DOCSIS',
  147: 'USER0',
  189: 'USB_LINUX',
  192: 'PPI',
  195: 'IEEE802_15_4_WITHFCS',
  220: 'USB_LINUX_MMAPPED',
  228: 'IPV4',
  229: 'IPV6',
  239: 'NFLOG',
  253: 'NETLINK',
  276: 'LINUX_SLL2',
};

/** A link type by the name tcpdump gives it. */
export function linkTypeName(linkType: number): string {
  return LINK_TYPE_NAMES[linkType] ?? `link type ${linkType}`;
}

/** Blocks and options begin at multiples of 4 bytes. */
export function padded(length: number): number {
  return (length + 3) & ~3;
}
