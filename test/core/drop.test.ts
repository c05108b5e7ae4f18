import { describe, expect, it } from 'vitest';
import { StormClass } from '../../src/bridge/storm.js';
import { DROP_NAME, DROP_REASONS, DROP_TEXT, DropReason } from '../../src/core/drop.js';
import { Counter, LinkFlag } from '../../src/core/links.js';
import { TxError } from '../../src/core/port.js';
import { PortState } from '../../src/datapath.js';
import { FakePort } from '../support/fake-port.js';
import { A, B, BROADCAST, frame } from '../support/frames.js';
import { Network } from '../support/network.js';
import { COUNTED_BY, ROUTER_RECIPES } from './router-recipes.js';

type Reason = (typeof DROP_REASONS)[number];

const EIO = 5;
const EAGAIN = 11;
const ENOMEM = 12;
const EINVAL = 22;
const ENETDOWN = 100;
const ENOBUFS = 105;

function twoPorts(): Network {
  return new Network().bridge().ports(['p1', 'p2']);
}

/** p2 is a fake one. */
function withFake(): { network: Network; fake: FakePort } {
  const network = new Network().bridge().ports(['p1']);
  const { arena, egress } = network.dataplane;
  network.port('p2', 1500, (link) => new FakePort(arena, link, egress.txErrno)).join('p2', 'br0');
  return { network, fake: network.dataplane.egress.ports[network.link('p2')] as FakePort };
}

/** A frame from p1 leaves by a device that answers `errno`. */
function refusedWith(errno: number): Network {
  const { network, fake } = withFake();
  fake.answers = [errno];
  return network.send('p1', frame(A, B));
}

/** How to be dropped for each reason. The compiler demands a recipe for a reason that is new. */
const RECIPES: Record<Reason, () => Network> = {
  [DropReason.LINK_DOWN]: () => twoPorts().down('p1').send('p1', frame(A, B)),
  [DropReason.RUNT]: () => twoPorts().send('p1', new Uint8Array(13)),
  [DropReason.BAD_VNET_HEADER]: () => {
    const { network, fake } = withFake();
    fake.feed([], 1, 0);
    return network.run('p2');
  },
  [DropReason.ARENA_FULL]: () => {
    const network = new Network({ tails: 0 }).bridge().ports(['p1', 'p2']);
    return network.send('p1', frame(A, B, { length: 2000 }));
  },
  [DropReason.NO_LISTENER]: () => twoPorts().leave('p1').send('p1', frame(A, BROADCAST)),
  [DropReason.SOURCE_INVALID]: () => twoPorts().send('p1', frame(BROADCAST, B)),
  [DropReason.PORT_NOT_FORWARDING]: () => twoPorts().options('p1', 0, 0, PortState.BLOCKING).send('p1', frame(A, B)),
  [DropReason.PORT_LOCKED]: () => twoPorts().options('p1', LinkFlag.LOCKED).send('p1', frame(A, B)),
  [DropReason.PAUSE_FRAME]: () => twoPorts().send('p1', frame(A, '01:80:c2:00:00:01')),
  [DropReason.STORM_BROADCAST]: () => stormy(StormClass.BROADCAST, BROADCAST),
  [DropReason.STORM_MULTICAST]: () => stormy(StormClass.MULTICAST, '01:00:5e:00:00:fb'),
  [DropReason.STORM_UNKNOWN]: () => stormy(StormClass.UNKNOWN, B),
  [DropReason.SAME_PORT]: () => twoPorts().send('p1', frame(A, BROADCAST), frame(B, A)),
  [DropReason.ISOLATED]: () => {
    const network = twoPorts().options('p1', LinkFlag.ISOLATED).options('p2', LinkFlag.ISOLATED);
    return network.send('p2', frame(B, BROADCAST)).send('p1', frame(A, B));
  },
  [DropReason.EGRESS_NOT_FORWARDING]: () => {
    const network = twoPorts();
    network.station(B, 'p2');
    return network.down('p2').send('p1', frame(A, B));
  },
  [DropReason.NO_EGRESS]: () => twoPorts().down('p2').send('p1', frame(A, B)),
  [DropReason.TX_LINK_DOWN]: () => refusedWith(EIO),
  [DropReason.TX_MTU]: () => twoPorts().send('p1', frame(A, B, { length: 1600 })),
  [DropReason.TX_BUSY]: () => refusedWith(EAGAIN),
  [DropReason.TX_REFUSED]: () => refusedWith(EINVAL),
  [DropReason.TX_ARENA_FULL]: () => refusedWith(TxError.ARENA_FULL),
  [DropReason.TX_UNSEGMENTABLE]: () => refusedWith(TxError.UNSEGMENTABLE),
  ...ROUTER_RECIPES,
};

/** The link that a drop counts for: where the frame came in, from FIRST_TX on where it should have gone out. */
function linkOf(reason: Reason): string {
  if (reason in ROUTER_RECIPES) return COUNTED_BY[reason] ?? 'e0';
  return reason >= DropReason.FIRST_TX || reason === DropReason.BAD_VNET_HEADER ? 'p2' : 'p1';
}

function stormy(storm: StormClass, destination: string): Network {
  const network = twoPorts();
  network.dataplane.setStorm(network.link('p1'), storm, 1, network.now);
  return network.send('p1', frame(A, destination), frame(A, destination));
}

describe('drop reasons', () => {
  it('have names that are unique and fit for a key', () => {
    const names = DROP_REASONS.map((reason) => DROP_NAME[reason]);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/);
  });

  it('are all named and numbered without a gap', () => {
    expect(DROP_REASONS).toEqual(Array.from({ length: DropReason.COUNT - 1 }, (_, i) => i + 1));
  });

  it('say by their name on which side of a link they count', () => {
    for (const reason of DROP_REASONS) expect(DROP_NAME[reason].startsWith('tx_')).toBe(reason >= DropReason.FIRST_TX);
  });

  it('have different sentences that can stand behind "it was dropped because"', () => {
    const texts = DROP_REASONS.map((reason) => DROP_TEXT[reason]);
    expect(new Set(texts).size).toBe(texts.length);
    for (const text of texts) expect(text).toMatch(/^[a-z0-9].*[^.\s]$/);
  });

  it.each(DROP_REASONS.map((reason) => [DROP_NAME[reason], reason] as const))(
    '%s can be provoked, and is counted once',
    (name, reason) => {
      const network = RECIPES[reason]();
      expect(network.drops()).toEqual({ [name]: 1 });
      expect(network.drops(linkOf(reason))).toEqual({ [name]: 1 });
      network.expectConserved();
    },
  );
});

describe('a device that refuses frames', () => {
  it.each([
    ['EIO', EIO, 'tx_link_down'],
    ['ENETDOWN', ENETDOWN, 'tx_link_down'],
    ['EAGAIN', EAGAIN, 'tx_busy'],
    ['ENOMEM', ENOMEM, 'tx_busy'],
    ['ENOBUFS', ENOBUFS, 'tx_busy'],
    ['EINVAL', EINVAL, 'tx_refused'],
  ])('with %s has the drop counted as what it is', (_, errno, name) => {
    expect(refusedWith(errno).drops('p2')).toEqual({ [name]: 1 });
  });

  it('loses those frames of a burst that it refused, and no others', () => {
    const { network, fake } = withFake();
    fake.answers = [0, EAGAIN, 0, EIO];
    network.send('p1', ...[60, 61, 62, 63, 64].map((length) => frame(A, B, { length })));
    expect(fake.sent).toEqual([60, 62, 64]);
    expect(network.drops('p2')).toEqual({ tx_busy: 1, tx_link_down: 1 });
    expect(network.counter('p2', Counter.TX_PACKETS)).toBe(3);
    expect(network.counter('p2', Counter.TX_BYTES)).toBe(60 + 62 + 64);
    network.expectConserved();
  });

  it('as down is named to the engine, which takes its carrier', () => {
    const network = refusedWith(EIO);
    const { egress } = network.dataplane;
    expect([...egress.wentDown.subarray(0, egress.wentDownCount)]).toEqual([network.link('p2')]);
    expect(refusedWith(EAGAIN).dataplane.egress.wentDownCount).toBe(0);
  });

  it('does not keep a flooded frame from the other ports', () => {
    const { network, fake } = withFake();
    network.ports(['p3']);
    fake.answers = [EIO];
    network.send('p1', frame(A, B));
    expect(network.take('p3')).toEqual([frame(A, B)]);
    network.expectConserved();
  });

  it('and is gone altogether has its frames counted as for a link that is down', () => {
    const { network, fake } = withFake();
    network.dataplane.detachPort(network.link('p2'));
    network.send('p1', frame(A, B), frame(A, B));
    expect(fake.isClosed).toBe(true);
    expect(network.drops('p2')).toEqual({ tx_link_down: 2 });
    network.expectConserved();
  });

  it('counts the segments that went out in place of superframes', () => {
    const { network, fake } = withFake();
    fake.segments = 7;
    network.send('p1', frame(A, B)).send('p1', frame(A, B));
    expect(network.counter('p2', Counter.TX_SEGMENTS)).toBe(14);
    expect(network.counter('p2', Counter.TX_PACKETS)).toBe(2);
  });
});

describe('a device that drops frames it receives', () => {
  it('has them counted as received and dropped', () => {
    const { network, fake } = withFake();
    fake.feed([frame(A, B), frame(A, B)], 3, 4);
    network.run('p2');
    expect(network.counter('p2', Counter.RX_PACKETS)).toBe(9);
    expect(network.drops('p2')).toEqual({ bad_vnet_header: 3, arena_full: 4 });
    network.expectConserved();
  });
});
