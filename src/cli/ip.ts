/* `sluice ip`: options and objects; `link` is the only object yet. */
import { type BatchOptions, runBatch } from './batch.js';
import { parseLink } from './ip-link.js';
import { parseShow } from './ip-link-show.js';
import type { ShowFlags } from './link-format.js';
import type { Plan } from './plan.js';
import { cannot, Refusal } from './refusal.js';
import { inSession } from './session.js';
import type { Terminal } from './terminal.js';
import { matches } from './words.js';

interface IpOptions extends ShowFlags {
  force: boolean;
  batch?: string;
  rest: readonly string[];
}

/** The tool's first line of usage. */
const USAGE = 'Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }';

function usage(cause: string): Refusal {
  return new Refusal(USAGE, 255, cannot('ip', '', cause, 'see "sluice ip --help"'), true);
}

/** Options that would change nothing here, and so are refused. */
const ABSENT: Record<string, string> = {
  '-loops': 'nothing is flushed in loops',
  '-family': 'links have no address family',
  '-4': 'links have no address family',
  '-6': 'links have no address family',
  '-M': 'links have no address family',
  '-B': 'links have no address family',
  '-resolve': 'there are no addresses to resolve',
  '-timestamp': 'there is no monitor yet',
  '-tshort': 'there is no monitor yet',
  '-rcvbuf': 'no netlink socket is used',
  '-color': 'output has no colours',
  '-Numeric': 'nothing is printed by name that has a number',
  '-all': 'no command has an "all"',
  '-echo': 'changes are not echoed',
};

type Setter = (options: IpOptions) => void;

/** In iproute2's order: -s is -stats, -d -details, -b -batch, -br -brief. */
const FLAGS: ReadonlyArray<[string, Setter | 'batch' | 'netns' | 'help' | 'version' | 'absent']> = [
  ['-loops', 'absent'],
  ['-family', 'absent'],
  ['-human-readable', (options) => (options.human = true)],
  ['-iec', (options) => (options.iec = true)],
  ['-stats', (options) => options.stats++],
  ['-statistics', (options) => options.stats++],
  ['-details', (options) => options.details++],
  ['-resolve', 'absent'],
  ['-oneline', (options) => (options.oneline = true)],
  ['-timestamp', 'absent'],
  ['-tshort', 'absent'],
  ['-Version', 'version'],
  ['-force', (options) => (options.force = true)],
  ['-batch', 'batch'],
  ['-brief', (options) => (options.brief = true)],
  ['-json', (options) => (options.json = true)],
  ['-pretty', (options) => (options.pretty = true)],
  ['-rcvbuf', 'absent'],
  ['-color', 'absent'],
  ['-help', 'help'],
  ['-netns', 'netns'],
  ['-Numeric', 'absent'],
  ['-all', 'absent'],
];

const EXACT: Record<string, Setter | 'absent'> = {
  '-4': 'absent',
  '-6': 'absent',
  '-M': 'absent',
  '-B': 'absent',
  '-echo': 'absent',
  // AF_PACKET: what `ip link` shows anyway.
  '-0': () => {},
};

function findFlag(option: string): [string, (typeof FLAGS)[number][1]] | undefined {
  if (Object.hasOwn(EXACT, option)) return [option, EXACT[option]];
  const bare = option.split('=')[0];
  return FLAGS.find(([name]) => matches(option, name) || (name === '-color' && bare.length > 1 && matches(bare, name)));
}

function checkNamespace(name: string | undefined): void {
  if (name === 'host') return;
  const line = `Cannot open network namespace "${name ?? '(null)'}": No such file or directory`;
  const cause = 'there is only the namespace "host" yet';
  throw new Refusal(line, 255, cannot('ip -netns', name ?? '', cause, 'leave it out'), true);
}

function parseOptions(argv: readonly string[]): IpOptions | 'version' {
  const options: IpOptions = {
    ...{ stats: 0, details: 0, json: false, pretty: false, oneline: false, brief: false },
    ...{ human: false, iec: false, force: false, rest: [] },
  };
  let at = 0;
  for (; at < argv.length && argv[at].startsWith('-'); at++) {
    const option = argv[at].startsWith('--') ? argv[at].slice(1) : argv[at];
    if (argv[at] === '--') {
      at++;
      break;
    }
    const [name, action] = findFlag(option) ?? [undefined, undefined];
    if (action === undefined) throw unknownOption(option);
    if (action === 'absent') throw unknownOption(option, ABSENT[name]);
    if (action === 'help') throw usage('help was asked for');
    if (action === 'version') return 'version';
    if (action === 'netns') checkNamespace(argv[++at]);
    else if (action === 'batch') options.batch = argv[++at];
    else action(options);
    if (action === 'batch' && options.batch === undefined) throw usage('"-batch" needs a file');
  }
  return { ...options, rest: argv.slice(at) };
}

function unknownOption(option: string, why?: string): Refusal {
  const cause = why === undefined ? 'there is no such option' : `it has no effect: ${why}`;
  const hint = why === undefined ? 'see "sluice ip --help"' : 'leave it out';
  return new Refusal(`Option "${option}" is unknown, try "ip -help".`, 255, cannot('ip', option, cause, hint), true);
}

const OBJECTS = [
  ...['address', 'addrlabel', 'maddress', 'route', 'rule', 'neighbor', 'neighbour', 'ntable', 'ntbl', 'link', 'l2tp', 'fou'],
  ...['ila', 'macsec', 'tunnel', 'tunl', 'tuntap', 'tap', 'token', 'tcpmetrics', 'tcp_metrics', 'monitor', 'xfrm', 'mroute'],
  ...['mrule', 'netns', 'netconf', 'vrf', 'sr', 'nexthop', 'mptcp', 'ioam', 'help', 'stats'],
];

function parseObject(words: readonly string[], flags: ShowFlags): Plan {
  const [word, ...rest] = words;
  if (word === undefined) throw usage('it names no object');
  const object = OBJECTS.find((name) => matches(word, name));
  if (object === 'link') return parseLink(rest, flags, parseShow);
  if (object === 'help') throw usage('help was asked for');
  const cause = object === undefined ? 'there is no such object' : `"ip ${object}" is not there yet`;
  const line = `Object "${word}" is unknown, try "ip help".`;
  throw new Refusal(line, 1, cannot('ip', word, cause, 'the only object yet is "link"'));
}

export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  return inSession(terminal, async (session) => {
    const options = parseOptions(argv);
    if (options === 'version') {
      terminal.out('ip utility, sluice, in the words of iproute2-6.1.0\n');
      return 0;
    }
    if (options.batch !== undefined) {
      const parse: BatchOptions['parse'] = (words) => parseObject(words, options);
      return runBatch(session, 'ip', { file: options.batch, force: options.force, parse });
    }
    await session.run(parseObject(options.rest, options));
    return 0;
  });
}
