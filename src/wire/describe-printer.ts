/*
 * Reading with an end, for text about frames that may be cut short anywhere. A read behind the end stops the
 * description where it is: what has been said stays, and " [|tcp]" says which header was not whole. (It leaves by an
 * exception that `describe` catches; this is for people's eyes, never on the path of a frame.)
 */

import { read16, read32 } from './field.js';
import { formatIpv4, formatIpv6, formatMac } from './format.js';

const $truncated = new Error('the frame ends here');

export class Printer {
  readonly bytes: Uint8Array;
  /** The Ethernet header is said, and with it what the packet is. */
  readonly link: boolean;
  /** Index behind the last byte that may be read. */
  end: number;
  /** The header that is being read. */
  protocol = '';
  text = '';

  constructor(bytes: Uint8Array, end: number, link: boolean) {
    this.bytes = bytes;
    this.link = link;
    this.end = end;
  }

  /** Says the whole of `body`, or as much of it as the frame has. */
  run(body: () => void): string {
    try {
      body();
    } catch (error) {
      if (error !== $truncated) throw error;
      this.print(` [|${this.protocol}]`);
    }
    return this.text.trimStart();
  }

  print(text: string): void {
    this.text += text;
  }

  has(at: number, length: number): boolean {
    return at + length <= this.end;
  }

  need(at: number, length: number): void {
    if (!this.has(at, length)) throw $truncated;
  }

  truncate(): never {
    throw $truncated;
  }

  /** Reads no further than `length` bytes from `at`. */
  limit(at: number, length: number): void {
    this.end = Math.min(this.end, at + length);
  }

  u8(at: number): number {
    this.need(at, 1);
    return this.bytes[at];
  }

  u16(at: number): number {
    this.need(at, 2);
    return read16(this.bytes, at);
  }

  u32(at: number): number {
    this.need(at, 4);
    return read32(this.bytes, at) >>> 0;
  }

  ipv4(at: number): string {
    return formatIpv4(this.u32(at) | 0);
  }

  ipv6(at: number): string {
    this.need(at, 16);
    return formatIpv6(this.bytes, at);
  }

  mac(at: number): string {
    return formatMac(this.u16(at), this.u32(at + 2) | 0);
  }

  /** Hexadecimal digits, two a byte. */
  hex(at: number, length: number, between = ''): string {
    this.need(at, length);
    const digits = Array.from({ length }, (_, i) => this.bytes[at + i].toString(16).padStart(2, '0'));
    return digits.join(between);
  }
}
