/* What rules of iptables ask of the rest of the control plane: links by their names, conntrack only where it is needed, flows counted. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OneProcess } from '../support/one-process.js';

let world: OneProcess;

beforeEach(async () => {
  world = await OneProcess.start();
});

afterEach(() => world.close());

describe('rules of iptables', () => {
  it('have flows counted from the first -m connbytes on, as the kernel does', async () => {
    const acct = (): Promise<string> => world.run('sysctl -n net.netfilter.nf_conntrack_acct');
    expect(await acct()).toBe('0\n');
    await world.run('iptables -A FORWARD -m connbytes --connbytes 10: --connbytes-dir both --connbytes-mode packets');
    expect(await acct()).toBe('1\n');
  });

  it('have packets of their family tracked while one needs it', async () => {
    const { netfilter } = world.dataplane;
    expect(netfilter.isOn[0]).toBe(0);
    await world.run('ip6tables -A FORWARD -m conntrack --ctstate NEW -j ACCEPT');
    expect(netfilter.isOn[0]).toBe(2);
    await world.run('ip6tables -D FORWARD 1');
    await world.run('iptables -t nat -A POSTROUTING -o e0 -j MASQUERADE');
    expect(netfilter.isOn[0]).toBe(3);
  });

  it('hold for links by their names, also of those that come later', async () => {
    await world.run(`
      iptables -A FORWARD -i eth0 -j DROP
      iptables -A FORWARD -i eth+ -j ACCEPT
      ip link add eth0 type dummy
      ip link add eth1 type dummy`);
    const { patterns } = world.dataplane.netfilter;
    const fits = (link: number): boolean[] => [1, 2].map((pattern) => patterns.has(pattern, link));
    const [eth0, eth1] = [2, 3];
    expect([fits(eth0), fits(eth1)]).toEqual([
      [true, true],
      [false, true],
    ]);
    await world.run('ip link set eth1 name wan');
    expect(fits(eth1)).toEqual([false, false]);
    await world.run('ip link del eth0');
    expect(fits(eth0)).toEqual([false, false]);
  });
});
