/*
 * Writes capture files into buffers, little-endian; also for a stream to stdout. Classic pcap keeps neither link names nor
 * directions nor comments.
 */
import { SluiceError } from '../core/errors.js';
import { Block, Direction, ETHERNET, type FrameRecord, MAX_CAPTURED, Magic, Option, padded } from './pcap-format.js';

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
      throw new SluiceError(
        'EINVAL',
        `cannot write pcap: it holds one link, not ${this.links.length}; name the file *.pcapng`,
      );
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
      end = putOption(out, end, Option.FRAME_FLAGS, 4);
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
