/*
 * Netfilter, conntrack and NAT as the kernel has them: the same rules, loaded by iptables-restore, in a kernel namespace and in one of
 * Sluice, the same flows through both, and all compared: frames, the counters of rules and policies, the flows that conntrack knows.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { type Case, FilteredRouters } from '../support/filtered-routers.js';
import { lackingNamespaces, titled } from '../support/requirements.js';
import { expectConserved, sceneOfAll } from '../support/scene.js';
import { FORWARDING, INTERFACES, TwoRouters } from '../support/two-routers.js';
import { ROUTES } from './netfilter-cases/common.js';
import { MATCHES } from './netfilter-cases/matches.js';
import { NAT } from './netfilter-cases/nat.js';
import { TARGETS } from './netfilter-cases/targets.js';

const missing = lackingNamespaces('python3', 'ethtool', 'nft', 'iptables', 'conntrack');
const CASES: Case[] = [...MATCHES, ...TARGETS, ...NAT];

describe.skipIf(missing)(titled('beside the kernel’s netfilter', missing), () => {
  let filtered: FilteredRouters;

  sceneOfAll(async (scene) => {
    filtered = new FilteredRouters(await TwoRouters.build(scene));
  });

  beforeAll(async () => {
    const { routers } = filtered;
    await routers.sysctl(FORWARDING);
    await routers.configure([...INTERFACES, ...ROUTES]);
    await routers.haveCarriers();
  });

  test.each(CASES.map((one): [string, Case] => [one.title, one]))(
    '%s',
    async (_, one) => {
      expect(await filtered.differencesIn(one)).toEqual([]);
    },
    120_000,
  );

  test('at rest every frame is accounted for', () => expectConserved(filtered.routers.daemon));
});
