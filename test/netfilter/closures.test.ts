/*
 * What rule sets of others let through, against what others have proved or expect of them:
 *
 * - a Docker host's FORWARD chain between its verified closures: what the lower one accepts it accepts, what it accepts the upper one accepts;
 * - Kubernetes' services: flows to them, with rules as kube-proxy writes them.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Hook, TableId, Verdict } from '../../src/netfilter/rule.js';
import { H0, permanent, R0, R1 } from '../route/stack.js';
import { FilteredRouter } from '../support/filtered-router.js';
import { type Cluster, kubeRules } from '../support/kube-rules.js';
import { sctp } from '../support/netfilter-cases.js';
import { ip4, tcp, udp } from '../support/packets.js';
import { generator, pick } from '../support/two-routers.js';
import { Stand } from './stand.js';

const FIXTURES = process.env.SLUICE_FIXTURES ?? resolve(import.meta.dirname, '../../../shared/fixtures');
const DUMPS = join(FIXTURES, 'iptables-dumps');
const SERVICES = join(FIXTURES, 'kube-services', 'service-flows.json');
const missing =
  existsSync(DUMPS) && existsSync(SERVICES) ? '' : ' [skipped: the fixtures are absent: set SLUICE_FIXTURES]';

// --- closures --------------------------------------------------------------------------------------

interface Entry {
  verdict: string;
  protocol: string;
  source: [number, number];
  destination: [number, number];
  dport: number | undefined;
}

function range(cidr: string): [number, number] {
  const [address, length = '32'] = cidr.split('/');
  const first = address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
  return [first, first + 2 ** (32 - Number(length)) - 1];
}

/** The FORWARD chain of a closure, as `iptables -L -n` prints it. */
function closure(kind: 'lower' | 'upper'): Entry[] {
  const text = readFileSync(join(DUMPS, `fffuu__IPPartEval__docker_topos__iptables-save.Ln.FWD.${kind}`), 'utf8');
  const [, forward] = /^Chain FORWARD.*\n.*\n((?:.+\n)+)/m.exec(text) ?? [];
  return forward
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [verdict, protocol, , source, destination, ...rest] = line.trim().split(/\s+/);
      const port = rest.find((word) => word.startsWith('dpt:'));
      return {
        verdict,
        protocol,
        source: range(source),
        destination: range(destination),
        dport: port === undefined ? undefined : Number(port.slice(4)),
      };
    });
}

interface Asked {
  source: number;
  destination: number;
  protocol: 'tcp' | 'udp';
  dport: number;
}

const within = ([first, last]: [number, number], address: number): boolean => address >= first && address <= last;

function accepts(entries: Entry[], { source, destination, protocol, dport }: Asked): boolean {
  const first = entries.find(
    (entry) =>
      (entry.protocol === 'all' || entry.protocol === protocol) &&
      within(entry.source, source) &&
      within(entry.destination, destination) &&
      (entry.dport === undefined || entry.dport === dport),
  );
  return first?.verdict === 'ACCEPT';
}

const dotted = (address: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');

/** Addresses that the rules tell apart, and their neighbours. */
const EDGES = [
  '10.0.0.1',
  '10.0.0.2',
  '10.0.0.3',
  '10.0.0.4',
  '10.0.0.42',
  '193.99.144.80',
  '9.255.255.255',
  '10.0.0.0',
  '10.255.255.255',
  '11.0.0.0',
  '127.0.0.1',
  '0.0.0.1',
  '223.255.255.254',
].map((address) => range(address)[0]);

describe.skipIf(missing !== '')(`verified closures${missing}`, () => {
  test('FORWARD of a Docker host lies between them', async () => {
    const stand = new Stand();
    const text = readFileSync(join(DUMPS, 'fffuu__IPPartEval__docker_topos__iptables-save.topos4.1'), 'utf8');
    // The stand's links are e0 and e1. Only the first table that matters.
    const filter = text.slice(text.indexOf('*filter')).replaceAll('br-b74b417b331f', 'e0').replaceAll('docker0', 'e1');
    await stand.load(filter);
    const [lower, upper] = [closure('lower'), closure('upper')];
    const random = generator(20_261_122);
    const frame = stand.frame(
      ip4({ to: R0, from: H0, source: '10.0.0.1', destination: '10.0.0.2', payload: new Uint8Array(40) }),
    );
    const { arena } = stand.router.dataplane;
    const address = (): number => (random(4) === 0 ? 1 + random(0xdfffffff) : pick(random, EDGES));
    const counts = { accepted: 0, inLower: 0, inUpper: 0 };
    for (let n = 0; n < 4000; n++) {
      const asked: Asked = {
        source: address(),
        destination: address(),
        protocol: pick(random, ['tcp', 'udp']),
        dport: pick(random, [22, 80, 443]),
      };
      const [source, destination] = [dotted(asked.source), dotted(asked.destination)];
      const isTcp = asked.protocol === 'tcp';
      const payload = isTcp
        ? tcp(source, destination, 1000, asked.dport, { flags: 2 })
        : udp(source, destination, 1000, asked.dport, new Uint8Array(12));
      arena.bytes.set(
        ip4({ to: R0, from: H0, source, destination, protocol: isTcp ? 6 : 17, payload }),
        arena.offset[frame],
      );
      const inside: boolean[] = [];
      for (const [from, to] of [
        ['e0', 'e0'],
        ['e0', 'e1'],
        ['e1', 'e0'],
        ['e1', 'e1'],
      ]) {
        // A frame that a rule dropped is gone; this one is asked about again and again.
        arena.references[frame]++;
        stand.at(frame, { hook: Hook.FORWARD, in: from, out: to });
        inside.push(stand.walk(TableId.FILTER) === Verdict.ACCEPT);
        if (inside.at(-1)) arena.references[frame]--;
      }
      const what = `${source} > ${destination} ${asked.protocol} ${asked.dport}`;
      if (accepts(lower, asked)) {
        counts.inLower++;
        expect(inside, what).toEqual([true, true, true, true]);
      }
      if (accepts(upper, asked)) counts.inUpper++;
      else expect(inside, what).toEqual([false, false, false, false]);
      counts.accepted += inside.filter(Boolean).length;
    }
    expect(counts.inLower).toBeGreaterThan(100);
    expect(counts.inUpper).toBeGreaterThan(counts.inLower);
    expect(counts.accepted).toBeGreaterThan(4 * counts.inLower);
  });
});

// --- services --------------------------------------------------------------------------------------

interface ServiceFlow {
  name: string;
  sourceIP: string;
  protocol: string;
  destIP: string;
  destPort: number;
  output: string;
  masq: boolean;
}

interface ServiceTest extends Cluster {
  test: string;
  flows?: ServiceFlow[];
}

const tests: ServiceTest[] =
  missing === ''
    ? (JSON.parse(readFileSync(SERVICES, 'utf8')) as { tests: ServiceTest[] }).tests.filter(
        ({ flows }) => flows !== undefined,
      )
    : [];

const PROTOCOLS: Record<string, number> = { tcp: 6, udp: 17, sctp: 132 };

/** A node: pods behind e1, others behind e0. */
async function node(cluster: Cluster): Promise<FilteredRouter> {
  const made = new FilteredRouter().interface('e0', R0).interface('e1', R1);
  made.address('e0', '192.168.0.2/24').address('e0', '192.168.99.11/32').address('e1', '10.0.0.1/8');
  made.route('0.0.0.0/0', { dev: 'e0', via: '192.168.0.9' });
  permanent(made, 'e0', '192.168.0.9', H0);
  for (const pod of ['10.180.0.1', '10.180.0.2', '10.180.2.1', '10.0.0.2']) permanent(made, 'e1', pod, H0);
  await made.restore(kubeRules(cluster));
  return made;
}

function frame(flow: ServiceFlow, port: number): Uint8Array {
  const { sourceIP: source, destIP: destination, destPort, protocol } = flow;
  const payload = {
    tcp: () => tcp(source, destination, port, destPort, { flags: 2 }),
    udp: () => udp(source, destination, port, destPort, new Uint8Array(12)),
    sctp: () => sctp(port, destPort, 0, 1, new Uint8Array(16)),
  }[protocol as 'tcp' | 'udp' | 'sctp']();
  const to = source.startsWith('10.') ? R1 : R0;
  return ip4({ to, from: H0, source, destination, protocol: PROTOCOLS[protocol], payload });
}

/** What comes of a flow sent often: where it goes, whether its source is another; 'REJECT', '' where it is not for a service. */
function outcomes(made: FilteredRouter, flow: ServiceFlow): { output: string; masq: boolean } {
  const into = flow.sourceIP.startsWith('10.') ? 'e1' : 'e0';
  const ends = new Set<string>();
  const sources = new Set<string>();
  let rejected = 0;
  for (let port = 2000; port < 2040; port++) {
    made.send(into, frame(flow, port)).run(into);
    for (const bytes of [...made.take('e0'), ...made.take('e1')]) {
      const address = (at: number): string => Array.from(bytes.subarray(at, at + 4)).join('.');
      if (bytes[12] !== 8 || bytes[13] !== 0) continue;
      if (bytes[23] === 1 && bytes[34] === 3 && bytes[35] === 3) rejected++;
      else if (bytes[23] !== 1) {
        const end = `${address(30)}:${(bytes[36] << 8) | bytes[37]}`;
        if (end !== `${flow.destIP}:${flow.destPort}`) ends.add(end);
        sources.add(address(26));
      }
    }
  }
  const output = rejected > 0 ? 'REJECT' : [...ends].sort().join(', ');
  return { output, masq: output !== '' && sources.size > 0 && !sources.has(flow.sourceIP) };
}

describe.skipIf(missing !== '')(`flows to Kubernetes' services${missing}`, () => {
  test.each(
    tests.flatMap((one) =>
      (one.flows ?? []).map((flow): [string, string, ServiceTest, ServiceFlow] => [one.test, flow.name, one, flow]),
    ),
  )('%s: %s', async (_, __, cluster, flow) => {
    const made = await node(cluster);
    expect(outcomes(made, flow)).toEqual({ output: flow.output, masq: flow.masq });
  });
});
