/** AF_PACKET to AF_PACKET on the outer ends of veth pairs, 64-byte frames. */
import { forwardingRate } from './frames.js';
import { contend, type Measure } from './measure.js';
import { kernelBridge } from './peers/kernel-bridge.js';
import { testpmdPacket, testpmdXdp } from './peers/testpmd.js';
import { twinPacket } from './peers/twin.js';
import { sluicePacket } from './sluice.js';

export const packetBridge: Measure = {
  names: ['packet-bridge'],
  about: 'AF_PACKET to AF_PACKET on veth, 64-byte frames',
  run: (_, options) =>
    contend(
      {
        name: 'packet-bridge',
        unit: 'Mpps',
        subject: sluicePacket,
        peers: [
          { bridge: testpmdPacket, target: { least: 1, goal: 1.3 } },
          { bridge: testpmdXdp },
          { bridge: twinPacket },
          { bridge: kernelBridge },
        ],
        sample: forwardingRate,
      },
      options,
    ),
};
