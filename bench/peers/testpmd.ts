/**
 * DPDK's testpmd on veth, through its AF_PACKET or its AF_XDP driver, forwarding whatever comes to the other port (`io`: no look
 * at the frame, no table). Without huge pages, so that no machine has to be set up for it. Both of its
 * threads share one core: the first only waits for the end.
 */
import type { Bridge } from '../measure.js';
import { missing } from '../program.js';
import type { Scene } from '../scene.js';

async function startTestpmd(scene: Scene, driver: string, more: string): Promise<void> {
  scene.veths();
  const ports = ['p1', 'p2'].flatMap((device, i) => ['--vdev', `${driver}${i},iface=${device}${more}`]);
  const memory = ['--no-huge', '-m', '512', '--no-shconf', '--no-telemetry', '--no-pci'];
  const forward = ['--forward-mode=io', '--auto-start', '--total-num-mbufs=16384', '--no-flush-rx'];
  await scene
    .bridge(['stdbuf', '-oL', 'dpdk-testpmd', '--lcores', '0@1,1@1', ...memory, ...ports, '--', ...forward], {
      RUNTIME_DIRECTORY: scene.folder,
    })
    .says('Press enter', 20);
}

export const testpmdPacket: Bridge = {
  name: 'testpmd net_af_packet',
  absent: () => missing('dpdk-testpmd', 'stdbuf'),
  start: (scene) => startTestpmd(scene, 'net_af_packet', ',qdisc_bypass=1'),
};

export const testpmdXdp: Bridge = {
  name: 'testpmd net_af_xdp',
  absent: () => missing('dpdk-testpmd', 'stdbuf'),
  start: (scene) => startTestpmd(scene, 'net_af_xdp', ''),
};
