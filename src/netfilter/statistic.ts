/* -m statistic and -m quota: by chance, every so manieth, so many bytes and no more. */
import { Answer, answer } from './answer.js';
import { NthOp, QuotaOp } from './ops.js';

/** Every (EVERY + 1)th packet, the first one after PACKET others. */
export function nth(pool: Int32Array, at: number): Answer {
  const left = pool[at + NthOp.STATE_LEFT];
  pool[at + NthOp.STATE_LEFT] = left === 0 ? pool[at + NthOp.EVERY] : left - 1;
  return answer(left === 0);
}

/** The first packet that is too long for what is left takes the rest, too. */
export function quota(pool: Int32Array, at: number, length: number): Answer {
  const low = pool[at + QuotaOp.STATE_LEFT] >>> 0;
  const high = pool[at + QuotaOp.STATE_LEFT + 1];
  if (high === 0 && low < length) {
    pool[at + QuotaOp.STATE_LEFT] = 0;
    return Answer.NO;
  }
  pool[at + QuotaOp.STATE_LEFT] = low - length;
  if (low < length) pool[at + QuotaOp.STATE_LEFT + 1] = high - 1;
  return Answer.YES;
}
