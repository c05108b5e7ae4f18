/** VDE: one vde_switch and, for each end, a vde_plug2tap that carries frames between it and its TAP; all on one core. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Bridge } from '../measure.js';
import { missing, until } from '../program.js';

export const vde: Bridge = {
  name: 'VDE',
  absent: () => missing('vde_switch', 'vde_plug2tap'),
  async start(scene) {
    const socket = join(scene.folder, 'vde');
    scene.bridge(['vde_switch', '--sock', socket]);
    await until('socket of vde_switch', 5, () => existsSync(join(socket, 'ctl')));
    for (const [device, side] of [
      ['t1', scene.a],
      ['t2', scene.b],
    ] as const) {
      scene.bridge(['vde_plug2tap', '--sock', socket, device]);
      await until(`TAP ${device}`, 5, () => scene.run(scene.m, ['ip', 'link', 'show']).includes(` ${device}: `));
      scene.adopt(device, side);
    }
  },
};
