import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, describe as group, test } from 'vitest';
import { CaptureDecoder, Step } from '../../src/io/pcap-decoder.js';
import { CaptureWriter } from '../../src/io/pcap-file.js';
import { newRecord } from '../../src/io/pcap-format.js';
import { describe } from '../../src/wire/describe.js';
import { captureFiles, isInstalled, NO_FIXTURES, run, withFolder } from '../support/capture-files.js';

const hex = (...parts: string[]) => Uint8Array.from(Buffer.from(parts.join('').replaceAll(' ', ''), 'hex'));

const MACS = '02000000000b 02000000000a';
const IP4 = (length: number, protocol: number, more = '0000') =>
  `4500 ${length.toString(16).padStart(4, '0')} 0001 ${more} 40 ${protocol.toString(16).padStart(2, '0')} 0000 0a000001 0a000002`;
const IP6 = (length: number, protocol: number) =>
  `60000000 ${length.toString(16).padStart(4, '0')} ${protocol.toString(16).padStart(2, '0')} ff fe800000000000000000000000000001 ff0200000000000000000001ff000002`;

/** One frame of each kind, and its line. */
const FRAMES: Array<[string, Uint8Array]> = [
  [
    'ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28',
    hex(MACS, '0806 0001080006040001 02000000000a 0a000001 000000000000 0a000002'),
  ],
  [
    'ARP, Reply 10.0.0.1 is-at 02:00:00:00:00:0a, length 28',
    hex(MACS, '0806 0001080006040002 02000000000a 0a000001 02000000000b 0a000002'),
  ],
  [
    'IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 7, seq 1, length 8',
    hex(MACS, '0800', IP4(28, 1), '0800 0000 0007 0001'),
  ],
  [
    'IP 10.0.0.1 > 10.0.0.2: ICMP 10.0.0.9 udp port 53 unreachable, length 36',
    hex(
      MACS,
      '0800',
      IP4(56, 1),
      '0303 0000 00000000',
      '4500001c000000004011 0000 0a000008 0a000009 04d2 0035 0008 0000',
    ),
  ],
  ['IP 10.0.0.1.1234 > 10.0.0.2.5678: UDP, length 2', hex(MACS, '0800', IP4(30, 17), '04d2 162e 000a 0000 6869')],
  [
    'IP 10.0.0.1.1234 > 10.0.0.2.80: Flags [S], seq 4000000000, win 64240, options [mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7], length 0',
    hex(
      MACS,
      '0800',
      IP4(60, 6),
      '04d2 0050 ee6b2800 00000000 a002 faf0 0000 0000',
      '020405b4 0402 080a 00000001 00000000 01 030307',
    ),
  ],
  [
    'IP 10.0.0.1.1234 > 10.0.0.2.80: Flags [P.], seq 4294967295:1, ack 5, win 100, length 2',
    hex(MACS, '0800', IP4(42, 6), '04d2 0050 ffffffff 00000005 5018 0064 0000 0000 6869'),
  ],
  ['IP 10.0.0.1 > 10.0.0.2: ip-proto-17', hex(MACS, '0800', IP4(24, 17, '0001'), '00000000')],
  ['IP 10.0.0.1 > 10.0.0.2:  ip-proto-47 4', hex(MACS, '0800', IP4(24, 47), '00000000')],
  ['IP 10.0.0.1 > 10.0.0.2: igmp v2 report 239.1.2.3', hex(MACS, '0800', IP4(28, 2), '1600 0000 ef010203')],
  [
    'IP6 fe80::1 > ff02::1:ff00:2: ICMP6, neighbor solicitation, who has fe80::2, length 24',
    hex(MACS, '86dd', IP6(24, 58), '8700 0000 00000000 fe800000000000000000000000000002'),
  ],
  [
    'IP6 fe80::1 > ff02::1:ff00:2: ICMP6, neighbor advertisement, tgt is fe80::2, length 24',
    hex(MACS, '86dd', IP6(24, 58), '8800 0000 60000000 fe800000000000000000000000000002'),
  ],
  [
    'IP6 fe80::1 > ff02::1:ff00:2: ICMP6, echo reply, id 7, seq 2, length 8',
    hex(MACS, '86dd', IP6(8, 58), '8100 0000 0007 0002'),
  ],
  [
    'IP6 fe80::1 > ff02::1:ff00:2: ICMP6, router solicitation, length 8',
    hex(MACS, '86dd', IP6(8, 58), '8500 0000 00000000'),
  ],
  [
    'IP6 fe80::1 > ff02::1:ff00:2: HBH ICMP6, multicast listener report v2, 1 group record(s), length 28',
    hex(MACS, '86dd', IP6(36, 0), '3a00050200000100', '8f00 0000 0000 0001 04000000 ff0200000000000000000001ff000001'),
  ],
  ['IP6 fe80::1.546 > ff02::1:ff00:2.547: UDP, length 0', hex(MACS, '86dd', IP6(8, 17), '0222 0223 0008 0000')],
  [
    'vlan 10, p 3, DEI, vlan 4094, p 0, IP 10.0.0.1 > 10.0.0.2: ICMP echo reply, id 7, seq 1, length 8',
    hex(MACS, '88a8 700a 8100 0ffe 0800', IP4(28, 1), '0000 0000 0007 0001'),
  ],
  ['02:00:00:00:00:0a > 02:00:00:00:00:0b, ethertype LLDP (0x88cc), length 16', hex(MACS, '88cc 0000')],
  ['02:00:00:00:00:0a > 02:00:00:00:00:0b, ethertype Unknown (0x1234), length 14', hex(MACS, '1234')],
  ['02:00:00:00:00:0a > 02:00:00:00:00:0b, 802.3, length 3', hex(MACS, '0003 424203')],
];

group('describe', () => {
  for (const [line, bytes] of FRAMES) test(line, () => expect(describe(bytes, 0, bytes.length)).toBe(line));

  test('says the Ethernet header if asked', () => {
    expect(describe(FRAMES[2][1], 0, 42, 42, true)).toBe(
      '02:00:00:00:00:0a > 02:00:00:00:00:0b, ethertype IPv4 (0x0800), length 42: 10.0.0.1 > 10.0.0.2: ICMP echo request, id 7, seq 1, length 8',
    );
    expect(describe(FRAMES[16][1], 0, 50, 50, true)).toBe(
      '02:00:00:00:00:0a > 02:00:00:00:00:0b, ethertype 802.1Q-QinQ (0x88a8), length 50: vlan 10, p 3, DEI, ' +
        'ethertype 802.1Q (0x8100), vlan 4094, p 0, ethertype IPv4 (0x0800), 10.0.0.1 > 10.0.0.2: ICMP echo reply, id 7, seq 1, length 8',
    );
    expect(describe(FRAMES[18][1], 0, 14, 14, true)).toBe(FRAMES[18][0]);
  });

  test('looks at the frame where it lies, and no further', () => {
    const arena = new Uint8Array(200).fill(0xff);
    const [line, frame] = FRAMES[6];
    arena.set(frame, 77);
    expect(describe(arena, 77, frame.length)).toBe(line);
    expect(describe(arena, 77, 54, 56)).toBe(line);
    expect(describe(arena, 77, 50, 56)).toBe('IP 10.0.0.1.1234 > 10.0.0.2.80:  [|tcp]');
  });

  test('says where a frame ends', () => {
    const tcp = FRAMES[5][1];
    const at = (captured: number, length = tcp.length) => describe(tcp, 0, captured, length);
    expect(at(0)).toBe('[|ether]');
    expect(at(13)).toBe('[|ether]');
    expect(at(20)).toBe('IP  [|ip]');
    expect(at(36)).toBe('IP 10.0.0.1 > 10.0.0.2: [|tcp]');
    expect(at(56)).toMatch(/win 64240, options \[mss \[\|tcp\]$/);
    expect(describe(FRAMES[0][1], 0, 30)).toBe('[|arp]');
    expect(describe(FRAMES[10][1], 0, 40)).toBe('[|ip6]');
  });

  test('cut anywhere, prints what tcpdump prints', ({ skip }) => {
    if (!isInstalled('tcpdump')) skip('tcpdump is not installed');
    const cuts = FRAMES.flatMap(([, bytes]) =>
      Array.from({ length: bytes.length }, (_, captured) => ({ bytes, captured: captured + 1 })),
    );
    withFolder((folder) => {
      const path = join(folder, 'cut.pcap');
      const writer = new CaptureWriter(path, { links: ['x'] });
      for (const { bytes, captured } of cuts)
        writer.write({ ...newRecord(), length: bytes.length }, bytes, 0, captured);
      expect(writer.close()).toBe(true);
      for (const link of [false, true]) {
        const theirs = tcpdumpLines(path, link);
        const different = ourLines(path, link).flatMap((ours, i) => {
          const line = theirs.get(i + 1) ?? '';
          return ours === line || isKnownDifference(ours, line) ? [] : [{ frame: i + 1, ours, line }];
        });
        expect(different).toEqual([]);
      }
    });
  });

  test('makes one line of any bytes', () => {
    const cut = fc.constantFrom(...FRAMES).chain(([, frame]) =>
      fc
        .tuple(fc.nat(frame.length), fc.array(fc.tuple(fc.nat(frame.length - 1), fc.nat(255)), { maxLength: 4 }))
        .map(([length, patches]) => {
          const bytes = frame.slice();
          for (const [at, value] of patches) bytes[at] = value;
          return bytes.subarray(0, length);
        }),
    );
    const random = fc.tuple(fc.constantFrom('0800', '86dd', '0806', '8100'), fc.uint8Array({ maxLength: 120 }));
    const any = fc.oneof(
      cut,
      random.map(([type, bytes]) => Uint8Array.from([...hex(MACS, type), ...bytes])),
    );
    fc.assert(
      fc.property(any, fc.nat(70_000), fc.boolean(), (bytes, more, link) => {
        const text = describe(bytes, 0, bytes.length, bytes.length + more, link);
        expect(text).toMatch(/^[ -~]+$/);
      }),
      { numRuns: 5000 },
    );
  });

  test('prints what tcpdump prints of the fixture captures', ({ skip }) => {
    if (!isInstalled('tcpdump')) skip('tcpdump is not installed');
    const files = captureFiles(250);
    if (files.length === 0) skip(NO_FIXTURES);
    const different: string[] = [];
    let same = 0;
    for (const path of files) {
      for (const link of [false, true]) {
        const theirs = tcpdumpLines(path, link);
        for (const [i, ours] of ourLines(path, link).entries()) {
          const line = theirs.get(i + 1);
          if (line === undefined) continue;
          if (line === ours) same++;
          else if (!isKnownDifference(ours, line)) different.push(`${path} frame ${i + 1}\n  ${ours}\n  ${line}`);
        }
      }
    }
    expect(different).toEqual([]);
    expect(same).toBeGreaterThan(4000);
  }, 60_000);
});

function ourLines(path: string, link: boolean): string[] {
  const decoder = new CaptureDecoder({ linkType: 1 });
  decoder.feed(readFileSync(path));
  const lines: string[] = [];
  while (decoder.next() === Step.FRAME) {
    const { bytes, at, captured, length } = decoder.frame;
    const line = describe(bytes, at, captured, length, link);
    // tcpdump shows tags only with the Ethernet header.
    lines.push(link ? line : line.replace(/^(vlan \d+, p \d+(, DEI)?, )+/, '').trimStart());
  }
  return lines;
}

/** The first line of each frame, by its number. */
function tcpdumpLines(path: string, link: boolean): Map<number, string> {
  const text = run('tcpdump', ['-#', '-ntS', ...(link ? ['-e'] : []), '-r', path]).toString('latin1');
  const lines = [...text.matchAll(/^ *(\d+) {2}(.*)$/gm)].map(
    ([, number, line]) => [Number(number), line.trimStart()] as const,
  );
  return new Map(lines.reverse());
}

/** What the header of wire/describe.ts says of the differences, and what is odd in tcpdump. */
function isKnownDifference(ours: string, theirs: string): boolean {
  // TCP's payload, and a length field that it decodes itself.
  if (/, length \d+$/.test(ours) && theirs.startsWith(ours) && /^(:|,| |$)/.test(theirs.slice(ours.length)))
    return true;
  const udp = ours.search(/UDP, (bad )?length/);
  if (udp !== -1 && theirs.startsWith(ours.slice(0, udp))) return true;
  if (/ ip-proto-\d+ \d+$| ip-proto-132|802\.3, length|ethertype (?!IPv4|IPv6|ARP)[^,]*\)(, length \d+)?$/.test(ours))
    return true;
  // Options and messages that are not looked into, ARP for ATM, an empty frame, a jumbogram of a wrong length.
  if (/mptcp|md5|tcp-ao|uto|RPL|dvmrp|unreach code \(5\)|Unknown \(\d+\) $|caplen==0|bytes missing!ICMP6/.test(theirs))
    return true;
  return theirs === '[|arp]' || theirs === `${ours}>`;
}
