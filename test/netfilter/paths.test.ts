/* Paths, and what happens when there are more ways than paths. */
import { describe, expect, it } from 'vitest';
import { Path, Paths } from '../../src/netfilter/paths.js';
import { permanent } from '../route/stack.js';
import { FilteredRouter } from '../support/filtered-router.js';
import { ip4, udp } from '../support/packets.js';

const HITS = Int32Array.of(3, -2);
const rules = new Float64Array(16);
const policies = new Float64Array(16);

/** Takes ways, all different, until one gets no path. */
function fill(paths: Paths): void {
  for (let mtu = 1; paths.intern(1, 2, 3, mtu, 0, HITS, 2) !== 0; mtu++) expect(mtu).toBeLessThan(1 << 20);
}

describe('paths', () => {
  it('are one for all that go the same way', () => {
    const paths = new Paths();
    const path = paths.intern(1, 2, 3, 0, 0, HITS, 2);
    expect(path).toBeGreaterThan(0);
    expect(paths.intern(1, 2, 3, 0, 0, HITS, 2)).toBe(path);
    expect(paths.intern(1, 2, 3, 0, 0, HITS, 1)).not.toBe(path);
    expect(paths.words[(path << Path.SHIFT) + Path.OUT]).toBe(2);
  });

  it('are not renewed while there is room', () => {
    const paths = new Paths();
    const path = paths.intern(1, 2, 3, 0, 0, HITS, 2);
    expect(paths.renew(60_000, rules, policies)).toBe(false);
    expect(paths.intern(1, 2, 3, 0, 0, HITS, 2)).toBe(path);
  });

  it('begin anew when there are too many, counted before, and not again at once', () => {
    const paths = new Paths();
    let now = 0x7fffffff - 500;
    fill(paths);
    expect(paths.isFull).toBe(true);
    paths.counters.set([4, 400], 7 << 1);
    expect(paths.renew(now, rules, policies)).toBe(true);
    expect([...rules.subarray(6, 8), ...policies.subarray(4, 6)]).toEqual([4, 400, 4, 400]);
    expect(paths.isFull).toBe(false);
    expect(paths.intern(9, 8, 7, 0, 0, HITS, 2)).toBe(1);
    fill(paths);
    now = (now + 9000) | 0;
    expect(paths.renew(now, rules, policies)).toBe(false);
    now = (now + 1000) | 0;
    expect(paths.renew(now, rules, policies)).toBe(true);
    fill(paths);
    // What was long ago is not in the future.
    now = (now + 2 ** 31 + 60_000) | 0;
    expect(paths.renew(now, rules, policies)).toBe(true);
    expect([...rules.subarray(6, 8)]).toEqual([4, 400]);
  });
});

const [R0, R1] = ['02:00:00:00:0b:00', '02:00:00:00:0b:01'];
const [H0, H1] = ['02:00:00:00:10:09', '02:00:00:00:11:09'];

describe('a router with more ways than paths', () => {
  it.each([
    ['with flows', '-A FORWARD -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT'],
    ['without flows', '-A FORWARD -p udp -m udp --dport 53 -j ACCEPT'],
  ])('gives new ones short paths again: %s', async (_name, rule) => {
    const router = new FilteredRouter().interface('e0', R0).interface('e1', R1);
    router.address('e0', '10.0.0.1/24').address('e1', '10.0.1.1/24');
    permanent(router, 'e1', '10.0.1.9', H1);
    await router.restore(`*filter\n${rule}\nCOMMIT\n`);
    const { netfilter } = router.dataplane;
    fill(netfilter.paths);
    const payload = udp('10.0.0.9', '10.0.1.9', 7, 53, Uint8Array.of(1));
    const frame = ip4({ to: R0, from: H0, source: '10.0.0.9', destination: '10.0.1.9', protocol: 17, payload });
    for (let i = 0; i < 6; i++) router.send('e0', frame);
    expect(router.take('e1')).toHaveLength(6);
    // The path that is given first after a renewal.
    expect(netfilter.paths.counters[1 << 1]).toBeGreaterThan(1);
    expect(await router.save('filter')).toContain(`[6:174] ${rule}`);
  });
});
