/** The ceiling: our own I/O loop in C++ (bench/twin/twin.cc), on TAPs or on AF_PACKET sockets. */
import type { Bridge } from '../measure.js';
import { missing } from '../program.js';
import { program } from '../twin/programs.js';

const absent = (): string | undefined => missing('g++');

export const twinTap: Bridge = {
  name: 'C++ twin',
  absent,
  async start(scene) {
    await scene.bridge([program('twin'), 'tap', 't1', 't2']).says('ready');
    scene.adopt('t1', scene.a);
    scene.adopt('t2', scene.b);
  },
};

function packets(name: string, kind: 'packet' | 'ring'): Bridge {
  return {
    name,
    absent,
    async start(scene) {
      scene.veths();
      await scene.bridge([program('twin'), kind, 'p1', 'p2']).says('ready');
    },
  };
}

export const twinPacket = packets('C++ twin, recvmmsg', 'packet');
export const twinRing = packets('C++ twin, mapped ring', 'ring');
