/*
 * Sends router advertisements on one link (RFC 4861 §6.2), without sockets and clocks: `timer` says what to send when.
 *
 *   start ─► three advertisements, 16 s apart at most ─► one every min … max interval, at random
 *   a solicitation ─► one after up to 0.5 s, but 3 s after the last one at the soonest; all solicitations until then share it
 *   stop  ─► one last with lifetime 0
 *
 * All go to all nodes (ff02::1): §6.2.6 allows it, and a flood of solicitations then costs one advertisement every 3 s.
 */
import type { RouterAdvertisement } from '../wire/nd.js';

const INITIAL_COUNT = 3;
const INITIAL_MAX_MS = 16_000;
const ANSWER_DELAY_MS = 500;
const MIN_BETWEEN_MS = 3000;

export interface AdvertiserSettings {
  minIntervalMs: number;
  maxIntervalMs: number;
  advertisement: Omit<RouterAdvertisement, 'sourceMac'>;
  /** Random number from 0 to below 1. */
  random(): number;
}

export class Advertiser {
  /** When `timer` is due. */
  dueMs = Number.POSITIVE_INFINITY;
  private count = 0;
  private sentMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly settings: AdvertiserSettings) {}

  /** The link is ready. */
  start(nowMs: number): void {
    this.count = 0;
    this.dueMs = Math.max(nowMs, this.sentMs + MIN_BETWEEN_MS);
  }

  /** A solicitation came. */
  solicited(nowMs: number): void {
    if (this.dueMs === Number.POSITIVE_INFINITY) return;
    const atMs = Math.max(nowMs + this.settings.random() * ANSWER_DELAY_MS, this.sentMs + MIN_BETWEEN_MS);
    this.dueMs = Math.min(this.dueMs, atMs);
  }

  /** The advertisement to send now, if one is due. */
  timer(nowMs: number): Omit<RouterAdvertisement, 'sourceMac'> | undefined {
    if (nowMs < this.dueMs) return undefined;
    const { minIntervalMs, maxIntervalMs, random, advertisement } = this.settings;
    this.sentMs = nowMs;
    this.count++;
    const interval = minIntervalMs + random() * (maxIntervalMs - minIntervalMs);
    this.dueMs = nowMs + (this.count < INITIAL_COUNT ? Math.min(interval, INITIAL_MAX_MS) : interval);
    return advertisement;
  }

  /** The link is no more: nothing is due until `start`. */
  suspend(): void {
    this.dueMs = Number.POSITIVE_INFINITY;
  }

  /** The last one, if any were sent: we are no default router any more; what hosts have learned else lives on. */
  final(): Omit<RouterAdvertisement, 'sourceMac'> | undefined {
    const wasSent = this.sentMs !== Number.NEGATIVE_INFINITY;
    this.suspend();
    return wasSent ? { ...this.settings.advertisement, lifetimeS: 0 } : undefined;
  }
}
