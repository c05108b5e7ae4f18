import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CaptureDecoder, Step } from '../../src/io/pcap-decoder.js';
import { CaptureEncoder, type CaptureFormat } from '../../src/io/pcap-encoder.js';
import { CaptureReader, CaptureWriter, formatOf } from '../../src/io/pcap-file.js';
import { Direction, type FrameRecord, linkTypeName, newRecord, stamp } from '../../src/io/pcap-format.js';
import { captureFiles, isInstalled, NO_FIXTURES, run, withFolder } from '../support/capture-files.js';

interface Frame extends FrameRecord {
  data: string;
}

/** Everything in a capture that is fed in pieces of `piece` bytes, and what was wrong with it. */
function decode(bytes: Uint8Array, piece = 65536, linkType = -1) {
  const decoder = new CaptureDecoder({ linkType });
  const frames: Frame[] = [];
  const drain = () => {
    while (decoder.next() === Step.FRAME) {
      const { seconds, nanoseconds, link, length, direction, comment, at, captured } = decoder.frame;
      const data = Buffer.from(decoder.frame.bytes.subarray(at, at + captured)).toString('hex');
      frames.push({ seconds, nanoseconds, link, length, direction, comment, data });
    }
  };
  for (let at = 0; at < bytes.length; at += piece) {
    decoder.feed(bytes.subarray(at, at + piece));
    drain();
  }
  const end = decoder.finish();
  expect(end === Step.BAD).toBe(decoder.problem !== '');
  return { frames, links: decoder.links, problem: decoder.problem };
}

function encode(format: CaptureFormat, unit: 'us' | 'ns', links: string[], frames: Frame[]): Uint8Array {
  const encoder = new CaptureEncoder({ format, unit, links });
  const out = new Uint8Array(1 << 20);
  let at = 0;
  const header = encoder.header();
  out.set(header);
  at += header.length;
  for (const frame of frames) {
    // Bytes of another frame are left in the buffer, as in one that is used again.
    out.fill(0xee, at, at + 4096);
    const data = Buffer.from(frame.data, 'hex');
    const half = data.length >> 1;
    at += encoder.encode(out, at, frame, data, 0, half, half, data.length - half);
  }
  return out.slice(0, at);
}

/** Big-endian or little-endian integers, strings and hex, one after the other. */
function build(isLittle: boolean, ...parts: (['u16' | 'u32', number] | string)[]): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      if (typeof part === 'string') return Buffer.from(part, 'hex');
      const bytes = Buffer.alloc(part[0] === 'u16' ? 2 : 4);
      if (part[0] === 'u16') isLittle ? bytes.writeUInt16LE(part[1]) : bytes.writeUInt16BE(part[1]);
      else isLittle ? bytes.writeUInt32LE(part[1]) : bytes.writeUInt32BE(part[1]);
      return bytes;
    }),
  );
}

const u16 = (value: number): ['u16', number] => ['u16', value];
const u32 = (value: number): ['u32', number] => ['u32', value];

function block(isLittle: boolean, type: number, body: Buffer): Buffer {
  const length = 12 + body.length;
  return Buffer.concat([build(isLittle, u32(type), u32(length)), body, build(isLittle, u32(length))]);
}

const section = (isLittle: boolean) =>
  block(isLittle, 0x0a0d0d0a, build(isLittle, u32(0x1a2b3c4d), u16(1), u16(0), 'ffffffffffffffff'));

const linkBlock = (
  isLittle: boolean,
  linkType: number,
  snap: number,
  ...options: (['u16' | 'u32', number] | string)[]
) => block(isLittle, 1, build(isLittle, u16(linkType), u16(0), u32(snap), ...options));

const packetBlock = (isLittle: boolean, link: number, high: number, low: number, data: string, options = '') => {
  const bytes = data.length / 2;
  const padding = '00'.repeat(-bytes & 3);
  return block(
    isLittle,
    6,
    build(isLittle, u32(link), u32(high), u32(low), u32(bytes), u32(bytes), data, padding, options),
  );
};

const frameOf = (data: string, more: Partial<Frame> = {}): Frame => ({
  ...newRecord(),
  data,
  length: data.length / 2,
  ...more,
});

const anyFrame = (links: number, unit: 'us' | 'ns') =>
  fc
    .record({
      seconds: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      nanoseconds: fc
        .integer({ min: 0, max: 999_999 })
        .map((value) => (unit === 'us' ? value * 1000 : value * 1000 + 7)),
      link: fc.integer({ min: 0, max: links - 1 }),
      direction: fc.constantFrom(Direction.UNKNOWN, Direction.IN, Direction.OUT),
      comment: fc.string({ unit: 'grapheme', maxLength: 30 }),
      data: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('hex')),
      cut: fc.integer({ min: 0, max: 100 }),
    })
    .map(({ cut, ...frame }) => ({ ...frame, length: frame.data.length / 2 + cut }));

describe('round trip', () => {
  for (const unit of ['us', 'ns'] as const) {
    test(`pcapng, ${unit}: every field comes back, in pieces of any size`, () => {
      const links = ['eth0', 'a link with a näme', ''];
      fc.assert(
        fc.property(
          fc.array(anyFrame(3, unit), { maxLength: 20 }),
          fc.integer({ min: 1, max: 300 }),
          (frames, piece) => {
            const read = decode(encode('pcapng', unit, links, frames), piece);
            expect(read.problem).toBe('');
            expect(read.frames).toEqual(frames);
            expect(read.links.map((link) => link.name)).toEqual(links);
            expect(read.links.every((link) => link.linkType === 1)).toBe(true);
          },
        ),
        { numRuns: 200 },
      );
    });

    test(`pcap, ${unit}: all but link, direction and comment`, () => {
      fc.assert(
        fc.property(
          fc.array(anyFrame(1, unit), { maxLength: 20 }),
          fc.integer({ min: 1, max: 300 }),
          (frames, piece) => {
            const read = decode(encode('pcap', unit, ['eth0'], frames), piece);
            expect(read.problem).toBe('');
            expect(read.frames).toEqual(frames.map((frame) => ({ ...frame, direction: 0, comment: '' })));
          },
        ),
        { numRuns: 200 },
      );
    });
  }

  test('a frame without room is not written', () => {
    const encoder = new CaptureEncoder({ format: 'pcapng', links: ['eth0'] });
    const out = new Uint8Array(200);
    expect(encoder.encode(out, 0, newRecord(), new Uint8Array(1500), 0, 1500)).toBe(0);
    expect(out.every((byte) => byte === 0)).toBe(true);
  });

  test('classic pcap refuses several links', () => {
    expect(() => new CaptureEncoder({ format: 'pcap', links: ['a', 'b'] })).toThrow(
      'cannot write pcap: it holds one link, not 2; name the file *.pcapng',
    );
  });

  test('stamp splits µs since 1970', () => {
    const record = newRecord();
    stamp(record, 1_700_000_000_123_456);
    expect(record).toMatchObject({ seconds: 1_700_000_000, nanoseconds: 123_456_000 });
  });
});

describe('reading', () => {
  for (const isLittle of [true, false]) {
    const order = isLittle ? 'little-endian' : 'big-endian';
    for (const [magic, nanoseconds] of [
      [0xa1b2c3d4, 5_000],
      [0xa1b23c4d, 5],
    ] as const) {
      test(`pcap, ${order}, magic ${magic.toString(16)}`, () => {
        const header = build(isLittle, u32(magic), u16(2), u16(4), u32(0), u32(0), u32(65535), u32(1));
        const record = build(isLittle, u32(7), u32(5), u32(3), u32(60), 'aabbcc');
        const read = decode(Buffer.concat([header, record, record]), 5);
        expect(read.frames).toEqual(Array(2).fill(frameOf('aabbcc', { seconds: 7, nanoseconds, length: 60 })));
        expect(read.problem).toBe('');
      });
    }

    test(`pcapng, ${order}: sections, links, simple packets, unknown blocks`, () => {
      const name = (text: string) =>
        build(isLittle, u16(2), u16(text.length)).toString('hex') + Buffer.from(text).toString('hex').padEnd(8, '0');
      const nano = `${build(isLittle, u16(9), u16(1)).toString('hex')}09000000`;
      const comment = `${build(isLittle, u16(1), u16(2)).toString('hex')}6f6b0000`;
      const outward = build(isLittle, u16(2), u16(4), u32(0x1e2)).toString('hex');
      const bytes = Buffer.concat([
        section(isLittle),
        linkBlock(isLittle, 1, 4, name('eth0')),
        linkBlock(isLittle, 113, 0, name('any'), nano),
        block(isLittle, 0x0bad, Buffer.alloc(100_000)),
        packetBlock(isLittle, 1, 0, 1_500_000_003, 'aa', comment + comment + outward),
        block(isLittle, 3, build(isLittle, u32(6), '01020304')),
        section(!isLittle),
        linkBlock(!isLittle, 1, 0),
        packetBlock(!isLittle, 0, 1, 0, 'bbcc'),
      ]);
      for (const piece of [1, 13, 1 << 20]) {
        const read = decode(bytes, piece);
        expect(read.problem).toBe('');
        expect(read.links.map((link) => link.name)).toEqual(['eth0', 'any', '']);
        expect(read.frames).toEqual([
          frameOf('aa', { seconds: 1, nanoseconds: 500_000_003, link: 1, comment: 'ok\nok', direction: Direction.OUT }),
          frameOf('01020304', { length: 6 }),
          frameOf('bbcc', { seconds: 4294, nanoseconds: 967_296_000, link: 2 }),
        ]);
      }
    });
  }

  test('units of time: 10^-n, 2^-n, an offset, and one too fine', () => {
    const timed = (resolution: string, options = '') =>
      decode(
        Buffer.concat([
          section(true),
          linkBlock(true, 1, 0, `09000100${resolution}000000${options}`),
          packetBlock(true, 0, 3, 5, 'aa'),
        ]),
      );
    const ticks = 3 * 2 ** 32 + 5;
    expect(timed('03').frames[0]).toMatchObject({
      seconds: Math.floor(ticks / 1000),
      nanoseconds: (ticks % 1000) * 1e6,
    });
    expect(timed('94').frames[0]).toMatchObject({
      seconds: (ticks >>> 20) | ((ticks / 2 ** 32) * 4096),
      nanoseconds: Math.floor(5e9 / 2 ** 20),
    });
    expect(timed('0c').frames[0]).toMatchObject({ seconds: 0, nanoseconds: Math.floor(ticks / 1000) });
    expect(timed('00', '0e000800ffffffffffffffff').frames[0]).toMatchObject({ seconds: ticks - 1, nanoseconds: 0 });
    expect(timed('0f').problem).toBe('unit of time 10^-15 s is finer than supported, at byte 44');
  });

  test('what is wrong is named, with the byte where it is', () => {
    const good = Buffer.concat([section(true), linkBlock(true, 1, 0)]);
    const pcap = build(true, u32(0xa1b2c3d4), u16(2), u16(4), u32(0), u32(0), u32(65535), u32(1));
    const problem = (...parts: Buffer[]) => decode(Buffer.concat(parts)).problem;
    expect(problem()).toBe('the file is empty, at byte 0');
    expect(problem(Buffer.from('hello world'))).toBe('neither a pcap nor a pcapng file, at byte 0');
    expect(problem(Buffer.from('1f8b0800', 'hex'))).toBe(
      'the file is compressed by gzip: decompress it first, at byte 0',
    );
    expect(problem(build(true, u32(0xa1b2cd34)))).toMatch(/Kuznetzov.* is not supported, at byte 0/);
    expect(problem(build(true, u32(0xa1b2c3d4), u16(2), u16(3), '00'.repeat(16)))).toBe(
      'pcap version 2.3, not 2.4, at byte 4',
    );
    expect(problem(pcap, build(true, u32(0), u32(0), u32(300_000), u32(1)))).toBe(
      'frame of 300000 bytes, at most 262144, at byte 32',
    );
    expect(problem(pcap, build(true, u32(0), u32(0), u32(10), u32(1)))).toBe('the file is cut off, at byte 24');
    expect(problem(good, build(true, u32(5), u32(7), u32(7)))).toBe('block of 7 bytes, at byte 52');
    expect(problem(good, build(true, u32(6), u32(2 ** 31), u32(7)))).toBe(
      'block of 2147483648 bytes, at most 1048576, at byte 52',
    );
    expect(problem(good, build(true, u32(1), u32(20), u32(1), u32(0), u32(24)))).toBe(
      'block of 20 bytes ends with length 24, at byte 64',
    );
    expect(problem(good, packetBlock(true, 1, 0, 0, 'aa'))).toBe(
      'frame of interface 1, which is not described, at byte 56',
    );
    expect(problem(good, packetBlock(true, 0, 0, 0, 'aa', '01005000'))).toBe(
      'option of 80 bytes goes over the end of its block, at byte 80',
    );
    expect(problem(section(true), block(true, 3, build(true, u32(4), u32(0))))).toMatch(/^frame of interface 0/);
    expect(problem(good, block(true, 0x0a0d0d0a, build(true, u32(0x11223344), '00'.repeat(12))))).toBe(
      'section of unknown byte order, at byte 56',
    );
    expect(problem(block(true, 0x0a0d0d0a, build(true, u32(0x1a2b3c4d), u16(2), u16(0), '00'.repeat(8))))).toBe(
      'pcapng version 2.0, not 1, at byte 12',
    );
  });

  test('another link type is refused by name where one is wanted', () => {
    const pcap = build(true, u32(0xa1b2c3d4), u16(2), u16(4), u32(0), u32(0), u32(65535), u32(113));
    expect(decode(pcap, 100, 1).problem).toBe('frames of link type LINUX_SLL, not EN10MB, at byte 20');
    const mixed = Buffer.concat([
      section(true),
      linkBlock(true, 1, 0),
      linkBlock(true, 101, 0),
      packetBlock(true, 0, 0, 0, 'aa'),
      packetBlock(true, 1, 0, 0, 'bb'),
    ]);
    expect(decode(mixed, 100, 1)).toMatchObject({
      frames: [{ data: 'aa' }],
      problem: 'frames of link type RAW, not EN10MB, at byte 112',
    });
    expect(linkTypeName(9999)).toBe('link type 9999');
  });

  test('a file cut off anywhere gives the frames before and says so', () => {
    const frames = [frameOf('aabb'), frameOf('cc', { comment: 'x', direction: Direction.IN }), frameOf('')];
    for (const format of ['pcap', 'pcapng'] as const) {
      const bytes = encode(format, 'us', ['eth0'], frames);
      for (let length = 0; length < bytes.length; length++) {
        const read = decode(bytes.subarray(0, length), 7);
        expect(frames.slice(0, read.frames.length).map((frame) => frame.data)).toEqual(
          read.frames.map((frame) => frame.data),
        );
        if (read.problem !== '') expect(read.problem).toMatch(/^the file is (cut off|empty), at byte \d+$/);
      }
    }
  });

  test('damaged files neither throw nor hang', () => {
    const good = encode(
      'pcapng',
      'ns',
      ['eth0', 'eth1'],
      [frameOf('aabbcc', { comment: 'hello', direction: 1 }), frameOf('dd')],
    );
    const patch = fc.tuple(fc.nat(good.length - 1), fc.constantFrom(0, 1, 3, 4, 0x7f, 0x80, 0xff));
    fc.assert(
      fc.property(fc.array(patch, { minLength: 1, maxLength: 6 }), (patches) => {
        const bytes = good.slice();
        for (const [at, value] of patches) bytes[at] = value;
        const read = decode(bytes, 50);
        if (read.problem !== '') expect(read.problem).toMatch(/at byte \d+$/);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('files', () => {
  const data = Buffer.from(
    'ffffffffffff02000000000108004500001c00000000401100000a0000010a00000204d2162e00080000',
    'hex',
  );
  const record = (link: number, direction: Direction, comment: string): FrameRecord => ({
    ...newRecord(),
    seconds: 1_700_000_000,
    nanoseconds: 123_456_000,
    link,
    direction,
    comment,
    length: data.length,
  });

  function write(path: string, links: string[], count: number): void {
    const writer = new CaptureWriter(path, { links });
    for (let i = 0; i < count; i++) {
      const written = writer.write(record(i % links.length, 1 + (i & 1), `frame ${i}`), data, 0, data.length);
      expect(written).toBe(true);
    }
    expect(writer.close()).toBe(true);
  }

  test('the name decides the format', () => {
    expect(formatOf('a.pcap')).toBe('pcap');
    expect(formatOf('a.pcapng')).toBe('pcapng');
    expect(formatOf('-')).toBe('pcapng');
  });

  test('10,000 frames are written and read again', () => {
    withFolder((folder) => {
      for (const name of ['a.pcap', 'a.pcapng']) {
        const path = join(folder, name);
        write(path, ['eth0'], 10_000);
        const reader = new CaptureReader(path, { linkType: 1 });
        let count = 0;
        while (reader.next()) {
          const { bytes, at, captured } = reader.frame;
          if (captured === data.length && data.equals(bytes.subarray(at, at + captured))) count++;
        }
        expect(reader.problem).toBe('');
        expect(count).toBe(10_000);
      }
    });
  });

  test('errors name the file', () => {
    expect(() => new CaptureReader('/nonexistent/a.pcap')).toThrow(
      'cannot read capture "/nonexistent/a.pcap": no such file or directory; ',
    );
    expect(() => new CaptureWriter('/nonexistent/a.pcap', { links: ['x'] })).toThrow(
      'cannot write capture "/nonexistent/a.pcap": no such file or directory; ',
    );
    withFolder((folder) => {
      const path = join(folder, 'bad');
      writeFileSync(path, 'this is not a capture');
      const reader = new CaptureReader(path);
      expect(reader.next()).toBe(false);
      expect(reader.problem).toBe(`cannot read capture "${path}": neither a pcap nor a pcapng file, at byte 0`);
      expect(reader.next()).toBe(false);
    });
  });

  test('a full disk is told, once, and stops the file', () => {
    const writer = new CaptureWriter('/dev/full', { links: ['x'] });
    expect(writer.write(record(0, 1, ''), data, 0, data.length)).toBe(true);
    expect(writer.flush()).toBe(false);
    expect(writer.problem).toMatch(/^cannot write capture "\/dev\/full": no space left on device; /);
    expect(writer.write(record(0, 1, ''), data, 0, data.length)).toBe(false);
    expect(writer.close()).toBe(false);
  });

  test('tcpdump reads both formats', ({ skip }) => {
    if (!isInstalled('tcpdump')) skip('tcpdump is not installed');
    withFolder((folder) => {
      for (const name of ['a.pcap', 'a.pcapng']) {
        write(join(folder, name), ['eth0'], 2);
        const text = run('tcpdump', ['-tt', '-n', '-r', join(folder, name)]).toString();
        expect(text).toBe('1700000000.123456 IP 10.0.0.1.1234 > 10.0.0.2.5678: UDP, length 0\n'.repeat(2));
      }
    });
  });

  test('tshark reads names, directions, comments and nanoseconds', ({ skip }) => {
    if (!isInstalled('tshark')) skip('tshark is not installed');
    withFolder((folder) => {
      const path = join(folder, 'a.pcapng');
      const writer = new CaptureWriter(path, { links: ['eth0', 'eth1'], unit: 'ns' });
      writer.write({ ...record(1, Direction.OUT, 'dropped: näh'), nanoseconds: 7 }, data, 0, data.length);
      writer.write(record(0, Direction.IN, ''), data, 0, data.length);
      writer.close();
      const fields = ['time_epoch', 'interface_name', 'packet_flags_direction', 'comment', 'len', 'cap_len'];
      const args = fields.flatMap((field) => ['-e', `frame.${field}`]);
      const lines = run('tshark', ['-r', path, '-T', 'fields', ...args])
        .toString()
        .trimEnd()
        .split('\n');
      expect(lines.map((line) => line.split('\t'))).toEqual([
        ['1700000000.000000007', 'eth1', expect.stringMatching(/2$/), 'dropped: näh', '42', '42'],
        ['1700000000.123456000', 'eth0', expect.stringMatching(/1$/), '', '42', '42'],
      ]);
    });
  });

  test('the fixture captures: the same frames and times as tcpdump reads', ({ skip }) => {
    if (!isInstalled('tcpdump')) skip('tcpdump is not installed');
    const files = captureFiles(150).filter((path) => !path.includes('rx_serviceid_oobr'));
    if (files.length === 0) skip(NO_FIXTURES);
    // rx_serviceid_oobr has a time of 3,840 million µs, which overflows in libpcap when it is asked for ns.
    let frames = 0;
    for (const path of files) {
      const ours = decode(readFileSync(path), 1000);
      const theirs = decode(run('tcpdump', ['-r', path, '--time-stamp-precision=nano', '-w', '-']));
      const bare = ours.frames.map((frame) => ({ ...frame, link: 0, direction: 0, comment: '' }));
      expect(bare, path).toEqual(theirs.frames);
      frames += bare.length;
    }
    expect(frames).toBeGreaterThan(500);
  }, 60_000);

  test('every fixture capture is read to its end or refused with a position', ({ skip }) => {
    const files = captureFiles();
    if (files.length === 0) skip(NO_FIXTURES);
    for (const path of files) {
      const { problem } = decode(readFileSync(path), 4096);
      if (problem !== '') expect(problem, path).toMatch(/, at byte \d+$/);
    }
  });
});
