/* What comes and goes under a running daemon, how it ends, and what it leaves behind: nothing that was not asked for. */
import { existsSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Daemon, SLUICE } from '../support/daemon.js';
import { A, B, frame } from '../support/frames.js';
import type { Host } from '../support/host.js';
import { run, until } from '../support/program.js';
import { lacking, lackingNamespaces, titled } from '../support/requirements.js';
import { expectConserved, type Scene, sceneOfEach } from '../support/scene.js';

const missing = lackingNamespaces('ping', 'python3');
const scene = sceneOfEach();

/** A bridge with a host behind each of `count` TAPs: t1 with 10.9.0.1, and so on. */
async function bridged(daemon: Daemon, count: number): Promise<Host[]> {
  const hosts = await scene.current.hosts(count);
  await daemon.ip('link add br0 type bridge', 'link set br0 up');
  for (const [i, host] of hosts.entries()) {
    const n = i + 1;
    await daemon.ip(
      `link add t${n} type tap peer name eth0 netns ${host.name} addr 10.9.0.${n}/24 up`,
      `link set t${n} master br0 up`,
    );
  }
  return hosts;
}

const pings = (from: Host, n: number): Promise<string> => from.must(`ping -n -c 1 -W 5 10.9.0.${n}`);
const names = async (host: Host): Promise<string[]> => (await host.links()).map(({ ifname }) => ifname);

/** A device in `host` that is there as long as the namespace of `doomed` is. */
async function canary(host: Host, doomed: Host): Promise<string> {
  const device = `c${doomed.name.split('-')[1]}`;
  await host.ip(`link add ${device} type veth peer name canary netns ${doomed.name}`);
  return device;
}

const vanishes = (host: Host, device: string): Promise<void> =>
  until(`the namespace, and with it ${device}, vanishes`, async () => !(await names(host)).includes(device));

describe.skipIf(missing)(titled('things that vanish', missing), () => {
  test('a TAP’s device is deleted in the middle of a flood', async () => {
    const daemon = await scene.current.daemon();
    const [first, second, third] = await bridged(daemon, 3);
    const flood = first.start(['ping', '-n', '-q', '-f', '10.9.0.2']);
    scene.current.atEnd(() => flood.stop('SIGKILL'));
    await until('the flood flows', async () => (await daemon.status()).received > 1000);
    await second.ip('link delete eth0');
    await daemon.logs(/^sluice: warn: t2: its kernel device is gone/m);
    expect((await daemon.link('t2')).flags).toEqual(['NO-CARRIER', 'BROADCAST', 'MULTICAST', 'UP']);
    expect(await pings(first, 3)).toContain('1 received');
    await flood.stop();
    await daemon.must('ip link delete t2');
    await daemon.ip(
      `link add t2 type tap peer name eth0 netns ${second.name} addr 10.9.0.2/24 up`,
      'link set t2 master br0 up',
    );
    expect(await pings(third, 2)).toContain('1 received');
    await expectConserved(daemon);
  });

  test('a packet port’s device is deleted', async () => {
    const daemon = await scene.current.daemon();
    const [first] = await bridged(daemon, 2);
    const [edge, far] = await scene.current.hosts(2);
    await edge.veth('uplink', far, 'eth0');
    await daemon.ip(`link add p1 type packet dev uplink netns ${edge.name}`, 'link set p1 master br0 up');
    await until('p1 has a carrier', () => daemon.hasFlag('p1', 'LOWER_UP'));
    await edge.ip('link delete uplink');
    await until('p1 loses its carrier', async () => !(await daemon.hasFlag('p1', 'LOWER_UP')));
    expect(await pings(first, 2)).toContain('1 received');
    await daemon.must('ip link delete p1');
    await expectConserved(daemon);
  });

  test('a namespace with a TAP’s end in it goes', async () => {
    const daemon = await scene.current.daemon();
    const [first, second] = await bridged(daemon, 3);
    const device = await canary(first, second);
    await second.remove();
    await vanishes(first, device);
    await daemon.logs(/^sluice: warn: t2: its kernel device is gone/m);
    expect(await pings(first, 3)).toContain('1 received');
    await expectConserved(daemon);
  });

  describe('a namespace with a packet port in it goes, though the port’s socket lies in it', () => {
    async function withPort(
      netns: (edge: Host) => string,
    ): Promise<{ daemon: Daemon; edge: Host; witness: Host; device: string }> {
      const daemon = await scene.current.daemon();
      const [witness] = await bridged(daemon, 2);
      const [edge, far] = await scene.current.hosts(2);
      await edge.veth('uplink', far, 'eth0');
      const device = await canary(witness, edge);
      await daemon.ip(`link add p1 type packet dev uplink netns ${netns(edge)}`, 'link set p1 master br0 up');
      await until('p1 has a carrier', () => daemon.hasFlag('p1', 'LOWER_UP'));
      return { daemon, edge, witness, device };
    }

    async function expectGone(daemon: Daemon, witness: Host, device: string): Promise<void> {
      await vanishes(witness, device);
      await daemon.logs(/^sluice: warn: p1: its namespace is gone/m);
      await until('p1 has no carrier', () => daemon.hasFlag('p1', 'NO-CARRIER'));
      expect(await pings(witness, 2)).toContain('1 received');
      await daemon.must('ip link delete p1');
      await expectConserved(daemon);
    }

    test('given by name', async () => {
      const { daemon, edge, witness, device } = await withPort(({ name }) => name);
      await edge.remove();
      await expectGone(daemon, witness, device);
    });

    test('given by path', async () => {
      const { daemon, edge, witness, device } = await withPort(({ path }) => path);
      await edge.remove();
      await expectGone(daemon, witness, device);
    });

    test('given by the pid of a process in it', async () => {
      let pid = 0;
      const { daemon, edge, witness, device } = await withPort((host) => {
        const sleeper = host.start(['sleep', '1000']);
        scene.current.atEnd(() => sleeper.stop('SIGKILL'));
        pid = sleeper.pid;
        return String(pid);
      });
      await edge.remove();
      expect(await names(witness)).toContain(device);
      process.kill(pid, 'SIGKILL');
      await expectGone(daemon, witness, device);
    });
  });
});

describe.skipIf(missing)(titled('the end', missing), () => {
  /** A daemon in a namespace of its own with TAPs of all sorts there: plain, many queues, persistent, and one elsewhere. */
  async function withTaps(): Promise<{ daemon: Daemon; home: Host; away: Host }> {
    const [home, away] = await scene.current.hosts(2);
    const daemon = await scene.current.daemon({ host: home });
    await daemon.ip(
      'link add br0 type bridge',
      'link add plain type tap up',
      'link add many type tap queues 4',
      'link add keep type tap persist on',
      `link add away type tap peer name eth0 netns ${away.name} up`,
      ...['plain', 'many', 'keep', 'away'].map((link) => `link set ${link} master br0 up`),
    );
    expect(await names(home)).toEqual(['lo', 'plain', 'many', 'keep']);
    expect(await names(away)).toEqual(['lo', 'eth0']);
    return { daemon, home, away };
  }

  async function expectOnlyPersistent(home: Host, away: Host): Promise<void> {
    await until('all devices but the persistent one go', async () => (await names(home)).join() === 'lo,keep');
    await until('the device elsewhere goes', async () => (await names(away)).join() === 'lo');
  }

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s: exit status 0, devices and socket gone', async (signal) => {
    const { daemon, home, away } = await withTaps();
    expect(await daemon.stop(signal)).toBe(0);
    await expectOnlyPersistent(home, away);
    expect(existsSync(daemon.socket)).toBe(false);
    expect(daemon.log).not.toMatch(/error/i);
  });

  test('sluice down: the same, and it waits for it', async () => {
    const { daemon, home, away } = await withTaps();
    await daemon.must('down');
    expect(await daemon.program.ended).toBe(0);
    await expectOnlyPersistent(home, away);
  });

  test('SIGKILL: devices gone all the same; the next daemon takes the stale socket and the persistent TAP', async () => {
    const { daemon, home, away } = await withTaps();
    await daemon.stop('SIGKILL');
    await expectOnlyPersistent(home, away);
    expect(existsSync(daemon.socket)).toBe(true);
    const kept = await home.link('keep');

    const next = await Daemon.start(dirname(daemon.socket), { host: home });
    scene.current.atEnd(() => next.stop());
    const [friend] = await bridged(next, 1);
    await next.ip('link add keep type tap up', 'link set keep master br0 up');
    await home.ip('addr add 10.9.0.9/24 dev keep');
    expect(await pings(friend, 9)).toContain('1 received');
    expect((await home.link('keep'))?.address).toBe(kept?.address);
    expect(await next.stop()).toBe(0);
    expect(await names(home)).toEqual(['lo', 'keep']);
  });

  test('a persistent TAP stays when its link is deleted', async () => {
    const { daemon, home } = await withTaps();
    await daemon.ip('link delete keep', 'link delete plain');
    expect(await names(home)).toEqual(['lo', 'many', 'keep']);
    await daemon.must('ip link add keep type tap');
    expect(await names(home)).toEqual(['lo', 'many', 'keep']);
  });

  test('a daemon under traffic ends at once', async () => {
    const daemon = await scene.current.daemon();
    const [first] = await bridged(daemon, 2);
    const flood = first.start(['ping', '-n', '-q', '-f', '10.9.0.2']);
    scene.current.atEnd(() => flood.stop('SIGKILL'));
    await until('the flood flows', async () => (await daemon.status()).received > 1000);
    const since = performance.now();
    expect(await daemon.stop()).toBe(0);
    expect(performance.now() - since).toBeLessThan(5000);
  });
});

describe.skipIf(missing)(titled('what it holds', missing), () => {
  const ROUNDS = 200;

  async function expectNoLeak(daemon: Daemon, lines: string[]): Promise<void> {
    const rounds = (count: number): Promise<void> => daemon.ip(...Array.from({ length: count }, () => lines).flat());
    // The first rounds open what stays open: the connection, the timer's descriptors.
    await rounds(5);
    await daemon.status();
    const before = daemon.descriptors();
    await rounds(ROUNDS);
    expect(daemon.descriptors()).toBe(before);
    await expectConserved(daemon);
  }

  test(`${ROUNDS} rounds of TAPs made and deleted leave no descriptor open`, async () => {
    const daemon = await scene.current.daemon();
    const host = await scene.current.host();
    await daemon.must('ip link add br0 type bridge');
    await expectNoLeak(daemon, [
      `link add t1 type tap queues 2 peer name eth0 netns ${host.name} up`,
      'link set t1 master br0 up',
      'link delete t1',
    ]);
    expect(await names(host)).toEqual(['lo']);
  });

  test(`${ROUNDS} rounds of packet ports and bridges leave no descriptor open`, async () => {
    const daemon = await scene.current.daemon();
    const [edge, far] = await scene.current.hosts(2);
    await edge.veth('uplink', far, 'eth0');
    await expectNoLeak(daemon, [
      'link add br0 type bridge',
      `link add p1 type packet dev uplink netns ${edge.name}`,
      'link set p1 master br0 up',
      'link delete br0',
      'link delete p1',
    ]);
    expect((await edge.must('cat /proc/net/packet')).trim().split('\n')).toHaveLength(1);
  });

  test('commands that fail leave none either, and no device', async () => {
    const daemon = await scene.current.daemon();
    const [host, edge] = await scene.current.hosts(2);
    await daemon.ip(`link add t1 type tap peer name eth0 netns ${host.name}`);
    const fail = async (): Promise<void> => {
      for (const line of [
        `ip link add t2 type tap peer name eth0 netns ${host.name}`,
        `ip link add t2 type tap peer name eth1 netns ${host.name} addr 10.9.0.1/24 addr 10.9.0.1/24`,
        'ip link add t2 type tap peer netns no-such-namespace',
        `ip link add p1 type packet dev nothing netns ${edge.name}`,
        'ip link add f1 type pcap read /nonexistent/file.pcap',
      ]) {
        expect((await daemon.sluice(line)).status, line).not.toBe(0);
      }
    };
    await fail();
    const before = daemon.descriptors();
    await fail();
    expect(daemon.descriptors()).toBe(before);
    expect(await names(host)).toEqual(['lo', 'eth0']);
    expect((await daemon.links()).map(({ ifname }) => ifname)).toEqual(['lo', 't1']);
  });
});

describe.skipIf(missing)(titled('the control socket', missing), () => {
  test('is its owner’s alone', async () => {
    const daemon = await scene.current.daemon();
    expect(statSync(daemon.socket).mode & 0o777).toBe(0o600);
  });

  test('is a group’s too, if told so', async () => {
    const daemon = await scene.current.daemon({ args: ['--group', 'daemon'] });
    const { mode, gid } = statSync(daemon.socket);
    expect(mode & 0o777).toBe(0o660);
    expect(gid).toBe(Number((await run(['getent', 'group', 'daemon'])).out.split(':')[2]));
  });

  test('lies in a folder that is made for it, which others can enter', async () => {
    const daemon = await Daemon.start(`${scene.current.folder()}/made/for/it`);
    scene.current.atEnd(() => daemon.stop());
    expect(statSync(dirname(daemon.socket)).mode & 0o777).toBe(0o755);
  });

  test('of a group that does not exist is refused', async () => {
    const daemon = Daemon.launch(scene.current.folder(), { args: ['--group', 'no-such-group'] });
    expect(await daemon.program.ended).toBe(1);
    expect(daemon.log).toMatch(/^cannot give the socket to group "no-such-group": .*; .*\n$/);
    expect(existsSync(daemon.socket)).toBe(false);
  });

  test('a second daemon at the same one is refused, the first goes on', async () => {
    const daemon = await scene.current.daemon();
    const second = await run([...SLUICE, '--socket', daemon.socket, 'up']);
    expect(second).toMatchObject({ status: 1, out: '' });
    expect(second.err).toMatch(
      /^cannot listen at .*: a daemon answers there; stop it with "sluice down", or choose another --socket\n$/,
    );
    expect(existsSync(daemon.socket)).toBe(true);
    expect((await daemon.status()).received).toBe(0);
  });

  test('one that another program answers is refused too', async () => {
    const socket = `${scene.current.folder()}/sluice.sock`;
    const server = createServer((connection) => connection.destroy()).listen(socket);
    scene.current.atEnd(() => server.close());
    const { status, err } = await run([...SLUICE, '--socket', socket, 'up']);
    expect(status).toBe(1);
    expect(err).toMatch(/^cannot listen at /);
  });

  test('commands without a daemon say so', async () => {
    const { status, out, err } = await run([...SLUICE, '--socket', `${scene.current.folder()}/none.sock`, 'status']);
    expect({ status, out }).toEqual({ status: 1, out: '' });
    expect(err).toMatch(/^cannot reach the daemon at .*: .*; start it with "sluice up"\n$/);
  });
});

describe.skipIf(missing)(titled('a virtual machine’s own TAP', missing), () => {
  /** A process that holds the TAP as QEMU does, and a daemon with a packet port on the device. */
  async function machine(
    current: Scene,
  ): Promise<{ daemon: Daemon; wires: ReturnType<Scene['wires']>; home: Host; friend: Host }> {
    const home = await current.host();
    const wires = current.wires();
    await home.must('sysctl -qw net.ipv6.conf.default.disable_ipv6=1');
    await wires.openTap('guest', home, 'vm0');
    await home.ip('link set vm0 up');
    const daemon = await current.daemon({ host: home });
    const [friend] = await bridged(daemon, 1);
    const { err } = await daemon.sluice('ip link add vm type packet dev vm0');
    expect(err).toBe('');
    await daemon.must('ip link set vm master br0 up');
    await until('vm has a carrier', () => daemon.hasFlag('vm', 'LOWER_UP'));
    await wires.open('friend', friend, 'eth0');
    return { daemon, wires, home, friend };
  }

  const ours = (frames: Buffer[]): Buffer[] => frames.filter((bytes) => bytes.readUInt16BE(12) === 0x88b5);

  test('frames of the guest go out by the bridge, and others’ come in', async () => {
    const { daemon, wires } = await machine(scene.current);
    const out = [60, 1000, 1514].map((length) => frame(A, B, { length, fill: 1 }));
    const back = [60, 1000, 1514].map((length) => frame(B, A, { length, fill: 2 }));
    await wires.send('guest', ...out);
    expect(ours(await wires.take('friend', 3))).toEqual(out.map((bytes) => Buffer.from(bytes)));
    await wires.take('guest');
    await wires.send('friend', ...back);
    await until('the frames come back', async () => (await daemon.status()).links.vm.transmitted >= 3);
    expect(ours(await wires.drain('guest'))).toEqual(back.map((bytes) => Buffer.from(bytes)));
    await expectConserved(daemon);
  });

  test('attaching to it as a TAP is refused, and the way to do it named', async () => {
    const { daemon, home } = await machine(scene.current);
    const { status, err } = await daemon.sluice('ip link add vm0 type tap');
    expect(status).toBe(2);
    expect(err).toMatch(
      /^RTNETLINK answers: Device or resource busy\ncannot create tap "vm0": .*; .*type packet dev.*\n$/,
    );
    expect(await names(home)).toEqual(['lo', 'vm0']);
  });

  test('the machine ends: the port loses its carrier, and the daemon goes on', async () => {
    const { daemon, wires, home } = await machine(scene.current);
    await wires.close('guest');
    await until('vm0 goes', async () => !(await names(home)).includes('vm0'));
    await until('vm loses its carrier', async () => !(await daemon.hasFlag('vm', 'LOWER_UP')));
    await daemon.must('ip link delete vm');
    await expectConserved(daemon);
  });
});

const missingUnshare = missing || lacking('unshare');

describe.skipIf(missingUnshare)(titled('without root', missingUnshare), () => {
  test('in a user namespace the daemon works as with root', async () => {
    const daemon = await scene.current.daemon({ under: ['unshare', '--user', '--map-root-user', '--net', '--mount'] });
    await daemon.ip(
      'link add br0 type bridge',
      'link add t1 type tap up',
      'link set t1 master br0 up',
      'link set br0 up',
    );
    await until('t1 has a carrier', () => daemon.hasFlag('t1', 'LOWER_UP'));
    expect(await daemon.stop()).toBe(0);
  });
});
