/*
 * The leases of a DHCP server's pool: which client has which address, or had it last.
 *
 *    free ─ offer ─► offered (60 s) ─ bind ─► bound ─ release, or its time ends ─► free, but the client's first choice
 *                                              └─ decline ─► declined (10 min): somebody else uses it
 *
 * A client that comes again gets the address it had. For a new one the pool is gone through in order of addresses, and
 * when it is used up the address that has been free for longest is taken. When none is free there is no offer, until the
 * first lease ends: a flood of unknown clients costs one look at the clock each.
 *
 * Kept in memory: after a restart clients that renew are given what they ask for, if it is free (see server.ts).
 */

const OFFER_MS = 60_000;
const DECLINE_MS = 600_000;

export type LeaseState = 'offered' | 'bound' | 'declined';

export interface Lease {
  address: number;
  /** The client's identifier, or its hardware address: key of `clients`. */
  client: string;
  mac: string;
  hostname: string;
  state: LeaseState;
  /** Then it is free. */
  endMs: number;
}

export interface StaticLease {
  /** As Lease.client, or undefined. */
  client?: string;
  mac?: string;
  address: number;
  hostname?: string;
}

/** Who asks: `client` is the key, `mac` and `hostname` are shown. */
export interface Client {
  client: string;
  mac: string;
  hostname: string;
}

/** First and last address of a pool, as unsigned numbers. */
export interface Pool {
  first: number;
  last: number;
}

export class Leases {
  private readonly byAddress = new Map<number, Lease>();
  private readonly byClient = new Map<string, Lease>();
  private readonly reserved = new Set<number>();
  /** The next address of the pool that nobody has had yet. */
  private next: number;
  /** While the pool is used up: when the first lease ends. */
  private fullUntilMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly pool: Pool,
    private readonly statics: readonly StaticLease[],
    own: readonly number[],
  ) {
    this.next = pool.first;
    for (const address of own) this.reserved.add(address);
    for (const { address } of statics) this.reserved.add(address);
  }

  /** An address that no client gets: the server's own. */
  reserve(address: number): void {
    this.reserved.add(address);
  }

  /** Leases that are not free, in order of addresses. */
  list(nowMs: number): Lease[] {
    const live = [...this.byAddress.values()].filter(({ endMs }) => endMs > nowMs);
    return live.sort((a, b) => a.address - b.address);
  }

  staticOf({ client, mac }: Client): StaticLease | undefined {
    return this.statics.find((lease) => lease.client === client || (lease.mac !== undefined && lease.mac === mac));
  }

  /** What a client has, or had last and nobody else since. */
  of({ client }: Client): Lease | undefined {
    return this.byClient.get(client);
  }

  /** Whether a client may have an address. */
  isFor(client: Client, address: number, nowMs: number): boolean {
    const fixed = this.staticOf(client);
    if (fixed !== undefined) return fixed.address === address && !this.isDeclined(address, nowMs);
    if (address < this.pool.first || address > this.pool.last || this.reserved.has(address)) return false;
    const lease = this.byAddress.get(address);
    return (
      lease === undefined || lease.endMs <= nowMs || (lease.client === client.client && lease.state !== 'declined')
    );
  }

  private isDeclined(address: number, nowMs: number): boolean {
    const lease = this.byAddress.get(address);
    return lease?.state === 'declined' && lease.endMs > nowMs;
  }

  /** Holds an address for a client; `wished` is taken if it is free. undefined: none is left. */
  offer(client: Client, wished: number | undefined, nowMs: number): Lease | undefined {
    const had = this.of(client);
    if (had !== undefined && had.state === 'bound' && had.endMs > nowMs) return had;
    const address = this.choose(client, wished, nowMs);
    return address === undefined ? undefined : this.keep(client, address, 'offered', nowMs + OFFER_MS);
  }

  private choose(client: Client, wished: number | undefined, nowMs: number): number | undefined {
    const had = this.of(client)?.address;
    const first = [this.staticOf(client)?.address, had, wished].find(
      (address) => address !== undefined && this.isFor(client, address, nowMs),
    );
    if (first !== undefined || this.staticOf(client) !== undefined) return first;
    return this.fresh(client, nowMs) ?? this.longestFree(nowMs);
  }

  /** An address that nobody has had. */
  private fresh(client: Client, nowMs: number): number | undefined {
    for (; this.next <= this.pool.last; this.next++) {
      if (!this.byAddress.has(this.next) && this.isFor(client, this.next, nowMs)) return this.next++;
    }
    return undefined;
  }

  private longestFree(nowMs: number): number | undefined {
    if (nowMs < this.fullUntilMs) return undefined;
    let oldest: Lease | undefined;
    for (const lease of this.byAddress.values()) {
      if (this.reserved.has(lease.address)) continue;
      if (oldest === undefined || lease.endMs < oldest.endMs) oldest = lease;
    }
    if (oldest !== undefined && oldest.endMs <= nowMs) return oldest.address;
    this.fullUntilMs = oldest?.endMs ?? nowMs + OFFER_MS;
    return undefined;
  }

  bind(client: Client, address: number, endMs: number): Lease {
    return this.keep(client, address, 'bound', endMs);
  }

  private keep(client: Client, address: number, state: LeaseState, endMs: number): Lease {
    this.forget(this.byAddress.get(address));
    this.forget(this.of(client));
    const lease: Lease = { ...client, address, state, endMs };
    this.byAddress.set(address, lease);
    this.byClient.set(client.client, lease);
    return lease;
  }

  private forget(lease: Lease | undefined): void {
    if (lease === undefined) return;
    if (this.byAddress.get(lease.address) === lease) this.byAddress.delete(lease.address);
    if (this.byClient.get(lease.client) === lease) this.byClient.delete(lease.client);
    // What nobody holds is found again from the start of the pool.
    if (lease.address < this.next) this.next = Math.max(lease.address, this.pool.first);
    this.fullUntilMs = Number.NEGATIVE_INFINITY;
  }

  /** The client has given it back, or took another server's offer. It is still its first choice. */
  free(client: Client, address: number, nowMs: number): void {
    const lease = this.of(client);
    if (lease?.address !== address) return;
    lease.endMs = nowMs;
    this.fullUntilMs = Number.NEGATIVE_INFINITY;
  }

  /** Somebody else uses it, the client says. */
  decline(client: Client, address: number, nowMs: number): void {
    const lease = this.of(client);
    if (lease?.address !== address) return;
    this.byClient.delete(client.client);
    lease.state = 'declined';
    lease.endMs = nowMs + DECLINE_MS;
  }

  /** The administrator ends a lease. False: there is none. */
  remove(address: number): boolean {
    const lease = this.byAddress.get(address);
    this.forget(lease);
    return lease !== undefined;
  }
}
