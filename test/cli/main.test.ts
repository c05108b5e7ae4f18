/* The front: verbs, help, version, options before the verb, and what `doctor` and `up` make of theirs. */
import { describe, expect, it } from 'vitest';
import { optionalPackages } from '../../src/cli/doctor.js';
import { parseUp } from '../../src/cli/up.js';
import { LATER, VERBS } from '../../src/cli/verbs.js';
import { FakeDaemon } from './fake-daemon.js';
import { sluice, words } from './run.js';

describe('help and version', () => {
  it('lists every verb that is there, and none that is not', async () => {
    const { status, out } = await sluice(['--help']);
    expect(status).toBe(0);
    for (const [verb, { summary }] of Object.entries(VERBS))
      expect(out).toMatch(new RegExp(`^ {2}${verb} +${summary}$`, 'm'));
    for (const verb of Object.keys(LATER)) expect(out).not.toMatch(new RegExp(`^ {2}${verb} `, 'm'));
  });

  it.each(Object.keys(VERBS))('%s --help tells its usage on stdout', async (verb) => {
    const { status, out, err } = await sluice([verb, '--help']);
    expect(status).toBe(0);
    expect(err).toBe('');
    expect(out).toMatch(verb === 'completion' ? /^Usage: source/ : new RegExp(`^Usage: sluice ${verb}`));
    expect((await sluice(['help', verb])).out).toBe(out);
  });

  it('tells of an object what it tells, wherever --help stands', async () => {
    const { out } = await sluice(words('ip link --help'));
    expect(out).toContain('sluice ip link add NAME');
    expect((await sluice(words('ip -j link add --help'))).out).toBe(out);
    expect((await sluice(words('bridge fdb add --help'))).out).toContain('sluice bridge fdb {add');
  });

  it('tells its version', async () => {
    expect((await sluice(['--version'])).out).toMatch(/^sluice \d+\.\d+\.\d+\n$/);
    for (const line of ['ip -V', 'bridge -V', 'brctl --version'])
      expect((await sluice(words(line))).out).toContain('sluice');
  });
});

describe('the front', () => {
  it.each([
    ['', 2],
    ['foo', 2],
    ['--foo', 2],
    ['--socket', 2],
    ['-n red ip link', 1],
    ['-n', 2],
    ['iptables -L', 1],
    ['up --poll fast', 2],
    ['up --foo x', 2],
    ['up -c', 2],
    ['up --log-level loud', 2],
    ['down now', 2],
    ['status --foo', 2],
    ['demo x', 2],
    ['doctor x', 2],
  ])('"%s" is refused in one line, with status %i', async (line, status) => {
    const outcome = await sluice(words(line));
    expect(outcome.status).toBe(status);
    expect(outcome.err).toMatch(/^cannot [^\n]+: [^\n]+; [^\n]+\n$/);
  });

  it('takes the socket from --socket', async () => {
    const daemon = await FakeDaemon.start(() => []);
    expect(await sluice(['--socket', daemon.socket, 'ip', 'link'])).toEqual({ status: 0, out: '', err: '' });
    expect(daemon.requests).toEqual([{ op: 'link.list' }]);
    daemon.stop();
  });

  it('says so when the daemon goes away in mid-answer', async () => {
    const daemon: FakeDaemon = await FakeDaemon.start(() => {
      daemon.stop();
      return {};
    });
    const { status, err } = await sluice(['status'], daemon.socket);
    expect(status).toBe(1);
    expect(err).toMatch(/^cannot reach the daemon at .*: (it went away|the daemon closed the connection); .+\n$/);
  });
});

describe('up', () => {
  it('reads its options', () => {
    expect(parseUp([], '/s')).toEqual({ socket: '/s', logLevel: 'info' });
    expect(parseUp(words('-c f.yaml --poll busy --socket /t --group g --log-level debug'), '/s')).toEqual({
      socket: '/t',
      config: 'f.yaml',
      poll: 'busy',
      group: 'g',
      logLevel: 'debug',
    });
  });
});

describe('doctor', () => {
  it('finds what this machine has, and a missing daemon', async () => {
    const { out } = await sluice(['doctor']);
    expect(out).toContain(`ok      Node ${process.versions.node}\n`);
    expect(out).toMatch(/^(ok|missing) +(the native shim|\/dev\/net\/tun|CAP_NET_ADMIN)/m);
    expect(out).toContain('cannot reach the daemon at /nonexistent/sluice.sock');
    for (const line of out.trimEnd().split('\n')) expect(line).toMatch(/^(ok|note|missing) +\S/);
  });

  it('fails if something needed is missing, and only then', async () => {
    const { status, out } = await sluice(['doctor']);
    expect(status).toBe(/^missing/m.test(out) ? 1 : 0);
  });

  it('passes on what the daemon says of packet ports', async () => {
    const warning = 'p1: eth1 has an address, so the kernel answers too; "ip addr flush dev eth1" stops it';
    const daemon = await FakeDaemon.start(() => ({ links: { p1: {} }, drops: {}, warnings: [warning] }));
    const { out } = await sluice(['doctor'], daemon.socket);
    daemon.stop();
    expect(out).toContain(`ok      the daemon answers at ${daemon.socket}, with 1 link\n`);
    expect(out).toContain(`note    ${warning}\n`);
  });

  it('names optional packages that failed to build', () => {
    const findings = optionalPackages(
      { optionalDependencies: { cap: '1', 'raw-socket': '1' } },
      (name) => name === 'cap',
    );
    expect(findings.map(({ state }) => state)).toEqual(['ok', 'note']);
    expect(findings[1].text).toContain('raw-socket failed to build');
    expect(optionalPackages({}, () => true)).toEqual([]);
  });
});
