/*
 * Superframes for tests, built without the code under test: headers byte by byte, checksums by a naive sum.
 */
import fc from 'fast-check';
import { type Arena, type Frame, Gso, Slot, Vnet } from '../../src/core/arena.js';

export interface Shape {
  isTcp: boolean;
  isIpv6: boolean;
  /** TPIDs of the VLAN tags, outer first. */
  tags: readonly number[];
  /** 4-byte words of IPv4 options, of TCP options. */
  ipOptions: number;
  tcpOptions: number;
  /** IPv6 extension headers: their number and how many times 8 bytes they have beyond the first 8. */
  extensions: { type: number; more: number }[];
  tcpFlags: number;
  isEcn: boolean;
  /** Without it, TCP's checksum field holds rubbish and the virtio header does not ask for a checksum. */
  isPartial: boolean;
  gsoSize: number;
  payload: number;
  seed: number;
}

export interface Superframe {
  bytes: Uint8Array;
  /** The five words of its virtio header. */
  vnet: number[];
  network: number;
  transport: number;
  data: number;
}

/** RFC 1071, one byte at a time. */
export function naiveSum(bytes: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) {
    sum += i % 2 === 0 ? bytes[i] * 256 : bytes[i];
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

/** TCP's or UDP's pseudo-header as bytes. */
export function pseudoHeader(bytes: Uint8Array, network: number, isIpv6: boolean, protocol: number, length: number) {
  const addresses = isIpv6 ? bytes.slice(network + 8, network + 40) : bytes.slice(network + 12, network + 20);
  return [...addresses, 0, length >> 16, (length >> 8) & 255, length & 255, 0, protocol];
}

function u16(value: number): number[] {
  return [(value >> 8) & 255, value & 255];
}

function ipHeader(shape: Shape, random: () => number, transportLength: number): number[] {
  const protocol = shape.isTcp ? 6 : 17;
  if (!shape.isIpv6) {
    const options = Array.from({ length: shape.ipOptions * 4 }, () => 1);
    const length = 20 + options.length + transportLength;
    const first = [0x45 + shape.ipOptions, 2, ...u16(length), random(), random(), 0x40, 0, 61, protocol];
    const addresses = [192, 0, 2, random(), 198, 51, 100, random()];
    const checksum = 0xffff ^ naiveSum([...first, 0, 0, ...addresses, ...options]);
    return [...first, ...u16(checksum), ...addresses, ...options];
  }
  const types = [...shape.extensions.map((extension) => extension.type), protocol];
  const extensions = shape.extensions.flatMap(({ more }, i) => {
    // One PadN option fills it; as a routing header it is of an unknown type with no segments left.
    const rest = more * 8 + 6;
    return [types[i + 1], more, 1, ...(shape.extensions[i].type === 43 ? [0] : [rest - 2]), ...Array(rest - 2).fill(0)];
  });
  const address = (last: number) => [0x20, 0x01, 0x0d, 0xb8, ...Array(11).fill(0), last];
  const length = extensions.length + transportLength;
  return [0x60, 0, 0, 7, ...u16(length), types[0], 61, ...address(random()), ...address(random()), ...extensions];
}

function transportHeader(shape: Shape, random: () => number): number[] {
  if (!shape.isTcp) return [3, 1, 4, 1, ...u16(8 + shape.payload), 0, 0];
  const fixed = [3, 1, 4, 1, 0xff, 0xff, random(), random(), random(), 0, 0, 9];
  const options = Array.from({ length: shape.tcpOptions * 4 }, () => 1);
  return [...fixed, (5 + shape.tcpOptions) << 4, shape.tcpFlags, 1, 246, random(), random(), 0, 0, ...options];
}

export function build(shape: Shape): Superframe {
  let state = shape.seed;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state >>> 24;
  };
  const upper = transportHeader(shape, random);
  const lower = ipHeader(shape, random, upper.length + shape.payload);
  const tags = shape.tags.flatMap((tpid) => [...u16(tpid), 0x20, random()]);
  const ethernet = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, ...tags, ...(shape.isIpv6 ? [0x86, 0xdd] : [8, 0])];
  const payload = Array.from({ length: shape.payload }, random);
  const bytes = Uint8Array.from([...ethernet, ...lower, ...upper, ...payload]);
  const network = ethernet.length;
  const transport = network + lower.length;
  const checksumOffset = shape.isTcp ? 16 : 6;
  if (shape.isPartial) {
    const pseudo = pseudoHeader(bytes, network, shape.isIpv6, shape.isTcp ? 6 : 17, bytes.length - transport);
    bytes.set(u16(naiveSum(pseudo)), transport + checksumOffset);
  }
  const family = shape.isIpv6 ? Gso.TCPV6 : Gso.TCPV4;
  const type = shape.isTcp ? family | (shape.isEcn ? Gso.ECN : 0) : Gso.UDP_L4;
  const data = transport + upper.length;
  const vnet = [type << 8, data, shape.gsoSize, 0, 0];
  if (shape.isPartial) vnet.splice(0, 5, (type << 8) | Vnet.NEEDS_CSUM, data, shape.gsoSize, transport, checksumOffset);
  return { bytes, vnet, network, transport, data };
}

/** Shapes with payloads up to `longest`, in 1 to about `most` segments. */
export function shapes(longest: number, most = 60): fc.Arbitrary<Shape> {
  const payload = fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: longest }));
  return fc
    .record({
      isTcp: fc.boolean(),
      isIpv6: fc.boolean(),
      tags: fc.constantFrom([], [], [0x8100], [0x88a8, 0x8100]),
      ipOptions: fc.constantFrom(0, 0, 1, 10),
      tcpOptions: fc.constantFrom(0, 3, 3, 10),
      extensions: fc.array(fc.record({ type: fc.constantFrom(60, 43), more: fc.nat(3) }), { maxLength: 2 }),
      tcpFlags: fc.nat(255).map((flags) => (flags | 0x10) & ~0x26),
      isEcn: fc.boolean(),
      isPartial: fc.constantFrom(true, true, true, false),
      gsoSize: fc.oneof(fc.constantFrom(1448, 1460, 8948, 1200), fc.integer({ min: 1, max: 10000 })),
      payload,
      seed: fc.integer(),
    })
    .map((shape) => ({
      ...shape,
      isPartial: shape.isPartial || !shape.isTcp,
      gsoSize: Math.max(shape.gsoSize, Math.ceil(shape.payload / most)),
    }));
}

/** Puts a frame into an arena, its first byte `shift` bytes after where a fresh frame's is. */
export function load(arena: Arena, bytes: Uint8Array, vnet: number[], shift = 0): Frame {
  const frame = arena.allocate(bytes.length);
  arena.offset[frame] += shift;
  const head = arena.headLength(frame);
  arena.bytes.set(bytes.subarray(0, head), arena.offset[frame]);
  if (head < bytes.length) {
    arena.tail[frame] = arena.freeTails[--arena.freeTailCount];
    arena.bytes.set(bytes.subarray(head), arena.tailOffset(frame));
  }
  for (let i = 0; i < 5; i++) arena.vnet[(frame << Vnet.SHIFT) + i] = vnet[i];
  return frame;
}

/** The virtio header's five words. */
export function vnetOf(arena: Arena, frame: Frame): number[] {
  return [...arena.vnet.subarray(frame << Vnet.SHIFT, (frame << Vnet.SHIFT) + 5)];
}

/** Bytes of the longest frame an arena takes. */
export const LONGEST_FRAME = Slot.TAIL_BYTES;
