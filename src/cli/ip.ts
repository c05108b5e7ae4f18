/* `sluice ip`: options and objects; `link` is the only object yet. */
import { parseLink } from './ip-link.js';
import { parseShow } from './ip-link-show.js';
import type { Plan } from './plan.js';
import type { Terminal } from './terminal.js';
import { COMMON, runTool, type Tool, type ToolOptions, unknownObject, usage, useless } from './tool.js';
import { matches } from './words.js';

const FAMILY = useless('links have no address family');
const MONITOR = useless('there is no monitor yet');

const OPTIONS: Tool['options'] = [
  ['-loops', useless('nothing is flushed in loops')],
  ['-family', FAMILY],
  [
    '-human-readable',
    (options) => {
      options.human = true;
    },
  ],
  [
    '-iec',
    (options) => {
      options.iec = true;
    },
  ],
  ['-stats', COMMON.stats],
  ['-statistics', COMMON.stats],
  ['-details', COMMON.details],
  ['-resolve', useless('there are no addresses to resolve')],
  ['-oneline', COMMON.oneline],
  ['-timestamp', MONITOR],
  ['-tshort', MONITOR],
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
  ['-Numeric', useless('nothing is printed by name that has a number')],
  ['-all', useless('no command has an "all"')],
];

const EXACT: Tool['exact'] = {
  '-4': FAMILY,
  '-6': FAMILY,
  '-M': FAMILY,
  '-B': FAMILY,
  '-echo': useless('changes are not echoed'),
  // AF_PACKET: what `ip link` shows anyway.
  '-0': () => {},
};

/** The real tool's, in its order, which decides what an abbreviation means. */
const OBJECTS = (
  'address addrlabel maddress route rule neighbor neighbour ntable ntbl link l2tp fou ila macsec tunnel tunl tuntap tap ' +
  'token tcpmetrics tcp_metrics monitor xfrm mroute mrule netns netconf vrf sr nexthop mptcp ioam help stats'
).split(' ');

function parse(words: readonly string[], options: ToolOptions): Plan {
  const [word, ...rest] = words;
  if (word === undefined) throw usage('ip', 'it names no object');
  const object = OBJECTS.find((name) => matches(word, name));
  if (object === 'link') return parseLink(rest, options, parseShow);
  if (object === 'help') throw usage('ip', 'help was asked for');
  throw unknownObject('ip', word, object, 1, 'the only object yet is "link"');
}

const IP: Tool = { name: 'ip', helpCommand: 'ip -help', options: OPTIONS, exact: EXACT, parse };

export function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  return runTool(IP, argv, terminal);
}
