/*
 * -m esp, -m ah, -m ipcomp: security parameters' indices.
 */
import { Op, OpWord, SpiOp } from '../../../netfilter/ops.js';
import { Family } from '../../../netfilter/rule.js';
import type { Extension, Option } from '../extension.js';
import { range } from './values.js';
import { bang, rangeText } from './wording.js';

const HIGHEST = 0xffffffff;

interface Spi {
  low: number;
  high: number;
  isInverted: boolean;
  length: number;
  isNotLength: boolean;
  isReserved: boolean;
}

interface Kind {
  name: string;
  family?: Family;
  protocol: number;
  /** The kernel wants it after -p. */
  needsProtocol: boolean;
  option: string;
  /** In lists, with the blank behind it that is always there, or that stands before an SPI only. */
  label: string;
  reserved?: string;
  hasLength?: boolean;
  /** Of the SPIs when none is given. */
  high: number;
}

function isAny({ low, high }: Spi): boolean {
  return low === 0 && high === HIGHEST;
}

function listSpi(data: Spi): string {
  if (isAny(data) && !data.isInverted) return '';
  return `${data.low === data.high ? 'spi' : 'spis'}:${data.isInverted ? '!' : ''}${rangeText(data.low, data.high)}`;
}

function options({ option, reserved, hasLength }: Kind): Array<Option<Spi>> {
  const all: Array<Option<Spi>> = [
    {
      name: option,
      argument: 'required',
      canInvert: true,
      take(data, given) {
        Object.assign(data, range(given, HIGHEST), { isInverted: given.isInverted });
      },
    },
  ];
  if (hasLength === true) {
    all.push({
      name: 'ahlen',
      argument: 'required',
      canInvert: true,
      take(data, given) {
        data.length = given.u32();
        data.isNotLength = given.isInverted;
      },
    });
  }
  if (reserved !== undefined) {
    all.push({
      name: reserved,
      take(data) {
        data.isReserved = true;
      },
    });
  }
  return all;
}

function spiMatch(kind: Kind): Extension<Spi> {
  return {
    name: kind.name,
    isTarget: false,
    ...(kind.family === undefined ? {} : { family: kind.family }),
    ...(kind.needsProtocol ? { protocols: [kind.protocol] } : {}),
    options: options(kind),
    create: () => ({ low: 0, high: kind.high, isInverted: false, length: 0, isNotLength: false, isReserved: false }),
    save(data) {
      const spi = isAny(data) ? '' : `${bang(data.isInverted)} --${kind.option} ${rangeText(data.low, data.high)}`;
      const length = data.length === 0 ? '' : `${bang(data.isNotLength)} --ahlen ${data.length}`;
      return spi + length + (data.isReserved ? ` --${kind.reserved}` : '');
    },
    list(data) {
      const spi = listSpi(data);
      const length = data.length === 0 ? '' : `length:${data.isNotLength ? '!' : ''}${data.length}`;
      const label = spi === '' ? kind.label : `${kind.label.trimEnd()} `;
      return ` ${label}${spi}${length}${data.isReserved ? ' reserved' : ''}`;
    },
    encode(data, into) {
      const flags =
        (data.isInverted ? OpWord.INVERTED : 0) |
        (data.isNotLength ? SpiOp.NOT_LENGTH : 0) |
        (data.isReserved ? SpiOp.RESERVED : 0);
      into.add(Op.SPI, [kind.protocol, data.low | 0, data.high | 0, data.length | 0], flags);
    },
  };
}

export const esp = spiMatch({
  name: 'esp',
  protocol: 50,
  needsProtocol: true,
  option: 'espspi',
  label: 'esp',
  high: HIGHEST,
});

export const ah = spiMatch({
  name: 'ah',
  family: Family.IPV4,
  protocol: 51,
  needsProtocol: true,
  option: 'ahspi',
  label: 'ah ',
  high: HIGHEST,
});

export const ah6 = spiMatch({
  name: 'ah',
  family: Family.IPV6,
  protocol: 51,
  needsProtocol: false,
  option: 'ahspi',
  label: 'ah ',
  hasLength: true,
  reserved: 'ahres',
  high: HIGHEST,
});

export const ipcomp = spiMatch({
  name: 'ipcomp',
  protocol: 108,
  needsProtocol: true,
  option: 'ipcompspi',
  label: 'comp ',
  reserved: 'compres',
  high: 0,
});
