/** The ceiling: the shim's own files under a loop in C++ (bench/twin/twin.cc), on TAPs or on AF_PACKET sockets. */
import type { Bridge } from '../measure.js';
import { missing } from '../program.js';
import { program } from '../twin/programs.js';

const name = 'C++ twin';
const absent = (): string | undefined => missing('g++');

export const twinTap: Bridge = {
  name,
  absent,
  async start(scene) {
    await scene.bridge([program('twin'), 'tap', 't1', 't2']).says('ready');
    scene.adopt('t1', scene.a);
    scene.adopt('t2', scene.b);
  },
};

export const twinPacket: Bridge = {
  name,
  absent,
  async start(scene) {
    scene.veths();
    await scene.bridge([program('twin'), 'packet', 'p1', 'p2']).says('ready');
  },
};
