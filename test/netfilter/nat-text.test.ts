/* Text of another length in a packet, and the sequence numbers behind it. */
import { describe, expect, it } from 'vitest';
import { Sequences } from '../../src/conntrack/sequences.js';
import { Arena, type Frame, NONE, Slot, Vnet } from '../../src/core/arena.js';
import { Packet } from '../../src/core/packet.js';
import { replaceText } from '../../src/netfilter/nat-text.js';
import { adjustSequences } from '../../src/netfilter/seqadj.js';
import { finish, fold, pseudo4, sumBytes } from '../../src/wire/checksum.js';
import { read32, write16, write32 } from '../../src/wire/field.js';
import * as ipv4 from '../../src/wire/ipv4.js';
import { takeTail } from '../../src/wire/span.js';

const [CLIENT, SERVER] = [0x0a000009, 0x0a000109];
const HEADERS = 40;
const FLOW = 5;

function packetOf(text: Uint8Array, isPartial = false, options = new Uint8Array(0)): { arena: Arena; packet: Packet } {
  const arena = new Arena({ heads: 128, tails: 1, ports: 1 });
  const length = 20 + options.length + text.length;
  const frame: Frame = arena.allocate(34 + length);
  takeTail(arena, frame);
  const bytes = new Uint8Array(20 + length);
  ipv4.write(bytes, 0, 6, CLIENT, SERVER, length);
  write32(bytes, 24, 1000);
  write32(bytes, 28, 2000);
  bytes[32] = (5 + options.length / 4) << 4;
  bytes.set(options, 40);
  bytes.set(text, 40 + options.length);
  const pseudo = pseudo4(CLIENT, SERVER, 6, length);
  write16(bytes, 36, isPartial ? fold(pseudo) : finish(pseudo + sumBytes(bytes, 20, length)));
  const head = arena.headLength(frame) - 14;
  arena.bytes.set(bytes.subarray(0, head), arena.offset[frame] + 14);
  if (arena.tail[frame] !== NONE) arena.bytes.set(bytes.subarray(head), arena.tailOffset(frame));
  if (isPartial) {
    arena.vnet[frame << Vnet.SHIFT] = Vnet.NEEDS_CSUM;
    arena.vnet[(frame << Vnet.SHIFT) + Vnet.CSUM_START] = 34;
  }
  const packet = new Packet();
  packet.frame = frame;
  packet.network = arena.offset[frame] + 14;
  packet.transport = packet.network + 20;
  packet.length = 20 + length;
  return { arena, packet };
}

function contents(arena: Arena, packet: Packet): Uint8Array {
  return arena.contents(packet.frame).slice(14);
}

function isWhole(bytes: Uint8Array): boolean {
  const length = bytes.length - 20;
  const isTcpRight = finish(pseudo4(CLIENT, SERVER, 6, length) + sumBytes(bytes, 20, length)) === 0;
  return ipv4.isChecksumRight(bytes, 0) && ipv4.totalLength(bytes, 0) === bytes.length && isTcpRight;
}

const text = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => 97 + (i % 26));

describe('replaceText', () => {
  const room = Slot.HEAD_CAPACITY - 14 - HEADERS;

  it.each([
    ['shorter', 60, 3],
    ['longer', 60, 30],
    ['as long', 60, 10],
    ['out of the head slot', 1800, 200],
    ['back into it', 2200, 0],
    ['within a tail', 30_000, 77],
  ])('makes a text %s', (_name, length, by) => {
    const before = text(length);
    const { arena, packet } = packetOf(before);
    const piece = text(by).fill(0x2a);
    expect(replaceText(arena, packet, HEADERS + 20, 10, piece)).toBe(true);
    const after = contents(arena, packet);
    expect(packet.length).toBe(after.length);
    expect(after.slice(HEADERS)).toEqual(Uint8Array.from([...before.slice(0, 20), ...piece, ...before.slice(30)]));
    expect(isWhole(after)).toBe(true);
  });

  it('keeps a partial checksum partial', () => {
    const { arena, packet } = packetOf(text(60), true);
    replaceText(arena, packet, HEADERS + 20, 10, text(13));
    const after = contents(arena, packet);
    expect((after[36] << 8) | after[37]).toBe(fold(pseudo4(CLIENT, SERVER, 6, 83)));
  });

  it('changes nothing where there is no tail slot left', () => {
    const { arena, packet } = packetOf(text(room));
    arena.freeTailCount = 0;
    const before = contents(arena, packet);
    expect(replaceText(arena, packet, HEADERS + 20, 10, text(500))).toBe(false);
    expect(contents(arena, packet)).toEqual(before);
  });

  it('makes no packet too long for its header', () => {
    const { arena, packet } = packetOf(text(65_400));
    expect(replaceText(arena, packet, HEADERS, 1, text(200))).toBe(false);
  });
});

describe('adjustSequences', () => {
  it('moves what is sent behind the change, and back what acknowledges it, SACK blocks at odd places too', () => {
    const sack = Uint8Array.of(1, 5, 10, 0, 0, 7, 0xd8, 0, 0, 7, 0xe0, 1);
    const sequences = new Sequences();
    sequences.change(FLOW, 0, 900, 7);
    sequences.change(FLOW, 1, 1500, -3);
    const { arena, packet } = packetOf(text(9), false, sack);
    expect(adjustSequences(arena, packet.frame, packet.transport, sequences, FLOW, 0)).toBe(true);
    const after = contents(arena, packet);
    expect(read32(after, 24)).toBe(1007);
    expect(read32(after, 28)).toBe(2003);
    expect([read32(after, 43), read32(after, 47)]).toEqual([2008 + 3, 2016 + 3]);
    expect(isWhole(after)).toBe(true);
  });

  it('leaves what is before the change', () => {
    const sequences = new Sequences();
    sequences.change(FLOW, 0, 1000, 7);
    const { arena, packet } = packetOf(text(9));
    adjustSequences(arena, packet.frame, packet.transport, sequences, FLOW, 0);
    expect(read32(contents(arena, packet), 24)).toBe(1000);
  });

  it('refuses options that are cut short', () => {
    const { arena, packet } = packetOf(text(9), false, Uint8Array.of(1, 1, 1, 5));
    expect(adjustSequences(arena, packet.frame, packet.transport, new Sequences(), FLOW, 0)).toBe(false);
  });
});

describe('Sequences', () => {
  it('adds up changes, and takes one sent again for the same', () => {
    const sequences = new Sequences();
    sequences.change(FLOW, 0, 1000, 5);
    sequences.change(FLOW, 0, 1000, 5);
    expect([1000, 1001].map((sequence) => sequences.offset(FLOW, 0, sequence))).toEqual([0, 5]);
    sequences.change(FLOW, 0, 2000, -2);
    expect([2000, 2001].map((sequence) => sequences.offset(FLOW, 0, sequence))).toEqual([5, 3]);
    expect([2005, 2006].map((sequence) => sequences.acknowledged(FLOW, 0, sequence))).toEqual([5, 3]);
    expect(sequences.offset(FLOW, 1, 5000)).toBe(0);
    sequences.forget(FLOW);
    expect(sequences.size).toBe(0);
    expect(sequences.offset(FLOW, 0, 3000)).toBe(0);
  });

  it('remembers where the last two lines ended', () => {
    const sequences = new Sequences();
    for (const line of [100, 200, 150, 300]) sequences.endLine(FLOW, 0, line);
    expect([100, 150, 200, 300].map((line) => sequences.isLineStart(FLOW, 0, line))).toEqual([
      false,
      false,
      true,
      true,
    ]);
    expect(sequences.isLineStart(FLOW, 1, 200)).toBe(false);
  });
});
