/** The kernel's own bridge over veth. It has no thread: it works in the sender's, on the generator's core. */
import type { Bridge } from '../measure.js';
import { missing, run } from '../program.js';

export const kernelBridge: Bridge = {
  name: 'kernel bridge',
  absent: () => missing('ip'),
  async start(scene) {
    scene.veths();
    run(['ip', '-n', scene.m, 'link', 'add', 'br0', 'type', 'bridge']);
    for (const port of ['p1', 'p2']) run(['ip', '-n', scene.m, 'link', 'set', port, 'master', 'br0']);
    run(['ip', '-n', scene.m, 'link', 'set', 'br0', 'up']);
  },
};
