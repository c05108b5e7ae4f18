/*
 * Wrong commands, wrong files and a machine that lacks something, against a real daemon: the real tool's first line and exit
 * status where there is a real tool, one sentence of ours, and nothing half-applied, neither in Sluice nor in any namespace.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import type { FdbInfo } from '../../src/control/api/fdb.js';
import { type Daemon, SLUICE } from '../support/daemon.js';
import type { Host } from '../support/host.js';
import { must, type Outcome, run, until } from '../support/program.js';
import { lacking, lackingNamespaces, titled } from '../support/requirements.js';
import { type Scene, sceneOfAll, sceneOfEach } from '../support/scene.js';

const missing = lackingNamespaces();
/** The messages compared are those of one version. */
const SENTENCE = /^cannot [^\n]+: [^\n]+; [^\n]+\n$/;

const firstLine = (text: string): string => text.split('\n')[0];
const afterFirst = (text: string): string => text.slice(text.indexOf('\n') + 1);

/** What must not change: links and stations of Sluice, devices of the namespaces. */
async function stateOf(daemon: Daemon, hosts: Host[]): Promise<string> {
  const links = (await daemon.links()).map(({ stats64, ...link }) => link);
  const stations = (await daemon.ask<FdbInfo[]>({ op: 'fdb.list' }))
    .map(({ used, updated, ...station }) => JSON.stringify(station))
    .sort();
  const devices = await Promise.all(hosts.map((host) => host.must('ip -d addr show')));
  return JSON.stringify([links, stations, devices], undefined, 1);
}

const COMPARED = `
ip link add br0 type bridge
ip link add abcdefghijklmnop type bridge
ip link add br9 type nosuch
ip link add br9
ip link add br9 type bridge colour red
ip link add br9 type bridge ageing_time
ip link add br9 address 02:00:00:00:00 type bridge
ip link add br9 address 01:00:00:00:00:01 type bridge
ip link add br9 address zz type bridge
ip link add br9 mtu 10 type bridge
ip link add br9 mtu 100000 type bridge
ip link add br9 master nosuch type bridge
ip link add a/b type bridge
ip link set nosuch up
ip link set t1 sideways
ip link set t1 mtu
ip link set t1 mtu many
ip link set t1 mtu 10
ip link set t1 mtu 100000
ip link set t1 address 02:00:00:00:00
ip link set t1 address 01:00:00:00:00:01
ip link set t1 address 00:00:00:00:00:00
ip link set t1 address zz
ip link set t1 name abcdefghijklmnop
ip link set t2 name t1
ip link set t1 master nosuch
ip link set t2 master t1
ip link set br0 master br1
ip link set t2 type bridge ageing_time 100
ip link set br0 type bridge group_fwd_mask 1
ip link set br0 type bridge group_fwd_mask 65536
ip link set t1 type bridge_slave group_fwd_mask 2
ip link set t1 type bridge_slave state 9
ip link set t2 type bridge_slave hairpin on
ip link set t1 type bridge_slave hairpin perhaps
ip link delete nosuch
ip link delete
ip link show nosuch
bridge link set dev t2 learning off
bridge link set dev t1 learning perhaps
bridge link set dev nosuch learning on
bridge link set learning on
bridge link show dev nosuch
bridge fdb add zz dev t1 master
bridge fdb add 00:00:00:00:00:00 dev t1 master static
bridge fdb add 02:00:00:00:00:01 dev t1 master static
bridge fdb add 02:00:00:00:00:09 dev t2 master static
bridge fdb add 02:00:00:00:00:09 dev nosuch master
bridge fdb add 02:00:00:00:00:09
bridge fdb del 02:00:00:00:00:09 dev t1 master
bridge fdb show br nosuch
bridge fdb show brport nosuch
brctl addbr br0
brctl addif br0 t1
brctl addif br1 t1
brctl addif br0 br1
brctl addif nosuch t2
brctl addif br0 nosuch
brctl delif br0 t2
brctl delif br1 t1
brctl delbr nosuch
brctl delbr t2
brctl delbr br0
brctl setageing nosuch 10
brctl showmacs nosuch
brctl stp nosuch off
ethtool -i nosuch
ethtool -S nosuch
`;

/** Words that Sluice alone has: the exit status, and the first line that iproute2 would have printed, or one that starts so. */
const OURS: Array<[string, number, RegExp]> = [
  ['ip link add t9 type tap colour red', 1, /^tap: unknown command "colour"\?$/],
  ['ip link add t9 type tap queues', 255, /^Command line is not complete/],
  ['ip link add t9 type tap queues 0', 255, /^Error: argument "0" is wrong: invalid queues$/],
  ['ip link add t9 type tap queues 257', 255, /^Error: argument "257" is wrong: invalid queues$/],
  ['ip link add t9 type tap gso perhaps', 1, /^Error: argument of "gso" must be one of "off", "on", not "perhaps"$/],
  [
    'ip link add t9 type tap peer name abcdefghijklmnop',
    255,
    /^Error: argument "abcdefghijklmnop" is wrong: "name" not a valid ifname$/,
  ],
  ['ip link add t9 type tap peer address zz', 1, /^"zz" is invalid lladdr\.$/],
  ['ip link add t9 type tap peer address 01:00:00:00:00:01', 2, /^RTNETLINK answers: Cannot assign requested address$/],
  ['ip link add t9 type tap peer mtu 70000', 255, /^Error: argument "70000" is wrong: Invalid "mtu" value$/],
  ['ip link add t9 type tap peer mtu 65535', 2, /^Error: mtu greater than device maximum\.$/],
  ['ip link add t9 type tap peer netns no-such', 2, /^RTNETLINK answers: No such file or directory$/],
  ['ip link add f9 type pcap read /etc/passwd', 2, /^RTNETLINK answers: Invalid argument$/],
  ['ip link add t9 type tap peer netns /etc/passwd', 2, /^RTNETLINK answers: Invalid argument$/],
  ['ip link add t9 type tap peer netns /nonexistent/path', 2, /^RTNETLINK answers: No such file or directory$/],
  ['ip link add t9 type tap peer netns 999999999', 2, /^RTNETLINK answers: No such file or directory$/],
  ['ip link add t9 type tap peer netns AWAY name eth0', 2, /^RTNETLINK answers: File exists$/],
  [
    'ip link add t9 type tap peer netns AWAY addr 10.9.0.1',
    255,
    /^Error: argument "10.9.0.1" is wrong: any valid prefix is expected/,
  ],
  ['ip link add t9 type tap peer netns AWAY addr 10.9.0.1/33', 2, /^RTNETLINK answers: Invalid argument$/],
  [
    'ip link add t9 type tap peer netns AWAY addr 10.9.0.1/24 addr 10.9.0.1/24',
    2,
    /^RTNETLINK answers: File exists$|^Error: .*already/,
  ],
  ['ip link add t9 type tap persist on peer netns AWAY', 2, /^RTNETLINK answers: Invalid argument$/],
  ['ip link add t1 type tap', 2, /^RTNETLINK answers: File exists$/],
  ['ip link add t9 master nosuch type tap', 255, /^Error: argument "nosuch" is wrong: Device does not exist$/],
  ['ip link add t9 master t1 type tap', 2, /^RTNETLINK answers: Operation not supported$/],
  ['ip link add veth9 type tap', 2, /^RTNETLINK answers: File exists$/],
  ['ip link add p9 type packet', 255, /^Error: argument "dev" is required$/],
  ['ip link add p9 type packet dev', 255, /^Command line is not complete/],
  ['ip link add p9 type packet dev nosuch', 2, /^RTNETLINK answers: No such device$/],
  ['ip link add p9 type packet dev eth9 netns AWAY', 2, /^RTNETLINK answers: No such device$/],
  ['ip link add p9 type packet dev eth0 netns no-such', 2, /^RTNETLINK answers: No such file or directory$/],
  ['ip link add p9 type packet dev lo colour red', 1, /^packet: unknown command "colour"\?$/],
  ['ip link add f9 type pcap', 255, /^Error: argument "read" is required$/],
  ['ip link add f9 type pcap read /nonexistent/in.pcap', 2, /^RTNETLINK answers: No such file or directory$/],
  ['ip link add f9 type pcap write /nonexistent/out.pcap', 2, /^RTNETLINK answers: No such file or directory$/],
  ['ip link add x9 type xdp dev eth0', 2, /^Error: Unknown device type\.$/],
  ['ip link set t1 netns red', 255, /^Error: argument "red" is wrong: Invalid "netns" value$/],
  // The kernel takes a group address and never looks it up.
  ['bridge fdb add 01:00:5e:00:00:01 dev t1 master static', 255, /^RTNETLINK answers: Invalid argument$/],
  ['bridge link set dev t1 fdb_limit -1', 255, /^Error: argument "-1" is wrong/],
  ['bridge link set dev t1 storm_broadcast many', 255, /^Error: argument "many" is wrong/],
];

/** Sluice's own verbs print one sentence alone: status 2 for wrong usage, otherwise 1. */
const OWN_VERBS: Array<[string, number]> = [
  ['nosuchverb', 2],
  ['status sideways', 2],
  ['down now', 2],
  ['config', 2],
  ['config sideways', 2],
  ['config apply', 2],
  ['config apply /nonexistent/file.yaml', 1],
  ['capture nosuch', 1],
  ['capture', 2],
  ['capture t1 nonsense expression (', 2],
  ['--colour red status', 2],
  ['up --poll sometimes', 2],
  ['up --log-level loud', 2],
  ['up now', 2],
  ['up -c', 2],
];

describe.skipIf(missing)(titled('wrong commands', missing), () => {
  let daemon: Daemon;
  let kernel: Host;
  let home: Host;
  let away: Host;
  let before: string;

  /** The same in the kernel and in Sluice: bridges br0 (up, with the port t1) and br1, and t2 alone. */
  sceneOfAll(async (scene: Scene) => {
    [kernel, home, away] = await scene.hosts(3);
    daemon = await scene.daemon({ host: home });
    const common = ['link add br0 type bridge', 'link add br1 type bridge'];
    const then = ['link set t1 master br0', 'link set t1 up', 'link set br0 up'];
    await kernel.must('ip tuntap add t1 mode tap');
    await kernel.must('ip tuntap add t2 mode tap');
    await kernel.ip(...common, ...then);
    await kernel.must('bridge fdb add 02:00:00:00:00:01 dev t1 master static');
    await home.ip('link add veth9 type veth peer name veth8');
    await daemon.ip(
      ...common,
      `link add t1 type tap peer name eth0 netns ${away.name}`,
      'link add t2 type tap',
      ...then,
    );
    await daemon.must('bridge fdb add 02:00:00:00:00:01 dev t1 master static');
  });

  const hosts = (): Host[] => [home, away];
  beforeEach(async () => {
    before = await stateOf(daemon, hosts());
  });

  const missingPeers = missing || lacking('brctl', 'ethtool');
  describe.skipIf(missingPeers)(titled('as the real tools refuse them', missingPeers), () => {
    test.each(COMPARED.trim().split('\n'))('%s', async (line) => {
      const theirs = await kernel.run(line);
      const ours = await daemon.sluice(line);
      expect(theirs.status, 'the real tool refuses it').not.toBe(0);
      expect({ status: ours.status, line: firstLine(ours.err) }).toEqual({
        status: theirs.status,
        line: firstLine(theirs.err),
      });
      expect(afterFirst(ours.err)).toMatch(SENTENCE);
      expect(await stateOf(daemon, hosts())).toBe(before);
    });
  });

  test.each(OURS)('%s', async (line, status, tool) => {
    const ours = await daemon.sluice(line.replace('AWAY', away.name));
    expect({ status: ours.status, out: ours.out }).toEqual({ status, out: '' });
    expect(firstLine(ours.err)).toMatch(tool);
    expect(afterFirst(ours.err)).toMatch(SENTENCE);
    expect(await stateOf(daemon, hosts())).toBe(before);
  });

  test.each(OWN_VERBS)('%s', async (line, status) => {
    const ours = await daemon.sluice(line);
    expect({ status: ours.status, out: ours.out }).toEqual({ status, out: '' });
    expect(ours.err).toMatch(SENTENCE);
    expect(await stateOf(daemon, hosts())).toBe(before);
  });

  test('a batch ends at its first error, with the line; what came before is done', async () => {
    const { status, err } = await daemon.sluice(
      'ip -batch -',
      'link add br8 type bridge\nlink add br8 type bridge\nlink add br7 type bridge\n',
    );
    expect(status).toBe(1);
    expect(err).toContain('Command failed -:2');
    expect((await daemon.links()).map(({ ifname }) => ifname).filter((name) => /^br[789]$/.test(name))).toEqual([
      'br8',
    ]);
    await daemon.must('ip link delete br8');
    expect(await stateOf(daemon, hosts())).toBe(before);
  });

  test('the control socket survives what is no request', async () => {
    const answers = await new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connect(daemon.socket, () =>
        socket.end('no json\n{"id":7,"op":"nosuch"}\n{}\n[]\nnull\n{"id":8,"op":"link.add"}\n'),
      );
      socket.on('data', (data) => {
        text += data;
      });
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
    });
    expect(answers).toContain('"id":7,"error"');
    expect(answers).toContain('"id":8,"error"');
    expect(await stateOf(daemon, hosts())).toBe(before);
  });
});

const BROKEN: Array<[string, string, RegExp]> = [
  ['no YAML', 'links:\n  br0: {type: bridge\n  t1: ]\n', /:3: /],
  ['a key twice', 'links:\n  br0: {type: bridge}\n  br0: {type: bridge}\n', /:3: .*br0/],
  ['an unknown key', 'links:\n  br0: {type: bridge}\n  t1: {type: tap, colour: red}\n', /:3: links\.t1\.colour: /],
  ['an unknown section', 'links: {}\nlnks: {}\n', /:2: lnks: /],
  ['an unknown type', 'links:\n  br0: {type: brigde}\n', /:2: links\.br0\.type: /],
  ['no type', 'links:\n  br0:\n    up: on\n', /:2: links\.br0/],
  ['a number where there is none', 'links:\n  br0: {type: bridge, mtu: many}\n', /:2: links\.br0\.mtu: /],
  ['a number out of range', 'links:\n  br0: {type: bridge, mtu: 12}\n', /:2: links\.br0\.mtu: /],
  ['a name too long', 'links:\n  abcdefghijklmnop: {type: bridge}\n', /:2: links\.abcdefghijklmnop: /],
  ['a bad MAC', 'links:\n  br0: {type: bridge, address: "01:00:00:00:00:01"}\n', /:2: links\.br0\.address: /],
  [
    'a master that is not there',
    'links:\n  br0: {type: bridge}\n  t1: {type: tap, master: br1}\n',
    /:3: links\.t1\.master: /,
  ],
  [
    'a station on a link that is not there',
    'links:\n  br0: {type: bridge}\nfdb:\n  - {mac: "02:00:00:00:00:01", dev: t1, state: static}\n',
    /:4: fdb\[0\]\.dev: /,
  ],
  [
    'a namespace that is not there',
    'links:\n  br0: {type: bridge}\n  t8: {type: tap}\n  t9: {type: tap, peer: {netns: no-such}}\n',
    /:4: links\.t9\.peer\.netns: /,
  ],
  [
    'a device that is not there',
    'links:\n  t8: {type: tap}\n  p1: {type: packet, dev: nosuch}\n',
    /:3: links\.p1\.dev: /,
  ],
  ['a device name that is taken', 'links:\n  t8: {type: tap}\n  veth9: {type: tap}\n', /:3: links\.veth9/],
];

describe.skipIf(missing)(titled('a broken configuration', missing), () => {
  let daemon: Daemon;
  let home: Host;
  let folder: string;
  let before: string;

  sceneOfAll(async (scene) => {
    home = await scene.host();
    folder = scene.folder();
    await home.ip('link add veth9 type veth peer name veth8');
    daemon = await scene.daemon({ host: home });
    await daemon.ip('link add br0 type bridge', 'link add t1 type tap', 'link set t1 master br0');
  });

  beforeEach(async () => {
    before = await stateOf(daemon, [home]);
  });

  function file(text: string): string {
    const path = join(folder, 'sluice.yaml');
    writeFileSync(path, text);
    return path;
  }

  function expectSentence({ status, out, err }: Outcome, path: string, where: RegExp): void {
    expect({ status, out }).toEqual({ status: 1, out: '' });
    expect(err).toMatch(SENTENCE);
    expect(err).toContain(path);
    expect(err).toMatch(where);
  }

  describe.each(BROKEN)('%s', (_, text, where) => {
    test('is not applied, and the error names file, line and key', async () => {
      const path = file(text);
      expectSentence(await daemon.sluice(`config apply ${path}`), path, where);
      expect(await stateOf(daemon, [home])).toBe(before);
      expectSentence(await daemon.sluice(`config check ${path}`), path, where);
    });

    test('keeps a daemon from starting, and leaves nothing', async () => {
      const path = file(text);
      const socket = join(folder, 'other.sock');
      const argv = ['ip', 'netns', 'exec', home.name, ...SLUICE, '--socket', socket, 'up', '-c', path];
      expectSentence(await run(argv), path, where);
      expect(await stateOf(daemon, [home])).toBe(before);
      expect((await run(['ls', folder])).out).not.toContain('other.sock');
    });
  });
});

describe.skipIf(missing)(titled('a machine that lacks something', missing), () => {
  const scene = sceneOfEach();

  /** The command fails with this cause and hint, and no device or link is left. */
  async function expectRefused(daemon: Daemon, home: Host, line: string, tool: RegExp, hint: RegExp): Promise<void> {
    const before = await stateOf(daemon, [home]);
    const { status, err } = await daemon.sluice(line);
    expect(status).toBe(2);
    expect(firstLine(err)).toMatch(tool);
    expect(afterFirst(err)).toMatch(SENTENCE);
    expect(err).toMatch(hint);
    expect(await stateOf(daemon, [home])).toBe(before);
  }

  const missingCaps = lacking('setpriv');
  test.skipIf(missingCaps)(titled('no CAP_NET_ADMIN', missingCaps), async () => {
    const [home, away] = await scene.current.hosts(2);
    const under = ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin'];
    const daemon = await scene.current.daemon({ host: home, under });
    const denied = /^RTNETLINK answers: Operation not permitted$/;
    await expectRefused(daemon, home, 'ip link add t1 type tap', denied, /CAP_NET_ADMIN/);
    await expectRefused(
      daemon,
      home,
      `ip link add t1 type tap peer name eth0 netns ${away.name} up`,
      denied,
      /CAP_NET_ADMIN/,
    );
    expect((await away.links()).map(({ ifname }) => ifname)).toEqual(['lo']);
    const doctor = await run([
      'ip',
      'netns',
      'exec',
      home.name,
      ...under,
      ...SLUICE,
      '--socket',
      daemon.socket,
      'doctor',
    ]);
    expect(doctor.status).toBe(1);
    expect(doctor.out).toMatch(/^missing +CAP_NET_ADMIN/m);
  });

  test.skipIf(missingCaps)(titled('no CAP_NET_RAW', missingCaps), async () => {
    const home = await scene.current.host();
    const under = ['setpriv', '--bounding-set=-net_raw', '--inh-caps=-net_raw'];
    const daemon = await scene.current.daemon({ host: home, under });
    await expectRefused(
      daemon,
      home,
      'ip link add p1 type packet dev lo',
      /^RTNETLINK answers: Operation not permitted$/,
      /CAP_NET_RAW/,
    );
  });

  const missingMounts = lacking('unshare');
  test.skipIf(missingMounts)(titled('no /dev/net/tun', missingMounts), async () => {
    const home = await scene.current.host();
    const under = ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs none /dev/net && exec "$@"', 'sh'];
    const daemon = await scene.current.daemon({ host: home, under });
    await expectRefused(
      daemon,
      home,
      'ip link add t1 type tap',
      /^RTNETLINK answers: No such file or directory$/,
      /\/dev\/net\/tun is missing: modprobe tun/,
    );
    const doctor = await run([...under, ...SLUICE, '--socket', daemon.socket, 'doctor']);
    expect(doctor.status).toBe(1);
    expect(doctor.out).toMatch(/^missing +\/dev\/net\/tun is not there/m);
  });

  test.skipIf(missingCaps)(
    titled('too few descriptors: the command says so, and the daemon goes on', missingCaps),
    async () => {
      const home = await scene.current.host();
      const daemon = await scene.current.daemon({ host: home });
      // Not from its start: loading a program opens many files at once.
      await must(['prlimit', '--nofile=64', '--pid', String(daemon.pid)]);
      const { status, err } = await daemon.sluice('ip link add t1 type tap queues 64');
      expect(status).toBe(2);
      expect(firstLine(err)).toBe('RTNETLINK answers: Too many open files');
      await until('nothing is left', async () => (await home.links()).length === 1);
      await daemon.must('ip link add t1 type tap');
      expect((await daemon.links()).map(({ ifname }) => ifname)).toEqual(['lo', 't1']);
    },
  );

  test('a socket where none can be made', async () => {
    const { status, out, err } = await run([...SLUICE, '--socket', '/proc/sluice.sock', 'up']);
    expect({ status, out }).toEqual({ status: 1, out: '' });
    expect(err).toMatch(/^cannot listen at \/proc\/sluice\.sock: .*; .*\n$/);
  });

  test('a socket path that is longer than a socket’s can be', async () => {
    const { status, out, err } = await run([...SLUICE, '--socket', `/tmp/${'x'.repeat(200)}.sock`, 'up']);
    expect({ status, out }).toEqual({ status: 1, out: '' });
    expect(err).toMatch(/^cannot listen at .*: 210 bytes are too long for a socket's path; use 107 at most\n$/);
  });

  test('a socket path at which there is a file: it stays', async () => {
    const path = join(scene.current.folder(), 'precious');
    writeFileSync(path, 'data');
    const { status, out, err } = await run([...SLUICE, '--socket', path, 'up']);
    expect({ status, out }).toEqual({ status: 1, out: '' });
    expect(err).toMatch(/^cannot listen at .*: a file is there that is no socket; .*\n$/);
    expect(readFileSync(path, 'utf8')).toBe('data');
  });
});
