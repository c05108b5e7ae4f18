/* What IPv6 packets of our own do with what ICMPv6 has told us. */
import { expect, it } from 'vitest';
import { RouteType } from '../../src/route/fib.js';
import { Neighbour, Nud } from '../../src/tables/neighbours.js';
import { formatMacAt } from '../../src/wire/format.js';
import { numbersOf } from '../support/network.js';
import { ip6, pattern } from '../support/packets.js';
import { Router, wordsOf } from '../support/router.js';

const [OWN, ROUTER, BETTER] = ['02:00:00:00:0b:00', '02:00:00:00:10:09', '02:00:00:00:10:08'];

function known(router: Router, address: string, mac: string): void {
  const { neighbours } = router.dataplane.inet;
  const [a, b, c, d] = wordsOf(address);
  const row = neighbours.insert6(0, router.link('e0'), a, b, c, d, true) << Neighbour.SHIFT;
  const { high, low } = numbersOf(mac);
  neighbours.rows[row + Neighbour.MAC_HIGH] = high;
  neighbours.rows[row + Neighbour.MAC_LOW] = low;
  neighbours.rows[row + Neighbour.STATE] = Nud.PERMANENT;
}

function send(router: Router, size: number): Uint8Array[] {
  const { inet, arena } = router.dataplane;
  const bytes = ip6({
    to: OWN,
    from: OWN,
    source: '2001:db8::1',
    destination: '2001:db8:9::9',
    payload: pattern(size),
  });
  const frame = inet.create(bytes.length);
  arena.bytes.set(bytes, arena.offset[frame]);
  expect(inet.ip6.send6(frame, 0, router.now)).toBe(0);
  router.engine.flush(router.now);
  return router.take('e0');
}

it('go by the gateway that a redirect has named, for as long as it is believed', () => {
  const router = new Router().interface('e0', OWN).address('e0', '2001:db8::1/64');
  router.route('::/0', { via: '2001:db8::9', dev: 'e0', type: RouteType.UNICAST });
  known(router, '2001:db8::9', ROUTER);
  known(router, 'fe80::8', BETTER);
  expect(send(router, 8).map((frame) => formatMacAt(frame, 0))).toEqual([ROUTER]);
  const [a, b, c, d] = wordsOf('2001:db8:9::9');
  const [w, x, y, z] = wordsOf('fe80::8');
  router.dataplane.inet.pmtu.redirect6(0, a, b, c, d, w, x, y, z, router.now);
  expect(send(router, 8).map((frame) => formatMacAt(frame, 0))).toEqual([BETTER]);
  expect(send(router, 2000).map((frame) => formatMacAt(frame, 0))).toEqual([BETTER, BETTER]);
  router.wait(400_000);
  expect(send(router, 8).map((frame) => formatMacAt(frame, 0))).toEqual([ROUTER]);
  router.expectConserved();
});
