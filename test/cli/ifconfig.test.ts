/* `ifconfig` beside net-tools, on the kernel's own links. */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { byName } from '../../src/cli/ifconfig-format.js';
import type { AddressInfo, LinkAddresses } from '../../src/control/api/address.js';
import type { LinkInfo } from '../../src/control/api/link.js';
import { FakeDaemon, refusal } from './fake-daemon.js';
import { Namespace, unavailable } from './kernel.js';
import { sluice, words } from './run.js';

const missing = spawnSync('ifconfig', ['--version']).error !== undefined;
const reason = unavailable('iproute2') || (missing ? 'needs net-tools' : '');

const SCOPES: Record<string, number> = { global: 0, site: 200, link: 253, host: 254 };

function facts(kernel: Namespace): LinkAddresses[] {
  const links = kernel.json<LinkInfo[]>('ip -j -d -s -s link show');
  const told = kernel.json<Array<{ addr_info: Array<AddressInfo & { scope: unknown }> }>>('ip -j -d addr show');
  return links.map((link, at) => {
    const addresses = told[at].addr_info.map((address) => ({ ...address, scope: SCOPES[String(address.scope)] }));
    return { link, addresses };
  });
}

describe.skipIf(reason !== '')(`ifconfig, beside net-tools${reason === '' ? '' : ` (${reason})`}`, () => {
  let kernel: Namespace;
  let daemon: FakeDaemon;

  beforeAll(async () => {
    kernel = new Namespace();
    kernel.set(
      'sysctl -q -w net.ipv6.conf.default.disable_ipv6=1',
      'ip link set lo up',
      'ip link add v0 type veth peer name v10',
      'ip link add v2 type veth peer name v3',
      'ip tuntap add t1 mode tap',
      'ip addr add 10.0.0.1/20 brd + dev v2',
      'ip addr add 10.0.0.2/24 dev v2',
      'ip addr add 10.4.0.2/24 dev v2 label v2:4',
      'ip addr add 10.5.0.2/24 brd + dev v0 label v0:5',
      'ip link set v0 mtu 1400 up',
      'ip link set v10 up',
      'ip addr add 10.6.0.1/32 dev t1',
      'ping -q -c 40 -i 0.002 -s 40000 127.0.0.1',
      'sysctl -q -w net.ipv6.conf.t1.disable_ipv6=0',
      'ip addr add 2001:db8::1/64 dev t1',
    );
    daemon = await FakeDaemon.start((request) => {
      if (request.op !== 'addr.list') return refusal('EINVAL', 'cannot');
      const chosen = facts(kernel).filter(({ link }) => (request.dev ?? link.ifname) === link.ifname);
      return chosen.length > 0 ? chosen : refusal('ENODEV', 'cannot show it: it is not there; see it');
    });
  });

  afterAll(() => {
    daemon?.stop();
    kernel?.remove();
  });

  it.each(['', '-a', 'v2', 'v2:4', 'v0', 'v0:5', 't1', 'lo', '-a v3', 'nosuch', 'v2:9'])(
    'ifconfig %s',
    async (line) => {
      const real = kernel.run(`ifconfig ${line}`);
      const ours = await sluice(['ifconfig', ...words(line)], daemon.socket);
      expect(ours.out).toBe(real.out);
      expect(ours.status).toBe(real.status);
      expect(ours.err.split('\n')[0]).toBe(real.err.split('\n')[0]);
    },
  );
});

describe('the order of names', () => {
  it('counts digits as a number', () => {
    const names = ['v10', 'lo', 'v2:1', 'eth10', 'v2', 'eth9', 'br0'];
    expect(names.sort(byName)).toEqual(['br0', 'eth9', 'eth10', 'lo', 'v2', 'v2:1', 'v10']);
  });
});
