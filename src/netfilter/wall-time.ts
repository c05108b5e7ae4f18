/* -m time: dates, days and times of day, in UTC. The kernel's own time zone is always UTC here, so that --kerneltz changes nothing. */
import { Answer, answer } from './answer.js';
import { TimeOp } from './ops.js';

const SECONDS_PER_DAY = 86_400;

/** Monday 1 … Sunday 7; 1970 began with a Thursday. */
function weekDay(day: number): number {
  return ((3 + day) % 7) + 1;
}

/** Day of the month, 1 … 31, of a day counted from 1970 (from days to a date as in the proleptic Gregorian calendar, in eras of 400 years). */
export function monthDay(day: number): number {
  const shifted = day + 719_468;
  const ofEra = shifted % 146_097;
  const year = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  );
  const ofYear = ofEra - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const month = Math.floor((5 * ofYear + 2) / 153);
  return ofYear - Math.floor((153 * month + 2) / 5) + 1;
}

/** `seconds` since 1970. */
export function time(pool: Int32Array, at: number, seconds: number): Answer {
  if (seconds < pool[at + TimeOp.DATE_START] >>> 0 || seconds > pool[at + TimeOp.DATE_STOP] >>> 0) return Answer.NO;
  const ofDay = seconds % SECONDS_PER_DAY;
  const start = pool[at + TimeOp.DAY_START];
  const stop = pool[at + TimeOp.DAY_STOP];
  let day = Math.floor(seconds / SECONDS_PER_DAY);
  if (start < stop) {
    if (ofDay < start || ofDay > stop) return Answer.NO;
  } else {
    if (ofDay < start && ofDay > stop) return Answer.NO;
    // After midnight it is still the day before on which the time began.
    if ((pool[at] & TimeOp.CONTIGUOUS) !== 0 && ofDay <= stop) day--;
  }
  if (((pool[at + TimeOp.WEEK_DAYS] >>> weekDay(day)) & 1) === 0) return Answer.NO;
  return answer(((pool[at + TimeOp.MONTH_DAYS] >>> monthDay(day)) & 1) !== 0);
}
