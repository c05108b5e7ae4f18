import { describe, expect, it } from 'vitest';
import { QUEUE } from '../../src/core/arena.js';
import { Counter } from '../../src/core/links.js';
import { FakePort } from '../support/fake-port.js';
import { Network } from '../support/network.js';

function withFake(name = 'p1'): { network: Network; fake: FakePort; link: number } {
  const network = new Network({ heads: 1024 });
  const { arena, egress } = network.dataplane;
  network.port(name, 1500, (link) => new FakePort(arena, link, egress.txErrno));
  const link = network.link(name);
  return { network, fake: egress.ports[link] as FakePort, link };
}

/** Frames that leave by a link, as if they had been received. */
function enqueue(network: Network, link: number, count: number): void {
  const { arena, egress, links } = network.dataplane;
  links.counters[(link << Counter.SHIFT) + Counter.RX_PACKETS] += count;
  for (let i = 0; i < count; i++) egress.enqueue(arena.allocate(60 + i), link);
}

describe('a tx queue', () => {
  it('goes out with one call, in order', () => {
    const { network, fake, link } = withFake();
    enqueue(network, link, 5);
    expect(fake.calls).toEqual([]);
    network.dataplane.flush(network.now);
    expect(fake.calls).toEqual([5]);
    expect(fake.sent).toEqual([60, 61, 62, 63, 64]);
    network.expectConserved();
  });

  it('that fills up is sent at once and loses nothing', () => {
    const { network, fake, link } = withFake();
    enqueue(network, link, QUEUE * 2 + 10);
    expect(fake.calls).toEqual([QUEUE, QUEUE]);
    network.dataplane.flush(network.now);
    expect(fake.calls).toEqual([QUEUE, QUEUE, 10]);
    expect(network.counter('p1', Counter.TX_PACKETS)).toBe(QUEUE * 2 + 10);
    expect(network.drops()).toEqual({});
    network.expectConserved();
  });

  it('that is empty costs no call', () => {
    const { network, fake, link } = withFake();
    enqueue(network, link, QUEUE);
    network.dataplane.flush(network.now);
    network.dataplane.flush(network.now);
    expect(fake.calls).toEqual([QUEUE]);
  });

  it('of one link does not hold the frames of another', () => {
    const { network, fake, link } = withFake();
    const { arena, egress } = network.dataplane;
    network.port('p2', 1500, (other) => new FakePort(arena, other, egress.txErrno));
    const other = egress.ports[network.link('p2')] as FakePort;
    enqueue(network, link, 2);
    enqueue(network, network.link('p2'), 3);
    network.dataplane.flush(network.now);
    expect([fake.sent, other.sent]).toEqual([
      [60, 61],
      [60, 61, 62],
    ]);
  });

  it('sends a frame that is shared, and gives back one reference', () => {
    const { network, fake, link } = withFake();
    const { arena, egress } = network.dataplane;
    const frame = arena.allocate(77);
    arena.references[frame] = 2;
    for (let i = 0; i < 2; i++) egress.enqueue(frame, link);
    network.dataplane.flush(network.now);
    expect(fake.sent).toEqual([77, 77]);
    expect(arena.references[frame]).toBe(0);
    network.dataplane.updateHeld();
    expect(network.balance().held).toBe(1);
    arena.release(frame);
    expect(network.balance().held).toBe(0);
  });
});
