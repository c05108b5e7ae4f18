/* `sluice bridge`: options and objects, `fdb` and `link`. */
import { parseFdb } from './bridge-fdb.js';
import { parsePort } from './bridge-link.js';
import type { Plan } from './plan.js';
import type { Terminal } from './terminal.js';
import { COMMON, runTool, type Tool, type ToolOptions, unknownObject, usage, useless } from './tool.js';
import { matches } from './words.js';

const OPTIONS: Tool['options'] = [
  ['-help', 'help'],
  ['-Version', 'version'],
  ['-stats', COMMON.stats],
  ['-statistics', COMMON.stats],
  ['-details', COMMON.details],
  ['-oneline', COMMON.oneline],
  ['-timestamp', useless('there is no monitor yet')],
  ['-family', useless('stations have no address family')],
  ['-netns', 'netns'],
  ['-color', useless('output has no colours')],
  ['-compressvlans', useless('there is no VLAN filtering yet')],
  ['-force', COMMON.force],
  ['-json', COMMON.json],
  ['-pretty', COMMON.pretty],
  ['-batch', 'batch'],
];

const EXACT: Tool['exact'] = {
  '-4': useless('stations have no address family'),
  '-6': useless('stations have no address family'),
};

const OBJECTS = ['link', 'fdb', 'mdb', 'vlan', 'vni', 'monitor', 'help'];

function parse(words: readonly string[], options: ToolOptions): Plan {
  const [word, ...rest] = words;
  if (word === undefined) throw usage('bridge', 'it names no object');
  const object = OBJECTS.find((name) => matches(word, name));
  if (object === 'link') return parsePort(rest, options);
  if (object === 'fdb') return parseFdb(rest, options);
  if (object === 'help') throw usage('bridge', 'help was asked for');
  throw unknownObject('bridge', word, object, 255, 'the objects are "link" and "fdb"');
}

const BRIDGE: Tool = { name: 'bridge', helpCommand: 'bridge help', options: OPTIONS, exact: EXACT, parse };

export function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  return runTool(BRIDGE, argv, terminal);
}
