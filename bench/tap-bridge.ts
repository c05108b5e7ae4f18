/** TAP to TAP through a bridge, 64-byte frames, every frame another pair of 1,000 stations on each side. */
import { forwardingRate } from './frames.js';
import { contend, type Measure } from './measure.js';
import { kernelBridge } from './peers/kernel-bridge.js';
import { ovsPacket, ovsTap } from './peers/ovs.js';
import { twinTap } from './peers/twin.js';
import { vde } from './peers/vde.js';
import { sluiceTap } from './sluice.js';

export const tapBridge: Measure = {
  names: ['tap-bridge'],
  about: 'TAP to TAP, 64-byte frames',
  run: (_, options) =>
    contend(
      {
        name: 'tap-bridge',
        unit: 'Mpps',
        subject: sluiceTap,
        peers: [
          { bridge: twinTap, target: { least: 0.9, goal: 0.98 } },
          { bridge: kernelBridge, target: { least: 1, goal: 1.5 } },
          // Of these two the better counts.
          { bridge: ovsTap, target: { least: 2, goal: 3.5 } },
          { bridge: ovsPacket, target: { least: 2, goal: 3.5 } },
          { bridge: vde },
        ],
        sample: forwardingRate,
      },
      options,
    ),
};
