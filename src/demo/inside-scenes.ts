/* The scenes that need no kernel, as all their hosts are inside Sluice. */
import { DaemonProcess } from './daemon-process.js';
import { showGateway } from './gateway-scene.js';
import { showRouter } from './router-scene.js';
import type { Stage } from './stage.js';

export async function showInside(stage: Stage, daemon: DaemonProcess): Promise<void> {
  await showRouter(stage, daemon);
  await showGateway(stage, daemon);
}

/** With a daemon of their own. */
export async function playInside(stage: Stage): Promise<void> {
  const daemon = new DaemonProcess();
  stage.defer(() => daemon.stop());
  await daemon.ready();
  await showInside(stage, daemon);
}
