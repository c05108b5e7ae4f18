/** What the kernel counts: busy time of cores, frames of devices. */
import { readFileSync } from 'node:fs';
import { run } from './program.js';

/** Seconds, monotonic. */
export const clock = (): number => performance.now() / 1000;

/** Busy seconds of each core since the machine started. */
export function busySeconds(): number[] {
  const lines = readFileSync('/proc/stat', 'utf8').match(/^cpu\d.*$/gm) ?? [];
  return lines.map((line) => {
    const [, user, nice, system, , , irq, softirq] = line.split(/\s+/).map(Number);
    return (user + nice + system + irq + softirq) / 100;
  });
}

/** Frames that a device has received; `at`: `-n NAMESPACE` if it is in another one. */
export function received(device: string, ...at: string[]): number {
  const [link] = JSON.parse(run(['ip', ...at, '-j', '-s', 'link', 'show', 'dev', device])) as [
    { stats64: { rx: { packets: number } } },
  ];
  return link.stats64.rx.packets;
}
