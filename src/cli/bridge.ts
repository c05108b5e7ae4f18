/* `sluice bridge`: options and objects, `fdb` and `link`. */
import { runBatch } from './batch.js';
import { parseFdb } from './bridge-fdb.js';
import { parsePort } from './bridge-link.js';
import type { BridgeFlags } from './fdb-format.js';
import type { Plan } from './plan.js';
import { cannot, Refusal } from './refusal.js';
import { inSession } from './session.js';
import type { Terminal } from './terminal.js';
import { matches } from './words.js';

interface BridgeOptions extends BridgeFlags {
  force: boolean;
  batch?: string;
  rest: readonly string[];
}

const USAGE = 'Usage: bridge [ OPTIONS ] OBJECT { COMMAND | help }';

function usage(cause: string): Refusal {
  return new Refusal(USAGE, 255, cannot('bridge', '', cause, 'see "sluice bridge --help"'), true);
}

type Setter = (options: BridgeOptions) => void;

/** In the tool's order. */
const FLAGS: ReadonlyArray<[string, Setter | 'batch' | 'netns' | 'help' | 'version' | 'absent']> = [
  ['-help', 'help'],
  ['-Version', 'version'],
  ['-stats', (options) => options.stats++],
  ['-statistics', (options) => options.stats++],
  ['-details', (options) => options.details++],
  ['-oneline', (options) => (options.oneline = true)],
  ['-timestamp', 'absent'],
  ['-family', 'absent'],
  ['-netns', 'netns'],
  ['-color', 'absent'],
  ['-compressvlans', 'absent'],
  ['-force', (options) => (options.force = true)],
  ['-json', (options) => (options.json = true)],
  ['-pretty', (options) => (options.pretty = true)],
  ['-batch', 'batch'],
];

const ABSENT: Record<string, string> = {
  '-timestamp': 'there is no monitor yet',
  '-family': 'stations have no address family',
  '-color': 'output has no colours',
  '-compressvlans': 'there is no VLAN filtering yet',
};

function unknownOption(option: string, why?: string): Refusal {
  const cause = why === undefined ? 'there is no such option' : `it has no effect: ${why}`;
  const hint = why === undefined ? 'see "sluice bridge --help"' : 'leave it out';
  return new Refusal(`Option "${option}" is unknown, try "bridge help".`, 255, cannot('bridge', option, cause, hint), true);
}

function checkNamespace(name: string | undefined): void {
  if (name === 'host') return;
  const line = `Cannot open network namespace "${name ?? '(null)'}": No such file or directory`;
  const cause = 'there is only the namespace "host" yet';
  throw new Refusal(line, 255, cannot('bridge -netns', name ?? '', cause, 'leave it out'), true);
}

function parseOptions(argv: readonly string[]): BridgeOptions | 'version' {
  const options: BridgeOptions = {
    ...{ stats: 0, details: 0, json: false, pretty: false, oneline: false, force: false, rest: [] },
  };
  let at = 0;
  for (; at < argv.length && argv[at].startsWith('-'); at++) {
    if (argv[at] === '--') {
      at++;
      break;
    }
    const option = argv[at].startsWith('--') ? argv[at].slice(1) : argv[at];
    const [name, action] = FLAGS.find(([flag]) => matches(option, flag)) ?? [undefined, undefined];
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

const OBJECTS = ['link', 'fdb', 'mdb', 'vlan', 'vni', 'monitor', 'help'];

function parseObject(words: readonly string[], flags: BridgeFlags): Plan {
  const [word, ...rest] = words;
  if (word === undefined) throw usage('it names no object');
  const object = OBJECTS.find((name) => matches(word, name));
  if (object === 'link') return parsePort(rest, flags);
  if (object === 'fdb') return parseFdb(rest, flags);
  if (object === 'help') throw usage('help was asked for');
  const cause = object === undefined ? 'there is no such object' : `"bridge ${object}" is not there yet`;
  const line = `Object "${word}" is unknown, try "bridge help".`;
  throw new Refusal(line, 255, cannot('bridge', word, cause, 'the objects are "link" and "fdb"'));
}

export function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  return inSession(terminal, async (session) => {
    const options = parseOptions(argv);
    if (options === 'version') {
      terminal.out('bridge utility, sluice, in the words of iproute2-6.1.0\n');
      return 0;
    }
    if (options.batch !== undefined) {
      const parse = (words: readonly string[]) => parseObject(words, options);
      return runBatch(session, 'bridge', { file: options.batch, force: options.force, parse });
    }
    await session.run(parseObject(options.rest, options));
    return 0;
  });
}
