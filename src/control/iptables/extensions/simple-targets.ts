/*
 * Targets of one value: TRACE, CHECKSUM, TCPMSS, TTL, HL, TOS, DSCP, TEE, CLASSIFY, AUDIT, ECN.
 */
import { Extension as TargetNumber, TtlMode } from '../../../netfilter/ops.js';
import { Family, Hook, TableId } from '../../../netfilter/rule.js';
import { type Address, formatAddress } from '../addresses.js';
import type { Extension, Option, Use } from '../extension.js';
import { Problem } from '../problem.js';
import { dscpOfClass } from './dscp-classes.js';
import { readTos, type Tos, tosName } from './tos-names.js';
import { host, text } from './values.js';
import { fourWords, hexBytes } from './wording.js';

const TCP = 6;

export const trace: Extension<null> = {
  name: 'TRACE',
  isTarget: true,
  options: [],
  create: () => null,
  save: () => '',
  list: () => '',
  encode: (_data, into) => into.target(TargetNumber.TRACE),
};

export const checksum: Extension<null> = {
  name: 'CHECKSUM',
  isTarget: true,
  tables: [TableId.MANGLE],
  options: [{ name: 'checksum-fill', isMandatory: true, take() {} }],
  create: () => null,
  save: () => ' --checksum-fill',
  list: () => ' CHECKSUM fill',
  encode: (_data, into) => into.target(TargetNumber.CHECKSUM),
};

const CLAMP = 0xffff;
/** Where the path, and so its MTU, is known. */
const PATH_CHAINS = ['PREROUTING', 'INPUT'];

function tcpmssTarget(family: Family, headers: number): Extension<{ mss?: number }> {
  return {
    name: 'TCPMSS',
    isTarget: true,
    family,
    protocols: [TCP],
    options: [
      {
        name: 'set-mss',
        argument: 'required',
        take(data, given) {
          data.mss = given.u16(0, 0xffff - headers);
        },
      },
      {
        name: 'clamp-mss-to-pmtu',
        take(data) {
          data.mss = CLAMP;
        },
      },
    ],
    create: () => ({}),
    finalCheck(data) {
      if (data.mss === undefined) throw new Problem('TCPMSS target: At least one parameter is required');
    },
    check: ({ mss }, use) => (mss === CLAMP && PATH_CHAINS.includes(use.chain) ? 'EINVAL' : undefined),
    save: ({ mss }) => (mss === CLAMP ? ' --clamp-mss-to-pmtu' : ` --set-mss ${mss}`),
    list: ({ mss }) => (mss === CLAMP ? ' TCPMSS clamp to PMTU' : ` TCPMSS set ${mss}`),
    encode: ({ mss }, into) => into.target(TargetNumber.TCPMSS, [mss ?? CLAMP]),
  };
}

/** Bytes of the smallest IP header, which no MSS leaves out. */
export const tcpmss4 = tcpmssTarget(Family.IPV4, 20);
export const tcpmss6 = tcpmssTarget(Family.IPV6, 40);

interface Hops {
  mode?: TtlMode;
  value: number;
}

const HOP_MODES: ReadonlyArray<[suffix: string, mode: TtlMode, words: string]> = [
  ['set', TtlMode.SET, 'set to'],
  ['dec', TtlMode.DECREMENT, 'decrement by'],
  ['inc', TtlMode.INCREMENT, 'increment by'],
];

function hopsTarget(name: 'TTL' | 'HL', family: Family): Extension<Hops> {
  const prefix = name.toLowerCase();
  const option = ([suffix, mode]: (typeof HOP_MODES)[number]): Option<Hops> => ({
    name: `${prefix}-${suffix}`,
    argument: 'required',
    excludes: ['inc', 'dec', 'set'].filter((other) => other !== suffix).map((other) => `${prefix}-${other}`),
    take(data, given) {
      data.mode = mode;
      data.value = given.u8(suffix === 'set' ? 0 : 1);
    },
  });
  const modeOf = (data: Hops) => HOP_MODES.find(([, mode]) => mode === data.mode) ?? HOP_MODES[0];
  return {
    name,
    isTarget: true,
    family,
    tables: [TableId.MANGLE],
    options: HOP_MODES.map(option),
    create: () => ({ value: 0 }),
    finalCheck(data) {
      if (data.mode === undefined) throw new Problem(`${name}: You must specify an action`);
    },
    save: (data) => ` --${prefix}-${modeOf(data)[0]} ${data.value}`,
    list: (data) => ` ${name} ${modeOf(data)[2]} ${data.value}`,
    encode: ({ mode = TtlMode.SET, value }, into) => into.target(TargetNumber.TTL, [mode, value]),
  };
}

export const ttlTarget = hopsTarget('TTL', Family.IPV4);
export const hlTarget = hopsTarget('HL', Family.IPV6);

const TOS_IDS = ['set-tos', 'and-tos', 'or-tos', 'xor-tos'];

function tosOption(name: string, read: Option<{ tos?: Tos }>['take']): Option<{ tos?: Tos }> {
  return { name, argument: 'required', excludes: TOS_IDS.filter((other) => other !== name), take: read };
}

function tosText({ value, mask }: Tos): string {
  return `${hexBytes(value, 2)}/${hexBytes(mask, 2)}`;
}

/** The blanks are the real tool's. */
function tosWords(tos: Tos): string {
  const name = tosName(tos.value, tos.mask);
  if (name !== undefined) return `  TOS set${name}`;
  const { value, mask } = tos;
  if (value === 0) return ` TOS and ${hexBytes(~mask & 0xff, 2)}`;
  if (value === mask) return ` TOS or ${hexBytes(value, 2)}`;
  if (mask === 0) return ` TOS xor ${hexBytes(value, 2)}`;
  return ` TOS set ${tosText(tos)}`;
}

export const tosTarget: Extension<{ tos?: Tos }> = {
  name: 'TOS',
  isTarget: true,
  tables: [TableId.MANGLE],
  options: [
    tosOption('set-tos', (data, given) => {
      data.tos = readTos(given.text, 0x3f);
    }),
    tosOption('and-tos', (data, given) => {
      data.tos = { value: 0, mask: ~given.u8() & 0xff };
    }),
    tosOption('or-tos', (data, given) => {
      const value = given.u8();
      data.tos = { value, mask: value };
    }),
    tosOption('xor-tos', (data, given) => {
      data.tos = { value: given.u8(), mask: 0 };
    }),
  ],
  create: () => ({}),
  finalCheck(data) {
    if (data.tos === undefined) throw new Problem('TOS: An action is required');
  },
  save: ({ tos }) => (tos === undefined ? '' : ` --set-tos ${tosText(tos)}`),
  list(data, isNumeric) {
    if (data.tos === undefined) return '';
    return isNumeric ? ` TOS set ${tosText(data.tos)}` : tosWords(data.tos);
  },
  encode: ({ tos }, into) => into.target(TargetNumber.TOS, [tos?.value ?? 0, tos?.mask ?? 0]),
};

export const dscpTarget: Extension<{ value?: number }> = {
  name: 'DSCP',
  isTarget: true,
  tables: [TableId.MANGLE],
  options: [
    {
      name: 'set-dscp',
      argument: 'required',
      excludes: ['set-dscp-class'],
      take(data, given) {
        data.value = given.u8(0, 63);
      },
    },
    {
      name: 'set-dscp-class',
      argument: 'required',
      excludes: ['set-dscp'],
      take(data, given) {
        data.value = dscpOfClass(given.text);
      },
    },
  ],
  create: () => ({}),
  finalCheck(data) {
    if (data.value === undefined) throw new Problem('DSCP target: Parameter --set-dscp is required');
  },
  save: ({ value = 0 }) => ` --set-dscp ${hexBytes(value, 2)}`,
  list: ({ value = 0 }) => ` DSCP set ${hexBytes(value, 2)}`,
  encode: ({ value = 0 }, into) => into.target(TargetNumber.TOS, [value << 2, 0xfc]),
};

interface Tee {
  gateway: Address;
  out: string;
}

export const tee: Extension<Tee> = {
  name: 'TEE',
  isTarget: true,
  options: [
    {
      name: 'gateway',
      argument: 'required',
      isMandatory: true,
      take(data, given) {
        data.gateway = host(given);
      },
    },
    {
      name: 'oif',
      argument: 'required',
      take(data, given) {
        data.out = text(given, 16);
      },
    },
  ],
  create: () => ({ gateway: [0], out: '' }),
  check: ({ gateway }) => (gateway.every((word) => word === 0) ? 'EINVAL' : undefined),
  save: ({ gateway, out }) => ` --gateway ${formatAddress(gateway)}${out === '' ? '' : ` --oif ${out}`}`,
  list: ({ gateway, out }) => ` TEE gw:${formatAddress(gateway)}${out === '' ? '' : ` oif=${out}`}`,
  encode({ gateway, out }, into) {
    into.target(TargetNumber.TEE, [...fourWords(gateway), out === '' ? 0 : into.numbers.links(out)]);
  },
};

export const classify: Extension<{ major: number; minor: number }> = {
  name: 'CLASSIFY',
  isTarget: true,
  hooks: (1 << Hook.OUTPUT) | (1 << Hook.FORWARD) | (1 << Hook.POSTROUTING),
  options: [
    {
      name: 'set-class',
      argument: 'required',
      isMandatory: true,
      take(data, given) {
        const parts = /^\s*(?:0x)?([0-9a-f]+):\s*(?:0x)?([0-9a-f]+)/i.exec(given.text);
        if (parts === null) throw new Problem(`Bad class value "${given.text}"`);
        data.major = Number.parseInt(parts[1], 16) & 0xffff;
        data.minor = Number.parseInt(parts[2], 16) & 0xffff;
      },
    },
  ],
  create: () => ({ major: 0, minor: 0 }),
  save: ({ major, minor }) => ` --set-class ${hexBytes(major, 4).slice(2)}:${hexBytes(minor, 4).slice(2)}`,
  list: ({ major, minor }) => ` CLASSIFY set ${major.toString(16)}:${minor.toString(16)}`,
  lacking: () => 'links here have no classes to choose',
  encode: ({ major, minor }, into) => into.target(TargetNumber.CLASSIFY, [(major << 16) | minor]),
};

const AUDIT_TYPES = ['accept', 'drop', 'reject'];

export const audit: Extension<{ type: number }> = {
  name: 'AUDIT',
  isTarget: true,
  options: [
    {
      name: 'type',
      argument: 'required',
      isMandatory: true,
      take(data, given) {
        data.type = AUDIT_TYPES.indexOf(given.text.toLowerCase());
        if (data.type < 0) throw new Problem(`Bad action type value "${given.text}"`);
      },
    },
  ],
  create: () => ({ type: 0 }),
  save: ({ type }) => ` --type ${AUDIT_TYPES[type]}`,
  list: ({ type }) => ` AUDIT ${AUDIT_TYPES[type]}`,
  encode: ({ type }, into) => into.target(TargetNumber.AUDIT, [type]),
};

interface Ecn {
  /** Bits of ipt_ECN_info. */
  operation: number;
  ect: number;
  ece: number;
  cwr: number;
}

const SET_IP = 1;
const SET_ECE = 16;
const SET_CWR = 32;
const REMOVE = SET_ECE | SET_CWR;

function isRemoval({ operation, ece, cwr }: Ecn): boolean {
  return operation === REMOVE && ece === 0 && cwr === 0;
}

function bitOption(name: 'ece' | 'cwr', bit: number): Option<Ecn> {
  return {
    name: `ecn-tcp-${name}`,
    argument: 'required',
    excludes: ['ecn-tcp-remove'],
    take(data, given) {
      data.operation |= bit;
      data[name] = given.u8(0, 1);
    },
  };
}

function checkEcn({ operation }: Ecn, use: Use): string | undefined {
  return (operation & REMOVE) !== 0 && (use.protocol !== TCP || use.isNotProtocol) ? 'EINVAL' : undefined;
}

function ecnText(data: Ecn, removal: string, part: (name: string, value: number) => string): string {
  if (isRemoval(data)) return removal;
  return (
    ((data.operation & SET_ECE) === 0 ? '' : part('ece', data.ece)) +
    ((data.operation & SET_CWR) === 0 ? '' : part('cwr', data.cwr)) +
    ((data.operation & SET_IP) === 0 ? '' : part('ect', data.ect))
  );
}

const ECN_OPTIONS: Record<string, string> = { ece: 'ecn-tcp-ece', cwr: 'ecn-tcp-cwr', ect: 'ecn-ip-ect' };
const ECN_LABELS: Record<string, string> = { ece: 'ECE', cwr: 'CWR', ect: 'ECT codepoint' };

export const ecnTarget: Extension<Ecn> = {
  name: 'ECN',
  isTarget: true,
  family: Family.IPV4,
  tables: [TableId.MANGLE],
  options: [
    {
      name: 'ecn-tcp-remove',
      excludes: ['ecn-tcp-cwr', 'ecn-tcp-ece'],
      take(data) {
        data.operation |= REMOVE;
      },
    },
    bitOption('cwr', SET_CWR),
    bitOption('ece', SET_ECE),
    {
      name: 'ecn-ip-ect',
      argument: 'required',
      take(data, given) {
        data.operation |= SET_IP;
        data.ect = given.u8(0, 3);
      },
    },
  ],
  create: () => ({ operation: 0, ect: 0, ece: 0, cwr: 0 }),
  finalCheck(data) {
    if (data.operation === 0) throw new Problem('ECN target: An operation is required');
  },
  check: checkEcn,
  save: (data) => ecnText(data, ' --ecn-tcp-remove', (name, value) => ` --${ECN_OPTIONS[name]} ${value}`),
  list: (data) => ` ECN${ecnText(data, ' TCP remove', (name, value) => ` ${ECN_LABELS[name]}=${value}`)}`,
  encode(data, into) {
    into.target(TargetNumber.ECN, [data.operation, data.ect, data.ece | (data.cwr << 1)]);
  },
};
