import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CaptureDecoder, Step } from '../../src/io/pcap-decoder.js';
import { CaptureEncoder } from '../../src/io/pcap-encoder.js';
import { newRecord } from '../../src/io/pcap-format.js';
import { matches, parse } from '../../src/wire/filter.js';
import { captureFiles, isInstalled, NO_FIXTURES, run, withFolder } from '../support/capture-files.js';

/** Filters that are compared with tcpdump on real captures. */
const FILTERS = `
ip
ip6
arp
arp or rarp
tcp
udp
icmp
icmp6
icmp or icmp6
igmp or pim or vrrp or esp or ah or sctp
stp
not ip and not ip6
host 10.0.0.1
src host 192.168.1.1 or dst host 192.168.1.1
src or dst host 10.0.0.2
src and dst net 10.0.0.0/8
net 192.168.0.0 mask 255.255.0.0
net 10
src net 172.16 and not dst net 224.0.0.0/4
host fe80::1 or net 2001:db8::/32
ip6 net fe80::/10
ip6 src net fe00::/7
ether host ff:ff:ff:ff:ff:ff
ether src host 00:00:00:00:00:01 or ether dst 01-00-5e-00-00-fb
ether broadcast
broadcast or multicast
ether multicast and not ip multicast
ip multicast or ip6 multicast
port 80
port 80 or 443 or 8080
port (80 or 443) and tcp
tcp src port 80 or udp dst port 53
tcp dst portrange 1-1023
portrange 1024-2048
not port 53
port http or domain
less 80
greater 1000
len > 100 and len <= 200
ip proto 47 or ip6 proto 58
proto 17
ip proto \\tcp
ether proto 0x88cc or ether proto \\arp
ether proto 0x42
vlan
vlan 10
vlan and ip
vlan 100 and tcp port 80
vlan and vlan
vlan or ip
not vlan and icmp
tcp[tcpflags] & tcp-syn != 0
tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and not src and dst net 127.0.0.0/8
tcp[13] = 2 or tcp[13] == 18
tcp[tcpflags] = tcp-rst|tcp-ack
icmp[icmptype] = icmp-echo or icmp[0] = 0
icmp6[icmp6type] = icmp6-neighborsolicit or icmp6[0] = 136
ip[0] & 0xf != 5
ip[6:2] & 0x1fff != 0
(ip[2:2] - ((ip[0]&0xf)<<2) - ((tcp[12]&0xf0)>>2)) != 0
udp[4:2] > 100
ether[0] & 1 = 0 and ip[16] >= 224
ether[12:2] < 1536
ip[8] < 5 or ip6[7] < 5
ether[ip[2:2] + 10] > 0x40
ip[2:2] * 2 / 3 % 5 = 1
ip[4:4] ^ 0xff00ff > 0x80000000
-ip[1] + 1 > 1000
(tcp or udp) and (host 10.0.0.1 or net 192.168.0.0/16) and not (port 22 or port 23)
tcp and not (tcp[0:2] = 80 or tcp[2:2] = 80)
!tcp && !udp || icmp
icmp[4:2] = 0 || arp[6:2] = 2
`
  .trim()
  .split('\n');

interface Frame {
  bytes: Uint8Array;
  length: number;
}

function framesOf(path: string): Frame[] | undefined {
  const decoder = new CaptureDecoder({ linkType: 1 });
  decoder.feed(readFileSync(path));
  const frames: Frame[] = [];
  while (decoder.next() === Step.FRAME) {
    const { bytes, at, captured, length } = decoder.frame;
    frames.push({ bytes: bytes.slice(at, at + captured), length });
  }
  return decoder.problem.includes('link type') ? undefined : frames;
}

/** One file of many frames, each stamped with its number, so that tcpdump can say which ones it let through. */
function numbered(frames: Frame[]): Uint8Array {
  const encoder = new CaptureEncoder({ format: 'pcap', links: ['x'] });
  const out = new Uint8Array(frames.reduce((sum, { bytes }) => sum + bytes.length + 100, 1000));
  const header = encoder.header();
  out.set(header);
  let used = header.length;
  for (const [i, { bytes, length }] of frames.entries()) {
    used += encoder.encode(out, used, { ...newRecord(), seconds: i, length }, bytes, 0, bytes.length);
  }
  return out.subarray(0, used);
}

function tcpdumpMatches(path: string, filter: string, ...options: string[]): number[] {
  const output = run('tcpdump', [...options, '-r', path, '-w', '-', '--', filter]);
  const decoder = new CaptureDecoder();
  decoder.feed(output);
  const found: number[] = [];
  while (decoder.next() === Step.FRAME) found.push(decoder.frame.seconds);
  return found;
}

function ourMatches(frames: Frame[], text: string): number[] {
  const filter = parse(text);
  return frames.flatMap(({ bytes, length }, i) => (matches(filter, bytes, 0, bytes.length, length) ? [i] : []));
}

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const SYN = hex(
  'ffffffffffff 020000000001 0800 4500002800010000400600000a0000010a000002 04d20050 00000001 00000000 50022000 00000000',
);
const is = (filter: string, bytes: Uint8Array, captured = bytes.length, length = bytes.length) =>
  matches(parse(filter), bytes, 0, captured, length);

/** Frames of the fixtures, every third cut short, in a file for tcpdump. */
function withCorpus(body: (frames: Frame[], path: string) => void, most = Infinity): boolean {
  const whole = captureFiles(most).flatMap((path) => framesOf(path)?.slice(0, 200) ?? []);
  if (whole.length === 0) return false;
  const frames = whole.map(({ bytes, length }, i) => ({
    bytes: i % 3 === 2 ? bytes.subarray(0, (i * 7) % (bytes.length + 1)) : bytes,
    length,
  }));
  withFolder((folder) => {
    const path = join(folder, 'all.pcap');
    writeFileSync(path, numbered(frames));
    body(frames, path);
  });
  return true;
}

function difference(frames: Frame[], path: string, filter: string, ...options: string[]) {
  const theirs = new Set(tcpdumpMatches(path, filter, ...options));
  const ours = new Set(ourMatches(frames, filter));
  const wrong = frames.flatMap((_, i) => (ours.has(i) === theirs.has(i) ? [] : [i]));
  return wrong.length === 0 ? [] : [{ filter, wrong: wrong.slice(0, 5), theirs: theirs.size, ours: ours.size }];
}

const oneOf = (words: string) => fc.constantFrom(...words.split(' '));
const joined = (...parts: fc.Arbitrary<string>[]) => fc.tuple(...parts).map((words) => words.join(' ').trim());

/** Any expression, most of them senseless. */
const expressions = fc.letrec<{ value: string; term: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc
      .constantFrom(
        '0',
        '1',
        '6',
        '80',
        '0xff',
        '0800',
        'len',
        'ip[9]',
        'ip6[6]',
        'tcp[13]',
        'udp[4:2]',
        'ether[12:2]',
        'icmp[0]',
        'icmp6[0]',
        'arp[6:2]',
      )
      .map((text) => (text === '0800' ? '0x0800' : text)),
    fc.tuple(tie('value'), oneOf('+ - * & |'), tie('value')).map(([left, sign, right]) => `(${left} ${sign} ${right})`),
    fc
      .tuple(tie('value'), oneOf('<< >> / %'), oneOf('1 3 31'))
      .map(([left, sign, right]) => `(${left} ${sign} ${right})`),
    fc
      .tuple(oneOf('ip tcp ether ip6'), tie('value'), oneOf('1 2 4'))
      .map(([name, index, width]) => `${name}[${index} & 63:${width}]`),
  ),
  term: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    oneOf('ip ip6 arp rarp tcp udp icmp icmp6 igmp sctp stp broadcast multicast vlan'),
    fc.constantFrom(
      'ip multicast',
      'ip6 multicast',
      'vlan 10',
      'less 100',
      'greater 60',
      'ether proto 0x806',
      'ip proto 17',
    ),
    joined(oneOf('src dst'), oneOf('host net'), fc.constantFrom('10.0.0.1', '192.168.1.1', '127.0.0.1')),
    fc.constantFrom(
      'net 10.0.0.0/8',
      'net 192.168.0.0/16',
      'ip6 net fe80::1:0:0:0/100',
      'host ::1',
      'host 0.0.0.0',
      'ether src host 00:00:00:00:00:00',
    ),
    fc
      .tuple(
        fc.constantFrom('', 'tcp ', 'udp '),
        fc.constantFrom('', 'src ', 'dst '),
        fc.constantFrom('port 80', 'port 53', 'portrange 1-1000'),
      )
      .map((words) => words.join('')),
    joined(tie('value'), oneOf('= != > < >= <='), tie('value')),
    tie('term').map((term) => `not (${term})`),
    fc.tuple(tie('term'), oneOf('and or'), tie('term')).map(([left, word, right]) => `(${left} ${word} ${right})`),
  ),
}));

describe('against tcpdump', () => {
  test('the same frames of the fixture captures match', ({ skip }) => {
    if (!isInstalled('tcpdump')) skip('tcpdump is not installed');
    const isThere = withCorpus((frames, path) => {
      expect(frames.length).toBeGreaterThan(5000);
      expect(FILTERS.flatMap((filter) => difference(frames, path, filter))).toEqual([]);
    });
    if (!isThere) skip(NO_FIXTURES);
  }, 60_000);

  test('any expression', ({ skip }) => {
    if (!isInstalled('tcpdump')) skip('tcpdump is not installed');
    const isThere = withCorpus((frames, path) => {
      fc.assert(
        fc.property(expressions.term, (filter) => {
          // -O: not optimized. The optimizer leaves out looks at bytes that a cut frame does not have.
          expect(difference(frames, path, filter, '-O')).toEqual([]);
        }),
        { numRuns: 150 },
      );
    }, 200);
    if (!isThere) skip(NO_FIXTURES);
  }, 600_000);
});

describe('a filter', () => {
  test('without words matches everything', () => {
    expect(is('', SYN)).toBe(true);
    expect(is('  ', new Uint8Array(0))).toBe(true);
  });

  test('looks at the frame where it lies', () => {
    const arena = new Uint8Array(500).fill(0xff);
    arena.set(SYN, 300);
    expect(matches(parse('tcp dst port 80 and ip src 10.0.0.1'), arena, 300, SYN.length)).toBe(true);
    expect(matches(parse('tcp dst port 80'), arena, 299, SYN.length)).toBe(false);
  });

  test('says no when it looks behind the end, under "not" too', () => {
    expect(is('tcp dst port 80', SYN, 38)).toBe(true);
    expect(is('tcp dst port 80', SYN, 37)).toBe(false);
    expect(is('not tcp dst port 80', SYN, 37)).toBe(false);
    expect(is('not ether[0xffffffff] = 0', SYN)).toBe(false);
    expect(is('not ip[0] / (ip[1] - ip[1]) = 0', SYN)).toBe(false);
  });

  test('takes len, less and greater from the whole frame', () => {
    expect(is('greater 1000 and len = 1500', SYN, SYN.length, 1500)).toBe(true);
    expect(is('less 1000', SYN, SYN.length, 1500)).toBe(false);
  });

  test('gives an id the qualifiers before it', () => {
    for (const text of [
      'tcp port 22 or 80',
      'port (22 or 80)',
      'port 22 or not 81',
      'dst host 10.0.0.9 or (10.0.0.2 or 10.0.0.3)',
    ]) {
      expect(is(text, SYN), text).toBe(true);
    }
    expect(is('src host 10.0.0.9 or 10.0.0.2', SYN)).toBe(false);
  });

  test('knows a flag, a service and a protocol by name', () => {
    expect(is('tcp[tcpflags] == tcp-syn && port http && ip proto \\tcp && ether proto \\ip', SYN)).toBe(true);
  });

  test('names the word that is wrong, and where', () => {
    const refused: Array<[string, string]> = [
      ['tcp prot 80', '"prot" is unexpected at character 5; see pcap-filter(7), of which this is a subset'],
      ['port', 'something is missing at character 5'],
      ['port 80 or', 'something is missing at character 11'],
      ['(tcp', '")" is missing at character 5'],
      ['tcp)', '")" is unexpected at character 4'],
      ['80', '"80" has no qualifier at character 1; say what it is: host, net, port, …'],
      ['tcp or 80', '"80" has no qualifier at character 8'],
      ['host example.com', 'name "example.com" at character 6; names are not looked up: give an address'],
      ['port 70000', 'port "70000" is over 65535 at character 6'],
      ['port nosuch', 'unknown port "nosuch" at character 6; give its number'],
      ['udp port http', 'port "http" is tcp, not udp at character 10'],
      ['ip port 80', '"ip" has no ports at character 9'],
      ['port 10.0.0.1', '"port" does not go with an address at character 6'],
      ['portrange a-b', 'unknown port range "a-b" at character 11; write: portrange 5000-6000'],
      ['net 10.0.0.1/8', '"10.0.0.1" has bits outside its mask at character 5'],
      ['net 10.0.0.0/33', 'mask of 33 bits at character 5'],
      ['net fe80::1/64', '"fe80::1" has bits outside its mask at character 5'],
      ['host 10.0.0.0/8', 'a mask goes with "net" only at character 6'],
      ['host 10.0.0.256', '"10.0.0.256" is not an IPv4 address at character 6'],
      ['tcp host 10.0.0.1', '"tcp" has no IPv4 addresses at character 10'],
      ['ip host ::1', '"ip" has no IPv6 addresses at character 9'],
      [
        'host 00:00:00:00:00:01',
        '"00:00:00:00:00:01" is an Ethernet address at character 6; write: ether host ADDRESS',
      ],
      ['ether', '"ether" alone says nothing at character 1'],
      ['vlan 4096', 'VLAN 4096 is over 4095 at character 6'],
      ['gateway 10.0.0.1', '"gateway" is not supported at character 1'],
      ['tcp and mpls 5', '"mpls" is not supported at character 9'],
      ['ip protochain 6', '"protochain" is not supported at character 4'],
      ['inbound', '"inbound" is not supported at character 1'],
      ['ip broadcast', '"ip broadcast" is not supported at character 1; a link has no netmask; use "broadcast"'],
      ['tcp multicast', '"tcp multicast" means nothing at character 1'],
      ['src proto 6', '"proto" has no direction at character 5'],
      ['tcp proto 6', '"tcp proto" means nothing at character 11'],
      ['proto nosuch', 'unknown protocol "nosuch" at character 7; give its number'],
      ['tcp[13]', 'nothing is compared at character 8; for example: tcp[13] & 2 != 0'],
      ['tcp[13:3] = 1', '3 bytes at character 8; one can look at 1, 2 or 4 bytes'],
      ['esp[0] = 1', '"esp[…]" is not supported at character 1'],
      ['tcp[1 = 2', '"=" instead of "]" at character 7'],
      ['tcp[1', '"]" is missing at character 6'],
      ['len / 0 = 1', 'division by zero at character 5'],
      ['len << 32 = 1', 'shift by more than 31 bits at character 5'],
      ['less big', '"big" is not a number at character 6'],
      ['less 4294967296', '"4294967296" is over 32 bits at character 6'],
      ['less 08', '"08" begins with 0 and is not octal at character 6'],
      ['tcp ; udp', 'unknown character ";" at character 5'],
      [`${'('.repeat(100)}tcp${')'.repeat(100)}`, 'too deep at character 66'],
    ];
    for (const [filter, cause] of refused) {
      expect(() => parse(filter), filter).toThrow(`cannot compile filter "${filter}": ${cause}`);
    }
  });

  test('of any text compiles or is refused, and runs on any bytes', () => {
    const words = fc.constantFrom(
      ...'tcp ip ip6 arp ether src dst host net port portrange proto vlan less greater broadcast multicast and or not ( ) [ ] : = != > & + - % ^ len 1 80 0xffffffff 10.0.0.1 10.1 ::1 00:00:00:00:00:01 5-10 http \\tcp mask /'.split(
        ' ',
      ),
    );
    const bytes = Uint8Array.from({ length: 60 }, (_, i) => (i * 37) & 255);
    fc.assert(
      fc.property(fc.array(fc.oneof(words, fc.string({ maxLength: 3 })), { maxLength: 12 }), (list) => {
        const text = list.join(' ');
        try {
          const filter = parse(text);
          for (const captured of [0, 14, 34, 60]) expect(matches(filter, bytes, 0, captured)).toBeTypeOf('boolean');
        } catch (error) {
          expect((error as Error).message).toMatch(/^cannot compile filter "/);
        }
      }),
      { numRuns: 3000 },
    );
  });

  test('of the greatest length is compiled', () => {
    const text = `tcp${' or tcp'.repeat(1150)}`;
    expect(is(text, SYN)).toBe(true);
    expect(() => parse(`${text}${' or tcp'.repeat(100)}`)).toThrow('it is too long');
  });

  test('allocates nothing for a frame', () => {
    const filter = parse(
      '(port 53 or icmp or ip6) or (tcp[tcpflags] & tcp-syn != 0 and (ip[2:2] - ((ip[0]&0xf)<<2)) >= 20)',
    );
    const rounds: number[] = [];
    let found = 0;
    for (let round = 0; round < 7; round++) {
      const before = process.memoryUsage().heapUsed;
      for (let i = 0; i < 100_000; i++) if (matches(filter, SYN, 0, SYN.length)) found++;
      rounds.push(process.memoryUsage().heapUsed - before);
    }
    expect(found).toBe(700_000);
    expect(rounds.sort((a, b) => a - b)[3]).toBeLessThan(200_000);
  });
});
