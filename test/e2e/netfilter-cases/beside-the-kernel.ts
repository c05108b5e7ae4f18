/*
 * Netfilter, conntrack and NAT as the kernel has them: the same rules, loaded by iptables-restore, in a kernel namespace and in one of
 * Sluice, the same flows through both, and all compared: frames, the counters of rules and policies, the flows that conntrack knows.
 *
 * Not compared, because Sluice is right:
 *
 * - ports of later fragments: iptables 1.8.9 has nftables look at them, which takes for ports what stands where they would be in a first
 *   fragment; iptables(8) says that no later fragment matches, and here none does;
 * - a reset that ends the only connection that a connlimit rule counts: the kernel finds none left, takes that for a failure to count, and drops
 *   the reset; and how many there are while some end, which hangs on when it tidies up;
 * - what a router says at a time of its own choosing: redirects are limited by clocks, reports of groups sent by them.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { type Case, FilteredRouters } from '../../support/filtered-routers.js';
import { lackingNamespaces, titled } from '../../support/requirements.js';
import { expectConserved, sceneOfAll } from '../../support/scene.js';
import { FORWARDING, INTERFACES, TwoRouters } from '../../support/two-routers.js';
import { ROUTES } from './common.js';

const missing = lackingNamespaces('python3', 'ethtool', 'nft', 'iptables', 'conntrack');
/** How long a kernel reports groups that it has joined. */
const REPORTS_MS = 3000;

/** Each case through both, one after the other. */
export function besideTheKernel(title: string, cases: readonly Case[]): void {
  describe.skipIf(missing)(titled(title, missing), () => {
    let filtered: FilteredRouters;

    sceneOfAll(async (scene) => {
      filtered = new FilteredRouters(await TwoRouters.build(scene));
    });

    beforeAll(async () => {
      const { routers } = filtered;
      await routers.sysctl(FORWARDING);
      await routers.configure([...INTERFACES, ...ROUTES]);
      await routers.haveCarriers();
      // The kernel reports its multicast groups once more, in which OUTPUT has a say.
      await new Promise((resolve) => setTimeout(resolve, REPORTS_MS));
    });

    test.each(cases.map((one): [string, Case] => [one.title, one]))(
      '%s',
      async (_, one) => {
        expect(await filtered.differencesIn(one)).toEqual([]);
      },
      120_000,
    );

    test('at rest every frame is accounted for', () => expectConserved(filtered.routers.daemon));
  });
}
