/*
 * -m tcpmss and -m ecn.
 */
import { EcnOp, Op, OpWord } from '../../../netfilter/ops.js';
import type { Extension, Option, Use } from '../extension.js';
import type { Range } from '../given.js';
import { Problem } from '../problem.js';
import { protocolCheck } from './tcp.js';
import { range } from './values.js';
import { bang, rangeText } from './wording.js';

const TCP = 6;

export const tcpmss: Extension<Range & { isInverted: boolean }> = {
  name: 'tcpmss',
  isTarget: false,
  protocols: [TCP],
  options: [
    {
      name: 'mss',
      argument: 'required',
      isMandatory: true,
      canInvert: true,
      take(data, given) {
        Object.assign(data, range(given, 0xffff), { isInverted: given.isInverted });
        if (data.low > data.high) throw new Problem('tcpmss: invalid range given');
      },
    },
  ],
  create: () => ({ low: 0, high: 0, isInverted: false }),
  save: (data) => `${bang(data.isInverted)} --mss ${rangeText(data.low, data.high)}`,
  list: (data) => ` tcpmss match ${data.isInverted ? '!' : ''}${rangeText(data.low, data.high)}`,
  encode(data, into) {
    into.add(Op.TCPMSS, [data.low, data.high], data.isInverted ? OpWord.INVERTED : 0);
  },
};

interface Ecn {
  /** EcnOp flags. */
  flags: number;
  ect: number;
}

function bitOption(name: string, flag: number, not: number): Option<Ecn> {
  return {
    name,
    canInvert: true,
    take(data, given) {
      data.flags |= flag | (given.isInverted ? not : 0);
    },
  };
}

function check({ flags }: Ecn, use: Use): string | undefined {
  return (flags & (EcnOp.TCP_ECE | EcnOp.TCP_CWR)) === 0 ? undefined : protocolCheck(use, TCP);
}

export const ecn: Extension<Ecn> = {
  name: 'ecn',
  isTarget: false,
  options: [
    bitOption('ecn-tcp-cwr', EcnOp.TCP_CWR, EcnOp.NOT_TCP_CWR),
    bitOption('ecn-tcp-ece', EcnOp.TCP_ECE, EcnOp.NOT_TCP_ECE),
    {
      name: 'ecn-ip-ect',
      argument: 'required',
      canInvert: true,
      take(data, given) {
        data.flags |= EcnOp.IP_ECT | (given.isInverted ? EcnOp.NOT_IP_ECT : 0);
        data.ect = given.u8(0, 3);
      },
    },
  ],
  create: () => ({ flags: 0, ect: 0 }),
  finalCheck(data) {
    if (data.flags === 0) throw new Problem('ECN match: some option required');
  },
  check,
  save({ flags, ect }) {
    const part = (flag: number, not: number, words: string) =>
      (flags & flag) === 0 ? '' : `${bang((flags & not) !== 0)} --ecn-${words}`;
    return (
      part(EcnOp.TCP_ECE, EcnOp.NOT_TCP_ECE, 'tcp-ece') +
      part(EcnOp.TCP_CWR, EcnOp.NOT_TCP_CWR, 'tcp-cwr') +
      part(EcnOp.IP_ECT, EcnOp.NOT_IP_ECT, `ip-ect ${ect}`)
    );
  },
  list({ flags, ect }) {
    const part = (flag: number, not: number, words: string) =>
      (flags & flag) === 0 ? '' : ` ${(flags & not) !== 0 ? '!' : ''}${words}`;
    return (
      ` ECN match${part(EcnOp.TCP_ECE, EcnOp.NOT_TCP_ECE, 'ECE')}${part(EcnOp.TCP_CWR, EcnOp.NOT_TCP_CWR, 'CWR')}` +
      part(EcnOp.IP_ECT, EcnOp.NOT_IP_ECT, `ECT=${ect}`)
    );
  },
  encode: ({ flags, ect }, into) => into.add(Op.ECN, [ect], flags),
};
