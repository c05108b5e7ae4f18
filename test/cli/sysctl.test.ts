/* `sluice sysctl` as a user meets it: the daemon's answers are given, what procps makes of such is expected. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SysctlInfo } from '../../src/control/api/sysctl.js';
import { FakeDaemon, type Received, refusal } from './fake-daemon.js';
import { sluice, words } from './run.js';

const KEYS: SysctlInfo[] = [
  { key: 'net.ipv4.conf.a/b.rp_filter', value: '2' },
  { key: 'net.ipv4.ip_default_ttl', value: '64' },
  { key: 'net.ipv4.ip_forward', value: '0' },
];

const ERRNO: Record<string, string> = { bad: 'EINVAL', readonly: 'EACCES', folder: 'EISDIR' };

function answer(request: Received): unknown {
  if (request.op === 'sysctl.list') {
    const { prefix } = request;
    const found = KEYS.filter(({ key }) => prefix === undefined || key === prefix || key.startsWith(`${prefix}.`));
    return found.length > 0 ? found : refusal('ENOENT', `cannot find ${prefix}: there is none; look`);
  }
  if (request.op !== 'sysctl.set') return {};
  const errno = ERRNO[request.key] ?? (request.key === 'none' ? 'ENOENT' : undefined);
  return errno === undefined ? { key: request.key, value: '' } : refusal(errno, `cannot set ${request.key}: no; why`);
}

let daemon: FakeDaemon;

beforeAll(async () => {
  daemon = await FakeDaemon.start(answer);
});
beforeEach(() => {
  daemon.received.length = 0;
});
afterAll(() => daemon.stop());

const run = (line: string) => sluice(words(line), daemon.socket);

describe('reading', () => {
  it.each([
    ['sysctl net.ipv4.ip_forward', 'net.ipv4.ip_forward = 0\n'],
    ['sysctl -n net.ipv4.ip_forward', '0\n'],
    ['sysctl -N net.ipv4.ip_forward', 'net.ipv4.ip_forward\n'],
    ['sysctl --binary net.ipv4.ip_forward', '0'],
    ['sysctl -q net.ipv4.ip_forward', 'net.ipv4.ip_forward = 0\n'],
    ['sysctl -a -r ip_', 'net.ipv4.ip_default_ttl = 64\nnet.ipv4.ip_forward = 0\n'],
    ['sysctl -an --pattern=forward$', '0\n'],
    ['sysctl -A -r(', ''],
    ['sysctl net.ipv4.conf', 'net.ipv4.conf.a/b.rp_filter = 2\n'],
    ['sysctl -r nothing net.ipv4.ip_forward', ''],
    ['sysctl -e net.ipv4.xyz', ''],
  ])('%s', async (line, out) => {
    expect(await run(line)).toEqual({ status: 0, out, err: '' });
  });

  it('goes on after what is not there', async () => {
    expect(await run('sysctl net.ipv4.ip_forward net.ipv4.xyz net/ipv4/a.b/c net.ipv4.ip_default_ttl')).toEqual({
      status: 1,
      out: 'net.ipv4.ip_forward = 0\nnet.ipv4.ip_default_ttl = 64\n',
      err:
        'sysctl: cannot stat /proc/sys/net/ipv4/xyz: No such file or directory\n' +
        'cannot find net.ipv4.xyz: there is none; look\n' +
        'sysctl: cannot stat /proc/sys/net/ipv4/a.b/c: No such file or directory\n' +
        'cannot find net/ipv4/a.b/c: there is none; look\n',
    });
  });
});

describe('writing', () => {
  it.each([
    ['sysctl net.ipv4.ip_forward=1', 'net.ipv4.ip_forward = 1\n'],
    ['sysctl -w net/ipv4/ip_forward=1', 'net.ipv4.ip_forward = 1\n'],
    ['sysctl -n -w net.ipv4.ip_forward=1', '1\n'],
    ['sysctl net.ipv4.ip_forward=1 -q', ''],
    ['sysctl -- -net.ipv4.ip_forward=1', 'net.ipv4.ip_forward = 1\n'],
  ])('%s', async (line, out) => {
    expect(await run(line)).toEqual({ status: 0, out, err: '' });
    const key = line.includes('/') ? 'net/ipv4/ip_forward' : 'net.ipv4.ip_forward';
    expect(daemon.requests).toEqual([{ op: 'sysctl.set', key, value: '1' }]);
  });

  it('takes what stands around a value away', async () => {
    const { out } = await sluice(['sysctl', ' a.b =  1 2 '], daemon.socket);
    expect(out).toBe('a.b = 1 2\n');
    expect(daemon.requests).toEqual([{ op: 'sysctl.set', key: 'a.b', value: '1 2' }]);
  });

  it.each([
    ['bad=1', 1, 'sysctl: setting key "bad": Invalid argument'],
    ['none=1', 1, 'sysctl: cannot stat /proc/sys/none: No such file or directory'],
    ['readonly=1', 0, 'sysctl: setting key "readonly": Invalid argument'],
    ['folder=1', 0, 'sysctl: setting key "folder": Invalid argument'],
    ['-none=1', 0, 'sysctl: cannot stat /proc/sys/none: No such file or directory'],
  ])('%s is refused as by the real tool', async (word, status, line) => {
    const ours = await sluice(['sysctl', '-w', '--', word], daemon.socket);
    const [key] = word.replace('-', '').split('=');
    expect(ours).toEqual({ status, out: '', err: `${line}\ncannot set ${key}: no; why\n` });
  });
});

describe('wrong words', () => {
  it.each([
    ['sysctl', 'Usage:'],
    ['sysctl -w', 'sysctl: no variables specified'],
    ['sysctl -w a.b', 'sysctl: command line(0): invalid syntax, continuing...'],
    ['sysctl --system', "sysctl: unrecognized option '--system'"],
    ['sysctl -p', "sysctl: invalid option -- 'p'"],
    ['sysctl -z', "sysctl: invalid option -- 'z'"],
    ['sysctl -a -r', "sysctl: option requires an argument -- 'r'"],
  ])('%s', async (line, first) => {
    const { status, out, err } = await run(line);
    expect([status, out, err.split('\n')[0]]).toEqual([1, '', first]);
    expect(err.trimEnd().split('\n').at(-1)).toMatch(/^cannot sysctl.*: .+; .+$/);
    expect(daemon.requests).toEqual([]);
  });
});
