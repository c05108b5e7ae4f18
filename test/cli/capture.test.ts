/* `sluice capture`: options, text, files, and how it ends. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCapture } from '../../src/cli/capture.js';
import type { CaptureInfo } from '../../src/control/api/capture.js';
import { CaptureReader } from '../../src/io/pcap-file.js';
import { FakeDaemon, Many, refusal } from './fake-daemon.js';
import { sluice, words } from './run.js';

/** An ARP request: who has 10.0.0.2, tell 10.0.0.1. */
const ARP = Buffer.from(
  'ffffffffffff0200000000010806' + '0001080006040001' + '0200000000010a000001' + '0000000000000a000002',
  'hex',
);

function frame(number: number, direction: 'in' | 'out'): CaptureInfo {
  return { ts_us: 1_700_000_000_000_000 + number, direction, length: ARP.length, data: ARP.toString('base64') };
}

describe('capture', () => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-capture-'));
  let daemon: FakeDaemon;

  beforeAll(async () => {
    daemon = await FakeDaemon.start((request) => {
      if ('name' in request && request.name === 'nosuch')
        return refusal('ENODEV', 'cannot capture nosuch: there is no such link; see "sluice ip link"');
      if (request.op === 'link.list') return [{ ifname: 't1' }];
      return new Many([frame(1, 'in'), frame(2, 'out'), frame(3, 'in')]);
    });
  });

  afterAll(() => {
    daemon.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  it('takes options before and after the link, and the rest as filter', () => {
    expect(parseCapture(words('-c 5 t1 -w f.pcapng -s 0x40 tcp port 80'))).toEqual({
      link: 't1',
      count: 5,
      file: 'f.pcapng',
      snaplen: 64,
      filter: 'tcp port 80',
    });
    expect(parseCapture(['t1'])).toEqual({ link: 't1', count: Number.POSITIVE_INFINITY, snaplen: 262144, filter: '' });
  });

  it('prints a line a frame, and ends when the daemon does', async () => {
    const { status, out, err } = await sluice(words('capture t1 arp'), daemon.socket);
    expect(daemon.requests.at(-1)).toEqual({ op: 'capture', name: 't1', filter: 'arp', snaplen: 262144 });
    expect(out.split('\n')).toHaveLength(4);
    expect(out).toMatch(/^\d\d:\d\d:\d\d\.000001 In {2}.*10\.0\.0\.2.*\n\d\d:\d\d:\d\d\.000002 Out .*10\.0\.0\.2/);
    expect(err).toBe('sluice: capturing on t1\n3 frames captured\n');
    expect(status).toBe(0);
  });

  it('ends after -c frames', async () => {
    const { status, out, err } = await sluice(words('capture -c 1 t1'), daemon.socket);
    expect(out.split('\n')).toHaveLength(2);
    expect(err).toContain('1 frame captured');
    expect(status).toBe(0);
  });

  it('writes a file with time, direction and bytes', async () => {
    const path = join(directory, 'out.pcapng');
    expect((await sluice(['capture', 't1', '-w', path], daemon.socket)).status).toBe(0);
    const reader = new CaptureReader(path);
    const seen: unknown[] = [];
    while (reader.next()) {
      const { bytes, at, captured, direction, seconds, nanoseconds } = reader.frame;
      seen.push([direction, seconds, nanoseconds, Buffer.from(bytes.subarray(at, at + captured)).toString('hex')]);
    }
    expect(reader.problem).toBe('');
    expect(seen).toEqual(
      [1, 2, 3].map((number) => [number === 2 ? 2 : 1, 1_700_000_000, number * 1000, ARP.toString('hex')]),
    );
  });

  it.each([
    ['capture', 2],
    ['capture -c', 2],
    ['capture -c 0 t1', 2],
    ['capture -s x t1', 2],
    ['capture -z t1', 2],
    ['capture -w', 2],
    ['capture t1 port', 2],
    ['capture t1 foo bar', 2],
    ['capture nosuch', 1],
    ['capture t1 -w /nonexistent/out.pcap', 1],
  ])('%s is refused in one line, with status %i', async (line, status) => {
    const outcome = await sluice(words(line), daemon.socket);
    expect(outcome.status).toBe(status);
    expect(outcome.out).toBe('');
    expect(outcome.err).toMatch(/^cannot .+: .+; .+\n$/);
  });

  it('touches no file if there is no daemon', async () => {
    const path = join(directory, 'untouched.pcap');
    expect((await sluice(['capture', 't1', '-w', path])).status).toBe(1);
    expect(() => statSync(path)).toThrow('ENOENT');
  });
});
