/* `ethtool -i|-k|-S`: what the real tool says, taken apart and put together again, must be the same. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { driverText, featuresText, statisticsText } from '../../src/cli/ethtool.js';
import type { EthtoolInfo } from '../../src/control/api/status.js';
import { Namespace, unavailable } from './kernel.js';

const reason = unavailable('ethtool');

function driverOf(text: string): EthtoolInfo {
  const fields = Object.fromEntries(text.split('\n').map((line) => line.split(': ')));
  const statistics = fields['supports-statistics'] === 'yes' ? [{ name: 'any', value: 0 }] : [];
  return {
    driver: { driver: fields.driver, version: fields.version, 'bus-info': fields['bus-info'] ?? '' },
    features: [],
    statistics,
  };
}

function featuresOf(text: string): EthtoolInfo {
  const lines = text.trimEnd().split('\n').slice(1);
  const features = lines.map((line) => {
    const [name, value] = line.trim().split(': ');
    return { name, on: value.startsWith('on'), fixed: value.endsWith('[fixed]') };
  });
  return { driver: { driver: '', version: '', 'bus-info': '' }, features, statistics: [] };
}

function statisticsOf(text: string): EthtoolInfo {
  const lines = text.trimEnd().split('\n').slice(1);
  const statistics = lines.map((line) => ({ name: line.trim().split(': ')[0], value: Number(line.split(': ')[1]) }));
  return { driver: { driver: '', version: '', 'bus-info': '' }, features: [], statistics };
}

describe.skipIf(reason !== '')(`ethtool, beside the real one${reason === '' ? '' : ` (${reason})`}`, () => {
  let kernel: Namespace;

  beforeAll(() => {
    kernel = new Namespace();
    kernel.set('ip tuntap add t1 mode tap', 'ip link add v0 type veth peer name v1');
  });

  afterAll(() => kernel?.remove());

  it.each(['t1', 'v0'])('-i %s', (name) => {
    const { out } = kernel.run(`ethtool -i ${name}`);
    expect(out).toContain('driver: ');
    expect(driverText(driverOf(out))).toBe(out);
  });

  it.each(['lo', 't1', 'v0'])('-k %s', (name) => {
    // What a user has asked for and not got is a third state, which no link of ours has.
    const out = kernel.run(`ethtool -k ${name}`).out.replaceAll(' [requested on]', '');
    expect(out.split('\n').length).toBeGreaterThan(50);
    expect(featuresText(name, featuresOf(out))).toBe(out);
  });

  it('-S v0', () => {
    const { out } = kernel.run('ethtool -S v0');
    expect(out).toContain('peer_ifindex');
    expect(statisticsText(statisticsOf(out))).toBe(out);
  });
});
