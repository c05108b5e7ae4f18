/* A packet that is tried out: what is told of its way, and that nothing else knows of it afterwards. */
import { describe, expect, it } from 'vitest';
import { FlowRow } from '../../src/conntrack/flow-row.js';
import { Flow } from '../../src/conntrack/flows.js';
import { DROP_NAME, DROP_REASONS, DropReason } from '../../src/core/drop.js';
import { Explainer } from '../../src/netfilter/explain.js';
import type { Walk } from '../../src/netfilter/explain-steps.js';
import { Hook } from '../../src/netfilter/rule.js';
import { Conf4, Conf6 } from '../../src/route/conf.js';
import { H0, H1, R0, R1, talkative } from '../route/stack.js';
import { icmp, ip4, ip6, pattern, tcp, udp } from '../support/packets.js';
import type { Router } from '../support/router.js';
import { Ruled } from '../support/ruled.js';

const [A, B] = ['10.0.0.9', '10.0.1.9'];
const SYN = 0x02;

interface Stand {
  router: Router;
  ruled: Ruled;
  try(link: string, frame: Uint8Array): Walk;
}

async function stand(rules: string): Promise<Stand> {
  const router = talkative();
  const ruled = new Ruled(router);
  await ruled.run(rules);
  const { inet, netfilter } = router.dataplane;
  const explainer = new Explainer(inet, netfilter);
  return { router, ruled, try: (link, frame) => explainer.receive(router.link(link), frame, router.now) };
}

function segment(flags = SYN, sport = 1000, dport = 80, sequence = 0, acknowledged = 0): Uint8Array {
  const payload = tcp(A, B, sport, dport, { flags, sequence, acknowledgement: acknowledged });
  return ip4({ to: R0, from: H0, source: A, destination: B, protocol: 6, payload });
}

function datagram(source: string, destination: string, sport = 1000, dport = 53): Uint8Array {
  const isFromA = source === A;
  const payload = udp(source, destination, sport, dport, pattern(8));
  const ends = isFromA ? { to: R0, from: H0 } : { to: R1, from: H1 };
  return ip4({ ...ends, source, destination, protocol: 17, payload });
}

/** "PREROUTING", "rule 3", "policy", "NEW" … of the packet itself. */
function way({ steps, end, reason }: Walk): string[] {
  const words = steps
    .filter(({ answer }) => answer === 0)
    .flatMap((step) => {
      if (step.kind === 'hook') return ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'][step.hook];
      if (step.kind === 'rule') return `rule ${step.rule}`;
      if (step.kind === 'flow') return step.isNew ? `${step.state} flow` : step.state;
      return step.kind === 'policy' || step.kind === 'end' || step.kind === 'nat' ? step.kind : [];
    });
  return [...words, reason === DropReason.NONE ? end : DROP_NAME[reason as Exclude<DropReason, 0 | DropReason.COUNT>]];
}

/** Typed arrays as text, which compares fast. */
function packed(value: unknown): unknown {
  if (ArrayBuffer.isView(value))
    return Buffer.from(new Uint8Array(value.buffer, value.byteOffset, value.byteLength)).toString('base64');
  if (Array.isArray(value)) return value.map(packed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, packed(part)]));
}

/** All that a packet could have changed. */
async function everything({ router, ruled }: Stand): Promise<unknown> {
  const { inet, netfilter, links, arena } = router.dataplane;
  const { conntrack, rules } = netfilter;
  // The flow of a packet that was dropped before may still be in its row.
  conntrack.timers(router.now);
  const rows = new Int32Array(FlowRow.WORDS * 64);
  const flows: Int32Array[] = [];
  for (let cursor = 0, isDone = false; !isDone; isDone = cursor === 0) {
    cursor = conntrack.ctnetlink.page(0, cursor, 1 << 20, router.now, rows);
    for (let i = 0; i < conntrack.ctnetlink.pageRows; i++)
      flows.push(rows.slice(i * FlowRow.WORDS, (i + 1) * FlowRow.WORDS));
  }
  return packed({
    saved: [await ruled.save(), await ruled.save('ip6tables')],
    flows,
    words: conntrack.flows.map(({ words, end, width }) =>
      Array.from({ length: end }, (_, i) => words.slice(i * width, (i + 1) * width)).filter(
        (row) => row[Flow.KIND] !== 0,
      ),
    ),
    sizes: conntrack.flows.map(({ size }) => size),
    tuples: conntrack.tables.map(({ size }) => size),
    count: conntrack.count[0],
    stats: conntrack.stats.slice(0, 16),
    nat: [netfilter.nat.size, netfilter.nat.exhausted],
    expectations: conntrack.expectations.size,
    pool: rules.pool.words.slice(0, rules.pool.extent),
    rows: rules.rows.slice(0, 4096),
    counters: [links.counters.slice(0, 256), links.drops.slice(0, 2000), links.totals.slice()],
    free: [arena.freeHeadCount, arena.freeTailCount],
    fragments: inet.reassembly.frames,
    neighbours: inet.neighbours.rows.slice(0, 4096),
    random: (inet as unknown as { seed: number }).seed,
    hooks: inet.hooks === netfilter,
    isOn: netfilter.isOn.slice(0, 4),
    settings: [inet.conf.link4.slice(0, 512), inet.conf.all4.slice(0, 64), inet.conf.all6.slice(0, 64)],
  });
}

/** Tries frames out and holds that everything is as it was. */
async function tryAll(where: Stand, frames: Array<[string, Uint8Array]>): Promise<Walk[]> {
  const before = await everything(where);
  const walks = frames.map(([link, frame]) => where.try(link, frame));
  expect(await everything(where)).toEqual(before);
  return walks;
}

describe('the walk', () => {
  it('goes through hooks, tables, chains and rules as packets do', async () => {
    const where = await stand(`
      iptables -N inner
      iptables -A FORWARD -p udp -j inner
      iptables -A inner -p udp --dport 99 -j DROP
      iptables -t raw -A PREROUTING -s 10.0.0.0/8
      iptables -A FORWARD -m conntrack --ctstate NEW -j ACCEPT`);
    const [walk] = await tryAll(where, [['e0', datagram(A, B)]]);
    expect(way(walk)).toEqual([
      'PREROUTING',
      'rule 3',
      'policy',
      'NEW flow',
      'FORWARD',
      'rule 1',
      'end',
      'rule 4',
      'POSTROUTING',
      'left',
    ]);
    expect(walk.out).toBe(where.router.link('e1'));
  });

  it('passes hooks where no rule is', async () => {
    const [walk, local] = await tryAll(await stand(''), [
      ['e0', datagram(A, B)],
      ['e0', datagram(A, '10.0.0.1')],
    ]);
    expect(way(walk)).toEqual(['PREROUTING', 'FORWARD', 'POSTROUTING', 'left']);
    expect(way(local)).toEqual(['PREROUTING', 'INPUT', 'delivered']);
  });

  it('tells what NAT makes of it', async () => {
    const where = await stand('iptables -t nat -A POSTROUTING -o e1 -j MASQUERADE');
    const [walk] = await tryAll(where, [['e0', datagram(A, B)]]);
    const nat = walk.steps.find(({ kind }) => kind === 'nat');
    expect(nat).toMatchObject({ before: { source: A, destination: B }, after: { source: '10.0.1.1', destination: B } });
  });

  it('tells of answers', async () => {
    const where = await stand('iptables -A FORWARD -j REJECT');
    const [walk] = await tryAll(where, [['e0', datagram(A, B)]]);
    expect(way(walk)).toEqual(['PREROUTING', 'FORWARD', 'rule 1', 'rejected']);
    expect(walk.steps.find(({ kind }) => kind === 'answer')).toMatchObject({
      answer: 1,
      text: expect.stringMatching(/^IP 10\.0\.0\.1 > 10\.0\.0\.9: ICMP .* udp port 53 unreachable/) as string,
    });
    expect(walk.steps.filter(({ answer }) => answer === 1).at(-1)).toMatchObject({ kind: 'left' });
  });

  it('holds fragments, where flows are tracked', async () => {
    const where = await stand('iptables -A FORWARD -m conntrack --ctstate NEW -j ACCEPT');
    const frame = ip4({
      to: R0,
      from: H0,
      source: A,
      destination: B,
      protocol: 17,
      payload: pattern(16),
      fragment: 0x2000,
    });
    const [walk] = await tryAll(where, [['e0', frame]]);
    expect(walk.end).toBe('held');
  });
});

describe('established flows', () => {
  const RULES = `
    iptables -t nat -A POSTROUTING -o e1 -j MASQUERADE
    iptables -A FORWARD -m conntrack --ctstate ESTABLISHED -j CONNMARK --set-mark 7
    iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP`;

  it('are found, and stay as they are', async () => {
    const where = await stand(RULES);
    const { router } = where;
    router.dataplane.netfilter.conntrack.settings[2] = 1;
    router.send('e0', segment());
    router.send(
      'e1',
      ip4({
        to: R1,
        from: H1,
        source: B,
        destination: '10.0.1.1',
        protocol: 6,
        payload: tcp(B, '10.0.1.1', 80, 1000, { flags: 0x12, sequence: 500, acknowledgement: 1 }),
      }),
    );
    const walks = await tryAll(where, [
      ['e0', segment(0x10, 1000, 80, 1, 501)],
      ['e0', segment(0x04, 1000, 80, 1, 501)],
      ['e0', segment(0x10, 1000, 80, 0x7000_0000, 501)],
      ['e0', segment(SYN)],
    ]);
    expect(walks.map((walk) => way(walk)[1])).toEqual(['ESTABLISHED', 'ESTABLISHED', 'INVALID', 'ESTABLISHED']);
    expect(walks.map(({ end }) => end)).toEqual(['left', 'left', 'dropped', 'left']);
  });

  it('stay where a new one would take their place', async () => {
    const where = await stand(RULES);
    const { router } = where;
    router.send('e0', datagram(A, B, 1));
    router.send('e0', datagram(A, B, 2));
    router.dataplane.netfilter.conntrack.settings[0] = 2;
    const [walk] = await tryAll(where, [['e0', datagram(A, B, 3)]]);
    expect(['left', 'dropped']).toContain(walk.end);
    if (walk.end === 'dropped') expect(walk.remedies).toMatchObject([{ kind: 'flows' }]);
  });
});

describe('what counts packets', () => {
  it('counts none that is tried out', async () => {
    const RULES = `
      iptables -A FORWARD -m limit --limit 1/hour --limit-burst 1 -j LOG
      iptables -A FORWARD -m statistic --mode nth --every 3 --packet 0 -j MARK --set-mark 1
      iptables -A FORWARD -m statistic --mode random --probability 0.5
      iptables -A FORWARD -m quota --quota 100000
      iptables -A FORWARD -m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 1 --hashlimit-name a -j RETURN
      iptables -A FORWARD -m recent --set --name b
      iptables -A FORWARD -m connlimit --connlimit-above 2 -j DROP`;
    const where = await stand(RULES);
    const frames: Array<[string, Uint8Array]> = [1, 2, 3].map(() => ['e0', datagram(A, B)]);
    const walks = await tryAll(where, frames);
    expect(new Set(walks.map((walk) => JSON.stringify(walk.steps))).size).toBe(1);
    // Another router where nothing is tried out counts the same.
    const other = await stand(RULES);
    for (let i = 0; i < 5; i++) {
      await tryAll(where, frames);
      for (const { router } of [where, other]) router.send('e0', datagram(A, B, 1000 + i));
      expect(await where.ruled.save()).toBe(await other.ruled.save());
    }
  });
});

describe('the one change', () => {
  it('is the rule, the policy, the setting', async () => {
    const where = await stand(`
      iptables -A FORWARD -p udp --dport 1 -j DROP
      iptables -A FORWARD -p udp --dport 2 -j REJECT
      iptables -A FORWARD -p udp --dport 3 -j DROP
      iptables -A FORWARD -p udp --dport 3 -j DROP
      iptables -A FORWARD -p udp -j ACCEPT
      iptables -P FORWARD DROP`);
    const walks = await tryAll(where, [
      ['e0', datagram(A, B, 9, 1)],
      ['e0', datagram(A, B, 9, 2)],
      ['e0', datagram(A, B, 9, 3)],
      ['e0', segment()],
    ]);
    expect(walks.map(({ reason }) => reason)).toEqual([
      DropReason.RULE,
      DropReason.REJECTED,
      DropReason.RULE,
      DropReason.POLICY,
    ]);
    const kinds = walks.map(({ remedies }) =>
      remedies.map((change) => (change.kind === 'rule' ? change.rule : change.kind)),
    );
    expect(kinds).toEqual([[1], [2], [], ['policy']]);
  });

  it('is forwarding, or the filter of sources', async () => {
    const where = await stand('');
    const { conf } = where.router.dataplane.inet;
    const e0 = where.router.link('e0');
    conf.set('link4', e0, Conf4.FORWARDING, 0);
    conf.set('link4', e0, Conf4.RP_FILTER, 1);
    const [off, lost] = await tryAll(where, [
      ['e0', datagram(A, B)],
      ['e0', datagram(A, '10.9.9.9')],
    ]);
    expect(off.remedies).toMatchObject([{ kind: 'setting', sysctl: 'net.ipv4.ip_forward', value: 1 }]);
    expect([lost.reason, lost.remedies]).toEqual([DropReason.FORWARDING_OFF, []]);
    conf.set('link4', e0, Conf4.FORWARDING, 1);
    const spoofed = ip4({
      to: R0,
      from: H0,
      source: '10.0.1.77',
      destination: B,
      protocol: 17,
      payload: udp('10.0.1.77', B, 1, 2, pattern(4)),
    });
    const [filtered] = await tryAll(where, [['e0', spoofed]]);
    expect(filtered.reason).toBe(DropReason.RP_FILTER);
    expect(filtered.remedies).toMatchObject([{ kind: 'setting', sysctl: 'net.ipv4.conf.%.rp_filter', value: 0 }]);
  });

  it('knows IPv6', async () => {
    const where = await stand('ip6tables -A FORWARD -p udp -j DROP');
    const payload = udp('2001:db8::9', '2001:db8:1::9', 5, 6, pattern(8));
    const frame = ip6({
      to: R0,
      from: H0,
      source: '2001:db8::9',
      destination: '2001:db8:1::9',
      nextHeader: 17,
      payload,
    });
    const [walk] = await tryAll(where, [['e0', frame]]);
    expect(walk.remedies).toMatchObject([{ kind: 'rule', rule: 1 }]);
    where.router.dataplane.inet.conf.set('all6', 0, Conf6.FORWARDING, 0);
    const [off] = await tryAll(where, [['e0', frame]]);
    expect([way(off), off.remedies]).toEqual([['PREROUTING', 'forwarding_off'], []]);
  });
});

describe('packets made here', () => {
  it('begin at OUTPUT', async () => {
    const where = await stand('iptables -A OUTPUT -p icmp -j DROP');
    const { inet, netfilter } = where.router.dataplane;
    const explainer = new Explainer(inet, netfilter);
    const bytes = ip4({
      to: R0,
      from: H0,
      source: '10.0.1.1',
      destination: B,
      protocol: 1,
      payload: icmp(8, 0, 0x10001, pattern(8)),
    }).slice(14);
    const before = await everything(where);
    const walk = explainer.send(0, bytes, where.router.now);
    expect(await everything(where)).toEqual(before);
    expect(walk.steps[0]).toMatchObject({ kind: 'hook', hook: Hook.OUTPUT, out: where.router.link('e1') });
    expect([walk.end, walk.remedies.length]).toEqual(['dropped', 1]);
  });
});

describe('what is foretold', () => {
  const RULES = `
    iptables -t raw -A PREROUTING -p udp --dport 9 -j CT --notrack
    iptables -t mangle -A PREROUTING -m ttl --ttl-lt 3 -j MARK --set-mark 5
    iptables -t nat -A PREROUTING -i e0 -p tcp --dport 8080 -j DNAT --to-destination 10.0.1.9:80
    iptables -t nat -A POSTROUTING -o e1 -j MASQUERADE
    iptables -N limited
    iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP
    iptables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
    iptables -A FORWARD -p udp --dport 7 -j REJECT
    iptables -A FORWARD -p tcp --dport 7 -j REJECT --reject-with tcp-reset
    iptables -A FORWARD -m mark --mark 5 -j RETURN
    iptables -A FORWARD -j limited
    iptables -A limited -m limit --limit 1/hour --limit-burst 40 -j ACCEPT
    iptables -A limited -m statistic --mode nth --every 2 --packet 0 -j DROP
    iptables -A limited -m recent --name seen --rcheck --hitcount 3 -j DROP
    iptables -A limited -m recent --name seen --set
    iptables -A INPUT -p icmp -j DROP
    iptables -A OUTPUT -p icmp -m statistic --mode nth --every 3 --packet 0 -j DROP
    ip6tables -A FORWARD -p udp --dport 7 -j REJECT
    ip6tables -A FORWARD -m conntrack --ctstate NEW -m limit --limit 1/hour --limit-burst 3 -j ACCEPT
    ip6tables -P FORWARD DROP`;

  let seed = 20_240_611;
  const pick = <T>(list: readonly T[]): T => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
    return list[(seed >>> 8) % list.length];
  };

  function packet4(): [string, Uint8Array] {
    const isBack = pick([true, false, false]);
    const source = isBack ? B : pick([A, A, '10.0.0.10', '10.0.1.77', '127.0.0.1', '10.0.0.1']);
    const destination = isBack
      ? pick(['10.0.1.1', A])
      : pick([B, B, '10.0.1.10', '10.0.0.1', '172.16.0.1', '172.17.0.1', '172.18.0.1', '9.9.9.9']);
    const [sport, dport] = isBack
      ? [pick([80, 7, 53]), pick([1000, 1001])]
      : [pick([1000, 1001]), pick([80, 7, 53, 9, 8080])];
    const flags = pick([0x02, 0x12, 0x10, 0x10, 0x11, 0x04]);
    const transports: Array<[number, Uint8Array]> = [
      [
        6,
        tcp(source, destination, sport, dport, {
          flags,
          sequence: pick([0, 1, 500, 0x7000_0000]),
          acknowledgement: pick([1, 501]),
        }),
      ],
      [17, udp(source, destination, sport, dport, pattern(pick([0, 8])))],
      [1, icmp(pick([8, 0, 3]), 0, 0x10001, pattern(8))],
      [132, pattern(12)],
    ];
    const [protocol, payload] = pick(transports);
    const ends = isBack ? { to: R1, from: H1 } : { to: R0, from: H0 };
    const ttl = pick([64, 64, 64, 2, 1]);
    const fragment = pick([0, 0, 0, 0, 0x4000]);
    return [isBack ? 'e1' : 'e0', ip4({ ...ends, source, destination, protocol, payload, ttl, fragment })];
  }

  function packet6(): [string, Uint8Array] {
    const source = pick(['2001:db8::9', '2001:db8::a', 'fe80::1:9']);
    const destination = pick(['2001:db8:1::9', '2001:db8:1::a', '2001:db8::1', '2001:db8:16::1', '2001:db8:18::1']);
    const payload = udp(source, destination, 1000, pick([7, 53, 9]), pattern(8));
    return ['e0', ip6({ to: R0, from: H0, source, destination, nextHeader: 17, payload })];
  }

  /** Of the few links that there are, by reason. */
  function dropsOf(router: Router): number[] {
    const { drops } = router.dataplane.links;
    const sums = new Array<number>(DropReason.COUNT).fill(0);
    for (let at = 0; at < 8 * DropReason.COUNT; at++) sums[at % DropReason.COUNT] += drops[at];
    return sums;
  }

  it('comes true', async () => {
    const where = await stand(RULES);
    const { router } = where;
    const ends = new Map<string, number>();
    for (let i = 0; i < 600; i++) {
      const [link, frame] = pick([packet4, packet4, packet4, packet6])();
      const [walk] = i % 10 === 0 ? await tryAll(where, [[link, frame]]) : [where.try(link, frame)];
      const before = dropsOf(router);
      router.take('e0');
      router.take('e1');
      router.send(link, frame.slice());
      const after = dropsOf(router);
      const dropped = DROP_REASONS.filter((reason) => after[reason] !== before[reason]).map(
        (reason) => DROP_NAME[reason],
      );
      const sent = { e0: router.take('e0'), e1: router.take('e1') };
      const said = walk.steps.filter(
        (step) => step.kind === 'left' && step.answer > 0 && step.out !== router.link('lo'),
      ).length;
      const end = way(walk).at(-1) ?? '';
      ends.set(end, (ends.get(end) ?? 0) + 1);
      const story = JSON.stringify({ i, link, frame: Buffer.from(frame).toString('hex'), walk: way(walk), dropped });
      if (walk.end === 'dropped') {
        expect(dropped, story).toContain(end);
        expect(sent.e0.length + sent.e1.length, story).toBe(said);
      } else if (walk.end === 'left') {
        expect(sent.e0.length + sent.e1.length, story).toBe(said + 1);
        const nats = walk.steps.filter((step) => step.kind === 'nat' && step.answer === 0);
        const last = nats.at(-1);
        const [out] = router.nameOf(walk.out) === 'e0' ? sent.e0 : sent.e1;
        if (last?.kind === 'nat') {
          expect([[...out.slice(26, 30)].join('.'), [...out.slice(30, 34)].join('.')], story).toEqual([
            last.after.source,
            last.after.destination,
          ]);
        }
      } else expect(walk.end, story).toBe('delivered');
      router.now += 3;
    }
    // All kinds of ends have been met.
    const wanted = [
      'left',
      'delivered',
      'rule',
      'policy',
      'rejected',
      'no_route',
      'blackhole',
      'martian_source',
      'ttl_expired',
    ];
    for (const end of wanted) expect(ends.get(end) ?? 0, end).toBeGreaterThan(0);
  });
});
