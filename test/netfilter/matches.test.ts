import { describe, expect, it } from 'vitest';
import { CtInfo, UNTRACKED } from '../../src/core/arena.js';
import { isValid } from '../../src/netfilter/bpf.js';
import { LinkPatterns } from '../../src/netfilter/link-patterns.js';
import { CtHelper } from '../../src/netfilter/ops.js';
import { AccountWord, type ConntrackParts, TupleWord } from '../../src/netfilter/parts.js';
import { Hook, TableId } from '../../src/netfilter/rule.js';
import { monthDay } from '../../src/netfilter/wall-time.js';
import { takeTail } from '../../src/wire/span.js';
import { from4, H0, R0 } from '../route/stack.js';
import { ip4, pattern, tcp, udp } from '../support/packets.js';
import { wordsOf } from '../support/router.js';
import { type At, Stand } from './stand.js';

const FROM = '10.0.0.9';
const TO = '10.0.0.1';

function datagram(length = 10, source = FROM, port = 7): Uint8Array {
  return from4({ source, payload: udp(source, TO, 1000, port, pattern(length)) });
}

/** Flows by number, as conntrack would tell of them. */
class Flows implements ConntrackParts {
  readonly rows = new Map<number, { protocol: number; tuples: number[][]; status: number; state: number }>();
  readonly marks = new Map<number, number>();
  readonly labels = new Set<string>();
  readonly masters = new Map<number, number>();
  readonly helpers = new Map<number, number>();
  counts: number[] | undefined;
  left = 30_000;
  /** The flow that packets are like which are no part of one. */
  like = 0;

  add(flow: number, original: string, reply: string, status = 0, protocol = 17, state = 0): this {
    this.rows.set(flow, { protocol, tuples: [original, reply].map(tupleOf), status, state });
    return this;
  }

  status(flow: number): number {
    return this.rows.get(flow)?.status ?? 0;
  }

  protocol(flow: number): number {
    return this.rows.get(flow)?.protocol ?? 0;
  }

  state(flow: number): number {
    return this.rows.get(flow)?.state ?? 0;
  }

  tuple(flow: number, direction: number, into: Int32Array): void {
    into.set(this.rows.get(flow)?.tuples[direction] ?? []);
  }

  zone = () => 0;
  expiresIn = () => this.left;
  isAlive = (flow: number) => this.rows.has(flow);
  mark = (flow: number) => this.marks.get(flow) ?? 0;

  setMark(flow: number, mark: number): void {
    this.marks.set(flow, mark);
  }

  hasLabel = (flow: number, bit: number) => this.labels.has(`${flow} ${bit}`);

  setLabel(flow: number, bit: number): boolean {
    this.labels.add(`${flow} ${bit}`);
    return true;
  }

  account(_flow: number, into: Float64Array): boolean {
    if (this.counts === undefined) return false;
    into.set(this.counts, AccountWord.ORIGINAL_PACKETS);
    return true;
  }

  master = (flow: number) => this.masters.get(flow) ?? 0;
  helper = (flow: number) => this.helpers.get(flow) ?? 0;
  flowLike = () => this.like;

  close(flow: number): void {
    throw new Error(`a match ends flow ${flow}`);
  }
}

/** "10.0.0.9:1000 10.0.0.1:7". */
function tupleOf(text: string): number[] {
  const words = new Array<number>(TupleWord.WORDS).fill(0);
  const ports = text.split(' ').map((end, i) => {
    const [address, port] = end.split(':');
    words[i === 0 ? TupleWord.SOURCE : TupleWord.DESTINATION] = wordsOf(address)[0];
    return Number(port);
  });
  words[TupleWord.PORTS] = (ports[0] << 16) | ports[1];
  return words;
}

/** A stand with rules in mangle PREROUTING, one a line; `held` says which of them hold a packet. */
async function standOf(...rules: string[]): Promise<Stand & { held(bytes: Uint8Array, options?: At): number[] }> {
  const stand = new Stand();
  for (const rule of rules) expect(await stand.add(`-t mangle -A PREROUTING ${rule}`)).toBe('');
  const held = (bytes: Uint8Array, options: At = {}): number[] => {
    const before = rules.map((_, i) => stand.counted(i + 1));
    stand.pass(bytes, options);
    return rules.map((_, i) => i).filter((i) => stand.counted(i + 1) !== before[i]);
  };
  return Object.assign(stand, { held });
}

describe('limits that fill with time', () => {
  it('limit: a burst, then one packet whenever one is earned', async () => {
    const stand = await standOf('-m limit --limit 10/s --limit-burst 3');
    const passed: number[] = [];
    // From -1 s on, over the turn of the clock's sign, a packet each 20 ms.
    for (let now = -1000; now < 1000; now += 20) if (stand.held(datagram(), { now }).length > 0) passed.push(now);
    expect(passed.slice(0, 6)).toEqual([-1000, -980, -960, -900, -800, -700]);
    expect(passed.length).toBe(3 + 19);
    expect(stand.held(datagram(), { now: 1000 + 3_600_000 })).toEqual([0]);
  });

  it('hashlimit: for each source, in packets and in bytes', async () => {
    const stand = await standOf(
      '-m hashlimit --hashlimit-upto 5/s --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name p',
      '-m hashlimit --hashlimit-upto 1600b/s --hashlimit-burst 3200 --hashlimit-mode srcip --hashlimit-name b',
    );
    const packets: number[] = [];
    let bytes = 0;
    for (let now = 0; now < 10_000; now += 50) {
      const held = stand.held(datagram(72, '10.0.0.20'), { now });
      if (held.includes(0)) packets.push(now);
      if (held.includes(1)) bytes += 100;
    }
    expect(packets.slice(0, 5)).toEqual([0, 50, 200, 400, 600]);
    expect(packets.length).toBe(2 + 49);
    // 1,600 a second counted in units of 16 (112 for each of 100), and the burst.
    expect(bytes).toBeGreaterThan(14_000);
    expect(bytes).toBeLessThan(19_500);
    expect(stand.held(datagram(72, '10.0.0.21'), { now: 9999 })).toEqual([0, 1]);
    expect(stand.matches.hashlimit.size(1)).toBe(2);
  });

  it('hashlimit forgets who has been silent', async () => {
    const stand = await standOf(
      '-m hashlimit --hashlimit-upto 5/s --hashlimit-mode srcip --hashlimit-htable-expire 2000 --hashlimit-name p',
    );
    stand.held(datagram(), { now: 100 });
    let due = stand.matches.timers(1200);
    expect([due >= 0, stand.matches.hashlimit.size(1)]).toEqual([true, 1]);
    for (let now = 2200; now < 6000 && stand.matches.hashlimit.size(1) > 0; now += Math.max(due, 1)) {
      due = stand.matches.timers(now);
    }
    expect(stand.matches.hashlimit.size(1)).toBe(0);
  });

  it('hashlimit: tables of any size that can be written, small until they are needed', async () => {
    const stand = await standOf(
      '-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 1 --hashlimit-mode srcip --hashlimit-htable-max 4000000000 --hashlimit-name m',
      '-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 1 --hashlimit-mode srcip --hashlimit-htable-size 2000000000 --hashlimit-name s',
      '-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 1 --hashlimit-mode srcip --hashlimit-htable-expire 4294967295 --hashlimit-name e',
    );
    const from = (i: number) => datagram(4, `10.0.${i >> 8}.${i & 0xff}`);
    for (let i = 1; i <= 2000; i++) expect([i, stand.held(from(i), { now: i })]).toEqual([i, [0, 1, 2]]);
    for (let i = 1; i <= 2000; i++) expect([i, stand.held(from(i), { now: 2000 })]).toEqual([i, []]);
    expect([1, 2, 3].map((table) => stand.matches.hashlimit.size(table))).toEqual([2000, 2000, 2000]);
    for (let now = 2000; now < 3000; now++) stand.matches.timers(now);
    expect(stand.matches.hashlimit.size(3)).toBe(2000);
    // The kernel shows what it has made of them.
    const { stdout } = await stand.iptables.run(0, 'iptables', ['-t', 'mangle', '-S', 'PREROUTING']);
    expect(stdout.match(/htable-(max|size) \d+/g)).toEqual(['htable-max 1048576', 'htable-size 1048576']);
  });

  it('hashlimit: a table has room for as many entries as it has buckets, at least', async () => {
    const stand = await standOf(
      '-m hashlimit --hashlimit-upto 5/s --hashlimit-mode srcip --hashlimit-htable-size 4 --hashlimit-htable-max 1 --hashlimit-name p',
    );
    const held = [1, 2, 3, 4, 5].map((i) => stand.held(datagram(4, `10.0.0.${i}`)).length);
    expect(held).toEqual([1, 1, 1, 1, 0]);
  });

  it('recent: hits within seconds, and the times of an address are a ring', async () => {
    const stand = await standOf('-m recent --name a --update --seconds 10 --hitcount 3', '-m recent --name a --set');
    const times = [0, 1000, 2000, 3000, 14_000, 15_000, 16_000, 17_000, 40_000];
    // Each update counts as a hit as well.
    expect(times.map((now) => stand.held(datagram(), { now }).includes(0))).toEqual([
      false,
      false,
      false,
      true,
      false,
      false,
      false,
      true,
      false,
    ]);
    const [entry] = stand.matches.recent.entries(1);
    expect(entry.stamps.length).toBe(times.length + 2);
    expect(stand.matches.recent.add(1, 0, [wordsOf('1.2.3.4')[0]], 5)).toBe(true);
    stand.matches.recent.remove(1, 0, entry.address);
    expect(stand.matches.recent.entries(1).map((each) => each.address[0])).toEqual([wordsOf('1.2.3.4')[0]]);
  });

  it('recent: seconds of months, and an address seen months ago, are told apart from now', async () => {
    const DAY_S = 86_400;
    const stand = await standOf(
      '-m recent --name a --rcheck --seconds 60',
      `-m recent --name a --rcheck --seconds ${30 * DAY_S}`,
      `-m recent --name a --rcheck --seconds ${400 * DAY_S}`,
      '-m recent --name a --rcheck --seconds 4294967295',
      '-m recent --name b --set',
    );
    await stand.add('-t mangle -A OUTPUT -m recent --name a --set');
    const found: Record<number, number[]> = {};
    stand.pass(datagram(), { now: -5000, hook: Hook.OUTPUT });
    for (let day = 0; day <= 500; day++) {
      const now = (day * DAY_S * 1000) | 0;
      stand.matches.timers(now);
      if ([0, 1, 29, 31, 40, 51, 399, 401, 500].includes(day)) found[day] = stand.held(datagram(), { now });
    }
    const [month, year, ever] = [
      [1, 2, 3, 4],
      [2, 3, 4],
      [3, 4],
    ];
    expect(found).toEqual({
      0: [0, 1, 2, 3, 4],
      1: month,
      29: month,
      31: year,
      40: year,
      51: year,
      399: year,
      401: ever,
      500: ever,
    });
  });

  it('recent: of more addresses than there is room for the one seen longest ago goes', async () => {
    const stand = await standOf('-m recent --name a --set');
    for (let i = 1; i <= 101; i++) stand.held(datagram(4, `10.0.0.${i}`), { now: i });
    const known = stand.matches.recent.entries(1).map((entry) => entry.address[0] & 0xff);
    expect([known.length, known[0], known[99]]).toEqual([100, 2, 101]);
  });

  it('statistic random: about as often as it says', async () => {
    const stand = await standOf('-m statistic --mode random --probability 0.3');
    let count = 0;
    for (let i = 0; i < 5000; i++) count += stand.held(datagram()).length;
    expect(count / 5000).toBeGreaterThan(0.27);
    expect(count / 5000).toBeLessThan(0.33);
  });
});

describe('matches that ask about the flow', () => {
  const rules = [
    '-m conntrack --ctstate NEW',
    '-m conntrack --ctstate ESTABLISHED,RELATED',
    '-m conntrack ! --ctstate INVALID',
    '-m conntrack --ctstate UNTRACKED',
    '-m conntrack --ctstate SNAT',
    '-m conntrack --ctdir REPLY',
    '-m conntrack --ctorigdst 10.0.0.0/24 --ctorigdstport 7',
    '-m conntrack ! --ctreplsrc 10.0.1.9',
    '-m conntrack --ctstatus ASSURED',
    '-m conntrack --ctexpire 20:40',
    '-m conntrack --ctproto 6',
    '-m state --state NEW,RELATED',
  ];

  it('conntrack', async () => {
    const stand = await standOf(...rules);
    stand.parts.conntrack = new Flows()
      .add(1, '10.0.0.9:1000 10.0.0.1:7', '10.0.0.1:7 10.0.0.9:1000')
      .add(2, '10.0.0.9:1000 10.0.0.1:7', '10.0.1.9:7 10.0.0.77:1000', 4 | 16);
    const held = (flow: number, info = 0) => stand.held(datagram(), { flow, info });
    expect(held(1, CtInfo.NEW)).toEqual([0, 2, 6, 7, 9, 11]);
    expect(held(2, CtInfo.ESTABLISHED_REPLY)).toEqual([1, 2, 4, 5, 6, 8, 9]);
    expect(held(1, CtInfo.RELATED_REPLY)).toEqual([1, 2, 5, 6, 7, 9, 11]);
    expect(held(0)).toEqual([]);
    expect(held(UNTRACKED)).toEqual([2, 3]);
  });

  it('connmark, connlabel, helper, connbytes', async () => {
    const stand = await standOf(
      '-m connmark --mark 0x10/0xf0',
      '-m connmark ! --mark 0x10/0xf0',
      '-m connlabel --label 5 --set',
      '-m connlabel --label 5',
      '-m helper --helper ftp',
      '-m connbytes --connbytes 100:200 --connbytes-dir both --connbytes-mode bytes',
      '-m connbytes ! --connbytes 100:200 --connbytes-dir original --connbytes-mode bytes',
      '-m connbytes --connbytes 3: --connbytes-dir reply --connbytes-mode packets',
      '-m connbytes --connbytes 25:26 --connbytes-dir original --connbytes-mode avgpkt',
    );
    const flows = new Flows().add(1, '10.0.0.9:1 10.0.0.1:2', '10.0.0.1:2 10.0.0.9:1');
    stand.parts.conntrack = flows;
    flows.marks.set(1, 0x1f);
    expect(stand.held(datagram(), { flow: 1 })).toEqual([0, 2, 3]);
    flows.counts = [2, 50, 3, 60];
    flows.masters.set(1, 9);
    flows.helpers.set(9, CtHelper.FTP);
    expect(stand.held(datagram(), { flow: 1 })).toEqual([0, 2, 3, 4, 5, 6, 7, 8]);
    expect(stand.held(datagram(), { flow: 0 })).toEqual([]);
  });

  it('connlimit counts flows that live, by address or net', async () => {
    const stand = await standOf(
      '-m connlimit --connlimit-above 2',
      '-m connlimit --connlimit-upto 2 --connlimit-mask 24',
      '-m connlimit --connlimit-above 1 --connlimit-daddr',
    );
    const flows = new Flows();
    stand.parts.conntrack = flows;
    const begin = (flow: number, source: string) => {
      flows.add(flow, `${source}:${flow} 10.0.0.1:7`, `10.0.0.1:7 ${source}:${flow}`, 0, 6, 3);
      return stand.held(datagram(4, source), { flow });
    };
    expect(begin(1, '10.0.0.9')).toEqual([1]);
    expect(begin(2, '10.0.0.9')).toEqual([1, 2]);
    expect(stand.held(datagram(4), { flow: 2 })).toEqual([1, 2]);
    // A packet that is no part of a flow is one more, unless it is like one that is counted.
    expect(stand.held(datagram(4))).toEqual([0, 2]);
    flows.like = 2;
    expect(stand.held(datagram(4))).toEqual([1, 2]);
    flows.like = 0;
    expect(begin(3, '10.0.0.9')).toEqual([0, 2]);
    expect(begin(4, '10.0.0.10')).toEqual([2]);
    // One ends, one is closed, one is another flow by now.
    flows.rows.delete(1);
    flows.add(2, '10.0.0.9:2 10.0.0.1:7', '10.0.0.1:7 10.0.0.9:2', 0, 6, 8);
    expect(stand.held(datagram(4), { flow: 3 })).toEqual([1, 2]);
    flows.add(4, '10.9.9.9:4 10.9.9.8:7', '10.9.9.8:7 10.9.9.9:4', 0, 6, 3);
    expect(stand.held(datagram(4), { flow: 3 })).toEqual([1]);
    flows.rows.clear();
    let now = 10_000;
    for (let i = 0; i < 100 && stand.matches.timers(now) >= 0; i++) now += 1000;
    expect(stand.matches.timers(now)).toBe(-1);
    expect(begin(5, '10.0.0.9')).toEqual([1]);
  });
});

describe('matches that look into the packet', () => {
  it('finds text where the head slot ends', async () => {
    const stand = await standOf('-m string --algo bm --string needle', '-m u32 --u32 "0x708=0x6e656564"');
    const payload = pattern(1990);
    const needle = Buffer.from('needle');
    payload.set(needle, 0x708 - 28);
    const bytes = from4({ payload: udp(FROM, TO, 1, 2, payload) });
    const { arena } = stand.router.dataplane;
    const frame = stand.router.dataplane.inet.create(bytes.length);
    expect(takeTail(arena, frame)).toBe(true);
    const head = arena.headLength(frame);
    expect([head > 100, head < bytes.length]).toEqual([true, true]);
    arena.bytes.set(bytes.subarray(0, head), arena.offset[frame]);
    arena.bytes.set(bytes.subarray(head), arena.tailOffset(frame));
    arena.ingress[frame] = stand.router.link('e0');
    stand.at(frame);
    stand.walk(TableId.MANGLE);
    expect([stand.counted(1), stand.counted(2)]).toEqual([1, 1]);
  });

  it('says so when a malformed segment is to be dropped', async () => {
    const stand = await standOf('-p tcp -m tcp --tcp-option 5', '-p tcp');
    const short = ip4({ to: R0, from: H0, source: FROM, destination: TO, protocol: 6, payload: pattern(10) });
    stand.at(stand.frame(short));
    expect(stand.matches.run(stand.rules.rows[(1 << 5) + 9], stand.packet)).toBe(false);
    expect(stand.matches.isHotDrop).toBe(true);
  });

  it('time: days, dates and spans over midnight', async () => {
    const stand = await standOf(
      '-m time --weekdays Mon,Tue',
      '-m time --monthdays 29,31',
      '-m time --timestart 22:00 --timestop 06:00',
      '-m time --timestart 22:00 --timestop 06:00 --contiguous --weekdays Mon',
      '-m time --datestart 2024-02-29T12:00:00 --datestop 2024-03-01T00:00:00',
    );
    const at = (text: string) => {
      stand.seconds = Date.parse(text) / 1000;
      return stand.held(datagram());
    };
    expect(at('2024-02-29T13:00:00Z')).toEqual([1, 4]);
    expect(at('2024-02-26T23:00:00Z')).toEqual([0, 2, 3]);
    expect(at('2024-02-27T05:00:00Z')).toEqual([0, 2, 3]);
    expect(at('2024-02-27T23:00:00Z')).toEqual([0, 2]);
    expect(at('2024-02-28T12:00:00Z')).toEqual([]);
  });

  it('knows the day of the month of every day', () => {
    for (let day = 0; day < 50_000; day += 13) expect(monthDay(day)).toBe(new Date(day * 86_400_000).getUTCDate());
  });

  it('physdev asks about the ports of a bridged packet', async () => {
    const stand = await standOf(
      '-m physdev --physdev-in e1',
      '-m physdev ! --physdev-in e1',
      '-m physdev --physdev-is-in',
      '-m physdev --physdev-in e+',
    );
    const bytes = datagram();
    expect(stand.held(bytes)).toEqual([1]);
    stand.at(stand.frame(bytes));
    stand.packet.physicalIn = stand.router.link('e1');
    stand.walk(TableId.MANGLE);
    expect([1, 2, 3, 4].map((rule) => stand.counted(rule))).toEqual([1, 1, 1, 1]);
  });

  it('leaves BPF programs alone that could run away', () => {
    expect(isValid([0x06, 1])).toBe(true);
    expect(isValid([0x05, 1, 0x06, 1])).toBe(false);
    expect(isValid([0x15 | (3 << 16), 0, 0x06, 1])).toBe(false);
    expect(isValid([0x34, 0, 0x06, 1])).toBe(false);
    expect(isValid([0x02, 16, 0x06, 1])).toBe(false);
    expect(isValid([0xff, 0, 0x06, 1])).toBe(false);
    expect(isValid([0x00, 1])).toBe(false);
  });
});

describe('what must not be kept for a flow', () => {
  const isVolatile = async (rule: string, bytes = datagram(), table = 'mangle') => {
    const stand = new Stand();
    expect(await stand.add(`-t ${table} -A PREROUTING ${rule}`)).toBe('');
    stand.at(stand.frame(bytes), { flow: 0 });
    stand.walk(TableId.MANGLE);
    return stand.packet.isVolatile;
  };
  const segment = from4({ protocol: 6, payload: tcp(FROM, TO, 1, 2, { flags: 0x10 }) });

  it('is what may be another for the next packet', async () => {
    for (const rule of [
      '-m limit --limit 1/s',
      '-m statistic --mode nth --every 2 --packet 0',
      '-m recent --set',
      '-m length --length 1:99',
      '-m ttl --ttl-gt 1',
      '-m conntrack --ctstatus ASSURED',
      '-j MARK --set-mark 1',
      '-j TRACE',
    ]) {
      expect([rule, await isVolatile(rule, datagram(), rule.includes('TRACE') ? 'raw' : 'mangle')]).toEqual([
        rule,
        !rule.includes('TRACE'),
      ]);
    }
    expect(await isVolatile('-p tcp -m tcp --tcp-flags PSH PSH', segment)).toBe(true);
  });

  it('and not what all of them have', async () => {
    for (const rule of [
      '-m conntrack --ctstate NEW',
      '-m addrtype --dst-type LOCAL',
      '-p udp -m multiport --dports 7,8',
      '-m mark --mark 1',
      '-m iprange --src-range 10.0.0.1-10.0.0.9',
      '-i e0 -p udp --dport 7 -j ACCEPT',
    ]) {
      expect([rule, await isVolatile(rule)]).toEqual([rule, false]);
    }
    expect(await isVolatile('-p tcp --syn', segment)).toBe(false);
    expect(await isVolatile('-p tcp -m tcp --tcp-flags ALL NONE', segment)).toBe(false);
  });
});

describe('patterns of link names', () => {
  it('have the links that control gives them', () => {
    const patterns = new LinkPatterns();
    patterns.define(1, true);
    patterns.define(2, false);
    for (const link of [5, 37]) patterns.add(2, link);
    patterns.add(1, 37);
    expect([0, 5, 37, 38].map((link) => patterns.has(2, link))).toEqual([false, true, true, false]);
    expect([patterns.has(0, 0), patterns.has(0, 77), patterns.has(1, 0)]).toEqual([true, true, false]);
    expect([patterns.exact[37], patterns.exact[5], patterns.first(2), patterns.isExact(1)]).toEqual([1, 0, 5, true]);
    patterns.forgetLink(37, 2);
    expect([patterns.has(2, 37), patterns.has(1, 37), patterns.exact[37]]).toEqual([false, false, 0]);
    patterns.clear(2);
    expect([patterns.has(2, 5), patterns.first(2)]).toEqual([false, 0]);
  });
});
