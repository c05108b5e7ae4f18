/*
 * -m limit: a bucket of credits that fills with time. A credit is 1/32 ms, a packet costs what `limitCost` says of the average, the bucket holds that
 * of `burst` packets and is full at first. The cost is rounded as xt_limit rounds it; the bucket has room for any burst, as nft's limit has, to which
 * iptables 1.8.9 translates the match.
 *
 * The bucket's content is whole packets and a part of the next one, in credits.
 */
import { Answer } from './answer.js';
import { LimitOp } from './ops.js';

const CREDITS_PER_MS = 32;
const CREDITS_PER_SECOND = 32_000;

/** iptables gives averages in 1/10,000 s. */
const SCALE = 10_000;

/** From here on the product would leave 32 bits. */
const LARGE = Math.floor(0xffff_ffff / CREDITS_PER_SECOND);

/** Credits for an average; the number is unsigned, below 2^32. */
export function limitCost(average: number): number {
  if (average > LARGE) return Math.floor(average / SCALE) * CREDITS_PER_SECOND;
  return Math.floor((average * CREDITS_PER_SECOND) / SCALE);
}

function refill(pool: Int32Array, at: number, now: number): void {
  const elapsedMs = (now - pool[at + LimitOp.STATE_TIME]) >>> 0;
  const cost = pool[at + LimitOp.COST] >>> 0;
  const credits = (pool[at + LimitOp.STATE_PART] >>> 0) + elapsedMs * CREDITS_PER_MS;
  const earned = Math.floor(credits / cost);
  const packets = pool[at + LimitOp.STATE_PACKETS] + earned;
  const isFull = packets >= pool[at + LimitOp.BURST];
  pool[at + LimitOp.STATE_TIME] = now;
  pool[at + LimitOp.STATE_PACKETS] = isFull ? pool[at + LimitOp.BURST] : packets;
  pool[at + LimitOp.STATE_PART] = isFull ? 0 : credits - earned * cost;
}

export function limit(pool: Int32Array, at: number, now: number): Answer {
  refill(pool, at, now);
  if (pool[at + LimitOp.STATE_PACKETS] === 0) return Answer.NO;
  pool[at + LimitOp.STATE_PACKETS]--;
  return Answer.YES;
}
