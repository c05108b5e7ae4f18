/*
 * The scene on the real kernel: three namespaces, each with an eth0 that is the kernel end of a TAP, and one bridge in
 * Sluice; beside it the kernel's own bridge over veth with hosts of the same kind.
 */
import { availableParallelism } from 'node:os';
import type { StatusInfo } from '../control/api/status.js';
import { contend, figure, ROUNDS, type Score, type Side, SMALL_FRAMES, STREAM } from './contest.js';
import { balanceOf, showCounters } from './counters.js';
import { DaemonProcess } from './daemon-process.js';
import { sentence } from './failure.js';
import { checkForbidden, haveAllArrived, sendForbidden } from './forbidden.js';
import { HostProcess } from './host-process.js';
import { checkStations, HOSTS, PREFIX4, PREFIX6, showHosts } from './hosts.js';
import { showInside } from './inside-scenes.js';
import { KernelBridge } from './kernel-bridge.js';
import { ECHOES, type Ping, pingAll } from './pings.js';
import type { Screen } from './screen.js';
import { Stage } from './stage.js';

const ECHO_INTERVAL_MS = 10;
const ECHO_TIMEOUT_MS = 1000;
/** The daemon's counters are asked for so often until they are what they must be. */
const STATUS_TRIES = 20;

interface Cast {
  daemon: DaemonProcess;
  hosts: HostProcess[];
  /** The kernel bridge's hosts. */
  peers: HostProcess[];
}

async function startHosts(stage: Stage, names: readonly string[]): Promise<HostProcess[]> {
  return Promise.all(names.map((name) => HostProcess.start(name, (host) => stage.defer(() => host.stop()))));
}

async function stop(stage: Stage, daemon: DaemonProcess): Promise<void> {
  const status = await daemon.stop();
  if (daemon.isReady)
    stage.expect(status === 0, 'stop', 'sluice up', `it ended with ${status}`, 'what it logged stands above');
  if (stage.failures.length > 0) process.stderr.write(daemon.log);
}

/** What is made last is undone first: the daemon ends before the namespaces go that its devices are in. */
async function start(stage: Stage): Promise<Cast> {
  const names = HOSTS.map((host) => host.name);
  const all = [startHosts(stage, names), startHosts(stage, names.slice(0, 2))];
  const daemon = new DaemonProcess();
  stage.defer(() => stop(stage, daemon));
  const [[hosts, peers]] = await Promise.all([Promise.all(all), daemon.ready()]);
  return { daemon, hosts, peers };
}

/** Carries out and shows the commands that make the bridge and its ports. */
async function build(stage: Stage, { daemon, hosts }: Cast): Promise<void> {
  showHosts(stage.screen, 'namespace', 'TAP', `sluice up, pid ${daemon.pid}`);
  const commands = ['ip link add br0 up type bridge'];
  for (const [i, { port, mac, ipv4, ipv6 }] of HOSTS.entries()) {
    const v6 = hosts[i].hasIpv6 ? ` addr ${ipv6}/${PREFIX6}` : '';
    const peer = `peer name eth0 netns ${hosts[i].namespace} address ${mac} addr ${ipv4}/${PREFIX4}${v6} up`;
    commands.push(`ip link add ${port} master br0 up type tap ${peer}`);
  }
  for (const command of commands) {
    stage.screen.command(`sluice ${command}`);
    await daemon.command(command);
  }
}

function ping(hosts: readonly HostProcess[]): Ping {
  const options = { count: ECHOES, intervalMs: ECHO_INTERVAL_MS, timeoutMs: ECHO_TIMEOUT_MS };
  return async (from, address) => {
    if (address.includes(':') && !hosts[from].hasIpv6) return undefined;
    return hosts[from].run('ping', { address, ...options });
  };
}

// --- measurements ------------------------------------------------------------------------------------

/** The kernel's bridge, or why there is none: that is no failure of ours. */
function buildPeer(stage: Stage, peers: readonly HostProcess[]): Side | undefined {
  try {
    const bridge = new KernelBridge();
    stage.defer(() => bridge.close());
    for (const [i, peer] of peers.entries()) bridge.connect(HOSTS[i], peer.namespace);
    return { name: 'kernel bridge', hosts: peers };
  } catch (error) {
    stage.screen.line(`  no comparison with the kernel's bridge: ${sentence(error)}`);
    return undefined;
  }
}

async function measure(stage: Stage, { hosts, peers }: Cast): Promise<Score[]> {
  const heading = `Throughput, in turn with the kernel's own bridge over veth: medians of ${ROUNDS} rounds each`;
  stage.screen.heading(heading);
  const peer = buildPeer(stage, peers);
  const sides = [{ name: 'Sluice', hosts }, ...(peer === undefined ? [] : [peer])];
  const scores: Score[] = [];
  for (const contest of [STREAM, SMALL_FRAMES]) scores.push(await contend(stage.screen, contest, sides));
  return scores;
}

function compare(screen: Screen, scores: readonly Score[]): void {
  screen.heading(`Comparison on this machine (${availableParallelism()} cores, shared by hosts and bridge)`);
  screen.line(`  ${''.padEnd(24)}${'Sluice'.padStart(12)}${'kernel'.padStart(12)}${'ratio'.padStart(8)}`);
  for (const { measure, medians } of scores) {
    const [ours, theirs] = medians;
    const peer = theirs === undefined ? ['–', '–'] : [figure(theirs, measure.unit), (ours / theirs).toFixed(2)];
    const cells = [figure(ours, measure.unit), peer[0]].map((text) => text.padStart(12)).join('');
    screen.line(`  ${measure.name.padEnd(24)}${cells}${peer[1].padStart(8)}`);
  }
}

// --- what the bridge knows ---------------------------------------------------------------------------

async function showStations(stage: Stage, daemon: DaemonProcess): Promise<void> {
  stage.screen.heading('The forwarding database');
  stage.screen.command('sluice brctl showmacs br0');
  const text = await daemon.command('brctl showmacs br0');
  stage.screen.answer(text);
  checkStations(stage, text);
}

/** The counters, when all that was sent has gone through: within a second at most. */
async function settledStatus(daemon: DaemonProcess): Promise<StatusInfo> {
  for (let tries = 1; ; tries++) {
    const status = JSON.parse(await daemon.command('status -j')) as StatusInfo;
    const [left, right] = balanceOf(status);
    const isSettled = left === right && haveAllArrived(status);
    if (isSettled || tries === STATUS_TRIES) return status;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function showStatus(stage: Stage, daemon: DaemonProcess): Promise<void> {
  stage.screen.heading('Counters, in frames: a TCP superframe of up to 64 KiB is one');
  const status = await settledStatus(daemon);
  showCounters(stage, status);
  checkForbidden(stage, status);
}

async function scene(stage: Stage): Promise<void> {
  const cast = await start(stage);
  await build(stage, cast);
  stage.screen.heading(
    `Ping of every pair: ${ECHOES} echoes each, median round trip (two Node processes' time included)`,
  );
  await pingAll(stage, ping(cast.hosts));
  const scores = await measure(stage, cast);
  await sendForbidden(stage, (frames) => cast.hosts[0].run('send', { frames }));
  await showStations(stage, cast.daemon);
  await showStatus(stage, cast.daemon);
  compare(stage.screen, scores);
  await showInside(stage, cast.daemon);
}

/** Answers the exit status. */
export function playOnKernel(screen: Screen): Promise<number> {
  const startMs = performance.now();
  screen.title('Sluice: one bridge in userspace, three kernel namespaces');
  return new Stage(screen).play(scene, () => {
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    screen.line();
    screen.line(
      `${screen.mark(true)} Everything worked, and all that was made is gone again: daemon, namespaces, devices, socket. ${seconds} s`,
    );
  });
}
