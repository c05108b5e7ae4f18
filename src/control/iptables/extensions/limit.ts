/*
 * -m limit: a token bucket of the rule's own.
 */
import { limitCost } from '../../../netfilter/limit.js';
import { Op } from '../../../netfilter/ops.js';
import type { Extension } from '../extension.js';
import { Problem } from '../problem.js';
import { rateText, readRate } from './rates.js';

/** Parts of a second that a period is counted in. */
const SCALE = 10_000;
const BURST = 5;

interface Limit {
  period: number;
  burst: number;
}

export const limit: Extension<Limit> = {
  name: 'limit',
  isTarget: false,
  options: [
    {
      name: 'limit',
      argument: 'required',
      take(data, given) {
        const rate = readRate(given.text);
        if (rate === undefined) throw new Problem(`bad rate "${given.text}"'`);
        if (Math.floor(rate.packets / rate.unit) > SCALE) throw new Problem(`Rate too fast "${given.text}"`);
        data.period = Math.floor((SCALE * rate.unit) / rate.packets);
      },
    },
    {
      name: 'limit-burst',
      argument: 'required',
      take(data, given) {
        data.burst = given.u32(0, 10_000) || BURST;
      },
    },
  ],
  create: () => ({ period: (SCALE * 3600) / 3, burst: BURST }),
  save({ period, burst }) {
    return ` --limit ${rateText(period, SCALE)}${burst === BURST ? '' : ` --limit-burst ${burst}`}`;
  },
  list: ({ period, burst }) => ` limit: avg ${rateText(period, SCALE)} burst ${burst}`,
  encode({ period, burst }, into) {
    into.add(Op.LIMIT, [limitCost(period), burst, burst, 0, 0]);
  },
};
