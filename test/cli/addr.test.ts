/*
 * `ip addr` beside the real tool: the kernel's own links and addresses, read as JSON and answered by
 * a daemon of the test, must come out as the real tool prints them, byte for byte.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { patternOf } from '../../src/cli/ip-addr-filter.js';
import type { AddressInfo, ChangeAddress, LinkAddresses } from '../../src/control/api/address.js';
import type { LinkInfo } from '../../src/control/api/link.js';
import { FakeDaemon, type Received, refusal } from './fake-daemon.js';
import { Namespace, unavailable } from './kernel.js';
import { type Outcome, sluice, words } from './run.js';

const reason = unavailable('iproute2');

const SCOPES: Record<string, number> = { global: 0, site: 200, link: 253, host: 254, nowhere: 255 };

type Told = Omit<AddressInfo, 'scope'> & { scope: string };

/** What the kernel has, as a daemon tells it. */
function facts(kernel: Namespace, other: Namespace): LinkAddresses[] {
  const links = kernel.json<LinkInfo[]>('ip -j -d -s -s link show');
  const told = kernel.json<Array<{ ifindex: number; addr_info: Told[] }>>('ip -j -d addr show');
  return links.map((link) => ({
    link: link.link_netnsid === undefined ? link : { ...link, link_netns: other.name },
    addresses: (told.find(({ ifindex }) => ifindex === link.ifindex)?.addr_info ?? []).map((address) => ({
      ...address,
      scope: SCOPES[address.scope] ?? Number(address.scope),
    })),
  }));
}

// biome-ignore format: a table
const OPTIONS = [
  '', '-4', '-6', '-0', '-j', '-j -p', '-o', '-o -j', '-br', '-br -j', '-s', '-s -s -d', '-d -j', '-s -j -p', '-N', '-N -j',
  '-4 -d', '-4 -j', '-6 -d', '-6 -d -j', '-0 -d', '-0 -br', '-0 -s -j', '-o -s', '-o -br', '-4 -br', '-6 -o', '-f inet',
];

const SHOWS = [
  'addr',
  'addr show dev v1',
  'addr show up',
  'addr show master br0',
  'addr show scope link',
  'addr show label v1:*',
];

// biome-ignore format: a table
const SELECTIONS = [
  'a', 'address list', 'addr lst v1', 'addr show lo', 'addr show nomaster', 'addr show type veth', 'addr show type bridge_slave',
  'addr show type nosuch', 'addr show group default', 'addr show group 5', 'addr show to 10.0.0.0/8', 'addr show to 10.1.1.0/24',
  'addr show to 2001:db8::/32', 'addr show to 10.1.1.1', 'addr show to default', 'addr show dynamic', 'addr show permanent',
  'addr show primary', 'addr show secondary', 'addr show -secondary', 'addr show temporary', 'addr show tentative',
  'addr show -tentative', 'addr show deprecated', 'addr show -deprecated', 'addr show dadfailed', 'addr show nodad',
  'addr show noprefixroute', 'addr show home', 'addr show scope global', 'addr show scope host', 'addr show scope 200',
  'addr show scope all', 'addr show label v1', 'addr show label [!l]*', 'addr show label nothing', 'addr show v1 up',
  'addr show v0 master br0', 'addr show v1 master br0', 'addr show v1 scope link', 'addr show dev v1 to 10.0.0.0/8 primary',
  'addr show up to 10.0.0.0/8', 'addr show autojoin', 'addr show br0 type bridge',
];

/** Not -6 -s: the kernel tells no counters in that dump, and the real tool prints what is on its stack. */
const FEW_OPTIONS = ['', '-j', '-4', '-6', '-6 -j', '-br', '-o', '-o -j'];

/** Lifetimes run, and the bridge's timers. */
function still(text: string): string {
  return text
    .replace(/\b\d{2,4}sec/g, 'Nsec')
    .replace(/_life_time": ?\d{2,4}\b/g, '_life_time":N')
    .replace(/(gc|hello)_timer +\d+\.\d\d/g, 'T')
    .replace(/"(gc|hello)_timer": ?\d+\.\d\d/g, 'T');
}

/** As the kernel deletes: the secondaries of a primary's subnet go with it. */
function remove(all: LinkAddresses[], request: ChangeAddress): unknown {
  const entry = all.find(({ link }) => link.ifname === request.dev);
  const isNamed = ({ local, prefixlen }: AddressInfo) => `${local}/${prefixlen}` === request.local;
  const gone = entry?.addresses.find(isNamed);
  if (entry === undefined || gone === undefined)
    return refusal('EADDRNOTAVAIL', 'cannot delete it: it is gone; see it');
  const follows = (one: AddressInfo) =>
    one.secondary === true && one.local.startsWith('10.0.0.') && gone.local === '10.0.0.1';
  entry.addresses = entry.addresses.filter((one) => one !== gone && !follows(one));
  return {};
}

function answer(all: LinkAddresses[], request: Received): unknown {
  if (request.op === 'addr.del') return remove(all, request);
  if (request.op === 'netns.list') return [];
  if (request.op !== 'addr.list') return refusal('EOPNOTSUPP', 'cannot');
  const chosen = all.filter(({ link }) => request.dev === undefined || link.ifname === request.dev);
  return chosen.length > 0 ? chosen : refusal('ENODEV', `cannot show ${request.dev}: there is no such link; see it`);
}

describe.skipIf(reason !== '')(`ip addr, beside the real tool${reason === '' ? '' : ` (${reason})`}`, () => {
  let kernel: Namespace;
  let other: Namespace;
  let daemon: FakeDaemon;
  let all: LinkAddresses[];

  beforeAll(async () => {
    kernel = new Namespace();
    other = new Namespace();
    kernel.set(
      'sysctl -q -w net.ipv6.conf.default.router_solicitations=0 net.ipv6.conf.default.accept_dad=0',
      'sysctl -q -w net.ipv6.conf.default.mldv1_unsolicited_report_interval=0',
      'ip link set lo up',
      'ip link add br0 type bridge mcast_snooping 0',
      'ip link add v0 type veth peer name v1',
      'ip tuntap add t1 mode tap',
      'ip link set v0 master br0',
      'ip link set v0 up',
      'ip link set v1 up',
      `ip link add z0 type veth peer name z1 netns ${other.name}`,
      `ip link add z7 index 77 type veth peer name z8 index 78 netns ${other.name}`,
      'ip addr add 10.7.0.1/24 dev z0',
      'ip addr add fd07::1/64 dev z0',
      'ip link set z0 up',
      'ip link set z7 up',
      'ip addr add fd07:7::1/64 dev z7',
      'ip addr add 10.0.0.1/24 brd + dev v1',
      'ip addr add 10.0.0.2/24 dev v1 label v1:two',
      'ip addr add 10.1.1.1 peer 10.1.1.2/30 dev v1 metric 44 scope link valid_lft 1000 preferred_lft 500',
      'ip addr add 10.2.0.1/16 dev v1 scope site noprefixroute',
      'ip addr add 10.3.0.1/16 brd 10.3.255.255 dev br0 scope 77',
      'ip addr add 2001:db8::1/64 dev v1 nodad',
      'ip addr add 2001:db8::2/64 dev v1 valid_lft 1000 preferred_lft 0',
      'ip addr add 2001:db8::3 peer 2001:db8::4/128 dev v1 home noprefixroute',
      'ip addr add fd00::5/64 dev br0 metric 7',
      'ip addr add 192.0.2.1/32 dev t1',
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    all = facts(kernel, other);
    daemon = await FakeDaemon.start((request) => answer(all, request));
  }, 20000);

  afterAll(() => {
    daemon?.stop();
    kernel?.remove();
    other?.remove();
  });

  /** The kernel sends a frame of its own now and then, which counts. */
  async function compare(line: string): Promise<[ours: Outcome, real: Outcome]> {
    for (let attempt = 0; ; attempt++) {
      const real = kernel.run(`ip ${line}`);
      const ours = await sluice(['ip', ...words(line)], daemon.socket);
      if (still(ours.out) === still(real.out) || attempt === 2) return [ours, real];
      all = facts(kernel, other);
    }
  }

  async function same(line: string): Promise<void> {
    const [ours, real] = await compare(line);
    expect(still(ours.out), `ip ${line}`).toBe(still(real.out));
    expect(ours.status, `status of ip ${line}`).toBe(real.status);
  }

  it.each(SHOWS)('ip %s, with every option', async (show) => {
    for (const options of OPTIONS) await same(`${options} ${show}`);
  });

  it.each(SELECTIONS)('ip %s', async (show) => {
    for (const options of FEW_OPTIONS) await same(`${options} ${show}`);
  });
});

// biome-ignore format: a table
const FLUSHES = [
  'dev v1', 'dev v1 secondary', 'dev v1 primary', 'dev v1 to 10.0.0.0/8', 'to 10.1.0.0/16', 'label v1:*', 'v1 scope link', 'v1 nodad',
  'dev v1 dynamic', 'up2',
];

describe.skipIf(reason !== '')(`ip addr flush, beside the real tool${reason === '' ? '' : ` (${reason})`}`, () => {
  let kernel: Namespace;
  let daemon: FakeDaemon;
  let all: LinkAddresses[];

  beforeEach(async () => {
    kernel = new Namespace();
    kernel.set(
      'sysctl -q -w net.ipv6.conf.default.accept_dad=0',
      'ip link add v0 type veth peer name v1',
      'ip link add up2 type veth peer name up3',
      'ip addr add 10.0.0.1/24 dev v1',
      'ip addr add 10.0.0.2/24 dev v1',
      'ip addr add 10.0.0.3/24 dev v1 label v1:three',
      'ip addr add 10.1.1.1 peer 10.1.1.2/30 dev v1 scope link valid_lft 1000 preferred_lft 500',
      'ip addr add 10.1.2.1/24 dev v0',
      'ip addr add 2001:db8::1/64 dev v1 nodad',
    );
    all = facts(kernel, kernel);
    daemon = await FakeDaemon.start((request) => answer(all, request));
  });

  afterEach(() => {
    daemon?.stop();
    kernel?.remove();
  });

  it.each(FLUSHES.flatMap((what) => ['-s -s', '-4 -s', '-s -s -o', '-s -s -br'].map((options) => [options, what])))(
    'ip %s addr flush %s',
    async (options, what) => {
      for (const line of [`${options} addr flush ${what}`, `${options} addr flush ${what}`, 'addr']) {
        const real = kernel.run(`ip ${line}`);
        const ours = await sluice(['ip', ...words(line)], daemon.socket);
        expect(still(ours.out), line).toBe(still(real.out));
        expect(ours.status).toBe(real.status);
      }
    },
  );

  it('gives up after as many rounds as -loops says', async () => {
    daemon.answerWith((request) => (request.op === 'addr.list' ? all : {}));
    const { status, out, err } = await sluice(words('ip -s -l 2 addr flush dev v0'), daemon.socket);
    expect(status).toBe(1);
    expect(out).toBe('\n*** Round 1, deleting 6 addresses ***\n\n*** Round 2, deleting 6 addresses ***\n');
    expect(err).toMatch(/^\*\*\* Flush remains incomplete after 2 rounds. \*\*\*\ncannot ip addr flush v0: /);
  });
});

describe('a label’s pattern', () => {
  it.each([
    ['v1', 'v1', true],
    ['v1', 'v10', false],
    ['v*', 'v1:two', true],
    ['v?', 'v12', false],
    ['[a-c]1', 'b1', true],
    ['[!a-c]1', 'b1', false],
    ['[]x]1', ']1', true],
    ['a.b', 'axb', false],
    ['a\\*', 'a*', true],
    ['a\\*', 'ab', false],
    ['(a|b)+', '(a|b)+', true],
  ])('%s and %s: %s', (pattern, label, fits) => {
    expect(patternOf(pattern).test(label)).toBe(fits);
  });
});
