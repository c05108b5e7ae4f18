/*
 * -m policy: what IPsec did or will do to a packet. There is no IPsec here: read and printed, and "none" matches everything.
 */
import type { MaskedAddress } from '../addresses.js';
import type { Extension, Option, Use } from '../extension.js';
import type { Given } from '../given.js';
import { hex } from '../numbers.js';
import { Problem } from '../problem.js';
import { hostMask, protocol } from './values.js';
import { addressMaskText, bang } from './wording.js';

/** Elements that there is room for. */
const DEPTH = 4;
const PROTOCOLS: Record<number, string> = { 50: 'esp', 51: 'ah', 108: 'ipcomp' };
const MODES = ['transport', 'tunnel'];

interface Value<T> {
  value: T;
  isInverted: boolean;
}

interface Element {
  reqid?: Value<number>;
  spi?: Value<number>;
  proto?: Value<number>;
  mode?: Value<string>;
  destination?: Value<MaskedAddress>;
  source?: Value<MaskedAddress>;
}

interface Policy {
  direction: '' | 'in' | 'out';
  isNone: boolean;
  isStrict: boolean;
  elements: Element[];
}

function readProtocol(text: string): number {
  const number = protocol(text);
  if (PROTOCOLS[number] === undefined) throw new Problem('policy match: protocol must be ah/esp/ipcomp');
  return number;
}

function readMode(text: string): string {
  if (!MODES.includes(text)) throw new Problem(`policy match: invalid mode "${text}"`);
  return text;
}

/** An option of the last element. */
function elementOption<K extends keyof Element>(
  name: string,
  key: K,
  read: (given: Given) => NonNullable<Element[K]>['value'],
): Option<Policy> {
  return {
    name,
    argument: 'required',
    canInvert: true,
    isMulti: true,
    take(data, given) {
      const element = data.elements[data.elements.length - 1];
      if (element[key] !== undefined) throw new Problem(`policy match: double --${name} option`);
      Object.assign(element, { [key]: { value: read(given), isInverted: given.isInverted } });
    },
  };
}

function isEmpty(element: Element): boolean {
  return Object.keys(element).length === 0;
}

function checkElement(element: Element, index: number, isStrict: boolean): void {
  if (isStrict && isEmpty(element)) {
    throw new Problem(
      `policy match: empty policy element ${index}. --strict is in effect, but at least one of reqid, spi, tunnel-src, tunnel-dst, proto or mode is required.`,
    );
  }
  const isTunnel = element.mode !== undefined && element.mode.value === 'tunnel' && !element.mode.isInverted;
  if (isTunnel || (element.source ?? element.destination) === undefined) return;
  throw new Problem('policy match: --tunnel-src/--tunnel-dst is only valid in tunnel mode');
}

function finalCheck(data: Policy): void {
  if (data.direction === '') throw new Problem('policy match: neither --dir in nor --dir out specified');
  if (data.isNone) {
    if (data.isStrict) throw new Problem('policy match: policy none but --strict given');
    if (data.elements.length > 1) throw new Problem('policy match: policy none but policy given');
  }
  for (const [i, element] of data.elements.entries()) checkElement(element, i, data.isStrict);
}

function elementText(element: Element, dashes: string, isNumeric: boolean): string {
  const part = <T>(name: string, it: Value<T> | undefined, text: (value: T) => string) =>
    it === undefined ? '' : `${bang(it.isInverted)} ${dashes}${name} ${text(it.value)}`;
  const address = ({ address, mask }: MaskedAddress) => addressMaskText(address, mask);
  return (
    part('reqid', element.reqid, String) +
    part('spi', element.spi, hex) +
    part('proto', element.proto, (number) => (isNumeric ? `${number}` : PROTOCOLS[number])) +
    part('mode', element.mode, String) +
    part('tunnel-dst', element.destination, address) +
    part('tunnel-src', element.source, address)
  );
}

function head({ direction, isNone, isStrict }: Policy, dashes: string): string {
  return ` ${dashes}dir ${direction} ${dashes}pol ${isNone ? 'none' : 'ipsec'}${isStrict ? ` ${dashes}strict` : ''}`;
}

function check({ direction }: Policy, use: Use): string | undefined {
  const wrong = direction === 'in' ? ['POSTROUTING', 'OUTPUT'] : ['PREROUTING', 'INPUT'];
  return wrong.includes(use.chain) ? 'EINVAL' : undefined;
}

export const policy: Extension<Policy> = {
  name: 'policy',
  isTarget: false,
  options: [
    {
      name: 'dir',
      argument: 'required',
      take(data, given) {
        if (given.text !== 'in' && given.text !== 'out') throw new Problem(`policy_match: invalid dir "${given.text}"`);
        data.direction = given.text;
      },
    },
    {
      name: 'pol',
      argument: 'required',
      take(data, given) {
        if (given.text !== 'none' && given.text !== 'ipsec') {
          throw new Problem(`policy match: invalid policy "${given.text}"`);
        }
        data.isNone = given.text === 'none';
      },
    },
    {
      name: 'strict',
      take(data) {
        data.isStrict = true;
      },
    },
    elementOption('reqid', 'reqid', (given) => given.u32()),
    elementOption('spi', 'spi', (given) => given.u32()),
    elementOption('tunnel-src', 'source', hostMask),
    elementOption('tunnel-dst', 'destination', hostMask),
    elementOption('proto', 'proto', (given) => readProtocol(given.text)),
    elementOption('mode', 'mode', (given) => readMode(given.text)),
    {
      name: 'next',
      isMulti: true,
      requires: ['strict'],
      take(data) {
        if (data.elements.length === DEPTH) throw new Problem('policy match: maximum policy depth reached');
        data.elements.push({});
      },
    },
  ],
  create: () => ({ direction: '', isNone: false, isStrict: false, elements: [{}] }),
  finalCheck,
  check,
  lacking: ({ isNone }) => (isNone ? undefined : 'there is no IPsec here'),
  save(data) {
    if (data.isNone) return head(data, '--');
    return head(data, '--') + data.elements.map((element) => elementText(element, '--', false)).join(' --next');
  },
  list(data, isNumeric) {
    if (data.isNone) return ` policy match${head(data, '')}`;
    const elements = data.elements.map(
      (element, i) => `${data.isStrict ? ` [${i}]` : ''}${elementText(element, '', isNumeric)}`,
    );
    return ` policy match${head(data, '')}${elements.join('')}`;
  },
  encode() {},
};
