/*
 * Matches of what only a host's own kernel knows: owner, socket, cgroup, nfacct, osf. They are read and printed; none can be enforced here.
 */
import { existsSync, readFileSync } from 'node:fs';
import { Hook } from '../../../netfilter/rule.js';
import type { Extension, Option } from '../extension.js';
import type { Given, Range } from '../given.js';
import { readUnsigned } from '../numbers.js';
import { Problem } from '../problem.js';
import { text } from './values.js';
import { bang } from './wording.js';

const HIGHEST_ID = 0xfffffffe;

/** Name → number of /etc/passwd or /etc/group. */
function accounts(file: string): Map<string, number> {
  try {
    const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
    return new Map(lines.map((line) => line.split(':')).map(([name, , id]) => [name, Number(id)]));
  } catch {
    return new Map();
  }
}

interface Ids extends Range {
  isInverted: boolean;
}

interface Owner {
  uid?: Ids;
  gid?: Ids;
  isSupplementary: boolean;
  socket?: { isInverted: boolean };
}

function readIds(given: Given, file: string): Range {
  const named = accounts(file).get(given.text);
  if (named !== undefined) return { low: named, high: named };
  const [low, high] = given.text.split('-').map((part) => readUnsigned(part, HIGHEST_ID));
  const isRange = given.text.includes('-');
  if (low === undefined || (isRange && high === undefined) || given.text.split('-').length > 2) throw given.badValue();
  return { low, high: high ?? low };
}

function idOption(name: string, kind: 'uid' | 'gid', file: string): Option<Owner> {
  return {
    name,
    argument: 'required',
    canInvert: true,
    take(data, given) {
      data[kind] = { ...readIds(given, file), isInverted: given.isInverted };
    },
  };
}

function idText({ low, high }: Ids, file?: string): string {
  if (low !== high) return `${low}-${high}`;
  const name = file === undefined ? undefined : [...accounts(file)].find(([, id]) => id === low)?.[0];
  return name ?? `${low}`;
}

const PASSWD = '/etc/passwd';
const GROUP = '/etc/group';

export const owner: Extension<Owner> = {
  name: 'owner',
  isTarget: false,
  hooks: (1 << Hook.OUTPUT) | (1 << Hook.POSTROUTING),
  options: [
    idOption('uid-owner', 'uid', PASSWD),
    idOption('gid-owner', 'gid', GROUP),
    {
      name: 'socket-exists',
      canInvert: true,
      take(data, given) {
        data.socket = { isInverted: given.isInverted };
      },
    },
    {
      name: 'suppl-groups',
      take(data, given) {
        if (data.gid === undefined) {
          throw given.problem('Bad value for "--suppl-groups" option: "you need to use --gid-owner first"');
        }
        data.isSupplementary = true;
      },
    },
  ],
  create: () => ({ isSupplementary: false }),
  finalCheck({ uid, gid, socket }) {
    if ((uid ?? gid ?? socket) !== undefined) return;
    throw new Problem('owner: At least one of --uid-owner, --gid-owner or --socket-exists is required');
  },
  check: ({ uid, gid }) => ([uid, gid].some((ids) => ids !== undefined && ids.low > ids.high) ? 'EINVAL' : undefined),
  lacking: () => 'packets have no sockets or users here',
  save({ uid, gid, socket, isSupplementary }) {
    return (
      (socket === undefined ? '' : `${bang(socket.isInverted)} --socket-exists`) +
      (uid === undefined ? '' : `${bang(uid.isInverted)} --uid-owner ${idText(uid)}`) +
      (gid === undefined ? '' : `${bang(gid.isInverted)} --gid-owner ${idText(gid)}`) +
      (isSupplementary ? ' --suppl-groups' : '')
    );
  },
  list({ uid, gid, socket, isSupplementary }, isNumeric) {
    const [users, groups] = isNumeric ? [undefined, undefined] : [PASSWD, GROUP];
    return (
      (socket === undefined ? '' : `${bang(socket.isInverted)} owner socket exists`) +
      (uid === undefined ? '' : `${bang(uid.isInverted)} owner UID match ${idText(uid, users)}`) +
      (gid === undefined ? '' : `${bang(gid.isInverted)} owner GID match ${idText(gid, groups)}`) +
      (isSupplementary ? ' incl. suppl. groups' : '')
    );
  },
  encode() {},
};

const SOCKET_FLAGS = ['transparent', 'nowildcard', 'restore-skmark'];

export const socket: Extension<{ flags: Set<string> }> = {
  name: 'socket',
  isTarget: false,
  hooks: (1 << Hook.PREROUTING) | (1 << Hook.INPUT),
  options: SOCKET_FLAGS.map((name) => ({
    name,
    take(data) {
      data.flags.add(name);
    },
  })),
  create: () => ({ flags: new Set() }),
  lacking: () => 'there are no sockets to look up here',
  save: ({ flags }) => SOCKET_FLAGS.map((name) => (flags.has(name) ? ` --${name}` : '')).join(''),
  list: ({ flags }) => ` socket${SOCKET_FLAGS.map((name) => (flags.has(name) ? ` --${name}` : '')).join('')}`,
  encode() {},
};

interface Cgroup {
  path?: string;
  class?: number;
  isInverted: boolean;
}

export const cgroup: Extension<Cgroup> = {
  name: 'cgroup',
  isTarget: false,
  hooks: (1 << Hook.INPUT) | (1 << Hook.OUTPUT) | (1 << Hook.POSTROUTING),
  options: [
    {
      name: 'path',
      argument: 'required',
      canInvert: true,
      take(data, given) {
        data.path = text(given, 512);
        data.isInverted = given.isInverted;
      },
    },
    {
      name: 'cgroup',
      argument: 'required',
      canInvert: true,
      take(data, given) {
        data.class = given.u32();
        data.isInverted = given.isInverted;
      },
    },
  ],
  create: () => ({ isInverted: false }),
  check({ path, class: number }) {
    if ((path === undefined) === (number === undefined)) return 'EINVAL';
    return path === undefined || path === '/' || existsSync(`/sys/fs/cgroup/${path}`) ? undefined : 'EINVAL';
  },
  lacking: () => 'packets have no control groups here',
  save({ path, class: number, isInverted }) {
    const value = path === undefined ? ` --cgroup ${number}` : ` --path "${path.replace(/["\\']/g, '\\$&')}"`;
    return `${bang(isInverted)}${value}`;
  },
  list: ({ path, class: number, isInverted }) => ` cgroup${bang(isInverted)} ${path ?? number}`,
  encode() {},
};

export const nfacct: Extension<{ name: string }> = {
  name: 'nfacct',
  isTarget: false,
  options: [
    {
      name: 'nfacct-name',
      argument: 'required',
      isMandatory: true,
      take(data, given) {
        data.name = text(given, 32, 1);
        if (given.text.includes('\n')) throw new Problem('Newlines not allowed in --nfacct-name');
      },
    },
  ],
  create: () => ({ name: '' }),
  // Accounts are made by another tool, which there is none of: so no name is one.
  check: () => 'ENOENT',
  save: ({ name }) => ` --nfacct-name ${name}`,
  list: ({ name }) => ` nfacct-name  ${name}`,
  encode() {},
};

interface Fingerprint {
  genre: string;
  isInverted: boolean;
  ttl?: number;
  log?: number;
}

export const osf: Extension<Fingerprint> = {
  name: 'osf',
  isTarget: false,
  protocols: [6],
  hooks: (1 << Hook.PREROUTING) | (1 << Hook.INPUT) | (1 << Hook.FORWARD),
  options: [
    {
      name: 'genre',
      argument: 'required',
      isMandatory: true,
      canInvert: true,
      take(data, given) {
        data.genre = text(given, 32);
        data.isInverted = given.isInverted;
      },
    },
    {
      name: 'ttl',
      argument: 'required',
      take(data, given) {
        data.ttl = given.u32(0, 2);
      },
    },
    {
      name: 'log',
      argument: 'required',
      take(data, given) {
        data.log = given.u32(0, 2);
      },
    },
  ],
  create: () => ({ genre: '', isInverted: false }),
  lacking: () => 'there are no fingerprints of operating systems here',
  save({ genre, isInverted, ttl, log }) {
    const hops = ttl === undefined ? '' : ` --ttl ${ttl}`;
    return `${bang(isInverted)} --genre ${genre}${hops}${log === undefined ? '' : ` --log ${log}`}`;
  },
  list: ({ genre, isInverted }) => ` OS fingerprint match${bang(isInverted)} ${genre}`,
  encode() {},
};
