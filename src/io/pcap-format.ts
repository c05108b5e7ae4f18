/*
 * Capture files as bytes: classic pcap (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng). No file is
 * touched here; io/pcap-file.ts does that, and a stream to stdout needs only the encoder.
 *
 *   pcapng:  SHB  IDB IDB …  EPB EPB …   [SHB  IDB …  EPB …]
 *            │    │          └ a frame: link, time, bytes, comment, direction
 *            │    └ a link: name, link type, unit of time
 *            └ a section: byte order; its links are its own
 *   block:   type 4 │ total length 4 │ body, padded to 4 │ total length 4
 *
 * Reading takes both byte orders, µs and ns, any section count, and skips blocks it does not know. It does not throw
 * on a malformed file: it stops there with a sentence and the byte position, after all frames before it.
 * Writing is little-endian. A frame check sequence, where a file has one, stays at the end of the frame.
 *
 * Time is two numbers, seconds since 1970 and nanoseconds, because ns since 1970 do not fit in a double.
 */

/** LINKTYPE_ETHERNET, the only one that Sluice's links carry. */
export const ETHERNET = 1;

/** Longest frame in a file, as libpcap has it (MAXIMUM_SNAPLEN). A longer one is taken for a damaged file. */
export const MAX_CAPTURED = 262144;

/** Longest block that is looked into: a frame with its options. Longer unknown blocks are skipped. */
const MAX_BLOCK = 4 * MAX_CAPTURED;

/** Links one file can describe; more are taken for a damaged file. */
const MAX_LINKS = 65536;

const enum Magic {
  PCAP_MICRO = 0xa1b2c3d4,
  PCAP_NANO = 0xa1b23c4d,
  PCAP_MODIFIED = 0xa1b2cd34,
  /** Reads the same in both byte orders. */
  SECTION = 0x0a0d0d0a,
  BYTE_ORDER = 0x1a2b3c4d,
}

const enum Block {
  INTERFACE = 1,
  /** Obsolete, still read. */
  PACKET = 2,
  SIMPLE_PACKET = 3,
  ENHANCED_PACKET = 6,
  /** Type, length, length again. */
  MIN_BYTES = 12,
}

const enum Option {
  END = 0,
  COMMENT = 1,
  IF_NAME = 2,
  IF_RESOLUTION = 9,
  IF_TIME_OFFSET = 14,
  SHB_APPLICATION = 4,
  EPB_FLAGS = 2,
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

/** What `CaptureDecoder.next` says. */
export const enum Step {
  /** `frame` holds the next one. */
  FRAME = 0,
  /** Feed more, or the file ends here. */
  MORE = 1,
  /** `problem` says what is wrong; there will be no more frames. */
  BAD = 2,
  /** Internal: a block without a frame was read, go on. */
  AGAIN = 3,
}

const enum Kind {
  UNKNOWN = 0,
  PCAP = 1,
  PCAPNG = 2,
}

export interface DecoderOptions {
  /** Refuse frames of any other link type, by name. Default: take all. */
  linkType?: number;
}

const $text = new TextDecoder();

/** Reads a capture from pieces of any size: feed one, call `next` until it says MORE, feed the next, at last `finish`. */
export class CaptureDecoder {
  readonly links: CaptureLink[] = [];
  readonly frame: CapturedFrame = { ...newRecord(), bytes: new Uint8Array(0), at: 0, captured: 0 };
  problem = '';

  private buffer = new Uint8Array(65536);
  /** Bytes not read yet are buffer[start … end); buffer[0] is the file's byte `origin`. */
  private start = 0;
  private end = 0;
  private origin = 0;
  /** Bytes of an unknown block still to come. */
  private skip = 0;
  private kind: Kind = Kind.UNKNOWN;
  private littleEndian = true;
  /** Link 0 of this section in `links`. */
  private sectionLink = 0;
  private readonly wanted: number;

  constructor(options: DecoderOptions = {}) {
    this.wanted = options.linkType ?? -1;
  }

  /** The file's byte that is read next. */
  get position(): number {
    return this.origin + this.start;
  }

  feed(chunk: Uint8Array): void {
    this.buffer.copyWithin(0, this.start, this.end);
    this.origin += this.start;
    this.end -= this.start;
    this.start = 0;
    if (this.end + chunk.length > this.buffer.length) this.grow(this.end + chunk.length);
    this.buffer.set(chunk, this.end);
    this.end += chunk.length;
  }

  next(): Step {
    for (;;) {
      if (this.problem !== '') return Step.BAD;
      if (this.skip > 0) this.skipBytes();
      if (this.skip > 0) return Step.MORE;
      const step = this.read();
      if (step !== Step.AGAIN) return step;
    }
  }

  /** Says BAD if the file ends in the middle of something, or is empty; else MORE. */
  finish(): Step {
    if (this.problem !== '') return Step.BAD;
    if (this.skip > 0 || this.start < this.end) return this.fail('the file is cut off');
    if (this.kind === Kind.UNKNOWN) return this.fail('the file is empty');
    return Step.MORE;
  }

  private grow(bytes: number): void {
    const old = this.buffer;
    let size = old.length;
    while (size < bytes) size *= 2;
    this.buffer = new Uint8Array(size);
    this.buffer.set(old.subarray(0, this.end));
  }

  private skipBytes(): void {
    const bytes = Math.min(this.skip, this.end - this.start);
    this.start += bytes;
    this.skip -= bytes;
  }

  private read(): Step {
    switch (this.kind) {
      case Kind.PCAP:
        return this.readRecord();
      case Kind.PCAPNG:
        return this.readBlock();
      default:
        return this.readMagic();
    }
  }

  private has(bytes: number): boolean {
    return this.end - this.start >= bytes;
  }

  /** Integers count from `start`. */
  private u16(offset: number): number {
    const { buffer, start } = this;
    const first = buffer[start + offset];
    const second = buffer[start + offset + 1];
    return this.littleEndian ? first | (second << 8) : (first << 8) | second;
  }

  private u32(offset: number): number {
    const first = this.u16(offset);
    const second = this.u16(offset + 2);
    return (this.littleEndian ? first | (second << 16) : (first << 16) | second) >>> 0;
  }

  private fail(cause: string, offset = 0): Step {
    this.problem = `${cause}, at byte ${this.position + offset}`;
    return Step.BAD;
  }

  private readMagic(): Step {
    if (!this.has(4)) return Step.MORE;
    for (const littleEndian of [true, false]) {
      this.littleEndian = littleEndian;
      const magic = this.u32(0);
      if (magic === Magic.SECTION) {
        this.kind = Kind.PCAPNG;
        return Step.AGAIN;
      }
      if (magic === Magic.PCAP_MICRO) return this.readFileHeader(1e6);
      if (magic === Magic.PCAP_NANO) return this.readFileHeader(1e9);
      if (magic === Magic.PCAP_MODIFIED) return this.fail("pcap with Kuznetzov's extra fields is not supported");
    }
    if (this.buffer[this.start] === 0x1f && this.buffer[this.start + 1] === 0x8b) {
      return this.fail('the file is compressed by gzip: decompress it first');
    }
    return this.fail('neither a pcap nor a pcapng file');
  }

  private readFileHeader(resolution: number): Step {
    if (!this.has(24)) return Step.MORE;
    const version = `${this.u16(4)}.${this.u16(6)}`;
    if (version !== '2.4') return this.fail(`pcap version ${version}, not 2.4`, 4);
    const linkType = this.u32(20) & 0xffff;
    this.links.push({ name: '', linkType, resolution, timeOffset: 0, snapLength: this.u32(16) });
    if (this.refuses(0)) return this.failLinkType(linkType, 20);
    this.kind = Kind.PCAP;
    this.start += 24;
    return Step.AGAIN;
  }

  private refuses(link: number): boolean {
    return this.wanted !== -1 && this.links[link].linkType !== this.wanted;
  }

  private failLinkType(linkType: number, offset: number): Step {
    return this.fail(`frames of link type ${linkTypeName(linkType)}, not ${linkTypeName(this.wanted)}`, offset);
  }

  private readRecord(): Step {
    if (!this.has(16)) return Step.MORE;
    const captured = this.u32(8);
    if (captured > MAX_CAPTURED) return this.fail(`frame of ${captured} bytes, at most ${MAX_CAPTURED}`, 8);
    if (!this.has(16 + captured)) return Step.MORE;
    this.setTime(this.links[0], 0, this.u32(4));
    this.frame.seconds += this.u32(0);
    // A record longer than the file's own limit is cut there, as libpcap does.
    const most = this.links[0].snapLength === 0 ? MAX_CAPTURED : this.links[0].snapLength;
    return this.deliver(0, 16, Math.min(captured, most), this.u32(12), 16 + captured);
  }

  /** `offset` of the bytes from `start`; `consumed` bytes are done with. */
  private deliver(link: number, offset: number, captured: number, length: number, consumed: number): Step {
    const { frame } = this;
    frame.link = link;
    frame.bytes = this.buffer;
    frame.at = this.start + offset;
    frame.captured = captured;
    frame.length = length;
    this.start += consumed;
    return Step.FRAME;
  }

  private readBlock(): Step {
    if (!this.has(12)) return Step.MORE;
    const type = this.u32(0);
    if (type === Magic.SECTION && !this.readByteOrder()) return this.fail('section of unknown byte order', 8);
    const total = this.u32(4);
    if (total < Block.MIN_BYTES || (total & 3) !== 0) return this.fail(`block of ${total} bytes`, 4);
    if (!isKnown(type)) {
      this.skip = total;
      return Step.AGAIN;
    }
    if (total > MAX_BLOCK) return this.fail(`block of ${total} bytes, at most ${MAX_BLOCK}`, 4);
    if (!this.has(total)) return Step.MORE;
    const trailer = this.u32(total - 4);
    if (trailer !== total) return this.fail(`block of ${total} bytes ends with length ${trailer}`, total - 4);
    return this.readBody(type, total);
  }

  private readBody(type: number, total: number): Step {
    this.frame.comment = '';
    this.frame.direction = Direction.UNKNOWN;
    switch (type) {
      case Magic.SECTION:
        return this.readSection(total);
      case Block.INTERFACE:
        return this.readInterface(total);
      case Block.SIMPLE_PACKET:
        return this.readSimplePacket(total);
      default:
        return this.readPacket(type, total);
    }
  }

  private readByteOrder(): boolean {
    this.littleEndian = true;
    if (this.u32(8) === Magic.BYTE_ORDER) return true;
    this.littleEndian = false;
    return this.u32(8) === Magic.BYTE_ORDER;
  }

  private readSection(total: number): Step {
    if (total < 28) return this.fail(`section header of ${total} bytes`, 4);
    const major = this.u16(12);
    if (major !== 1) return this.fail(`pcapng version ${major}.${this.u16(14)}, not 1`, 12);
    this.sectionLink = this.links.length;
    this.start += total;
    return Step.AGAIN;
  }

  private readInterface(total: number): Step {
    if (total < 20) return this.fail(`interface block of ${total} bytes`, 4);
    if (this.links.length === MAX_LINKS) return this.fail(`more than ${MAX_LINKS} interfaces`);
    const link = { name: '', linkType: this.u16(8), resolution: 1e6, timeOffset: 0, snapLength: this.u32(12) };
    let offset = 16;
    while (this.hasOption(offset, total)) {
      if (!this.readLinkOption(link, offset)) return Step.BAD;
      offset += 4 + padded(this.u16(offset + 2));
    }
    if (this.problem !== '') return Step.BAD;
    this.links.push(link);
    this.start += total;
    return Step.AGAIN;
  }

  /** Whether an option other than the end stands at `offset`; a broken one is a problem. */
  private hasOption(offset: number, total: number): boolean {
    if (offset + 4 > total - 4 || this.u16(offset) === Option.END) return false;
    const length = this.u16(offset + 2);
    if (offset + 4 + length <= total - 4) return true;
    this.fail(`option of ${length} bytes goes over the end of its block`, offset);
    return false;
  }

  private readLinkOption(link: CaptureLink, offset: number): boolean {
    const length = this.u16(offset + 2);
    const wrong = () => this.fail(`option ${this.u16(offset)} of ${length} bytes`, offset) !== Step.BAD;
    switch (this.u16(offset)) {
      case Option.IF_NAME:
        link.name = this.text(offset + 4, length);
        return true;
      case Option.IF_RESOLUTION:
        return length === 1 ? this.readResolution(link, offset) : wrong();
      case Option.IF_TIME_OFFSET:
        if (length !== 8) return wrong();
        link.timeOffset = this.readInt64(offset + 4);
        return true;
      default:
        return true;
    }
  }

  private readResolution(link: CaptureLink, offset: number): boolean {
    const value = this.buffer[this.start + offset + 4];
    const exponent = value & 0x7f;
    link.resolution = value & 0x80 ? 2 ** exponent : 10 ** exponent;
    // `divide` is exact up to here: a remainder and one more byte fit in a double.
    if (link.resolution <= 2 ** 45) return true;
    this.fail(`unit of time ${value & 0x80 ? 2 : 10}^-${exponent} s is finer than supported`, offset);
    return false;
  }

  private readInt64(offset: number): number {
    const low = this.u32(offset + (this.littleEndian ? 0 : 4));
    const high = this.u32(offset + (this.littleEndian ? 4 : 0)) | 0;
    return high * 2 ** 32 + low;
  }

  private text(offset: number, length: number): string {
    const from = this.start + offset;
    return $text.decode(this.buffer.subarray(from, from + length));
  }

  private readPacket(type: number, total: number): Step {
    if (total < 32) return this.fail(`packet block of ${total} bytes`, 4);
    const number = type === Block.PACKET ? this.u16(8) : this.u32(8);
    const link = this.sectionLink + number;
    if (link >= this.links.length) return this.fail(`frame of interface ${number}, which is not described`, 8);
    if (this.refuses(link)) return this.failLinkType(this.links[link].linkType, 8);
    const captured = this.u32(20);
    if (captured > MAX_CAPTURED || captured > total - 32) return this.fail(`frame of ${captured} bytes`, 20);
    this.readFrameOptions(28 + padded(captured), total);
    if (this.problem !== '') return Step.BAD;
    this.setTime(this.links[link], this.u32(12), this.u32(16));
    return this.deliver(link, 28, captured, this.u32(24), total);
  }

  private readFrameOptions(from: number, total: number): void {
    for (let offset = from; this.hasOption(offset, total); offset += 4 + padded(this.u16(offset + 2))) {
      const length = this.u16(offset + 2);
      if (this.u16(offset) === Option.COMMENT) this.addComment(this.text(offset + 4, length));
      // 3 means nothing.
      if (this.u16(offset) === Option.EPB_FLAGS && length === 4) this.frame.direction = (this.u32(offset + 4) & 3) % 3;
    }
  }

  private addComment(text: string): void {
    this.frame.comment = this.frame.comment === '' ? text : `${this.frame.comment}\n${text}`;
  }

  private readSimplePacket(total: number): Step {
    if (total < 16) return this.fail(`packet block of ${total} bytes`, 4);
    if (this.sectionLink >= this.links.length) return this.fail('frame of interface 0, which is not described');
    const link = this.links[this.sectionLink];
    if (this.refuses(this.sectionLink)) return this.failLinkType(link.linkType, 8);
    const length = this.u32(8);
    const captured = link.snapLength === 0 ? length : Math.min(length, link.snapLength);
    if (captured > MAX_CAPTURED || captured > total - 16) return this.fail(`frame of ${captured} bytes`, 8);
    this.frame.seconds = 0;
    this.frame.nanoseconds = 0;
    return this.deliver(this.sectionLink, 12, captured, length, total);
  }

  /** Time from a 64-bit count of the link's units: schoolbook division, eight bits at a time. */
  private setTime(link: CaptureLink, high: number, low: number): void {
    const unit = link.resolution;
    let seconds = 0;
    let rest = 0;
    for (let shift = 56; shift >= 0; shift -= 8) {
      const digit = shift >= 32 ? (high >>> (shift - 32)) & 0xff : (low >>> shift) & 0xff;
      const value = rest * 256 + digit;
      const quotient = Math.floor(value / unit);
      seconds = seconds * 256 + quotient;
      rest = value - quotient * unit;
    }
    this.frame.seconds = seconds + link.timeOffset;
    this.frame.nanoseconds = unit <= 1e9 ? Math.floor((rest * 1e9) / unit) : Math.floor(rest / (unit / 1e9));
  }
}

function isKnown(type: number): boolean {
  switch (type) {
    case Magic.SECTION:
    case Block.INTERFACE:
    case Block.PACKET:
    case Block.SIMPLE_PACKET:
    case Block.ENHANCED_PACKET:
      return true;
    default:
      return false;
  }
}

function padded(length: number): number {
  return (length + 3) & ~3;
}

export type CaptureFormat = 'pcap' | 'pcapng';

export interface EncoderOptions {
  format: CaptureFormat;
  /** Names of the links; records name them by index. Classic pcap has room for one, and not for its name. */
  links: readonly string[];
  /** Unit of time. Default µs. */
  unit?: 'us' | 'ns';
  /** Most bytes of a frame that will be given. Default: all (262,144). */
  snapLength?: number;
}

/** Bytes that `CaptureEncoder.encode` needs for any frame of up to a superframe with a comment of 1,000 characters. */
export const ENCODE_ROOM = 65557 + 4096;

const $encoder = new TextEncoder();

/**
 * Writes a capture into buffers. Classic pcap keeps neither link names nor directions nor comments: give it one link.
 */
export class CaptureEncoder {
  private readonly format: CaptureFormat;
  private readonly links: readonly string[];
  private readonly isNano: boolean;
  private readonly snapLength: number;

  constructor(options: EncoderOptions) {
    this.format = options.format;
    this.links = options.links;
    this.isNano = options.unit === 'ns';
    this.snapLength = options.snapLength ?? MAX_CAPTURED;
    if (this.format === 'pcap' && this.links.length !== 1) {
      throw new Error(`cannot write pcap: it holds one link, not ${this.links.length}; name the file *.pcapng`);
    }
  }

  /** What the file starts with. */
  header(): Uint8Array {
    if (this.format === 'pcap') return this.fileHeader();
    const names = this.links.map((name) => $encoder.encode(name));
    const out = new Uint8Array(64 + names.reduce((sum, name) => sum + 40 + padded(name.length), 0));
    let at = putSection(out);
    for (const name of names) at = this.putInterface(out, at, name);
    return out.subarray(0, at);
  }

  private fileHeader(): Uint8Array {
    const out = new Uint8Array(24);
    put32(out, 0, this.isNano ? Magic.PCAP_NANO : Magic.PCAP_MICRO);
    put16(out, 4, 2);
    put16(out, 6, 4);
    put32(out, 16, this.snapLength);
    put32(out, 20, ETHERNET);
    return out;
  }

  private putInterface(out: Uint8Array, at: number, name: Uint8Array): number {
    put32(out, at, Block.INTERFACE);
    put16(out, at + 8, ETHERNET);
    put32(out, at + 12, this.snapLength);
    let end = putOption(out, at + 16, Option.IF_NAME, name.length);
    out.set(name, at + 20);
    out[end + 4] = this.isNano ? 9 : 6;
    end = putOption(out, end, Option.IF_RESOLUTION, 1);
    return finishBlock(out, at, end + 4);
  }

  /**
   * Writes one frame at out[at] and returns its bytes, 0 if there is no room: flush and try again. The frame is
   * bytes[from … from + captured), followed by bytes[tailFrom … tailFrom + tailCaptured) where it lies in two pieces.
   */
  encode(
    out: Uint8Array,
    at: number,
    record: FrameRecord,
    bytes: Uint8Array,
    from: number,
    captured: number,
    tailFrom = 0,
    tailCaptured = 0,
  ): number {
    const size = captured + tailCaptured;
    const comment = this.format === 'pcap' ? 0 : Math.min(record.comment.length * 3, 65535);
    if (out.length - at < 28 + padded(size) + 8 + (4 + padded(comment)) + 8) return 0;
    const start = at + (this.format === 'pcap' ? 16 : 28);
    copy(out, start, bytes, from, captured);
    if (tailCaptured !== 0) copy(out, start + captured, bytes, tailFrom, tailCaptured);
    return this.format === 'pcap' ? this.putRecord(out, at, record, size) : this.putPacket(out, at, record, size);
  }

  private putRecord(out: Uint8Array, at: number, record: FrameRecord, size: number): number {
    put32(out, at, record.seconds);
    put32(out, at + 4, this.isNano ? record.nanoseconds : Math.floor(record.nanoseconds / 1000));
    put32(out, at + 8, size);
    put32(out, at + 12, record.length);
    return 16 + size;
  }

  private putPacket(out: Uint8Array, at: number, record: FrameRecord, size: number): number {
    put32(out, at, Block.ENHANCED_PACKET);
    put32(out, at + 8, record.link);
    if (this.isNano) putTime(out, at + 12, record.seconds, 1e9, record.nanoseconds);
    else putTime(out, at + 12, record.seconds, 1e6, Math.floor(record.nanoseconds / 1000));
    put32(out, at + 20, size);
    put32(out, at + 24, record.length);
    const options = at + 28 + padded(size);
    out.fill(0, at + 28 + size, options);
    let end = options;
    if (record.comment !== '') end = putComment(out, end, record.comment);
    if (record.direction !== Direction.UNKNOWN) {
      put32(out, end + 4, record.direction);
      end = putOption(out, end, Option.EPB_FLAGS, 4);
    }
    if (end !== options) end = putOption(out, end, Option.END, 0);
    return finishBlock(out, at, end) - at;
  }
}

function putSection(out: Uint8Array): number {
  put32(out, 0, Magic.SECTION);
  put32(out, 8, Magic.BYTE_ORDER);
  put16(out, 12, 1);
  // Section length unknown: −1.
  out.fill(0xff, 16, 24);
  const name = $encoder.encode('sluice');
  out.set(name, 28);
  const end = putOption(out, 24, Option.SHB_APPLICATION, name.length);
  return finishBlock(out, 0, putOption(out, end, Option.END, 0));
}

/** Zero padding is left to fresh buffers, except behind what a reused one held. */
function putOption(out: Uint8Array, at: number, code: number, length: number): number {
  put16(out, at, code);
  put16(out, at + 2, length);
  const end = at + 4 + padded(length);
  out.fill(0, at + 4 + length, end);
  return end;
}

function putComment(out: Uint8Array, at: number, comment: string): number {
  const room = out.subarray(at + 4, at + 4 + Math.min(comment.length * 3, 65535));
  return putOption(out, at, Option.COMMENT, $encoder.encodeInto(comment, room).written);
}

/** Writes a block's length at both its ends. */
function finishBlock(out: Uint8Array, at: number, end: number): number {
  put32(out, at + 4, end + 4 - at);
  put32(out, end, end + 4 - at);
  return end + 4;
}

/** seconds × unit + rest as high and low 32 bits, exactly: products of at most 16 × 30 bits. */
function putTime(out: Uint8Array, at: number, seconds: number, unit: number, rest: number): void {
  const upper = Math.floor(seconds / 65536) * unit;
  const lower = (upper % 65536) * 65536 + (seconds % 65536) * unit + rest;
  const carry = Math.floor(lower / 2 ** 32);
  put32(out, at, Math.floor(upper / 65536) + carry);
  put32(out, at + 4, lower - carry * 2 ** 32);
}

function copy(out: Uint8Array, at: number, bytes: Uint8Array, from: number, length: number): void {
  out.set(bytes.subarray(from, from + length), at);
}

function put16(out: Uint8Array, at: number, value: number): void {
  out[at] = value;
  out[at + 1] = value >>> 8;
}

function put32(out: Uint8Array, at: number, value: number): void {
  put16(out, at, value);
  put16(out, at + 2, value >>> 16);
}
