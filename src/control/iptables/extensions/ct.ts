/*
 * -j CT and -j NOTRACK: how conntrack is to treat a packet, said before it does.
 */
import { CtFlag, CtHelper, Extension as TargetNumber } from '../../../netfilter/ops.js';
import { TableId } from '../../../netfilter/rule.js';
import type { Extension, Option, Use } from '../extension.js';
import { readUnsigned } from '../numbers.js';
import { Problem } from '../problem.js';
import { text } from './values.js';

/** In the order of their bits (IPCT_*). */
const EVENTS: ReadonlyArray<[name: string, bit: number]> = [
  ['new', 0],
  ['related', 1],
  ['destroy', 2],
  ['reply', 3],
  ['assured', 4],
  ['protoinfo', 5],
  ['helper', 6],
  ['mark', 7],
  ['natseqinfo', 8],
  ['secmark', 9],
];
const EXPECT_EVENTS: ReadonlyArray<[name: string, bit: number]> = [['new', 0]];

/** Helpers that there are, with the protocols they help; a number where they are enforced. */
const HELPERS: ReadonlyArray<[name: string, protocols: readonly number[], number?: CtHelper]> = [
  ['ftp', [6], CtHelper.FTP],
  ['tftp', [17], CtHelper.TFTP],
  ['sip', [6, 17]],
  ['irc', [6]],
  ['amanda', [17]],
  ['netbios-ns', [17]],
  ['snmp', [17]],
  ['pptp', [6]],
  ['RAS', [17]],
  ['Q.931', [6]],
  ['sane', [6]],
];

interface Ct {
  isNotrack: boolean;
  helper: string;
  timeout: string;
  events: number;
  expectEvents: number;
  /** CtFlag. */
  flags: number;
  zone: number;
}

function readEvents(value: string, names: ReadonlyArray<[string, number]>): number {
  let bits = 0;
  for (const name of value.split(',')) {
    const known = names.find(([one]) => one === name);
    if (known === undefined) throw new Problem(`Unknown event type "${name}"`);
    bits |= 1 << known[1];
  }
  return bits;
}

function eventNames(bits: number): string {
  return EVENTS.filter(([, bit]) => (bits & (1 << bit)) !== 0)
    .map(([name]) => name)
    .join(',');
}

function zoneOption(name: string, flag: number): Option<Ct> {
  return {
    name,
    argument: 'required',
    take(data, given) {
      data.flags |= flag;
      if (given.text === 'mark') {
        data.flags |= CtFlag.ZONE_MARK;
        return;
      }
      const zone = readUnsigned(given.text, 0xffff);
      if (zone === undefined) throw new Problem(`Cannot parse ${given.text} as a zone ID`);
      data.zone = zone;
    },
  };
}

function zoneText(data: Ct): string {
  const isMark = (data.flags & CtFlag.ZONE_MARK) !== 0;
  if (!isMark && data.zone === 0) return '';
  const sides = data.flags & (CtFlag.ZONE_ORIGINAL | CtFlag.ZONE_REPLY);
  const side = sides === CtFlag.ZONE_ORIGINAL ? '-orig' : sides === CtFlag.ZONE_REPLY ? '-reply' : '';
  return `zone${side} ${isMark ? 'mark' : data.zone}`;
}

/** Its parts, each with what stands in front of it. */
function ctText(data: Ct, dashes: string): string {
  const part = (is: boolean, words: string) => (is ? ` ${dashes}${words}` : '');
  const zone = zoneText(data);
  return (
    part(data.isNotrack, 'notrack') +
    part(data.helper !== '', `helper ${data.helper}`) +
    part(data.timeout !== '', `timeout ${data.timeout}`) +
    part(data.events !== 0, `ctevents ${eventNames(data.events)}`) +
    part(data.expectEvents !== 0, `expevents ${eventNames(data.expectEvents)}`) +
    part(zone !== '', zone)
  );
}

function check(data: Ct, use: Use): string | undefined {
  // No policy of timeouts can be made, so none has any name.
  if (data.timeout !== '') return 'EINVAL';
  if (data.helper === '') return undefined;
  const known = HELPERS.find(([name]) => name === data.helper);
  return known === undefined || use.isNotProtocol || !known[1].includes(use.protocol) ? 'ENOENT' : undefined;
}

function lacking({ helper, expectEvents }: Ct): string | undefined {
  if (helper !== '' && HELPERS.find(([name]) => name === helper)?.[2] === undefined)
    return `there is no ${helper} helper here, only ftp and tftp`;
  return expectEvents === 0 ? undefined : 'nobody can be told of expectations here';
}

function encodeCt(data: Ct): number[] {
  const helper = HELPERS.find(([name]) => name === data.helper)?.[2] ?? CtHelper.NONE;
  const sides = CtFlag.ZONE_ORIGINAL | CtFlag.ZONE_REPLY;
  // Both directions: that is what --zone means.
  const flags = (data.flags & sides) === sides ? data.flags & ~sides : data.flags;
  return [flags | (data.isNotrack ? CtFlag.NOTRACK : 0), data.zone, helper, data.events];
}

function create(isNotrack: boolean): Ct {
  return {
    isNotrack,
    helper: '',
    timeout: '',
    events: 0,
    expectEvents: 0,
    flags: 0,
    zone: 0,
  };
}

export const ct: Extension<Ct> = {
  name: 'CT',
  isTarget: true,
  needsConntrack: true,
  tables: [TableId.RAW],
  options: [
    {
      name: 'notrack',
      take(data) {
        data.isNotrack = true;
      },
    },
    {
      name: 'helper',
      argument: 'required',
      take(data, given) {
        data.helper = text(given, 16);
      },
    },
    {
      name: 'timeout',
      argument: 'required',
      take(data, given) {
        data.timeout = text(given, 32);
      },
    },
    {
      name: 'ctevents',
      argument: 'required',
      take(data, given) {
        data.events = readEvents(given.text, EVENTS);
      },
    },
    {
      name: 'expevents',
      argument: 'required',
      take(data, given) {
        data.expectEvents = readEvents(given.text, EXPECT_EVENTS);
      },
    },
    zoneOption('zone-orig', CtFlag.ZONE_ORIGINAL),
    zoneOption('zone-reply', CtFlag.ZONE_REPLY),
    zoneOption('zone', 0),
  ],
  create: () => create(false),
  check,
  lacking,
  save: (data) => ctText(data, '--'),
  list: (data) => ` CT${ctText(data, '')}`,
  encode: (data, into) => into.target(TargetNumber.CT, encodeCt(data)),
};

export const notrack: Extension<Ct> = {
  name: 'NOTRACK',
  listedName: 'CT',
  isTarget: true,
  tables: [TableId.RAW],
  options: [],
  create: () => create(true),
  save: () => '',
  list: () => ' NOTRACK',
  encode: (data, into) => into.target(TargetNumber.CT, encodeCt(data)),
};
