/** The kernel's own router over veth. It has no thread: it works in the sender's, on the generator's core. */
import type { Bridge } from '../measure.js';
import { missing, run } from '../program.js';
import { FAR, router } from '../sluice.js';

export const kernelRouter: Bridge = {
  name: 'kernel router',
  absent: () => missing('ip'),
  async start(scene) {
    scene.veths();
    for (const [port, last] of [
      ['p1', 1],
      ['p2', 2],
    ] as const)
      run(['ip', '-n', scene.m, 'link', 'set', port, 'address', `02:00:00:00:00:0${last}`]);
    run(['ip', '-n', scene.a, 'link', 'set', 'eth0', 'address', FAR.a]);
    run(['ip', '-n', scene.b, 'link', 'set', 'eth0', 'address', FAR.b]);
    for (const line of router('p1', 'p2')) run(['ip', '-n', scene.m, ...line.split(' ')]);
    const settings = ['net.ipv4.ip_forward=1', 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.p1.rp_filter=0'];
    scene.run(scene.m, ['sysctl', '-qw', ...settings]);
  },
};
