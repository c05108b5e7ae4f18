/* `sluice ping` and `sluice traceroute`: options, what is printed of what the daemon tells, and refusals. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getopt } from '../../src/cli/getopt.js';
import { echoError } from '../../src/cli/icmp-words.js';
import { parsePing, roundTrip } from '../../src/cli/ping.js';
import { Printer, parseTraceroute } from '../../src/cli/traceroute.js';
import type { PingEvent } from '../../src/control/api/ping.js';
import type { TracerouteProbe } from '../../src/control/api/traceroute.js';
import { FakeDaemon, Many, refusal } from './fake-daemon.js';
import { sluice, words } from './run.js';

describe('getopt', () => {
  it('takes letters joined and apart, and options behind operands', () => {
    expect(getopt(['-nqc5', 'a', '-i', '0.2', '--', '-x'], 'nqc:i:')).toEqual({
      options: [
        ['n', ''],
        ['q', ''],
        ['c', '5'],
        ['i', '0.2'],
      ],
      operands: ['a', '-x'],
    });
  });

  it('says which is unknown, and which lacks its value', () => {
    expect(getopt(['-nZ'], 'n')).toMatchObject({ unknown: 'Z' });
    expect(getopt(['-n:'], 'n:')).toMatchObject({ options: [['n', ':']] });
    expect(getopt(['-c'], 'c:')).toMatchObject({ lacking: 'c' });
  });
});

describe('ping', () => {
  let daemon: FakeDaemon;
  let events: PingEvent[] = [];

  beforeAll(async () => {
    daemon = await FakeDaemon.start((request) => {
      if (request.op !== 'ping') return [];
      if (request.destination === '198.51.100.1') return refusal('ENETUNREACH', 'cannot ping: no route leads there');
      if (request.destination === '10.0.0.255') return refusal('EACCES', 'cannot ping: it is a broadcast address');
      if (request.from === '10.9.9.9') return refusal('EADDRNOTAVAIL', 'cannot ping: that is no address of ours');
      if (request.from === 'nodev') return refusal('ENODEV', 'cannot ping: there is no link');
      return new Many(events);
    });
  });

  afterAll(() => daemon.stop());

  const run = (line: string) => sluice(words(line), daemon.socket);
  const start: PingEvent = { event: 'start', source: '10.0.0.1', broadcast: false, time_us: 0 };
  const sent = (sequence: number): PingEvent => ({ event: 'sent', sequence, time_us: (sequence - 1) * 1_000_200 });
  const reply = (sequence: number, rtt: number, duplicate = false): PingEvent => ({
    event: 'reply',
    from: '10.0.0.2',
    sequence,
    ttl: 63,
    bytes: 64,
    rtt_us: rtt,
    duplicate,
    time_us: (sequence - 1) * 1_000_200 + rtt,
  });

  it('asks for what its options say', () => {
    expect(parsePing(words('-nq -c 3 -i 0.2 -s 100 -W 2 -w 5 -t 9 -M do -I eth0 10.0.0.2'))).toEqual({
      destination: '10.0.0.2',
      family: 4,
      count: 3,
      intervalS: 0.2,
      size: 100,
      waitS: 2,
      deadlineS: 5,
      ttl: 9,
      pmtu: 'do',
      from: 'eth0',
      isQuiet: true,
      isBroadcastAllowed: false,
    });
    expect(parsePing(['fe80::1%e0'])).toMatchObject({ family: 6, pmtu: 'want', size: 56, intervalS: 1 });
  });

  it('prints answers and statistics as iputils does', async () => {
    events = [start, sent(1), reply(1, 98), sent(2), reply(2, 55)];
    const { status, out, err } = await run('ping -c 2 10.0.0.2');
    expect(daemon.requests.at(-1)).toEqual({
      op: 'ping',
      destination: '10.0.0.2',
      count: 2,
      interval_ms: 1000,
      size: 56,
      wait_ms: 10_000,
      pmtu: 'want',
    });
    expect(out).toBe(
      [
        'PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.',
        '64 bytes from 10.0.0.2: icmp_seq=1 ttl=63 time=0.098 ms',
        '64 bytes from 10.0.0.2: icmp_seq=2 ttl=63 time=0.055 ms',
        '',
        '--- 10.0.0.2 ping statistics ---',
        '2 packets transmitted, 2 received, 0% packet loss, time 1000ms',
        'rtt min/avg/max/mdev = 0.055/0.076/0.098/0.021 ms',
        '',
      ].join('\n'),
    );
    expect(err).toBe('');
    expect(status).toBe(0);
  });

  it('counts duplicates, errors and losses; without an answer the status is 1', async () => {
    events = [start, sent(1), reply(1, 100), reply(1, 200, true), sent(2), sent(3)];
    const some = await run('ping -c 3 10.0.0.2');
    expect(some.out).toContain('64 bytes from 10.0.0.2: icmp_seq=1 ttl=63 time=0.200 ms (DUP!)\n');
    expect(some.out).toContain('3 packets transmitted, 1 received, +1 duplicates, 66.6667% packet loss, time 2000ms\n');
    expect(some.status).toBe(0);
    const error = { from: '10.0.0.254', sequence: 1, info: 0, time_us: 9 };
    events = [start, sent(1), { event: 'error', type: 11, code: 0, ...error }];
    const none = await run('ping -c 1 10.0.0.2');
    expect(none.out).toContain('From 10.0.0.254 icmp_seq=1 Time to live exceeded\n');
    expect(none.out).toMatch(/1 packets transmitted, 0 received, \+1 errors, 100% packet loss, time 0ms\n\n$/);
    expect(none.status).toBe(1);
  });

  it('tells what did not leave on stderr', async () => {
    events = [start, { event: 'refused', sequence: 1, errno: 'EMSGSIZE', mtu: 1400, time_us: 0 }];
    expect((await run('ping -c 1 10.0.0.2')).err).toBe('ping: local error: message too long, mtu=1400\n');
    expect((await run('ping -c 1 2001:db8::1')).err).toBe('ping: local error: message too long, mtu: 1400\n');
    events = [start, { event: 'refused', sequence: 1, errno: 'EHOSTUNREACH', mtu: 0, time_us: 0 }];
    expect((await run('ping -c 1 10.0.0.2')).err).toBe('ping: sendmsg: No route to host\n');
    expect((await run('ping -q -c 1 10.0.0.2')).err).toBe('');
  });

  it('prints no times where there is no room for a time stamp', async () => {
    events = [start, sent(1), reply(1, 98)];
    const { out } = await run('ping -s 8 -c 1 10.0.0.2');
    expect(out).toContain('PING 10.0.0.2 (10.0.0.2) 8(36) bytes of data.\n');
    expect(out).toContain('icmp_seq=1 ttl=63\n');
    expect(out).not.toContain('rtt');
  });

  it('says where from, when it was told', async () => {
    events = [start];
    expect((await run('ping -I e0 10.0.0.2')).out).toContain('PING 10.0.0.2 (10.0.0.2) from 10.0.0.1 e0: 56(84)');
    expect((await run('ping -I 10.0.0.1 10.0.0.2')).out).toContain('(10.0.0.2) from 10.0.0.1 : 56(84) bytes');
    expect((await run('ping 2001:db8::1')).out).toContain('PING 2001:db8::1(2001:db8::1) 56 data bytes\n');
  });

  it.each([
    ['ping 198.51.100.1', 2, 'ping: connect: Network is unreachable'],
    ['ping 10.0.0.255', 2, 'ping: Do you want to ping broadcast? Then -b. If not, check your local firewall rules'],
    ['ping -I 10.9.9.9 10.0.0.2', 2, 'ping: bind: Cannot assign requested address'],
    ['ping -I nodev 10.0.0.2', 2, 'ping: SO_BINDTODEVICE nodev: No such device'],
    ['ping', 1, 'ping: usage error: Destination address required'],
    ['ping -Z', 2, "ping: invalid option -- 'Z'"],
    ['ping -c', 2, "ping: option requires an argument -- 'c'"],
    ['ping -c x 10.0.0.2', 1, "ping: invalid argument: 'x'"],
    ['ping -c 0 10.0.0.2', 1, "ping: invalid argument: '0': out of range: 1 <= value <= 9223372036854775807"],
    ['ping -t 256 10.0.0.2', 1, "ping: invalid argument: '256': out of range: 0 <= value <= 255"],
    ['ping -t 0 10.0.0.2', 2, 'ping: cannot set unicast time-to-live: Invalid argument'],
    ['ping -M foo 10.0.0.2', 2, 'ping: invalid -M argument: foo'],
    ['ping nosuch.invalid', 2, 'ping: nosuch.invalid: Name or service not known'],
    ['ping -6 10.0.0.2', 2, 'ping: 10.0.0.2: Address family for hostname not supported'],
    ['ping -4 -6 10.0.0.2', 2, 'ping: only one -4 or -6 option may be specified'],
  ])('%s ends with %i as ping does', async (line, status, first) => {
    const outcome = await run(line);
    expect(outcome.status).toBe(status);
    expect(outcome.err.split('\n')[0]).toBe(first);
    expect(outcome.err.split('\n')[1]).toMatch(/^cannot ping/);
  });

  it.each([
    [0, '0.000'],
    [999, '0.999'],
    [1234, '1.23'],
    [12_345, '12.3'],
    [123_456, '123'],
  ])('writes %i µs as %s ms', (us, text) => {
    expect(roundTrip(us)).toBe(text);
  });

  it.each([
    [4, 3, 1, 0, 'Destination Host Unreachable'],
    [4, 3, 4, 1400, 'Frag needed and DF set (mtu = 1400)'],
    [4, 3, 13, 0, 'Packet filtered'],
    [4, 3, 99, 0, 'Dest Unreachable, Bad Code: 99'],
    [4, 5, 1, 0x0a000001, 'Redirect Host(New nexthop: 10.0.0.1)'],
    [4, 12, 0, 0x14000000, 'Parameter problem: pointer = 20'],
    [6, 1, 3, 0, 'Destination unreachable: Address unreachable'],
    [6, 2, 0, 1400, 'Packet too big: mtu=1400'],
    [6, 3, 0, 0, 'Time exceeded: Hop limit'],
    [6, 4, 2, 42, 'Parameter problem: Unknown option at 42'],
  ] as const)('of IPv%i %i/%i says: %s %s', (family, type, code, info, text) => {
    expect(echoError(family, { type, code, info })).toBe(text);
  });
});

describe('traceroute', () => {
  let daemon: FakeDaemon;
  let probes: TracerouteProbe[] = [];

  beforeAll(async () => {
    daemon = await FakeDaemon.start((request) =>
      request.op === 'traceroute' && request.destination === '198.51.100.1'
        ? refusal('ENETUNREACH', 'cannot trace the route: no route leads there')
        : new Many(probes),
    );
  });

  afterAll(() => daemon.stop());

  it('asks for what its options say', () => {
    expect(parseTraceroute(words('-nI -m 5 -q 2 -f 3 -w 1.5,2 -p 7 10.0.0.2 100'))).toEqual({
      destination: '10.0.0.2',
      family: 4,
      method: 'icmp',
      first: 3,
      max: 5,
      queries: 2,
      waitS: 1.5,
      here: 2,
      near: 0,
      port: 7,
      length: 100,
      isNumeric: true,
      isWhole: false,
    });
    expect(parseTraceroute(['2001:db8::1'])).toMatchObject({
      method: 'default',
      length: 80,
      waitS: 5,
      here: 3,
      near: 10,
    });
    expect(parseTraceroute(['-T', '2001:db8::1', '900'])).toMatchObject({ method: 'tcp', length: 80 });
    expect(parseTraceroute(['10.0.0.1', '20'])).toMatchObject({ length: 28 });
  });

  it('prints a line a hop, and an address where it is another one', async () => {
    const from = '10.1.0.2';
    probes = [
      { ttl: 1, from, rtt_us: 35 },
      { ttl: 1, from, rtt_us: 7 },
      { ttl: 1, from, rtt_us: 6 },
      { ttl: 2 },
      { ttl: 2, from, rtt_us: 1000 },
      { ttl: 2, from: '10.1.0.3', rtt_us: 1234, note: '!H' },
    ];
    const { out, status } = await sluice(words('traceroute 10.2.0.3'), daemon.socket);
    expect(out).toBe(
      [
        'traceroute to 10.2.0.3 (10.2.0.3), 30 hops max, 60 byte packets',
        ' 1  10.1.0.2 (10.1.0.2)  0.035 ms  0.007 ms  0.006 ms',
        ' 2  * 10.1.0.2 (10.1.0.2)  1.000 ms 10.1.0.3 (10.1.0.3)  1.234 ms !H',
        '',
      ].join('\n'),
    );
    expect(status).toBe(0);
    expect(new Printer(true).text({ ttl: 12, from, rtt_us: 5 })).toBe('\n12  10.1.0.2  0.005 ms');
  });

  it.each([
    ['traceroute 198.51.100.1', 1, 'connect: Network is unreachable'],
    ['traceroute -Z 10.0.0.2', 2, "Bad option `-Z' (argc 1)"],
    ['traceroute -m 300 10.0.0.2', 2, 'max hops cannot be more than 255'],
    ['traceroute -q 11 10.0.0.2', 2, 'no more than 10 probes per hop'],
    ['traceroute -f 40 10.0.0.2', 2, 'first hop out of range'],
    ['traceroute 10.0.0.2 abc', 2, 'Cannot handle "packetlen" cmdline arg `abc\' on position 2'],
    ['traceroute 10.0.0.2 70000', 2, 'too big packetlen 70000 specified'],
    ['traceroute -4 ::1', 2, '::1: Address family for hostname not supported'],
    ['traceroute nosuch.invalid', 2, 'nosuch.invalid: Name or service not known'],
    ['traceroute', 2, 'Specify "host" missing argument.'],
  ])('%s ends with %i as traceroute does', async (line, status, first) => {
    const outcome = await sluice(words(line), daemon.socket);
    expect(outcome.status).toBe(status);
    expect(outcome.err.split('\n')[0]).toBe(first);
  });
});
