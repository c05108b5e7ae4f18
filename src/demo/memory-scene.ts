/* The scene without a kernel: the same bridge, the same counters, simulated hosts (see memory-network.ts). */
import { showCounters } from './counters.js';
import { checkForbidden, sendForbidden } from './forbidden.js';
import { checkStations, showHosts } from './hosts.js';
import { playInside } from './inside-scenes.js';
import { median } from './median.js';
import { blast, stream } from './memory-load.js';
import { MemoryNetwork } from './memory-network.js';
import { ECHOES, type Ping, pingAll } from './pings.js';
import type { Screen } from './screen.js';
import { Stage } from './stage.js';

function ping(network: MemoryNetwork): Ping {
  let sequence = 0;
  return async (from, address) => {
    const host = network.hosts[from];
    const times: number[] = [];
    for (let i = 0; i < ECHOES; i++) {
      const startMs = performance.now();
      host.ping(address, ++sequence);
      network.settle();
      if (host.answered.has(sequence)) times.push(performance.now() - startMs);
    }
    return { received: times.length, medianMs: median(times) };
  };
}

async function scene(stage: Stage): Promise<void> {
  const { screen } = stage;
  const network = new MemoryNetwork();
  showHosts(screen, 'simulated host', 'memory', 'in this process');
  screen.title(`Ping of every pair: ${ECHOES} echoes each, median round trip`);
  await pingAll(stage, ping(network));
  screen.heading("Throughput in memory: no kernel has part in it, so it compares with no TAP and no kernel's bridge");
  await stream(screen, network);
  await blast(screen);
  await sendForbidden(stage, async (frames) => {
    for (const frame of frames) network.ports[0].feed(Buffer.from(frame, 'hex'));
    network.settle();
    return frames.length;
  });
  screen.heading('The forwarding database, as "brctl showmacs br0" shows it');
  const showmacs = network.showmacs();
  screen.answer(showmacs);
  checkStations(stage, showmacs);
  screen.heading('Counters, in frames: a TCP superframe of up to 64 KiB is one');
  const status = network.status();
  showCounters(stage, status);
  checkForbidden(stage, status);
  await playInside(stage);
}

/** Answers the exit status. */
export function playOnMemory(screen: Screen): Promise<number> {
  const startMs = performance.now();
  screen.title('Sluice: one bridge, three simulated hosts');
  return new Stage(screen).play(scene, () => {
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    screen.line();
    screen.line(`${screen.mark(true)} Everything worked. ${seconds} s`);
  });
}
