/* net.netfilter.*: conntrack's settings by their Linux names, with Linux's first values, and what the engine hears of them. */
import { beforeEach, describe, expect, it } from 'vitest';
import { CtSetting } from '../../src/conntrack/settings.js';
import { CT_SYSCTLS, defaultSettings } from '../../src/conntrack/timeouts.js';
import type { Call } from '../../src/control/engine-thread.js';
import type { Namespace } from '../../src/control/namespaces.js';
import { Network } from '../../src/control/network.js';
import { normalValue, sysctlProblem } from '../../src/control/sysctl-keys.js';
import { NETFILTER, NetfilterWord } from '../../src/control/sysctl-tables.js';
import { type Recording, recordingEngine } from './recording-engine.js';

let engine: Recording;
let network: Network;
let red: Namespace;

const name = (key: string): string => `net.netfilter.nf_conntrack_${key}`;
const PROFILE = 'net.netfilter.sluice_timeout_profile';
const get = (key: string): string => red.sysctls.get(key).value;
const refusal = (errno: string) => expect.objectContaining({ errno });

function set(key: string, value: string): Call[] {
  engine.take();
  network.setSysctl(key, value, red);
  return engine.take();
}

beforeEach(() => {
  engine = recordingEngine();
  network = new Network(engine);
  network.addNamespace('red');
  red = network.namespaces.get('red');
});

describe('settings of conntrack', () => {
  it('are there, with the values that the engine starts with', () => {
    const row = defaultSettings();
    for (const { name: key, setting, isTime, linux } of CT_SYSCTLS) {
      expect(get(name(key))).toBe(String(linux));
      expect(row[setting]).toBe(isTime ? linux * 1000 : linux);
    }
    expect(NETFILTER.map(({ key }) => key)).toHaveLength(new Set(NETFILTER.map(({ key }) => key)).size);
    expect(NetfilterWord.BUCKETS).toBe(CtSetting.COUNT);
  });

  it.each([
    ['max', '1000000', CtSetting.MAX, 1_000_000],
    ['checksum', '0', CtSetting.CHECKSUM, 0],
    ['acct', '1', CtSetting.ACCT, 1],
    ['timestamp', '1', CtSetting.TIMESTAMP, 1],
    ['expect_max', '7', CtSetting.EXPECT_MAX, 7],
    ['tcp_be_liberal', '1', CtSetting.TCP_BE_LIBERAL, 1],
    ['tcp_max_retrans', '9', CtSetting.TCP_MAX_RETRANS, 9],
    ['udp_timeout', '45', CtSetting.UDP, 45_000],
    ['tcp_timeout_established', '86400', CtSetting.TCP + 3, 86_400_000],
    ['sctp_timeout_heartbeat_sent', '0x10', CtSetting.SCTP + 8, 16_000],
    ['generic_timeout', '1073741', CtSetting.GENERIC, 1_073_741_000],
  ])('%s=%s goes to the engine', (key, value, setting, word) => {
    expect(set(name(key), value)).toEqual([['setConntrack', red.number, setting, word]]);
    expect(get(name(key))).toBe(String(Number(value)));
    expect(set(name(key), value)).toEqual([]);
  });

  it.each([
    ['max', '-1'],
    ['max', 'many'],
    ['checksum', '2'],
    ['events', '3'],
    ['expect_max', '0'],
    ['tcp_max_retrans', '256'],
    ['udp_timeout', '-1'],
    ['udp_timeout', '8589935'],
  ])('%s=%s is refused', (key, value) => {
    expect(() => set(name(key), value)).toThrow(refusal('EINVAL'));
  });

  it.each(CT_SYSCTLS.filter(({ isTime }) => isTime))(
    'of time that would not last as long say how long one may be: $name',
    (one) => {
      expect(() => set(name(one.name), '1073742')).toThrow(
        '"1073742" is no value of it; use an integer from 0 to 1073741',
      );
      expect(get(name(one.name))).toBe(String(one.linux));
    },
  );

  it('that have no effect yet say so', () => {
    expect(() => set(name('log_invalid'), '6')).toThrow(refusal('EOPNOTSUPP'));
    expect(set(name('log_invalid'), '0')).toEqual([]);
  });

  it('that are read only tell what the engine has', () => {
    expect(() => set(name('count'), '1')).toThrow(refusal('EACCES'));
    expect(() => set(name('buckets'), '1')).toThrow(refusal('EACCES'));
    red.sysctls.noteFlows(12, 8192);
    expect([get(name('count')), get(name('buckets'))]).toEqual(['12', '8192']);
  });

  it('are listed with the others, and kept for the configuration', () => {
    set(name('max'), '5');
    expect(red.sysctls.list('net.netfilter')).toHaveLength(NETFILTER.length);
    expect(red.sysctls.changed()).toEqual([{ key: name('max'), value: '5', initial: '262144' }]);
    expect(normalValue(name('udp_timeout'), ' 0x10 ')).toBe('16');
    expect(normalValue(name('count'), '1')).toBeUndefined();
    expect(sysctlProblem(PROFILE, 'bsd', false)).toBe('"bsd" is no value of it; use linux or rfc');
    expect(sysctlProblem(name('udp_timeout'), '5', false)).toBeUndefined();
    expect(sysctlProblem('net.netfilter.nosuch', '5', false)).toMatch(/there is no such sysctl/);
    expect(() => get('net.netfilter.nosuch')).toThrow(refusal('ENOENT'));
    expect(() => set('net.netfilter', '1')).toThrow(refusal('EISDIR'));
  });
});

describe('the timeout profile', () => {
  it('sets all timeouts, and they can be changed afterwards', () => {
    const calls = set(PROFILE, 'rfc');
    expect(calls).toContainEqual(['setConntrack', red.number, CtSetting.UDP, 120_000]);
    expect(calls).toHaveLength(CT_SYSCTLS.filter(({ isTime, linux, rfc }) => isTime && linux !== rfc).length);
    expect([get(name('udp_timeout')), get(name('tcp_timeout_established')), get(name('icmp_timeout'))]).toEqual([
      '120',
      '7440',
      '60',
    ]);
    set(name('udp_timeout'), '200');
    expect(get(PROFILE)).toBe('rfc');
    set(PROFILE, 'linux');
    expect(get(name('udp_timeout'))).toBe('30');
  });

  it('is one of two', () => {
    expect(() => set(PROFILE, 'bsd')).toThrow(/use linux or rfc/);
    expect(get(PROFILE)).toBe('linux');
  });
});
