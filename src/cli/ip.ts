/*
 * `sluice ip`: options and objects. An object's file is loaded when a command names it, so that a
 * command pays for one only; from then on, in a batch, its lines are parsed at once.
 */
import type { Plan } from './plan.js';
import { cannot, Refusal } from './refusal.js';
import type { Terminal } from './terminal.js';
import { type Action, COMMON, runTool, type Tool, type ToolOptions, unknownObject, usage, useless } from './tool.js';
import { atoi, matches } from './words.js';

const NO_FAMILY = useless('links, addresses and routes are of inet, inet6 or link');

const FAMILIES: Record<string, ToolOptions['family']> = { inet: 'inet', inet6: 'inet6', link: 'link' };

function takeFamily(options: ToolOptions, name: string): void {
  if (name === 'help') throw usage('ip', 'help was asked for');
  const family = FAMILIES[name];
  if (family === undefined) {
    const line = `Error: argument "${name}" is wrong: invalid protocol family`;
    throw new Refusal(
      line,
      255,
      cannot('ip -family', name, 'there is no such family', 'say inet, inet6 or link'),
      true,
    );
  }
  options.family = family;
}

const family = (of: NonNullable<ToolOptions['family']>) => (options: ToolOptions) => {
  options.family = of;
};

const human: Action = (options) => {
  options.human = true;
};

const OPTIONS: Tool['options'] = [
  [
    '-loops',
    {
      value: (options, text) => {
        options.loops = atoi(text);
      },
    },
  ],
  ['-family', { value: takeFamily }],
  ['-human-readable', human],
  [
    '-iec',
    (options) => {
      options.iec = true;
    },
  ],
  ['-stats', COMMON.stats],
  ['-statistics', COMMON.stats],
  ['-details', COMMON.details],
  ['-resolve', useless('addresses are not resolved to names')],
  ['-oneline', COMMON.oneline],
  [
    '-timestamp',
    (options) => {
      options.timestamp ??= 'long';
    },
  ],
  [
    '-tshort',
    (options) => {
      options.timestamp = 'short';
    },
  ],
  ['-Version', 'version'],
  ['-force', COMMON.force],
  ['-batch', 'batch'],
  [
    '-brief',
    (options) => {
      options.brief = true;
    },
  ],
  ['-json', COMMON.json],
  ['-pretty', COMMON.pretty],
  ['-rcvbuf', useless('no netlink socket is used')],
  ['-color', useless('output has no colours')],
  ['-help', 'help'],
  ['-netns', 'netns'],
  [
    '-Numeric',
    (options) => {
      options.numeric = true;
    },
  ],
  [
    '-all',
    (options) => {
      options.all = true;
    },
  ],
];

const EXACT: Tool['exact'] = {
  '-4': family('inet'),
  '-6': family('inet6'),
  '-0': family('link'),
  '-M': NO_FAMILY,
  '-B': NO_FAMILY,
  '-echo': useless('changes are not echoed'),
};

/** The real tool's, in its order, which decides what an abbreviation means. */
const OBJECTS = (
  'address addrlabel maddress route rule neighbor neighbour ntable ntbl link l2tp fou ila macsec tunnel tunl tuntap tap ' +
  'token tcpmetrics tcp_metrics monitor xfrm mroute mrule netns netconf vrf sr nexthop mptcp ioam help stats'
).split(' ');

type Parse = (words: readonly string[], options: ToolOptions) => Plan | Promise<Plan>;

const loadNeighbours = async (): Promise<Parse> => (await import('./ip-neigh.js')).parseNeighbour;

/** An object's name → its parser, loaded when it is needed. */
export const LOADERS: Record<string, () => Promise<Parse>> = {
  address: async () => (await import('./ip-addr.js')).parseAddress,
  link: async () => {
    const [{ parseLink }, { parseShow }] = await Promise.all([import('./ip-link.js'), import('./ip-link-show.js')]);
    return (words, options) => parseLink(words, options, parseShow);
  },
  monitor: async () => (await import('./ip-monitor.js')).parseMonitor,
  neighbor: loadNeighbours,
  neighbour: loadNeighbours,
  netns: async () => (await import('./ip-netns.js')).parseNetns,
  route: async () => (await import('./ip-route.js')).parseRoute,
  rule: async () => (await import('./ip-rule.js')).parseRule,
};

const $loaded = new Map<string, Parse>();

async function load(object: string): Promise<Parse> {
  const parse = await LOADERS[object]();
  $loaded.set(object, parse);
  return parse;
}

/** Options that mean something to one object only are refused with another. */
function checkOptions(object: string, options: ToolOptions): void {
  const refuse = (option: string, why: string) => {
    const line = `Option "${option}" is unknown, try "ip -help".`;
    throw new Refusal(line, 255, cannot('ip', option, `it has no effect: ${why}`, 'leave it out'), true);
  };
  if (options.timestamp !== undefined && object !== 'monitor') refuse('-timestamp', 'only "ip monitor" tells times');
  if (options.all && object !== 'netns') refuse('-all', 'only "ip netns" has an "all"');
}

export function parseIp(words: readonly string[], options: ToolOptions): Plan | Promise<Plan> {
  const [word, ...rest] = words;
  if (word === undefined) throw usage('ip', 'it names no object');
  const object = OBJECTS.find((name) => matches(word, name));
  if (object === 'help') throw usage('ip', 'help was asked for');
  if (object === undefined || !Object.hasOwn(LOADERS, object)) {
    throw unknownObject('ip', word, object, 1, `the objects are ${Object.keys(LOADERS).join(', ')}`);
  }
  checkOptions(object, options);
  const parse = $loaded.get(object);
  return parse === undefined ? load(object).then((loaded) => loaded(rest, options)) : parse(rest, options);
}

export const IP: Tool = { name: 'ip', helpCommand: 'ip -help', options: OPTIONS, exact: EXACT, parse: parseIp };

export function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  return runTool(IP, argv, terminal);
}
