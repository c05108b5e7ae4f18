/*
 * A host: a process whose main thread has moved into a new kernel namespace before it opened any socket. The namespace
 * lives as long as the process; others name it by its pid. It carries out tasks (tasks.ts) for the process that
 * started it, and ends with that, however that ends.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { errnoText } from '../io/errno.js';
import { OWN_NAMESPACE } from '../io/namespace.js';
import { changeKernelLink, findKernelLink } from '../io/rtnetlink.js';
import { shim } from '../io/shim.js';
import { DemoFailure, sentence } from './failure.js';
import { blast, count, send } from './frames.js';
import { ping } from './ping.js';
import { receive, serve } from './stream.js';
import type { HostMessage, Task, TaskRequest, Tasks } from './tasks.js';

type Report = (progress: number) => void;

const RUN: { [T in Task]: (options: Tasks[T]['arguments'], report: Report) => Promise<Tasks[T]['result']> } = {
  ping,
  serve,
  receive,
  blast,
  count,
  send,
};

function tell(message: HostMessage): void {
  if (process.connected) process.send?.(message);
}

function enter(): void {
  const fd = shim.newNamespace();
  const answer = fd < 0 ? fd : shim.enterNamespace(fd);
  if (answer < 0) throw new DemoFailure('make', 'a network namespace', errnoText(answer), 'it needs CAP_SYS_ADMIN');
  shim.close(fd);
}

/**
 * Settings of the new namespace, before any device comes in: ICMP sockets for us (group 0), and IPv6 addresses that are
 * usable at once, instead of after the second that duplicate detection takes.
 */
function configure(): boolean {
  writeFileSync('/proc/sys/net/ipv4/ping_group_range', '0 0');
  const lo = findKernelLink(OWN_NAMESPACE, 'lo');
  if (lo !== undefined) changeKernelLink(OWN_NAMESPACE, lo.index, { isUp: true });
  const ipv6 = '/proc/sys/net/ipv6/conf';
  if (!existsSync(ipv6)) return false;
  for (const which of ['all', 'default']) {
    writeFileSync(`${ipv6}/${which}/disable_ipv6`, '0');
    writeFileSync(`${ipv6}/${which}/accept_dad`, '0');
  }
  return true;
}

async function run<T extends Task>(id: number, task: T, options: Tasks[T]['arguments']): Promise<void> {
  try {
    tell({ id, result: await RUN[task](options, (progress) => tell({ id, progress })) });
  } catch (error) {
    tell({ id, error: sentence(error) });
  }
}

// Ctrl-C reaches the whole group of processes; the demo decides when its hosts go.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit(0));
process.on('message', (request: TaskRequest) => void run(request.id, request.task, request.arguments));
try {
  enter();
  tell({ ready: true, hasIpv6: configure() });
} catch (error) {
  tell({ error: sentence(error) });
}
