/* A host from outside: the process that runs host.ts, and its tasks as promises. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { endChild } from './child.js';
import { DemoFailure } from './failure.js';
import type { HostMessage, Task, Tasks } from './tasks.js';

interface Waiter {
  result(value: unknown): void;
  progress(value: number): void;
  failure(error: Error): void;
}

/** Longer than any task takes, ms. */
const TASK_TIMEOUT_MS = 15_000;

export class HostProcess {
  /** Its kernel has IPv6. */
  hasIpv6 = false;
  private readonly waiting = new Map<number, Waiter>();
  private nextId = 1;

  private constructor(
    readonly name: string,
    private readonly child: ChildProcess,
  ) {
    child.on('message', (message) => this.receive(message as HostMessage));
    child.on('exit', (status, signal) => this.failAll(`its process ended with ${signal ?? status}`));
  }

  /** Starts the process; `started` sees it at once, so that it can be ended whatever happens next. */
  static async start(name: string, started: (host: HostProcess) => void): Promise<HostProcess> {
    const child = fork(fileURLToPath(new URL('./host.js', import.meta.url)), [], { execArgv: [] });
    const host = new HostProcess(name, child);
    started(host);
    await new Promise<unknown>((resolve, reject) => {
      host.waiting.set(0, { result: resolve, progress: () => {}, failure: reject });
    });
    return host;
  }

  /** What stands for its namespace: its pid. */
  get namespace(): string {
    return String(this.child.pid);
  }

  run<T extends Task>(
    task: T,
    options: Tasks[T]['arguments'],
    progress: (value: number) => void = () => {},
  ): Promise<Tasks[T]['result']> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const late = () =>
        this.settle(id)?.failure(this.failure(`"${task}" has not ended after ${TASK_TIMEOUT_MS / 1000} s`));
      const timer = setTimeout(late, TASK_TIMEOUT_MS);
      this.waiting.set(id, {
        result: (value) => {
          clearTimeout(timer);
          resolve(value as Tasks[T]['result']);
        },
        progress,
        failure: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      if (this.child.connected) this.child.send({ id, task, arguments: options });
      else this.failAll('its process has ended');
    });
  }

  private receive(message: HostMessage): void {
    if ('progress' in message) {
      this.waiting.get(message.id)?.progress(message.progress);
    } else if ('ready' in message) {
      this.hasIpv6 = message.hasIpv6;
      this.settle(0)?.result(undefined);
    } else if ('error' in message) this.settle(message.id ?? 0)?.failure(new Error(message.error));
    else this.settle(message.id)?.result(message.result);
  }

  private settle(id: number): Waiter | undefined {
    const waiter = this.waiting.get(id);
    this.waiting.delete(id);
    return waiter;
  }

  private failure(cause: string): DemoFailure {
    return new DemoFailure('use', `host ${this.name}`, cause, 'see what it wrote above');
  }

  private failAll(cause: string): void {
    for (const id of [...this.waiting.keys()]) this.settle(id)?.failure(this.failure(cause));
  }

  /** Ends the process and with it the namespace. */
  async stop(): Promise<void> {
    if (this.child.connected) this.child.disconnect();
    await endChild(this.child);
  }
}
