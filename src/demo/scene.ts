/*
 * The scene on the real kernel: three namespaces, each with an eth0 that is the kernel end of a TAP, and one bridge in
 * Sluice; beside it the kernel's own bridge over veth with hosts of the same kind.
 */
import { availableParallelism } from 'node:os';
import type { StatusInfo } from '../control/api.js';
import { contend, figure, ROUNDS, type Score, type Side, SMALL_FRAMES, STREAM } from './contest.js';
import { balanceOf, showCounters } from './counters.js';
import { DaemonProcess } from './daemon-process.js';
import { sentence } from './failure.js';
import { FORBIDDEN, FORBIDDEN_COUNT } from './forbidden.js';
import { HostProcess } from './host-process.js';
import { HOSTS, PAIRS, PREFIX4, PREFIX6 } from './hosts.js';
import { KernelBridge } from './kernel-bridge.js';
import type { Screen } from './screen.js';
import { Stage } from './stage.js';

const ECHOES = 5;
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

function picture(screen: Screen, pid: number): void {
  screen.title('Sluice: one bridge in userspace, three kernel namespaces');
  screen.line();
  const ends = ['┐', `├ br0   sluice up, pid ${pid}`, '┘'];
  for (const [i, host] of HOSTS.entries()) {
    const addresses = `${host.ipv4}  ${host.ipv6}`;
    screen.line(`  namespace ${host.name}   eth0 ${addresses} ── TAP ── ${host.port} ${ends[i]}`);
  }
  screen.line();
}

async function startHosts(stage: Stage, names: readonly string[]): Promise<HostProcess[]> {
  return Promise.all(names.map((name) => HostProcess.start(name, (host) => stage.defer(() => host.stop()))));
}

async function start(stage: Stage): Promise<Cast> {
  const daemon = new DaemonProcess();
  stage.defer(async () => {
    const status = await daemon.stop();
    if (stage.failures.length > 0) process.stderr.write(daemon.log);
    stage.expect(status === 0, 'stop', 'sluice up', `it ended with ${status}`, daemon.log.trim() || 'it logged nothing');
  });
  const names = HOSTS.map((host) => host.name);
  const [hosts, peers] = await Promise.all([startHosts(stage, names), startHosts(stage, names.slice(0, 2)), daemon.ready()]);
  return { daemon, hosts, peers };
}

/** Carries out and shows the commands that make the bridge and its ports. */
async function build(stage: Stage, { daemon, hosts }: Cast): Promise<void> {
  picture(stage.screen, daemon.pid);
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

// --- ping --------------------------------------------------------------------------------------------

async function echo(stage: Stage, from: HostProcess, address: string): Promise<string> {
  const options = { address, count: ECHOES, intervalMs: ECHO_INTERVAL_MS, timeoutMs: ECHO_TIMEOUT_MS };
  const { received, medianMs } = await from.run('ping', options);
  const cause = `${ECHOES - received} of ${ECHOES} echoes had no answer`;
  const mark = stage.expect(received === ECHOES, 'ping', `${address} from ${from.name}`, cause, 'see the drops by reason');
  const time = received === 0 ? '      –' : `${medianMs.toFixed(2).padStart(7)} ms`;
  return `${mark} ${received} of ${ECHOES} ${time}`;
}

async function pingAll(stage: Stage, hosts: readonly HostProcess[]): Promise<void> {
  stage.screen.heading(`Ping of every pair: ${ECHOES} echoes each, median round trip (two Node processes' time included)`);
  stage.screen.line('           IPv4                    IPv6');
  for (const [from, to] of PAIRS) {
    const row = [`  ${HOSTS[from].name} ↔ ${HOSTS[to].name}    ${await echo(stage, hosts[from], HOSTS[to].ipv4)}`];
    row.push(hosts[from].hasIpv6 ? await echo(stage, hosts[from], HOSTS[to].ipv6) : 'this kernel has no IPv6');
    stage.screen.line(row.join('    '));
  }
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

async function sendForbidden(stage: Stage, { hosts: [a] }: Cast): Promise<void> {
  stage.screen.heading(`Frames that no bridge forwards: ${HOSTS[0].name} sends ${FORBIDDEN_COUNT} of each kind`);
  for (const { what, frame, reason } of FORBIDDEN) {
    const sent = await a.run('send', { frames: Array<string>(FORBIDDEN_COUNT).fill(frame) });
    const cause = `eth0 took ${sent} of ${FORBIDDEN_COUNT}`;
    const mark = stage.expect(sent === FORBIDDEN_COUNT, 'send', what, cause, 'see the log');
    stage.screen.line(`  ${mark} ${what}: counted as ${reason} below`);
  }
}

async function showStations(stage: Stage, daemon: DaemonProcess): Promise<void> {
  stage.screen.heading('The forwarding database');
  stage.screen.command('sluice brctl showmacs br0');
  const text = await daemon.command('brctl showmacs br0');
  stage.screen.answer(text);
  for (const [i, { mac, port }] of HOSTS.entries()) {
    const isThere = text.split('\n').some((line) => line.trim().startsWith(`${i + 1}\t${mac}\tno`));
    stage.expect(isThere, 'find', `station ${mac}`, `it is not behind ${port}`, 'see the table above');
  }
}

/** The counters, when all that was sent has gone through: within a second at most. */
async function settledStatus(daemon: DaemonProcess): Promise<StatusInfo> {
  for (let tries = 1; ; tries++) {
    const status = JSON.parse(await daemon.command('status -j')) as StatusInfo;
    const [left, right] = balanceOf(status);
    const isSettled = left === right && FORBIDDEN.every(({ reason }) => (status.drops[reason] ?? 0) >= FORBIDDEN_COUNT);
    if (isSettled || tries === STATUS_TRIES) return status;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function showStatus(stage: Stage, daemon: DaemonProcess): Promise<void> {
  stage.screen.heading('Counters, in frames: a TCP superframe of up to 64 KiB is one');
  const status = await settledStatus(daemon);
  showCounters(stage, status);
  for (const { what, reason } of FORBIDDEN) {
    const n = status.links[HOSTS[0].port]?.drops[reason] ?? 0;
    const cause = `${FORBIDDEN_COUNT} were sent, ${n} are counted as ${reason} on ${HOSTS[0].port}`;
    stage.expect(n === FORBIDDEN_COUNT, 'count', what, cause, 'this is a bug');
  }
}

async function scene(stage: Stage): Promise<void> {
  const cast = await start(stage);
  await build(stage, cast);
  await pingAll(stage, cast.hosts);
  const scores = await measure(stage, cast);
  await sendForbidden(stage, cast);
  await showStations(stage, cast.daemon);
  await showStatus(stage, cast.daemon);
  compare(stage.screen, scores);
}

/** Answers the exit status. */
export function playOnKernel(screen: Screen): Promise<number> {
  const startMs = performance.now();
  return new Stage(screen).play(scene, () => {
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    screen.line();
    screen.line(`${screen.mark(true)} Everything worked, and all that was made is gone again: daemon, namespaces, devices, socket. ${seconds} s`);
  });
}
