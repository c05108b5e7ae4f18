import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { Arena, BURST, type Frame, Gso, NONE, Slot, Vnet } from '../../src/core/arena.js';
import { needsOffload, Segmented, segment } from '../../src/io/offload.js';
import { completePartial as complete } from '../../src/wire/span.js';
import {
  build,
  LONGEST_FRAME,
  load,
  naiveSum,
  pseudoHeader,
  type Shape,
  type Superframe,
  shapes,
  vnetOf,
} from './superframe.js';

// Properties over superframes take a second each, several on a busy machine.
vi.setConfig({ testTimeout: 30_000 });

const MAX = 128;
const ZERO = [0, 0, 0, 0, 0];

/** Small, so that a whole copy of its memory is cheap; filled with `background`. `heads` can be allocated. */
function arenaOf(background: number, heads = 150, tails = 70): Arena {
  const arena = new Arena({ heads: heads + BURST, tails, ports: 1 });
  arena.bytes.fill(background);
  return arena;
}

const shared = arenaOf(0xa5);
const out = new Int32Array(MAX);

function freeSlots(arena: Arena): number[] {
  return [arena.freeHeadCount, arena.freeTailCount];
}

/** Segments as bytes; the arena is left as it was found. */
function cut(arena: Arena, frame: Frame, max = MAX): Uint8Array[] | number {
  const free = freeSlots(arena);
  const count = segment(arena, frame, out, max);
  if (count < 0) {
    expect(freeSlots(arena)).toEqual(free);
    return count;
  }
  const segments = Array.from(out.subarray(0, count), (piece) => {
    expect(vnetOf(arena, piece)).toEqual(ZERO);
    return arena.contents(piece);
  });
  out.subarray(0, count).forEach((piece) => {
    arena.release(piece);
  });
  expect(freeSlots(arena)).toEqual(free);
  return segments;
}

function cutBuilt({ bytes, vnet }: Superframe, shift = 0): Uint8Array[] | number {
  const frame = load(shared, bytes, vnet, shift);
  const result = cut(shared, frame);
  expectSame(shared.contents(frame), bytes);
  expect(vnetOf(shared, frame)).toEqual(vnet);
  shared.release(frame);
  return result;
}

/** As toEqual, which takes milliseconds for a superframe. */
function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) !== 0) expect(actual).toEqual(expected);
}

function u16(bytes: Uint8Array, at: number): number {
  return bytes[at] * 256 + bytes[at + 1];
}

function u32(bytes: Uint8Array, at: number): number {
  return u16(bytes, at) * 65536 + u16(bytes, at + 2);
}

function expectRightChecksums(bytes: Uint8Array, whole: Superframe, shape: Shape): void {
  const { network, transport } = whole;
  if (!shape.isIpv6) expect(naiveSum(bytes.slice(network, transport))).toBe(0xffff);
  const upper = bytes.slice(transport);
  const pseudo = pseudoHeader(bytes, network, shape.isIpv6, shape.isTcp ? 6 : 17, upper.length);
  expect(naiveSum([...pseudo, ...upper])).toBe(0xffff);
  if (!shape.isTcp) expect(u16(upper, 6)).not.toBe(0);
}

/** What differs between a segment's headers and the superframe's, apart from checksums. */
function expectHeaders(bytes: Uint8Array, i: number, count: number, whole: Superframe, shape: Shape): void {
  const { network, transport, data } = whole;
  const expected = whole.bytes.slice(0, data);
  const view = new DataView(expected.buffer);
  if (shape.isIpv6) view.setUint16(network + 4, bytes.length - network - 40);
  else {
    view.setUint16(network + 2, bytes.length - network);
    view.setUint16(network + 4, u16(expected, network + 4) + i);
    expected.set(bytes.slice(network + 10, network + 12), network + 10);
  }
  const checksum = transport + (shape.isTcp ? 16 : 6);
  expected.set(bytes.slice(checksum, checksum + 2), checksum);
  if (shape.isTcp) {
    view.setUint32(transport + 4, u32(expected, transport + 4) + i * shape.gsoSize);
    if (i > 0) expected[transport + 13] &= 0x7f;
    if (i < count - 1) expected[transport + 13] &= ~0x09;
  } else view.setUint16(transport + 4, bytes.length - transport);
  expectSame(bytes.slice(0, data), expected);
}

describe('segment', () => {
  it('cuts any superframe into packets that are right, whose payload together is the original', () => {
    fc.assert(
      fc.property(shapes(60000), fc.integer({ min: -60, max: 60 }), (shape, shift) => {
        fc.pre(shape.isPartial || shape.payload > shape.gsoSize);
        const whole = build(shape);
        const segments = cutBuilt(whole, shift);
        if (typeof segments === 'number') throw new Error(`segment answered ${segments}`);
        expect(segments.length).toBe(Math.ceil(shape.payload / shape.gsoSize));
        segments.forEach((bytes, i) => {
          expect(bytes.length - whole.data).toBe(Math.min(shape.gsoSize, shape.payload - i * shape.gsoSize));
          expectRightChecksums(bytes, whole, shape);
          if (segments.length > 1) expectHeaders(bytes, i, segments.length, whole, shape);
        });
        const payload = Buffer.concat(segments.map((bytes) => bytes.slice(whole.data)));
        expect(payload.equals(whole.bytes.slice(whole.data))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  const simple: Shape = {
    isTcp: true,
    isIpv6: false,
    tags: [],
    ipOptions: 0,
    tcpOptions: 3,
    extensions: [],
    tcpFlags: 0x10,
    isEcn: false,
    isPartial: true,
    gsoSize: 1448,
    payload: 10000,
    seed: 1,
  };

  function expectRefused(change: (whole: Superframe) => void, shape: Partial<Shape> = {}): void {
    const whole = build({ ...simple, ...shape });
    change(whole);
    expect(cutBuilt(whole)).toBe(Segmented.MALFORMED);
  }

  it('only finishes the checksum where the payload fits in one segment', () => {
    const whole = build({ ...simple, payload: 1448, tcpFlags: 0x99 });
    const segments = cutBuilt(whole);
    expect(segments).toHaveLength(1);
    const [bytes] = segments as Uint8Array[];
    expectRightChecksums(bytes, whole, simple);
    expect(bytes[whole.transport + 13]).toBe(0x99);
  });

  it('leaves a finished checksum of such a frame alone', () => {
    const whole = build({ ...simple, payload: 100, isPartial: false });
    expect(cutBuilt(whole)).toEqual([whole.bytes]);
  });

  it('takes the pseudo-header from the partial checksum, not from the addresses', () => {
    const whole = build({ ...simple, isIpv6: true, extensions: [{ type: 43, more: 2 }] });
    // The final destination is in the routing header; the packet's differs from the pseudo-header's.
    const expected = cutBuilt(whole) as Uint8Array[];
    whole.bytes[whole.network + 24] ^= 0x55;
    const actual = cutBuilt(whole) as Uint8Array[];
    expect(actual.map((bytes) => u16(bytes, whole.transport + 16))).toEqual(
      expected.map((bytes) => u16(bytes, whole.transport + 16)),
    );
  });

  it('takes the length under a UDP partial checksum from the UDP header', () => {
    const shape = { ...simple, isTcp: false };
    const whole = build(shape);
    const pseudo = naiveSum(pseudoHeader(whole.bytes, whole.network, false, 17, 1456));
    whole.bytes.set([1456 >> 8, 1456 & 255, pseudo >> 8, pseudo & 255], whole.transport + 4);
    const segments = cutBuilt(whole) as Uint8Array[];
    expect(segments).toHaveLength(7);
    for (const bytes of segments) expectRightChecksums(bytes, whole, shape);
  });

  it('wraps sequence number and identification', () => {
    const whole = build(simple);
    whole.bytes.set([0xff, 0xff], whole.network + 4);
    whole.bytes.set([0xff, 0xff, 0xff, 0xff], whole.transport + 4);
    const segments = cutBuilt(whole) as Uint8Array[];
    expect(u16(segments[1], whole.network + 4)).toBe(0);
    expect(u32(segments[1], whole.transport + 4)).toBe(1447);
  });

  it('never makes a UDP checksum of 0', () => {
    // The two payload bytes that bring the sum to 0xffff, found by trying.
    const shape = { ...simple, isTcp: false, gsoSize: 2, payload: 4 };
    const whole = build(shape);
    const [first] = cutBuilt(whole) as Uint8Array[];
    const checksum = u16(first, whole.transport + 6);
    const word = u16(whole.bytes, whole.data) + checksum;
    const needed = word > 0xffff ? word - 0xffff : word;
    whole.bytes.set([needed >> 8, needed & 255], whole.data);
    const [bytes] = cutBuilt(whole) as Uint8Array[];
    expect(u16(bytes, whole.transport + 6)).toBe(0xffff);
    expectRightChecksums(bytes, whole, shape);
  });

  it('uses tail slots for segments longer than a head slot', () => {
    const whole = build({ ...simple, gsoSize: 8948, payload: 60000 });
    const frame = load(shared, whole.bytes, whole.vnet);
    expect(segment(shared, frame, out, MAX)).toBe(7);
    expect(shared.tail[out[0]]).not.toBe(NONE);
    expect(shared.headLength(out[0])).toBeLessThan(shared.length[out[0]]);
    for (const piece of [frame, ...out.subarray(0, 7)]) shared.release(piece);
  });

  it('refuses UFO, unknown types and a size of 0', () => {
    for (const type of [Gso.UDP, Gso.NONE, 2, 6, Gso.UDP | Gso.ECN, Gso.ECN]) {
      expectRefused(({ vnet }) => {
        vnet[0] = (type << 8) | Vnet.NEEDS_CSUM;
      });
    }
    expectRefused(
      ({ vnet }) => {
        vnet[0] |= Gso.ECN << 8;
      },
      { isTcp: false },
    );
    expectRefused(({ vnet }) => {
      vnet[Vnet.GSO_SIZE] = 0;
    });
  });

  it('refuses a virtio header that contradicts the headers', () => {
    expectRefused(({ vnet }) => {
      vnet[Vnet.CSUM_START] += 4;
    });
    expectRefused(({ vnet }) => {
      vnet[Vnet.CSUM_OFFSET] = 6;
    });
    expectRefused(({ vnet }) => {
      vnet[0] = (Gso.TCPV6 << 8) | Vnet.NEEDS_CSUM;
    });
    expectRefused(
      ({ vnet }) => {
        vnet[0] = (Gso.TCPV4 << 8) | Vnet.NEEDS_CSUM;
      },
      { isIpv6: true },
    );
    // UDP without a partial checksum, as the kernel.
    expectRefused(
      ({ vnet }) => {
        vnet[0] = Gso.UDP_L4 << 8;
      },
      { isTcp: false },
    );
  });

  it('refuses headers that are no TCP or UDP packet', () => {
    expectRefused(({ bytes, network }) => {
      bytes[network + 9] = 17;
    });
    expectRefused(({ bytes, network }) => {
      bytes[network + 6] = 0x20;
    });
    expectRefused(({ bytes, network }) => {
      bytes[network + 7] = 1;
    });
    expectRefused(({ bytes, network }) => {
      bytes[network] = 0x44;
    });
    expectRefused(({ bytes, transport }) => {
      bytes[transport + 12] = 0x40;
    });
    expectRefused(({ bytes, network }) => {
      bytes[network - 1] = 6;
    });
    expectRefused(({ bytes }) => bytes.set([0x81, 0, 0, 1, 0x81, 0, 0, 1, 0x81, 0, 0, 1, 8, 0], 12));
    // A fragment header instead of destination options.
    expectRefused(
      ({ bytes, network }) => {
        bytes[network + 6] = 44;
      },
      { isIpv6: true, extensions: [{ type: 60, more: 0 }] },
    );
  });

  it('refuses headers longer than a head slot holds', () => {
    const long = { type: 60, more: 255 };
    expectRefused(() => {}, { isIpv6: true, extensions: [long] });
    expectRefused(() => {}, {
      isIpv6: true,
      extensions: [
        { type: 60, more: 201 },
        { type: 43, more: 10 },
      ],
    });
  });

  it('refuses segments that IP cannot express', () => {
    expectRefused(
      ({ vnet }) => {
        vnet[Vnet.GSO_SIZE] = 65535;
      },
      { payload: 66000 },
    );
    expect(cutBuilt(build({ ...simple, payload: 66000, gsoSize: 65483 }))).toHaveLength(2);
    expectRefused(() => {}, { payload: 66000, gsoSize: 65484 });
  });

  it('makes no more than the caller has room for', () => {
    const whole = build(simple);
    const frame = load(shared, whole.bytes, whole.vnet);
    out.fill(-7);
    expect(segment(shared, frame, out, 6)).toBe(Segmented.TOO_MANY);
    expect(segment(shared, frame, out, 0)).toBe(Segmented.TOO_MANY);
    expect(out.every((piece) => piece === -7)).toBe(true);
    expect(cut(shared, frame, 7)).toHaveLength(7);
    shared.vnet[(frame << Vnet.SHIFT) + Vnet.GSO_SIZE] = 1;
    expect(cut(shared, frame)).toBe(Segmented.TOO_MANY);
    shared.release(frame);
  });

  it('leaks nothing when heads or tails run out', () => {
    const whole = build({ ...simple, gsoSize: 4000, payload: 60000 });
    for (let heads = 1; heads <= 16; heads++) {
      for (let tails = 1; tails <= 16; tails++) {
        const arena = arenaOf(0, heads, tails);
        const frame = load(arena, whole.bytes, whole.vnet);
        const result = cut(arena, frame);
        expect(typeof result === 'number' ? result : result.length).toBe(
          heads === 16 && tails === 16 ? 15 : Segmented.NO_FRAMES,
        );
      }
    }
    const small = arenaOf(0, 1, 1);
    const one = build({ ...simple, payload: 1000 });
    expect(cut(small, load(small, one.bytes, one.vnet))).toBe(Segmented.NO_FRAMES);
  });
});

describe('complete', () => {
  it('finishes the checksum wherever head and tail split', () => {
    fc.assert(
      fc.property(shapes(8000), fc.integer({ min: -130, max: 1600 }), (shape, shift) => {
        const whole = build({ ...shape, isPartial: true });
        const fits = whole.data < Slot.HEAD_BYTES - 330 - shift;
        const vnet = [Vnet.NEEDS_CSUM, 0, 0, ...whole.vnet.slice(3)];
        const frame = load(shared, whole.bytes, vnet, fits ? shift : 0);
        expect(needsOffload(shared, frame)).toBe(true);
        expect(complete(shared, frame)).toBe(true);
        expectRightChecksums(shared.contents(frame), whole, shape);
        expect(vnetOf(shared, frame)).toEqual(ZERO);
        expect(needsOffload(shared, frame)).toBe(false);
        shared.release(frame);
      }),
    );
  });

  it('changes the two bytes of the checksum and no other, even in the tail or across the split', () => {
    const at = fc.tuple(fc.integer({ min: 34, max: 3100 }), fc.nat(2000));
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 60, maxLength: 3000 }),
        at,
        fc.nat(300),
        (bytes, [start, offset], shift) => {
          const arena = arenaOf(0x11, 2, 2);
          const frame = load(arena, bytes, [Vnet.NEEDS_CSUM, 9, 9, start, offset], shift);
          const before = arena.contents(frame);
          const field = start + offset;
          const fits = field + 2 <= bytes.length;
          expect(complete(arena, frame)).toBe(fits);
          if (fits) {
            const checksum = 0xffff ^ naiveSum(before.slice(start)) || 0xffff;
            before.set([checksum >> 8, checksum & 255], field);
          }
          expectSame(arena.contents(frame), before);
        },
      ),
      { examples: [[new Uint8Array(3000).fill(3), [34, 1918 - 35], 0]] },
    );
  });

  it('takes a checksum in the last two bytes, not one that sticks out', () => {
    for (const [offset, fits] of [
      [24, true],
      [25, false],
    ] as const) {
      const frame = load(shared, new Uint8Array(60).fill(7), [Vnet.NEEDS_CSUM, 0, 0, 34, offset]);
      expect(complete(shared, frame)).toBe(fits);
      shared.release(frame);
    }
  });

  it('turns 0 into 0xffff', () => {
    const bytes = new Uint8Array(60);
    bytes.set([0xff, 0xff], 50);
    const frame = load(shared, bytes, [Vnet.NEEDS_CSUM, 0, 0, 34, 6]);
    expect(complete(shared, frame)).toBe(true);
    expect(u16(shared.contents(frame), 40)).toBe(0xffff);
    shared.release(frame);
  });

  it('refuses superframes and a checksum in the Ethernet or IP header', () => {
    const bytes = new Uint8Array(100).fill(7);
    for (const vnet of [
      [Vnet.NEEDS_CSUM | (Gso.TCPV4 << 8), 0, 1448, 34, 16],
      [Vnet.NEEDS_CSUM, 0, 0, 33, 16],
      [Vnet.NEEDS_CSUM, 0, 0, 0, 0],
      [Vnet.NEEDS_CSUM, 0, 0, 65535, 65535],
    ]) {
      const frame = load(shared, bytes, vnet);
      expect(complete(shared, frame)).toBe(false);
      expectSame(shared.contents(frame), bytes);
      expect(vnetOf(shared, frame)).toEqual(vnet);
      shared.release(frame);
    }
  });

  it('only clears the virtio header of a frame whose checksum was validated', () => {
    const bytes = new Uint8Array(100).fill(7);
    const frame = load(shared, bytes, [Vnet.DATA_VALID, 0, 0, 0, 0]);
    expect([needsOffload(shared, frame), shared.isSuperframe(frame)]).toEqual([false, false]);
    expect(complete(shared, frame)).toBe(true);
    expectSame(shared.contents(frame), bytes);
    expect(vnetOf(shared, frame)).toEqual(ZERO);
    shared.release(frame);
  });
});

describe('hostile frames', () => {
  const word = fc.oneof(fc.nat(0xffff), fc.nat(100), fc.constantFrom(0, 1, 0xffff, 14, 34, 54));
  const type = fc.constantFrom(0, 1, 0x81, 3, 4, 0x84, 5, 0x85, 0xff);
  const vnet = fc.tuple(
    fc.tuple(type, fc.nat(3)).map(([gso, flags]) => (gso << 8) | flags),
    word,
    word,
    word,
    word,
  );
  const garbage = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.uint8Array({ minLength: 1000, maxLength: 4000, size: 'max' }),
    // Right up to a few bytes.
    fc
      .tuple(shapes(4000), fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 4 }), fc.nat(200))
      .map(([shape, changes, end]) => {
        const { bytes } = build(shape);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        return end < 100 ? bytes.slice(0, end) : bytes;
      }),
  );

  /** All that can be seen of one call: its answer, the frames it made, and the frame itself. */
  function observe(background: number, bytes: Uint8Array, words: number[], call: 'segment' | 'complete') {
    const arena = arenaOf(background, MAX + 4, 8);
    const frame = load(arena, bytes, words);
    const memory = arena.bytes.slice();
    const result = call === 'segment' ? cut(arena, frame, 64) : complete(arena, frame);
    const untouched = call === 'segment' ? typeof result === 'number' && result !== Segmented.NO_FRAMES : !result;
    if (untouched) expect(Buffer.compare(memory, arena.bytes)).toBe(0);
    return { result, after: arena.contents(frame), vnet: vnetOf(arena, frame) };
  }

  it.each(['segment', 'complete'] as const)('%s never throws, nor depends on bytes outside of the frame', (call) => {
    fc.assert(
      fc.property(garbage, vnet, (bytes, words) => {
        const one = observe(0x00, bytes, words, call);
        expect(observe(0xff, bytes, words, call)).toEqual(one);
        if (call === 'segment') expectSame(one.after, bytes);
      }),
      { numRuns: 300 },
    );
  });

  it('takes the longest frame there is', () => {
    const bytes = new Uint8Array(LONGEST_FRAME);
    bytes.set(build({ ...shapesDefault(), payload: 65000 }).bytes);
    const whole = build({ ...shapesDefault(), payload: 65000 });
    expect(cutBuilt({ ...whole, bytes })).toHaveLength(Math.ceil((LONGEST_FRAME - whole.data) / 1400));
  });

  function shapesDefault(): Shape {
    return {
      ...fc.sample(shapes(100), { seed: 1, numRuns: 1 })[0],
      isTcp: true,
      isIpv6: false,
      isPartial: true,
      gsoSize: 1400,
    };
  }
});

it('allocates nothing on the heap', () => {
  const whole = build({
    ...fc.sample(shapes(100), { seed: 1, numRuns: 1 })[0],
    gsoSize: 1448,
    payload: 60000,
    isPartial: true,
  });
  const frame = load(shared, whole.bytes, whole.vnet);
  const round = (times: number) => {
    for (let i = 0; i < times; i++) {
      const count = segment(shared, frame, out, MAX);
      for (let k = 0; k < count; k++) shared.release(out[k]);
    }
  };
  expect(cut(shared, frame)).toHaveLength(42);
  round(2000);
  const growths = [1, 2, 3, 4, 5].map(() => {
    const before = process.memoryUsage().heapUsed;
    round(2000);
    return process.memoryUsage().heapUsed - before;
  });
  shared.release(frame);
  // 84,000 segments: a single heap number each would be 1 MB. The median, as collections and the runner interfere.
  const grown = growths.sort((a, b) => a - b)[2];
  expect(grown).toBeLessThan(300_000);
});

describe('against the kernel', () => {
  const name = `slgso${process.pid}`;

  function missing(): string | undefined {
    if (process.getuid?.() !== 0) return 'needs root';
    for (const [tool, argument] of [
      ['ip', '-V'],
      ['ethtool', '--version'],
      ['python3', '-V'],
    ]) {
      if (spawnSync(tool, [argument]).status !== 0) return `needs ${tool}`;
    }
    const made = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' });
    return made.status === 0 ? undefined : `cannot make a network namespace: ${made.stderr.trim()}`;
  }

  /** What a packet socket or the kernel's segmentation refuses, and we do not need to. */
  function isAccepted(shape: Shape): boolean {
    // It does not look behind tags for a superframe without a partial checksum.
    if (!shape.isPartial && shape.tags.length > 0) return false;
    // It counts TCP's options as payload when it decides whether there is more than one segment, and then there is not.
    return shape.payload > shape.gsoSize || shape.payload + 4 * shape.tcpOptions <= shape.gsoSize;
  }

  it('cuts superframes into the same bytes', (context) => {
    const reason = missing();
    if (reason !== undefined) context.skip(reason);
    try {
      const cases = fc
        .sample(shapes(50000), { numRuns: 400, seed: 42 })
        .filter((shape) => isAccepted(shape))
        .map((shape) => build(shape));
      const input = cases.map(({ bytes, vnet }) => {
        const header = Buffer.from(Uint16Array.from(vnet).buffer).toString('hex');
        return `${header} ${Buffer.from(bytes).toString('hex')}\n`;
      });
      const script = new URL('kernel-segments.py', import.meta.url).pathname;
      const run = spawnSync('ip', ['netns', 'exec', name, 'python3', script], {
        input: input.join(''),
        encoding: 'utf8',
        maxBuffer: 1 << 28,
        timeout: 30_000,
      });
      expect(run.stderr).toBe('');
      const lines = run.stdout.trimEnd().split('\n');
      expect(lines).toHaveLength(cases.length);
      cases.forEach((whole, i) => {
        const ours = cutBuilt(whole);
        const text =
          typeof ours === 'number' ? String(ours) : ours.map((bytes) => Buffer.from(bytes).toString('hex')).join(' ');
        expect(text, JSON.stringify(whole.vnet)).toBe(lines[i]);
      });
    } finally {
      spawnSync('ip', ['netns', 'del', name]);
    }
  }, 60_000);
});
