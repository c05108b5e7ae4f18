/*
 * -j CT --ctevents: what conntrack -E is told of a flow. What is expected was read from a kernel 6.18 with a listener that was there before the
 * rule; without one it forgets the events that the rule names unless nf_conntrack_events is 0.
 */
import { describe, expect, it } from 'vitest';
import { FlowRow } from '../../src/conntrack/flow-row.js';
import { CtSetting } from '../../src/conntrack/settings.js';
import { eventName } from '../../src/control/conntrack-row.js';
import { FilteredRouter } from '../support/filtered-router.js';
import { icmp, ip4, pattern } from '../support/packets.js';

const [ROUTER, HOST] = ['02:00:00:00:0b:00', '02:00:00:00:10:09'];

const echo = (): Uint8Array =>
  ip4({
    to: ROUTER,
    from: HOST,
    source: '10.0.0.9',
    destination: '10.0.0.1',
    protocol: 1,
    payload: icmp(8, 0, 1, pattern(8)),
  });

/** What is told of a ping's flow, which is deleted then. */
async function told(target: string, setting: number): Promise<string[]> {
  const router = new FilteredRouter().interface('e0', ROUTER).address('e0', '10.0.0.1/24');
  await router.restore(
    `*raw\n-A PREROUTING -p icmp ${target}\nCOMMIT\n*filter\n-A INPUT -m conntrack --ctstate NEW\nCOMMIT\n`,
  );
  const { conntrack } = router.dataplane.netfilter;
  conntrack.settings[CtSetting.EVENTS] = setting;
  conntrack.events.watch(true);
  router.send('e0', echo());
  expect(router.flows()).toHaveLength(1);
  expect(conntrack.delete(1, router.now)).toBe(true);
  const rows = new Int32Array(FlowRow.WORDS * 8);
  const count = conntrack.events.take(rows, 8);
  return Array.from({ length: count }, (_, i) => eventName(rows[i * FlowRow.WORDS + FlowRow.EVENTS]));
}

describe('CT --ctevents', () => {
  it.each([
    ['-j CT --zone 0', 2, ['new', 'update', 'destroy']],
    ['-j CT --zone 0', 0, []],
    ['-j CT --ctevents destroy', 2, ['destroy']],
    ['-j CT --ctevents destroy', 0, ['destroy']],
    ['-j CT --ctevents reply,mark', 1, ['update']],
    ['-j CT --ctevents new', 2, ['new']],
    ['-j CT --ctevents assured,mark', 0, []],
  ])('%s, nf_conntrack_events=%i', async (target, setting, events) => {
    expect(await told(target, setting)).toEqual(events);
  });
});

describe('CT --expevents', () => {
  it('is refused: nobody can listen', async () => {
    await expect(told('-j CT --expevents new', 2)).rejects.toThrow(/nobody can be told of expectations here/);
  });
});
