/**
 * Open vSwitch with its userspace datapath (datapath_type=netdev): its own database server and switch daemon, with their
 * folders in the scene's. Either it makes the TAPs itself, or it opens AF_PACKET sockets on veth.
 */
import { join } from 'node:path';
import type { Bridge } from '../measure.js';
import { missing, run, until } from '../program.js';
import type { Scene } from '../scene.js';

const absent = (): string | undefined => missing('ovs-vswitchd', 'ovsdb-server', 'ovsdb-tool', 'ovs-vsctl');

/** Starts both daemons; returns ovs-vsctl, bound to them. */
async function startOvs(scene: Scene): Promise<(...words: string[]) => string> {
  const { folder } = scene;
  const env = { OVS_RUNDIR: folder, OVS_DBDIR: folder, OVS_LOGDIR: folder, OVS_SYSCONFDIR: folder };
  const [database, socket] = [join(folder, 'conf.db'), `unix:${join(folder, 'db.sock')}`];
  run(['ovsdb-tool', 'create', database]);
  scene.bridge(['ovsdb-server', database, `--remote=p${socket}`, `--unixctl=${folder}/ovsdb.ctl`], env);
  const control = (...words: string[]): string => run(['ovs-vsctl', `--db=${socket}`, '--timeout=10', ...words]);
  await until('database of Open vSwitch', 10, () => {
    try {
      control('--no-wait', 'init');
      return true;
    } catch {
      return false;
    }
  });
  scene.bridge(['ovs-vswitchd', socket, `--unixctl=${folder}/ovs.ctl`], env);
  control('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev');
  return control;
}

export const ovsTap: Bridge = {
  name: 'OVS userspace, TAP',
  absent,
  async start(scene) {
    const control = await startOvs(scene);
    for (const [port, side] of [
      ['t1', scene.a],
      ['t2', scene.b],
    ] as const) {
      control('add-port', 'br0', port, '--', 'set', 'interface', port, 'type=tap');
      scene.adopt(port, side);
    }
  },
};

export const ovsPacket: Bridge = {
  name: 'OVS userspace, AF_PACKET',
  absent,
  async start(scene) {
    scene.veths();
    const control = await startOvs(scene);
    for (const port of ['p1', 'p2']) control('add-port', 'br0', port);
  },
};
