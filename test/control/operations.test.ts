/* What the worker does about devices that are no more. */
import { MessageChannel } from 'node:worker_threads';
import { afterEach, expect, it, vi } from 'vitest';
import { Operations } from '../../src/control/operations.js';
import { LinkFlag } from '../../src/core/links.js';
import { Dataplane } from '../../src/datapath.js';
import { Engine } from '../../src/engine.js';
import { MemoryPort } from '../../src/io/memory-port.js';
import { shim } from '../../src/io/shim.js';

const LINK = 1;
const FD = 77;
const { port1, port2 } = new MessageChannel();

afterEach(() => {
  vi.restoreAllMocks();
  port1.close();
  port2.close();
});

it('a port that has been dropped gets no carrier from its device, which is still up', () => {
  const dataplane = new Dataplane({ keys: Int32Array.of(1, 2, 3, 4) });
  const operations = new Operations(dataplane, new Engine(dataplane), port1);
  dataplane.addLink(LINK, 1500, new MemoryPort(dataplane.arena, LINK));
  vi.spyOn(shim, 'packetIsUp').mockReturnValue(1);
  const hasCarrier = (): boolean => (dataplane.links.flags[LINK] & LinkFlag.CARRIER) !== 0;
  expect(operations.deviceIsUp(LINK, FD, false)).toBe(true);
  expect(hasCarrier()).toBe(true);
  operations.dropPort(LINK);
  expect(operations.deviceIsUp(LINK, FD, false)).toBe(false);
  expect(hasCarrier()).toBe(false);
});
