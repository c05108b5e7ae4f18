/*
 * Tells when a kernel namespace that a packet port lies in goes: its socket would keep the namespace alive, so it must be
 * closed. Named namespaces are watched through their folder; for a pid or another path there is nothing to watch
 * but whether the file is still there, looked at once a second.
 */
import { existsSync, type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';
import { namespacePath } from '../io/namespace.js';

const INTERVAL_MS = 1000;

export class NamespaceWatch {
  private readonly watched = new Map<string, Set<number>>();
  private folder: FSWatcher | undefined;
  private timer: NodeJS.Timeout | undefined;

  /** `onGone` gets the number of a link whose namespace is gone. */
  constructor(private readonly onGone: (link: number) => void) {}

  add(link: number, netns: string): void {
    const path = namespacePath(netns);
    const links = this.watched.get(path) ?? new Set<number>();
    this.watched.set(path, links.add(link));
    if (dirname(path) === '/run/netns') this.folder ??= watch('/run/netns', () => this.look());
    else this.timer ??= setInterval(() => this.look(), INTERVAL_MS);
  }

  /** Exactly these links, each with its namespace. */
  set(links: ReadonlyArray<readonly [number, string]>): void {
    for (const [, known] of this.watched)
      for (const link of known) if (!links.some(([is]) => is === link)) this.remove(link);
    for (const [link, netns] of links) this.add(link, netns);
  }

  remove(link: number): void {
    for (const [path, links] of this.watched) {
      links.delete(link);
      if (links.size === 0) this.watched.delete(path);
    }
    if (this.watched.size === 0) this.close();
  }

  close(): void {
    this.folder?.close();
    this.folder = undefined;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private look(): void {
    for (const [path, links] of [...this.watched]) {
      if (existsSync(path)) continue;
      for (const link of [...links]) {
        this.remove(link);
        this.onGone(link);
      }
    }
  }
}
