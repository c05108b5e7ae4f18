/* Frames of every size: MTU 9000 and the largest there is, jumbo frames where they do not fit, tiny ones, and runts. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Daemon } from '../support/daemon.js';
import { A, B, BROADCAST, frame } from '../support/frames.js';
import type { Host } from '../support/host.js';
import { until } from '../support/program.js';
import { lackingNamespaces, titled } from '../support/requirements.js';
import { expectConserved, sceneOfAll, sceneOfEach } from '../support/scene.js';
import type { Wires } from '../support/wires.js';

const missing = lackingNamespaces('ping', 'python3');
const HEADER = 14;

/** A classic pcap file of Ethernet frames. */
function capture(frames: readonly Uint8Array[]): Buffer {
  const file = Buffer.from('d4c3b2a1020004000000000000000000ffff030001000000', 'hex');
  const records = frames.map((bytes) => {
    const header = Buffer.alloc(16);
    header.writeUInt32LE(bytes.length, 8);
    header.writeUInt32LE(bytes.length, 12);
    return Buffer.concat([header, bytes]);
  });
  return Buffer.concat([file, ...records]);
}

async function tap(daemon: Daemon, host: Host, name: string, n: number, mtu: number): Promise<void> {
  await host.skipDuplicateDetection();
  const peer = `peer name eth0 netns ${host.name} addr 10.9.0.${n}/24 addr 2001:db8::${n}/64 up`;
  await daemon.ip(`link add ${name} mtu ${mtu} type tap ${peer}`, `link set ${name} master br0 up`);
  await until('eth0 has a carrier', async () => (await host.link('eth0'))?.operstate === 'UP');
}

describe.skipIf(missing)(titled('MTUs', missing), () => {
  let daemon: Daemon;
  let wires: Wires;
  let [first, second, small]: Host[] = [];

  sceneOfAll(async (scene) => {
    daemon = await scene.daemon({ isSilent: true });
    wires = scene.wires();
    [first, second, small] = await scene.hosts(3);
    await daemon.ip('link add br0 type bridge', 'link set br0 up');
    await tap(daemon, first, 't1', 1, 9000);
    await tap(daemon, second, 't2', 2, 9000);
  });

  test('both ends of the TAP have the MTU, and the bridge the least of its ports’', async () => {
    expect((await first.link('eth0'))?.mtu).toBe(9000);
    expect((await daemon.link('t1')).mtu).toBe(9000);
    expect((await daemon.link('br0')).mtu).toBe(9000);
    await tap(daemon, small, 't3', 3, 1500);
    expect((await daemon.link('br0')).mtu).toBe(1500);
  });

  test('9,000 bytes go through whole, over IPv4 and IPv6', async () => {
    expect(await first.must('ping -n -M do -s 8972 -c 3 -i 0.01 -W 5 10.9.0.2')).toContain('3 received');
    expect(await first.must('ping -6 -n -M do -s 8952 -c 3 -i 0.01 -W 5 2001:db8::2')).toContain('3 received');
  });

  test('a frame too long for its port is dropped there and counted; the port takes the next', async () => {
    const before = (await daemon.status()).links.t3.drops.tx_mtu ?? 0;
    expect((await first.run('ping -n -M do -s 8972 -c 2 -i 0.2 -W 1 10.9.0.3')).status).toBe(1);
    expect((await daemon.atRest()).links.t3.drops.tx_mtu).toBe(before + 2);
    expect(await first.must('ping -n -M do -s 1472 -c 1 -W 5 10.9.0.3')).toContain('1 received');
  });

  test('a broadcast too long for one port reaches the others', async () => {
    await wires.open('second', second, 'eth0');
    await wires.open('small', small, 'eth0');
    await wires.open('first', first, 'eth0');
    const long = frame(A, BROADCAST, { length: 6000 });
    await wires.send('first', long);
    const isOurs = (bytes: Buffer): boolean => bytes.subarray(0, 14).equals(long.subarray(0, 14));
    expect((await wires.drain('second')).filter(isOurs)).toEqual([Buffer.from(long)]);
    expect((await wires.drain('small')).filter(isOurs)).toEqual([]);
  });

  test.each([1514, 1515, 1518])('a port with MTU 1500 passes %i bytes: a VLAN tag does not count', async (length) => {
    const bytes = frame(B, (await small.link('eth0'))?.address ?? '', { length, type: 0x88b5, fill: length });
    await wires.drain('small');
    await wires.send('second', bytes);
    expect((await wires.drain('small')).filter(({ length: n }) => n === length)).toEqual([Buffer.from(bytes)]);
  });

  test('1,519 bytes are too many', async () => {
    const before = (await daemon.atRest()).links.t3.drops.tx_mtu;
    await wires.send('second', frame(B, (await small.link('eth0'))?.address ?? '', { length: 1519 }));
    await until('it is dropped', async () => (await daemon.status()).links.t3.drops.tx_mtu === before + 1);
    expect((await wires.drain('small')).filter(({ length }) => length === 1519)).toEqual([]);
  });

  test('frames of every size up to the MTU arrive to the byte', async () => {
    const to = (await second.link('eth0'))?.address ?? '';
    const lengths = [
      14, 15, 17, 18, 59, 60, 61, 64, 127, 128, 1000, 1514, 1984, 2000, 2034, 2035, 2036, 2048, 2049, 4096, 9013, 9014,
    ];
    const frames = lengths.map((length) => frame(A, to, { length, fill: length }));
    await wires.drain('second');
    await wires.send('first', ...frames);
    const isOurs = (bytes: Buffer): boolean => bytes.subarray(0, 12).equals(frames[0].subarray(0, 12));
    const arrived = (await wires.drain('second')).filter(isOurs);
    expect(arrived.map((bytes) => bytes.toString('hex'))).toEqual(
      frames.map((bytes) => Buffer.from(bytes).toString('hex')),
    );
  });

  test('the MTU of our end can be changed while frames flow', async () => {
    await daemon.must('ip link set t2 mtu 1400');
    expect((await first.run('ping -n -M do -s 1472 -c 1 -W 1 10.9.0.2')).status).toBe(1);
    await daemon.must('ip link set t2 mtu 9000');
    expect(await first.must('ping -n -M do -s 8972 -c 1 -W 5 10.9.0.2')).toContain('1 received');
  });

  test('at rest every frame is accounted for', () => expectConserved(daemon));
});

describe.skipIf(missing)(titled('the largest and the smallest', missing), () => {
  const scene = sceneOfEach();

  test('TAPs with the largest MTU there is', async () => {
    const daemon = await scene.current.daemon({ isSilent: true });
    const [first, second] = await scene.current.hosts(2);
    await daemon.ip('link add br0 type bridge', 'link set br0 up');
    await tap(daemon, first, 't1', 1, 65521);
    await tap(daemon, second, 't2', 2, 65521);
    expect(await first.must(`ping -n -M do -s ${65521 - 28} -c 3 -i 0.01 -W 5 10.9.0.2`)).toContain('3 received');
    await expectConserved(daemon);
  });

  test('runts are dropped by name, and jumbo frames where they do not fit', async () => {
    const daemon = await scene.current.daemon({ isSilent: true });
    const host = await scene.current.host();
    const wires = scene.current.wires();
    const runts = Array.from({ length: HEADER }, (_, length) => frame(A, B, { length }));
    const jumbo = [1519, 9000, 65_549].map((length) => frame(A, B, { length }));
    const file = join(scene.current.folder(), 'in.pcap');
    writeFileSync(file, capture([...runts, ...jumbo, frame(A, B)]));
    await daemon.ip('link add br0 type bridge', 'link set br0 up');
    await tap(daemon, host, 't1', 1, 1500);
    await wires.open('t1', host, 'eth0');
    await daemon.ip(`link add f1 type pcap read ${file}`, 'link set f1 master br0 up');
    const { links } = await daemon.hasReceived(['f1'], runts.length + jumbo.length + 1);
    expect(links.f1.drops).toEqual({ runt: runts.length });
    expect(links.t1.drops.tx_mtu).toBe(jumbo.length);
    const isOurs = (bytes: Buffer): boolean => bytes.subarray(0, 12).equals(jumbo[0].subarray(0, 12));
    expect((await wires.drain('t1')).filter(isOurs)).toEqual([Buffer.from(frame(A, B))]);
    await expectConserved(daemon);
  });
});
