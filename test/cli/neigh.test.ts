/*
 * `ip neigh` beside the real tool: the kernel's own neighbours, read as JSON and answered by a
 * daemon of the test, must come out as the real tool prints them, byte for byte.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LinkInfo } from '../../src/control/api/link.js';
import type { ChangeNeighbour, NeighbourInfo, NeighbourState } from '../../src/control/api/neighbour.js';
import { FakeDaemon, type Received, refusal } from './fake-daemon.js';
import { Namespace, unavailable } from './kernel.js';
import { sluice, words } from './run.js';

const reason = unavailable('iproute2');

/** As `ip -j -s neigh` tells it: marks are null, the state is a list, the protocol has a name. */
interface Told extends Omit<NeighbourInfo, 'state' | 'family' | 'protocol'> {
  state?: [string];
  protocol?: string;
}

function asTold(entry: Told): NeighbourInfo {
  const { state, protocol, ...rest } = entry;
  const marks = Object.fromEntries(
    ['router', 'proxy', 'extern_learn'].filter((key) => key in entry).map((key) => [key, true]),
  );
  return {
    ...rest,
    ...marks,
    dev: entry.dev ?? '',
    family: entry.dst.includes(':') ? 6 : 4,
    state: (state?.[0] ?? 'none').toLowerCase() as NeighbourState,
    ...(protocol === undefined ? {} : { protocol: protocol === 'static' ? 4 : Number(protocol) }),
  };
}

const SETUP = [
  'sysctl -q -w net.ipv6.conf.default.disable_ipv6=0 net.ipv6.conf.default.accept_dad=0',
  // No link-local addresses, no solicitations, no snooping: the kernel would report and ask groups, whose neighbours come when they like.
  'sysctl -q -w net.ipv6.conf.default.addr_gen_mode=1 net.ipv6.conf.default.accept_ra=0',
  'ip link add br0 type bridge mcast_snooping 0',
  'ip link add v0 type veth peer name v1',
  'ip link set v0 master br0',
  'ip link set v0 up',
  'ip link set v1 up',
  'ip link set br0 up',
  'ip neigh add 10.0.0.1 dev v1 lladdr 02:00:00:00:00:01',
  'ip neigh add 10.0.0.2 dev v1 lladdr 02:00:00:00:00:02 nud stale',
  // Learned elsewhere: else the kernel would forget it whenever the machine has many neighbours.
  'ip neigh add 10.0.0.3 dev v1 nud failed extern_learn',
  'ip neigh add 10.0.0.4 dev v1 nud none',
  'ip neigh add 10.0.0.5 dev v1 nud noarp lladdr 02:00:00:00:00:05',
  'ip neigh add 10.0.1.6 dev v0 lladdr 02:00:00:00:00:06 nud permanent protocol static',
  'ip neigh add fd00::7 dev v1 lladdr 02:00:00:00:00:07 nud stale router',
  'ip neigh add fd00::8 dev br0 lladdr 02:00:00:00:00:08 nud noarp extern_learn',
  'ip neigh add proxy 10.0.0.9 dev v1',
  'ip neigh add proxy fd00::10 dev v0',
];

const OPTIONS = [
  '',
  '-4',
  '-6',
  '-s',
  '-s -s',
  '-j',
  '-j -p',
  '-s -j',
  '-j -p -s',
  '-o',
  '-br',
  '-br -j',
  '-N',
  '-N -j',
  '-d',
];

// biome-ignore format: a table
const SHOWS = [
  'neigh', 'n', 'neighbor list', 'neighbour lst', 'neigh show dev v1', 'neigh show proxy', 'neigh show proxy dev v1', 'neigh show nud all',
  'neigh show nud none', 'neigh show nud perm', 'neigh show nud stale nud failed', 'neigh show nud 0x80', 'neigh show nud noarp',
  'neigh show to 10.0.0.0/24', 'neigh show 10.0.0.2', 'neigh show to fd00::/16', 'neigh show to all', 'neigh show unused',
  'neigh show master br0', 'neigh show nomaster', 'neigh show protocol static', 'neigh show proto 4', 'neigh show proto all',
  'neigh show dev v1 nud stale to 10.0.0.0/8', 'neigh get 10.0.0.2 dev v1', 'neigh get proxy 10.0.0.9 dev v1', 'neigh get fd00::7 dev v1',
];

// biome-ignore format: a table
const FLUSHES = [
  'dev v1', 'all', 'nud stale', 'to 10.0.0.0/8', 'nud permanent', 'nud all', 'dev v0', 'proxy', 'nud failed', '10.0.0.3', 'to 192.0.2.0/24',
];

/** Ages run. */
const still = (text: string): string =>
  text.replace(/used \d+\/\d+\/\d+/g, 'used N/N/N').replace(/"(used|confirmed|updated)": ?\d+/g, '"$1":N');

describe.skipIf(reason !== '')(`ip neigh, beside the real tool${reason === '' ? '' : ` (${reason})`}`, () => {
  let kernel: Namespace;
  let daemon: FakeDaemon;
  let links: LinkInfo[];
  let all: NeighbourInfo[];

  function facts(): NeighbourInfo[] {
    const told = kernel.json<Told[]>('ip -j -s -s neigh show nud all');
    return [...told, ...kernel.json<Told[]>('ip -j -s -s neigh show proxy')].map(asTold);
  }

  function answer(request: Received): unknown {
    if (request.op === 'link.list') {
      const chosen = links.filter(({ ifname }) => (request.name ?? ifname) === ifname);
      return chosen.length > 0 ? chosen : refusal('ENODEV', 'cannot show it: there is no such link; see it');
    }
    if (request.op === 'neigh.del') return remove(request);
    if (request.op !== 'neigh.list') return refusal('EOPNOTSUPP', 'cannot');
    const { family, proxy = false } = request;
    return all.filter((one) => (family ?? one.family) === one.family && (one.proxy === true) === proxy);
  }

  function remove({ dst, dev, proxy = false }: ChangeNeighbour): unknown {
    const left = all.filter((one) => one.dst !== dst || one.dev !== dev || (one.proxy === true) !== proxy);
    if (left.length === all.length) return refusal('ENOENT', 'cannot delete it: there is no such entry; see it');
    all = left;
    return {};
  }

  async function same(line: string): Promise<void> {
    const real = kernel.run(`ip ${line}`);
    const ours = await sluice(['ip', ...words(line)], daemon.socket);
    expect(still(ours.out), `ip ${line}`).toBe(still(real.out));
    expect(ours.status, `status of ip ${line}`).toBe(real.status);
  }

  beforeAll(async () => {
    kernel = new Namespace();
    kernel.set(...SETUP);
    links = kernel.json<LinkInfo[]>('ip -j -d -s -s link show');
    daemon = await FakeDaemon.start(answer);
  });

  afterAll(() => {
    daemon?.stop();
    kernel?.remove();
  });

  beforeEach(() => {
    all = facts();
  });

  it.each(SHOWS)('ip %s', async (show) => {
    for (const options of OPTIONS) await same(`${options} ${show}`);
  });

  it.each(FLUSHES)('ip -s -s neigh flush %s', async (what) => {
    await same(`-s -s neigh flush ${what}`);
    await same('neigh show nud all');
    await same(`-s neigh flush ${what}`);
    // So that the next one has something to flush.
    for (const line of SETUP) if (line.startsWith('ip neigh')) kernel.run(line.replace('add', 'replace'));
  });
});
