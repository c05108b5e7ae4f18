/* Carrier, both ways: what happens to the kernel's end shows on ours, and ours on the kernel's. */
import { describe, expect, test } from 'vitest';
import type { Daemon } from '../support/daemon.js';
import type { Host } from '../support/host.js';
import { until } from '../support/program.js';
import { lackingNamespaces, titled } from '../support/requirements.js';
import { sceneOfAll } from '../support/scene.js';

const missing = lackingNamespaces('ping');

const goesDown = (daemon: Daemon, link: string): Promise<void> =>
  until(`${link} loses its carrier`, async () => !(await daemon.hasFlag(link, 'LOWER_UP')));
const comesUp = (daemon: Daemon, link: string): Promise<void> =>
  until(`${link} gets a carrier`, () => daemon.hasFlag(link, 'LOWER_UP'));

async function kernelFlag(host: Host, flag: string, isSet: boolean): Promise<void> {
  await until(
    `eth0 ${isSet ? 'has' : 'loses'} ${flag}`,
    async () => (await host.link('eth0'))?.flags.includes(flag) === isSet,
  );
}

describe.skipIf(missing)(titled('carrier of a TAP', missing), () => {
  let daemon: Daemon;
  let [host, other]: Host[] = [];

  sceneOfAll(async (scene) => {
    daemon = await scene.daemon({ isSilent: true });
    [host, other] = await scene.hosts(2);
    await daemon.ip('link add br0 type bridge', 'link set br0 up');
    await daemon.ip(
      `link add t1 type tap peer name eth0 netns ${host.name} addr 10.9.0.1/24`,
      'link set t1 master br0',
    );
    await daemon.ip(
      `link add t2 type tap peer name eth0 netns ${other.name} addr 10.9.0.2/24 up`,
      'link set t2 master br0 up',
    );
  });

  test('both ends are down at first', async () => {
    expect((await daemon.link('t1')).flags).toEqual(['BROADCAST', 'MULTICAST']);
    expect((await host.link('eth0'))?.flags).not.toContain('UP');
  });

  test('ours alone up: it has no carrier', async () => {
    await daemon.must('ip link set t1 up');
    expect((await daemon.link('t1')).flags).toEqual(['NO-CARRIER', 'BROADCAST', 'MULTICAST', 'UP']);
    expect(await daemon.must('ip link show t1')).toContain('<NO-CARRIER,BROADCAST,MULTICAST,UP>');
    expect(await daemon.must('bridge link show dev t1')).toContain('state disabled');
  });

  test('the kernel’s end up too: both have it, and the log says so', async () => {
    await host.ip('link set eth0 up');
    await comesUp(daemon, 't1');
    await kernelFlag(host, 'LOWER_UP', true);
    expect((await daemon.link('t1')).operstate).toBe('UP');
    expect(await daemon.must('bridge link show dev t1')).toContain('state forwarding');
    await daemon.logs(/^sluice: info: t1: carrier$/m);
    await host.must('ping -n -c 1 -W 5 10.9.0.2');
  });

  test('the kernel’s end goes down and comes back', async () => {
    await host.ip('link set eth0 down');
    await goesDown(daemon, 't1');
    expect((await daemon.link('t1')).operstate).toBe('DOWN');
    await daemon.logs(/^sluice: info: t1: no carrier/m);
    await host.ip('link set eth0 up');
    await comesUp(daemon, 't1');
    await host.must('ping -n -c 1 -W 5 10.9.0.2');
  });

  test('a frame to an end that is down is a counted drop, and the engine goes on', async () => {
    await host.must('ping -n -c 1 -W 5 10.9.0.2');
    await host.ip('link set eth0 down');
    // Traffic alone must show it: nobody asks for the links here.
    await other.run('ping -n -c 3 -i 0.05 -W 1 10.9.0.1');
    await daemon.logs(/(t1: no carrier[\s\S]*){2}/);
    const { drops } = await daemon.atRest();
    expect(Object.keys(drops).filter((reason) => /tx_link_down|no_egress/.test(reason))).not.toEqual([]);
    await host.ip('link set eth0 up');
    await comesUp(daemon, 't1');
    await host.must('ping -n -c 1 -W 5 10.9.0.2');
  });

  test('our end goes down: the kernel’s has NO-CARRIER; up again: it is there', async () => {
    await daemon.must('ip link set t1 down');
    await kernelFlag(host, 'NO-CARRIER', true);
    expect((await host.link('eth0'))?.operstate).toBe('DOWN');
    await daemon.must('ip link set t1 up');
    await kernelFlag(host, 'NO-CARRIER', false);
    await comesUp(daemon, 't1');
    await host.must('ping -n -c 1 -W 5 10.9.0.2');
  });

  test('a bridge has the carrier of its ports', async () => {
    expect((await daemon.link('br0')).flags).toContain('LOWER_UP');
    await daemon.ip('link set t1 down', 'link set t2 down');
    expect((await daemon.link('br0')).flags).toContain('NO-CARRIER');
    await daemon.ip('link set t1 up', 'link set t2 up');
    await comesUp(daemon, 'br0');
  });

  test('every change of carrier is counted', async () => {
    const { stats64 } = await daemon.link('t1');
    expect(stats64.tx.carrier_changes).toBeGreaterThanOrEqual(5);
  });
});

describe.skipIf(missing)(titled('carrier of a packet port', missing), () => {
  let daemon: Daemon;
  let [edge, host]: Host[] = [];

  sceneOfAll(async (scene) => {
    daemon = await scene.daemon({ isSilent: true });
    [edge, host] = await scene.hosts(2);
    await edge.veth('uplink', host, 'eth0');
    await daemon.ip('link add br0 type bridge', 'link set br0 up');
    await daemon.ip(`link add p1 type packet dev uplink netns ${edge.name}`, 'link set p1 master br0 up');
  });

  test('it has the device’s', async () => {
    await comesUp(daemon, 'p1');
  });

  test('the device goes down and comes back', async () => {
    await edge.ip('link set uplink down');
    await goesDown(daemon, 'p1');
    await edge.ip('link set uplink up');
    await comesUp(daemon, 'p1');
  });

  test('the device’s other end goes down and comes back', async () => {
    await host.ip('link set eth0 down');
    await goesDown(daemon, 'p1');
    await host.ip('link set eth0 up');
    await comesUp(daemon, 'p1');
  });

  test('a device that is down is brought up with the port', async () => {
    await daemon.must('ip link set p1 down');
    await edge.ip('link set uplink down');
    await daemon.must('ip link set p1 up');
    expect((await edge.link('uplink'))?.flags).toContain('UP');
    await comesUp(daemon, 'p1');
  });
});
