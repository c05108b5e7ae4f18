/* `ip addr save`: files of the real tool and ours are the same messages, and either reads the other's. */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addressText } from '../../src/cli/addr-format.js';
import { decode, encode, FILE } from '../../src/cli/ip-addr-dump.js';
import { parseMessages } from '../../src/cli/netlink-file.js';
import type { AddressInfo } from '../../src/control/api/address.js';
import { Namespace, unavailable } from './kernel.js';

const reason = unavailable('iproute2');

const FLAGS = {
  stats: 0,
  details: 0,
  json: false,
  pretty: false,
  oneline: false,
  brief: false,
  human: false,
  iec: false,
};
const MAGIC = Buffer.from('22123647', 'hex');
/** IFA_PROTO and the times of an address's making, which iproute2 6.1 does not show either. */
const UNKNOWN = new Set([11]);

/** The messages of a file, cut apart. */
function cut(file: Buffer): Buffer[] {
  const all: Buffer[] = [];
  for (let at = 4; at < file.length; at += (file.readUInt32LE(at) + 3) & ~3)
    all.push(file.subarray(at, at + file.readUInt32LE(at)));
  return all;
}

const parse = (...messages: Buffer[]): Array<ReturnType<typeof decode>> =>
  parseMessages(Buffer.concat([MAGIC, ...messages]), FILE, 'restore').map(decode);

/** What a message says, in any order, without what we do not know: sequence and port, unknown attributes, creation times. */
function known(message: Buffer): string[] {
  const parts = [message.subarray(16, 24).toString('hex')];
  for (let at = 24; at < message.length; at += (message.readUInt16LE(at) + 3) & ~3) {
    const [length, type] = [message.readUInt16LE(at), message.readUInt16LE(at + 2)];
    if (!UNKNOWN.has(type)) parts.push(message.subarray(at, at + (type === 6 ? 12 : length)).toString('hex'));
  }
  return parts.sort();
}

describe.skipIf(reason !== '')(`ip addr save${reason === '' ? '' : ` (${reason})`}`, () => {
  let kernel: Namespace;
  let file: Buffer;

  const exec = (line: string, input: Buffer = Buffer.alloc(0)): Buffer =>
    spawnSync('ip', ['netns', 'exec', kernel.name, ...line.split(' ')], { input }).stdout;

  beforeAll(() => {
    kernel = new Namespace();
    kernel.set(
      'sysctl -q -w net.ipv6.conf.default.accept_dad=0',
      'ip link set lo up',
      'ip link add v0 type veth peer name v1',
      'ip addr add 10.0.0.1/24 brd + dev v1',
      'ip addr add 10.0.0.2/24 dev v1 label v1:two',
      'ip addr add 10.1.1.1 peer 10.1.1.2/30 dev v1 metric 44 scope link noprefixroute',
      'ip link set v1 up',
      'ip addr add 2001:db8::1/64 dev v1 nodad home',
      'ip addr add 2001:db8::3 peer 2001:db8::4/128 dev v1 noprefixroute',
    );
    file = exec('ip addr save');
  });

  afterAll(() => kernel?.remove());

  it('reads the real tool’s file', () => {
    expect(file.subarray(0, 4)).toEqual(MAGIC);
    const read = parse(...cut(file));
    const text = read.map(({ index, address }) => `if${index}:\n${addressText(address, { ...FLAGS, numeric: false })}`);
    expect(text.join('')).toBe(exec('ip addr showdump', file).toString());
    expect(read.length).toBe(7);
  });

  it('writes what the kernel would have sent', () => {
    for (const message of cut(file)) expect(known(encode(parse(message)[0]))).toEqual(known(message));
  });

  it('writes a file that the real tool reads', () => {
    const ours = Buffer.concat([MAGIC, ...parse(...cut(file)).map(encode)]);
    expect(exec('ip addr showdump', ours).toString()).toBe(exec('ip addr showdump', file).toString());
  });
});

describe('a message', () => {
  it('keeps everything that it is made of', () => {
    const address: AddressInfo = {
      family: 'inet6',
      local: 'fe80::1',
      prefixlen: 64,
      scope: 253,
      temporary: true,
      dynamic: true,
      tentative: true,
      preferred_life_time: 10,
      valid_life_time: 20,
    };
    expect(parse(encode({ index: 7, address }))).toEqual([{ index: 7, address }]);
  });
});
