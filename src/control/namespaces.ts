/*
 * Namespaces of Sluice: each has links of its own, by name and by index, and sysctls of its own. `host` is always there.
 *
 * Names are unique within a namespace. Indexes are given as the kernel does: `lo` is 1, a new link gets the next after the
 * last one given that is free, and a link that moves keeps its index where that is free (dev_index_reserve). The numbers
 * of links and of namespaces are the dataplane's; they are unique everywhere and used again.
 *
 * A namespace knows others by small ids of its own ("link-netnsid 0"), given when one of its links is first found to have
 * its other end there.
 */
import { SluiceError } from '../core/errors.js';
import { MAX_NAMESPACES } from '../core/links.js';
import type { NetnsInfo } from './api/netns.js';
import type { Link } from './link.js';
import { Sysctls } from './sysctls.js';

export const HOST = 'host';

export class Namespace {
  readonly links = new Map<string, Link>();
  readonly sysctls: Sysctls;
  /** Its `lo`, whatever its name is now. */
  loopback!: Link;
  private readonly byIndex = new Map<number, Link>();
  private readonly ids = new Map<Namespace, number>();
  private readonly takenIds = new Set<number>();
  /** No id below it is free. */
  private firstFreeId = 0;
  private lastIndex = 0;

  constructor(
    readonly name: string,
    /** In the dataplane. */
    readonly number: number,
    host?: Namespace,
  ) {
    this.sysctls = new Sysctls(this, host?.sysctls);
  }

  get isHost(): boolean {
    return this.name === HOST;
  }

  /** In the order in which the kernel lists them. */
  inOrder(): Link[] {
    return [...this.links.values()].sort((a, b) => a.ifindex - b.ifindex);
  }

  linkOf(ifindex: number): Link | undefined {
    return this.byIndex.get(ifindex);
  }

  /** Takes a link in, at its index if it has one that is free here. */
  add(link: Link): void {
    if (link.ifindex === 0 || this.byIndex.has(link.ifindex)) link.ifindex = this.freeIndex();
    link.namespace = this;
    this.links.set(link.name, link);
    this.byIndex.set(link.ifindex, link);
  }

  remove(link: Link): void {
    this.links.delete(link.name);
    this.byIndex.delete(link.ifindex);
  }

  rename(link: Link, name: string): void {
    this.links.delete(link.name);
    link.name = name;
    this.links.set(name, link);
  }

  /** The next free index is given, and may never be seen: a link that fails late had it for a moment. */
  freeIndex(): number {
    do this.lastIndex++;
    while (this.byIndex.has(this.lastIndex));
    return this.lastIndex;
  }

  /** The first free name of a stem: veth0, veth1 …; `taken`: one that is as good as given. */
  freeName(stem: string, taken?: string): string {
    for (let n = 0; ; n++) {
      const name = `${stem}${n}`;
      if (!this.links.has(name) && name !== taken) return name;
    }
  }

  /** The id of another namespace here; the next free one is given if it has none. */
  idOf(other: Namespace): number {
    const known = this.ids.get(other);
    if (known !== undefined) return known;
    while (this.takenIds.has(this.firstFreeId)) this.firstFreeId++;
    this.ids.set(other, this.firstFreeId);
    this.takenIds.add(this.firstFreeId);
    return this.firstFreeId;
  }

  knownIdOf(other: Namespace): number | undefined {
    return this.ids.get(other);
  }

  forget(other: Namespace): void {
    const id = this.ids.get(other);
    if (id === undefined) return;
    this.ids.delete(other);
    this.takenIds.delete(id);
    this.firstFreeId = Math.min(this.firstFreeId, id);
  }
}

function checkName(name: string): void {
  if (name !== '' && name !== '.' && name !== '..' && !name.includes('/') && Buffer.byteLength(name) <= 255) return;
  throw new SluiceError('EINVAL', `cannot add namespace "${name}": that is no name; use one without a slash`);
}

export class Namespaces {
  readonly host = new Namespace(HOST, 0);
  private readonly byName = new Map<string, Namespace>([[HOST, this.host]]);
  private readonly freed: number[] = [];
  private nextNumber = 1;

  constructor() {
    this.host.sysctls.siblings = () => this.byName.values();
  }

  all(): Namespace[] {
    return [...this.byName.values()];
  }

  /** The namespace of a request; the host without a name. */
  get(name: string | undefined): Namespace {
    const found = name === undefined ? this.host : this.byName.get(name);
    if (found !== undefined) return found;
    throw new SluiceError(
      'ENOENT',
      `cannot open network namespace "${name}": there is no such namespace; "sluice ip netns" lists them`,
    );
  }

  /** That of a number in the dataplane. */
  numbered(number: number): Namespace | undefined {
    return this.all().find((namespace) => namespace.number === number);
  }

  find(name: string): Namespace | undefined {
    return this.byName.get(name);
  }

  add(name: string): Namespace {
    checkName(name);
    if (this.byName.has(name))
      throw new SluiceError('EEXIST', `cannot add namespace "${name}": the name is taken; choose another`);
    const number = this.freed.pop() ?? this.nextNumber++;
    if (number >= MAX_NAMESPACES) {
      this.nextNumber--;
      throw new SluiceError(
        'ENOSPC',
        `cannot add namespace "${name}": there are ${MAX_NAMESPACES}, the most there can be; delete one first`,
      );
    }
    const namespace = new Namespace(name, number, this.host);
    this.byName.set(name, namespace);
    return namespace;
  }

  /** Its links are gone already. */
  remove(namespace: Namespace): void {
    this.byName.delete(namespace.name);
    this.freed.push(namespace.number);
    for (const other of this.byName.values()) other.forget(namespace);
  }

  /** Without the host, newest first: as the kernel's /run/netns is read. Ids are those that `from` knows. */
  list(from: Namespace): NetnsInfo[] {
    return this.all()
      .slice(1)
      .reverse()
      .map((namespace) => {
        const id = from.knownIdOf(namespace);
        return { name: namespace.name, ...(id === undefined ? {} : { id }) };
      });
  }
}
