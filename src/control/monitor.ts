/*
 * `ip monitor`: tells who asked of what changes, each of its own namespace; of namespaces that come and go, all.
 */
import type { MonitorEvent } from './api/monitor.js';
import type { Connection } from './server.js';

type Send = (event: MonitorEvent) => void;

/** A client that has more than this unread is let go: it would hold up memory without end. */
const MAX_BACKLOG = 64 << 20;

export class Monitor {
  private readonly watchers = new Map<object, Set<Send>>();

  /** `onWatched` is told when the first begins to watch and when the last has gone. */
  constructor(private readonly onWatched: (isWatched: boolean) => void) {}

  get isWatched(): boolean {
    return this.watchers.size > 0;
  }

  tell(namespace: object, event: MonitorEvent): void {
    for (const send of this.watchers.get(namespace) ?? []) send(event);
  }

  /** Of no namespace alone. */
  tellAll(event: MonitorEvent): void {
    for (const sends of this.watchers.values()) for (const send of sends) send(event);
  }

  /** Until the client goes. */
  async run(namespace: object, connection: Connection, send: (event: unknown) => void): Promise<void> {
    const watcher: Send = (event) => {
      if (connection.backlog <= MAX_BACKLOG) send(event);
    };
    if (!this.isWatched) this.onWatched(true);
    const watchers = this.watchers.get(namespace) ?? new Set<Send>();
    this.watchers.set(namespace, watchers.add(watcher));
    await new Promise<void>((resolve) => connection.onClose.push(resolve));
    watchers.delete(watcher);
    if (watchers.size === 0) this.watchers.delete(namespace);
    if (!this.isWatched) this.onWatched(false);
  }
}
