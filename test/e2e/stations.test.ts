/* What the bridge remembers, in real time and in number: ageing, roaming, limits, 1,000 stations, and what flushes them. */
import { describe, expect, test } from 'vitest';
import type { Daemon } from '../support/daemon.js';
import { A, B, BROADCAST, frame, mac } from '../support/frames.js';
import type { Host } from '../support/host.js';
import { until } from '../support/program.js';
import { lackingNamespaces, titled } from '../support/requirements.js';
import { expectConserved, type Scene, sceneOfAll } from '../support/scene.js';
import type { Wires } from '../support/wires.js';

const missing = lackingNamespaces('python3');
const PORTS = ['t1', 't2', 't3'];
const STATIONS = 1000;
const BATCH = 200;

/** Three hosts that say nothing of their own accord, with a raw socket on each: named as the port they are behind. */
async function silentHosts(scene: Scene, daemon: Daemon, wires: Wires): Promise<Host[]> {
  const hosts = await scene.hosts(PORTS.length);
  await daemon.ip('link add br0 type bridge', 'link set br0 up');
  for (const [i, port] of PORTS.entries()) {
    const host = hosts[i];
    await host.must('sysctl -qw net.ipv6.conf.default.disable_ipv6=1');
    await daemon.ip(`link add ${port} type tap peer name eth0 netns ${host.name} up`, `link set ${port} master br0 up`);
    await wires.open(port, host, 'eth0');
  }
  for (const host of hosts)
    await until('eth0 has a carrier', async () => (await host.link('eth0'))?.operstate === 'UP');
  return hosts;
}

describe.skipIf(missing)(titled('stations', missing), () => {
  let daemon: Daemon;
  let wires: Wires;
  let hosts: Host[];
  let sent = 0;

  sceneOfAll(async (scene) => {
    daemon = await scene.daemon({ isSilent: true });
    wires = scene.wires();
    hosts = await silentHosts(scene, daemon, wires);
  });

  /** Sends frames into a port, and waits until they have gone through: no more at a time than a TAP's queue holds. */
  async function send(port: string, ...frames: Uint8Array[]): Promise<void> {
    for (let at = 0; at < frames.length; at += BATCH) {
      const some = frames.slice(at, at + BATCH);
      sent += some.length;
      await wires.send(port, ...some);
      await daemon.hasReceived(PORTS, sent);
    }
  }

  async function forget(): Promise<void> {
    for (const port of PORTS) {
      await daemon.must(`bridge fdb flush dev ${port} master nopermanent`);
      await wires.drain(port);
    }
  }

  async function where(address: string): Promise<string | undefined> {
    return (await daemon.learned()).find(({ mac: station }) => station === address)?.ifname;
  }

  test('a station is forgotten when its time is up, and its frames are flooded again', async () => {
    await forget();
    await daemon.must('ip link set br0 type bridge ageing_time 100');
    await send('t1', frame(A, BROADCAST));
    const since = performance.now();
    expect(await where(A)).toBe('t1');
    await until('the station is forgotten', async () => (await where(A)) === undefined);
    expect(performance.now() - since).toBeGreaterThan(900);
    for (const port of PORTS) await wires.take(port);
    await send('t2', frame(B, A));
    expect(await wires.take('t1', 1)).toHaveLength(1);
    expect(await wires.take('t3', 1)).toHaveLength(1);
  });

  test('what a station sends keeps it, what is sent to it does not', async () => {
    await forget();
    await daemon.must('ip link set br0 type bridge ageing_time 100');
    await send('t1', frame(A, BROADCAST));
    await send('t2', frame(B, BROADCAST));
    for (const since = performance.now(); performance.now() - since < 1500; ) {
      await send('t1', frame(A, B));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(await where(A)).toBe('t1');
    expect(await where(B)).toBeUndefined();
    await daemon.must('brctl setageing br0 300');
  });

  test(`${STATIONS} stations are learned, each is reached behind its port alone`, async () => {
    await forget();
    const stations = Array.from({ length: STATIONS }, (_, n) => mac(0x10000 + n));
    await send('t1', ...stations.map((station) => frame(station, B)));
    const learned = await daemon.learned();
    expect(learned).toHaveLength(STATIONS);
    expect(new Set(learned.map((station) => station.ifname))).toEqual(new Set(['t1']));
    expect(new Set(learned.map((station) => station.mac))).toEqual(new Set(stations));
    expect(
      (await daemon.must('bridge fdb show brport t1')).split('\n').filter((line) => line.includes(' master br0')),
    ).toHaveLength(STATIONS + 1);
    for (const port of PORTS) await wires.drain(port);
    const frames = stations.map((station, n) => frame(B, station, { length: 60 + (n % 1400), fill: n }));
    await send('t2', ...frames);
    const arrived = await wires.take('t1', STATIONS);
    expect(arrived.map((bytes) => bytes.toString('hex'))).toEqual(
      frames.map((bytes) => Buffer.from(bytes).toString('hex')),
    );
    expect(await wires.drain('t3')).toEqual([]);
  });

  test('stations that roam are found at their new port, and the moves are counted', async () => {
    await forget();
    const stations = Array.from({ length: 10 }, (_, n) => mac(0x10000 + n));
    await send('t1', ...stations.map((station) => frame(station, B)));
    await send('t3', ...stations.map((station) => frame(station, B)));
    const learned = await daemon.learned();
    expect(learned.map(({ ifname }) => ifname)).toEqual(stations.map(() => 't3'));
    expect(await daemon.must('ethtool -S t3')).toMatch(/station_moves: 10$/m);
  });

  test('a static station roams and stays static, a sticky one stays where it is', async () => {
    await forget();
    await daemon.must(`bridge fdb add ${A} dev t1 master static`);
    await daemon.must(`bridge fdb add ${mac(7)} dev t2 master dynamic sticky`);
    await send('t3', frame(A, B), frame(mac(7), B));
    const text = await daemon.must('bridge fdb show');
    expect(text).toContain(`${A} dev t3 master br0 static`);
    expect(text).toMatch(new RegExp(`${mac(7)} dev t2 .*sticky`));
    await daemon.must(`bridge fdb del ${A} dev t3 master`);
  });

  test('a port at its limit learns no more, other ports do; frames go on all the same', async () => {
    await forget();
    await daemon.must('bridge link set dev t1 fdb_limit 100');
    const flood = Array.from({ length: 500 }, (_, n) => frame(mac(0x10000 + n), B));
    await send('t1', ...flood);
    await send('t2', frame(B, A));
    const learned = await daemon.learned();
    expect(learned.filter(({ ifname }) => ifname === 't1').length).toBe(100);
    expect(await where(B)).toBe('t2');
    expect(await wires.take('t3', 501)).toHaveLength(501);
    await daemon.must('bridge link set dev t1 fdb_limit 0');
  });

  test('storm control holds back what exceeds it, and says so', async () => {
    await forget();
    await daemon.must('bridge link set dev t1 storm_broadcast 10');
    await send('t1', ...Array.from({ length: 200 }, () => frame(A, BROADCAST)));
    const arrived = (await wires.drain('t2')).length;
    const dropped = (await daemon.status()).links.t1.drops.storm_broadcast;
    expect(arrived + dropped).toBe(200);
    expect(dropped).toBeGreaterThan(100);
    expect(arrived).toBeGreaterThan(0);
    await daemon.must('bridge link set dev t1 storm_broadcast 0');
  });

  describe('what flushes a port’s stations, and no other’s', () => {
    async function learnTwo(): Promise<void> {
      await forget();
      await send('t1', frame(A, BROADCAST));
      await send('t2', frame(B, BROADCAST));
      expect([await where(A), await where(B)]).toEqual(['t1', 't2']);
    }

    test('our end goes down', async () => {
      await learnTwo();
      await daemon.must('ip link set t1 down');
      expect([await where(A), await where(B)]).toEqual([undefined, 't2']);
      await daemon.must('ip link set t1 up');
    });

    test('the kernel’s end goes down', async () => {
      await learnTwo();
      await hosts[0].ip('link set eth0 down');
      await until('Sluice sees it', async () => !(await daemon.hasFlag('t1', 'LOWER_UP')));
      expect([await where(A), await where(B)]).toEqual([undefined, 't2']);
      await hosts[0].ip('link set eth0 up');
      await until('Sluice sees it', () => daemon.hasFlag('t1', 'LOWER_UP'));
    });

    test('bridge fdb flush', async () => {
      await learnTwo();
      await daemon.must('bridge fdb flush dev br0 brport t1');
      expect([await where(A), await where(B)]).toEqual([undefined, 't2']);
    });

    test('the port leaves the bridge', async () => {
      await learnTwo();
      await daemon.must('ip link set t1 nomaster');
      expect([await where(A), await where(B)]).toEqual([undefined, 't2']);
      await daemon.must('ip link set t1 master br0');
    });
  });

  test('at rest every frame is accounted for', () => expectConserved(daemon));
});
