/* `bridge fdb flush` on the kernel's bridge and on ours: the same words take the same entries. */
import { describe, expect, test } from 'vitest';
import type { FdbInfo } from '../../src/control/api/fdb.js';
import type { Daemon } from '../support/daemon.js';
import type { Host } from '../support/host.js';
import { lackingNamespaces, titled } from '../support/requirements.js';
import { sceneOfAll } from '../support/scene.js';

const missing = lackingNamespaces();

const ENTRIES = [
  '02:00:00:00:00:01 dev v1 master static',
  '02:00:00:00:00:02 dev v1 master permanent',
  '02:00:00:00:00:03 dev v1 master dynamic',
  '02:00:00:00:00:04 dev v2 master static',
  '02:00:00:00:00:05 dev br0 self permanent',
];

/** What the bridge's FDB has: the entries above by their last byte, and how many of the ports' own addresses. */
function summary(stations: FdbInfo[]): string {
  const ofBridge = stations.filter(
    ({ master, ifname, flags }) => master === 'br0' || (ifname === 'br0' && flags.length === 0),
  );
  const ours = ofBridge.map(({ mac }) => mac).filter((mac) => mac.startsWith('02:00:00:00:00:'));
  const own = ofBridge.filter(
    ({ mac, ifname, state }) => state === 'permanent' && /^v[12]$/.test(ifname) && !mac.startsWith('02:00:00:00:00:'),
  );
  return `${ours
    .sort()
    .map((mac) => mac.slice(-2))
    .join(' ')}, ${own.length} own`;
}

describe.skipIf(missing)(titled('bridge fdb flush', missing), () => {
  let daemon: Daemon;
  let host: Host;

  sceneOfAll(async (scene) => {
    daemon = await scene.daemon({ isSilent: true });
    [host] = await scene.hosts(1);
    await host.ip('link add br0 type bridge mcast_snooping 0', 'link set br0 up');
    await daemon.ip('link add br0 type bridge', 'link set br0 up');
  });

  /** Ports, and with them their own addresses, made anew on both bridges, and the entries. */
  async function fill(): Promise<void> {
    for (const port of ['v1', 'v2']) {
      await host.run(`ip link del ${port}`);
      await daemon.sluice(`ip link del ${port}`);
      await host.ip(
        `link add ${port} type veth peer name p${port}`,
        `link set ${port} master br0 up`,
        `link set p${port} up`,
      );
      await daemon.ip(`link add ${port} type memory`, `link set ${port} master br0 up`);
    }
    for (const entry of ENTRIES) {
      await host.must(`bridge fdb replace ${entry}`);
      await daemon.must(`bridge fdb replace ${entry}`);
    }
  }

  test.each([
    'dev br0',
    'dev br0 static',
    'dev br0 permanent',
    'dev br0 dynamic',
    'dev br0 nopermanent',
    'dev br0 nostatic',
    'dev br0 nodynamic',
    'dev br0 permanent static',
    'dev br0 nopermanent static',
    'dev br0 brport v1',
    'dev br0 vlan 5',
    'dev br0 master',
    'dev v1 master',
    'dev v1 master brport v2',
    'dev v1',
  ])('%s', async (words) => {
    await fill();
    const theirs = await host.run(`bridge fdb flush ${words}`);
    const ours = await daemon.sluice(`bridge fdb flush ${words}`);
    expect(ours.status).toBe(theirs.status);
    expect(ours.err.split('\n')[0]).toBe(theirs.err.split('\n')[0]);
    const kernel = JSON.parse(await host.must('bridge -j fdb show br br0')) as FdbInfo[];
    expect(summary(await daemon.json<FdbInfo[]>('bridge -j fdb show br br0'))).toBe(summary(kernel));
  });
});
