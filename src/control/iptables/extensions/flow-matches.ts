/*
 * Matches of what conntrack counts and keeps of a flow: connbytes, connlabel, helper, cluster; and quota.
 */
import { ConnbytesDirection, ConnbytesWhat, ConnlabelOp, CtHelper, Op, OpWord } from '../../../netfilter/ops.js';
import type { Extension, Option } from '../extension.js';
import { readUnsigned } from '../numbers.js';
import { Problem } from '../problem.js';
import { quoted } from '../text.js';
import { bigRange, text } from './values.js';
import { bang, hexBytes, high32, low32 } from './wording.js';

const ALL_ONES = 0xffff_ffff_ffff_ffffn;

interface Connbytes {
  /** From the greater to the smaller where inverted, as the kernel has it. */
  from: bigint;
  to: bigint;
  what: ConnbytesWhat;
  direction: ConnbytesDirection;
}

const MODES = ['packets', 'bytes', 'avgpkt'];
const DIRECTIONS = ['original', 'reply', 'both'];

function wordOption(
  name: string,
  words: readonly string[],
  put: (data: Connbytes, index: number) => void,
): Option<Connbytes> {
  return {
    name,
    argument: 'required',
    isMandatory: true,
    take(data, given) {
      const index = words.indexOf(given.text);
      if (index < 0) throw new Problem(`Unknown --${name} \`${given.text}'`);
      put(data, index);
    },
  };
}

function connbytesText({ from, to, what, direction }: Connbytes, dashes: string): string {
  const isInverted = from > to;
  const [low, high] = isInverted ? [to, from] : [from, to];
  const range = high === ALL_ONES ? `${low}` : `${low}:${high}`;
  const mode = dashes === '' ? 'connbytes mode' : '--connbytes-mode';
  const way = dashes === '' ? 'connbytes direction' : '--connbytes-dir';
  return `${bang(isInverted)} ${dashes}connbytes ${range} ${mode} ${MODES[what]} ${way} ${DIRECTIONS[direction]}`;
}

export const connbytes: Extension<Connbytes> = {
  name: 'connbytes',
  isTarget: false,
  needsConntrack: true,
  needsAccounting: true,
  options: [
    {
      name: 'connbytes',
      argument: 'required',
      isMandatory: true,
      canInvert: true,
      take(data, given) {
        const [low, top] = bigRange(given, ALL_ONES);
        const high = given.text.includes(':') ? top : ALL_ONES;
        if (high < low) throw new Problem(`${low} should be less than ${high}`);
        data.from = given.isInverted ? high : low;
        data.to = given.isInverted ? low : high;
      },
    },
    wordOption('connbytes-dir', DIRECTIONS, (data, index) => {
      data.direction = index;
    }),
    wordOption('connbytes-mode', MODES, (data, index) => {
      data.what = index;
    }),
  ],
  create: () => ({ from: 0n, to: ALL_ONES, what: ConnbytesWhat.PACKETS, direction: ConnbytesDirection.ORIGINAL }),
  save: (data) => connbytesText(data, '--'),
  list: (data) => connbytesText(data, ''),
  encode({ from, to, what, direction }, into) {
    into.add(Op.CONNBYTES, [what, direction, low32(from), high32(from), low32(to), high32(to)]);
  },
};

export const quota: Extension<{ bytes: bigint; isInverted: boolean }> = {
  name: 'quota',
  isTarget: false,
  options: [
    {
      name: 'quota',
      argument: 'required',
      isMandatory: true,
      canInvert: true,
      take(data, given) {
        data.bytes = given.u64();
        data.isInverted = given.isInverted;
      },
    },
  ],
  create: () => ({ bytes: 0n, isInverted: false }),
  save: (data) => `${bang(data.isInverted)} --quota ${data.bytes}`,
  list: (data) => ` quota: ${data.bytes} bytes`,
  encode({ bytes, isInverted }, into) {
    into.add(Op.QUOTA, [low32(bytes), high32(bytes)], isInverted ? OpWord.INVERTED : 0);
  },
};

/** Labels that a flow has room for. */
const LABELS = 128;
const LABEL_NAMES = '/etc/xtables/connlabel.conf';

interface Connlabel {
  bit: number;
  isInverted: boolean;
  isSet: boolean;
}

export const connlabel: Extension<Connlabel> = {
  name: 'connlabel',
  isTarget: false,
  needsConntrack: true,
  options: [
    {
      name: 'label',
      argument: 'required',
      isMandatory: true,
      canInvert: true,
      take(data, given) {
        const bit = readUnsigned(given.text, 0xffff);
        if (bit === undefined) {
          given.use.warn(`Warning: cannot open ${LABEL_NAMES}: No such file or directory`);
          throw new Problem(`label '${given.text}' not found or invalid value`);
        }
        data.bit = bit;
        data.isInverted = given.isInverted;
      },
    },
    {
      name: 'set',
      take(data) {
        data.isSet = true;
      },
    },
  ],
  create: () => ({ bit: 0, isInverted: false, isSet: false }),
  check: ({ bit }) => (bit < LABELS ? undefined : 'ERANGE'),
  save: (data) => `${bang(data.isInverted)} --label "${data.bit}"${data.isSet ? ' --set' : ''}`,
  list: (data) => ` connlabel${bang(data.isInverted)} ${data.bit}${data.isSet ? ' set' : ''}`,
  encode({ bit, isInverted, isSet }, into) {
    into.add(Op.CONNLABEL, [bit], (isInverted ? OpWord.INVERTED : 0) | (isSet ? ConnlabelOp.SET : 0));
  },
};

const HELPERS: ReadonlyArray<[name: string, helper: CtHelper]> = [
  ['ftp', CtHelper.FTP],
  ['tftp', CtHelper.TFTP],
];
/** No flow has this one. */
const NO_HELPER = 0xff;

function helperNumber(name: string): number {
  if (name === '') return CtHelper.NONE;
  // The kernel compares as many letters as the helper's own name has.
  return HELPERS.find(([known]) => name.startsWith(known))?.[1] ?? NO_HELPER;
}

export const helper: Extension<{ name: string; isInverted: boolean }> = {
  name: 'helper',
  isTarget: false,
  needsConntrack: true,
  options: [
    {
      name: 'helper',
      argument: 'required',
      isMandatory: true,
      canInvert: true,
      take(data, given) {
        data.name = text(given, 30);
        data.isInverted = given.isInverted;
      },
    },
  ],
  create: () => ({ name: '', isInverted: false }),
  save: (data) => `${bang(data.isInverted)} --helper ${quoted(data.name)}`,
  list: (data) => ` helper match${bang(data.isInverted)} "${data.name}"`,
  encode: (data, into) => into.add(Op.HELPER, [helperNumber(data.name)], data.isInverted ? OpWord.INVERTED : 0),
};

interface Cluster {
  total?: number;
  seed?: number;
  mask?: number;
  /** --cluster-local-node was it. */
  isNode: boolean;
  isInverted: boolean;
}

function checkCluster({ total, seed, mask, isNode }: Cluster): void {
  if (mask === undefined) {
    throw new Problem("cluster match: `--cluster-local-node' or`--cluster-local-nodemask' is missing");
  }
  if (total === undefined || seed === undefined || mask < 2 ** total) return;
  throw new Problem(
    isNode
      ? "cluster match: `--cluster-local-node' must be <= `--cluster-total-nodes'"
      : "cluster match: `--cluster-local-nodemask' too big for `--cluster-total-nodes'",
  );
}

export const cluster: Extension<Cluster> = {
  name: 'cluster',
  isTarget: false,
  needsConntrack: true,
  options: [
    {
      name: 'cluster-total-nodes',
      argument: 'required',
      isMandatory: true,
      take(data, given) {
        data.total = given.u32(1, 32);
      },
    },
    {
      name: 'cluster-local-node',
      argument: 'required',
      canInvert: true,
      excludes: ['cluster-local-nodemask'],
      take(data, given) {
        data.mask = (1 << (given.u32(1, 32) - 1)) >>> 0;
        data.isNode = true;
        data.isInverted = given.isInverted;
      },
    },
    {
      name: 'cluster-local-nodemask',
      argument: 'required',
      canInvert: true,
      excludes: ['cluster-local-node'],
      take(data, given) {
        data.mask = given.u32();
        data.isInverted = given.isInverted;
      },
    },
    {
      name: 'cluster-hash-seed',
      argument: 'required',
      isMandatory: true,
      take(data, given) {
        data.seed = given.u32();
      },
    },
  ],
  create: () => ({ isNode: false, isInverted: false }),
  finalCheck: checkCluster,
  save({ total, seed = 0, mask = 0, isInverted }) {
    const node = `${bang(isInverted)} --cluster-local-nodemask ${hexBytes(mask, 8)}`;
    return `${node} --cluster-total-nodes ${total} --cluster-hash-seed ${hexBytes(seed, 8)}`;
  },
  list({ total, seed = 0, mask = 0, isInverted }) {
    const node = `${isInverted ? '!' : ''}node_mask=${hexBytes(mask, 8)}`;
    return ` cluster ${node} total_nodes=${total} hash_seed=${hexBytes(seed, 8)}`;
  },
  encode({ total = 1, seed = 0, mask = 0, isInverted }, into) {
    into.add(Op.CLUSTER, [total, mask | 0, seed | 0], isInverted ? OpWord.INVERTED : 0);
  },
};
