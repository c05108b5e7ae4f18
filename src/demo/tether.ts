/*
 * Preloaded (`node --import`) into the daemon that the demo starts: ends it as SIGTERM would when the demo has ended in
 * whatever way, kill -9 included (the channel to the parent closes with the parent), and removes the folder of its
 * socket, which the demo may not live to do.
 */
import { rmSync } from 'node:fs';

const folder = process.env.SLUICE_DEMO_FOLDER;
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
// It must not keep alive a daemon that is done.
process.channel?.unref();
process.on('exit', () => {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});
