/*
 * Reads capture files from pieces of any size. Takes both byte orders, µs and ns, any section count, and skips blocks it
 * does not know. It does not throw on a malformed file: it stops there with a sentence and the byte position, after
 * all frames before it. A frame check sequence, where a file has one, stays at the end of the frame.
 */
import {
  Block,
  type CapturedFrame,
  type CaptureLink,
  Direction,
  linkTypeName,
  MAX_CAPTURED,
  Magic,
  newRecord,
  Option,
  padded,
} from './pcap-format.js';

/** Longest block that is looked into: a frame with its options. Longer unknown blocks are skipped. */
const MAX_BLOCK = 4 * MAX_CAPTURED;

/** Links one file can describe; more are taken for a damaged file. */
const MAX_LINKS = 65536;

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
      if (this.u16(offset) === Option.FRAME_FLAGS && length === 4)
        this.frame.direction = (this.u32(offset + 4) & 3) % 3;
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
