/* `netstat -r` and `netstat -i` beside net-tools, on the kernel's own routes and links. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Family } from '../../src/control/api/family.js';
import type { LinkInfo } from '../../src/control/api/link.js';
import type { RouteInfo } from '../../src/control/api/route.js';
import { FakeDaemon, Many, type Received } from './fake-daemon.js';
import { Namespace, unavailable } from './kernel.js';
import { kernelRoutes } from './kernel-routes.js';
import { type Outcome, sluice, words } from './run.js';

const probe = new Namespace();
const hasNetstat = probe.made && probe.run('netstat -V').out.includes('net-tools 2.10');
probe.remove();
const reason = unavailable('iproute2') || (hasNetstat ? '' : 'needs net-tools 2.10');

const ROUTES = [
  '-4 default via 10.0.0.2 metric 100',
  '-4 10.1.0.0/16 via 10.0.0.3 dev v0 proto static src 10.0.0.1 mtu 1400 hoplimit 33',
  '-4 10.2.0.0/16 nexthop via 10.0.0.3 dev v0 weight 3 nexthop via 10.0.0.4 dev v0 onlink',
  '-4 blackhole 10.3.0.0/16',
  '-4 unreachable 10.4.0.0/16 metric 7',
  '-4 prohibit 10.41.0.0/16',
  '-4 throw 10.6.0.0/16',
  '-4 10.7.0.0/16 via inet6 fe80::1 dev v0',
  '-4 multicast 224.0.0.0/8 dev v0',
  '-4 1.2.3.4 dev v0',
  '-4 local 10.8.0.1 dev lo table main',
  '-4 10.77.0.0/16 via 10.0.0.2 table 77',
  '-6 2001:db8:1::/48 via 2001:db8::2 mtu 1400',
  '-6 2001:db8:2::/48 via fe80::2 dev v0 expires 500 pref high',
  '-6 unreachable 2001:db8:3::/48',
  '-6 throw 2001:db8:4::/48',
  '-6 2001:db8:8::/48 nexthop via fe80::5 dev v0 weight 5 nexthop via fe80::6 dev v0',
  '-6 default via fe80::1 dev v0',
  '-6 2001:db8:1111:2222:3333:4444:5555:6666/128 via 2001:db8::2 table 7',
  '-6 local 2001:db8:6::/48 dev lo',
  '-6 anycast 2001:db8:7::1/128 dev v0',
];

const SHOWS = [
  'netstat -rn',
  'netstat -nr4',
  'netstat -rn --inet',
  'netstat -rne',
  'netstat -rnee',
  'netstat --route --numeric --ext',
  'netstat -rn6',
  'netstat -rn46',
  'netstat -A inet6 -rne',
  'netstat -rnFW -Ainet,inet6',
  'netstat -rn --protocol=inet6',
  'netstat -i',
  'netstat -ia',
  'netstat -in',
];

const WRONG = [
  'netstat -z',
  'netstat -rnz',
  'netstat --foo',
  'netstat --numer',
  'netstat -A',
  'netstat --protocol',
  'netstat -rn -A foo',
  'netstat -rni',
];

const REFUSED = [
  'netstat',
  'netstat -r',
  'netstat -tn',
  'netstat -s',
  'netstat -rnC',
  'netstat -ie',
  'netstat -rnc',
  'netstat -g',
];

/** References are the kernel's own business. */
const still = (text: string) => text.replace(/(\S+ +)\d+( {6}0 \S+)$/gm, '$1N$2');

describe.skipIf(reason !== '')(`netstat beside net-tools${reason === '' ? '' : ` (${reason})`}`, () => {
  let kernel: Namespace;
  let daemon: FakeDaemon;
  const routes: Partial<Record<Family, RouteInfo[]>> = {};
  let links: LinkInfo[];

  beforeAll(async () => {
    kernel = new Namespace();
    kernel.set(
      'sysctl -q -w net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0',
      'ip link set lo up',
      'ip link add v0 type veth peer name v1',
      'ip link add averylongname12 type veth peer name v10',
      'ip link add br9 type bridge',
      'ip link set v0 up',
      'ip link set v1 up',
      'ip link set averylongname12 up',
      'ip addr add 10.0.0.1/24 dev v0',
      'ip addr add 10.5.0.1/24 dev averylongname12',
      'ip addr add 2001:db8::1/64 dev v0 nodad',
      ...ROUTES.map((route) => `ip ${route.slice(0, 2)} route add ${route.slice(3)}`),
      'ping -q -c 5 -i 0.002 127.0.0.1',
    );
    await new Promise((resolve) => setTimeout(resolve, 200));
    daemon = await FakeDaemon.start(answer);
  });

  afterAll(() => {
    daemon?.stop();
    kernel?.remove();
  });

  /** Reads what the kernel has before and after, until nothing has changed: multicast reports come when they like. */
  function undisturbed(line: string): Outcome {
    for (let attempt = 0; ; attempt++) {
      const facts = read();
      const outcome = kernel.run(line);
      if (still(read()) === still(facts) || attempt === 20) return outcome;
    }
  }

  function read(): string {
    for (const family of [4, 6] as const) routes[family] = kernelRoutes(kernel, family);
    links = kernel.json<LinkInfo[]>('ip -j -d -s -s link show');
    return JSON.stringify([routes, links]).replace(/"expires":\d+/g, '');
  }

  function answer(request: Received): unknown {
    if (request.op === 'link.list') return links;
    if (request.op !== 'route.list') return {};
    return new Many([(routes[request.family] ?? []).filter(({ table }) => table === (request.table ?? table))]);
  }

  it.each(SHOWS)('%s', async (line) => {
    const real = undisturbed(line);
    const ours = await sluice(words(line), daemon.socket);
    expect(still(ours.out)).toBe(still(real.out));
    expect(ours.err).toBe(real.err);
    expect(ours.status).toBe(real.status);
  });

  it.each(WRONG)('%s', async (line) => {
    const real = kernel.run(line);
    const ours = await sluice(words(line), daemon.socket);
    const [tool, sentence] = ours.err.split('\n');
    expect(tool).toBe(real.err.split('\n')[0]);
    expect(ours.status).toBe(real.status);
    expect(sentence).toMatch(/^cannot netstat.*: .+; .+$/);
  });

  it.each(REFUSED)('%s is refused by name', async (line) => {
    const { status, err } = await sluice(words(line), daemon.socket);
    expect(status).toBe(1);
    expect(err).toMatch(/^netstat: feature `.+' not supported\.\ncannot netstat .+: .+; .+\n$/);
  });

  it('tells of itself', async () => {
    expect((await sluice(words('netstat -V'), daemon.socket)).out).toContain('net-tools 2.10');
    expect((await sluice(words('netstat -h'), daemon.socket)).out).toContain('Usage: sluice netstat -rn');
  });
});
