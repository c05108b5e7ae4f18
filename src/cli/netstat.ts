/*
 * `netstat -rn [-4] [-6] [-e…]` and `netstat -i [-a]`. Sockets, protocol statistics and multicast
 * groups are not shown: there are no sockets of programs here, and names are not looked up.
 */
import type { LinkInfo } from '../control/api/link.js';
import type { RouteInfo } from '../control/api/route.js';
import { helpText } from './help.js';
import { Ipv6Tables, ipv4Head, ipv4Lines, linkTable } from './netstat-format.js';
import { cannot, Refusal } from './refusal.js';
import { inSession, type Session } from './session.js';
import type { Terminal } from './terminal.js';
import { matches } from './words.js';

const MAIN = 254;
/** E_OPTERR of net-tools. */
const WRONG_OPTION = 3;

interface Options {
  routes: boolean;
  links: boolean;
  numeric: boolean;
  all: boolean;
  extent: number;
  inet: boolean;
  inet6: boolean;
  print?: 'help' | 'version';
}

type Letter = (options: Options, value: string) => void;

function refuse(
  line: string,
  status: number,
  object: string,
  cause: string,
  hint = 'see "sluice netstat --help"',
): Refusal {
  return new Refusal(line, status, cannot('netstat', object, cause, hint));
}

function unsupported(option: string, cause: string, hint: string): Refusal {
  return refuse(`netstat: feature \`${option}' not supported.`, 1, option, cause, hint);
}

const absent =
  (option: string, cause: string, hint: string): Letter =>
  () => {
    throw unsupported(option, cause, hint);
  };

function takeFamily(options: Options, value: string): void {
  for (const name of value.split(',')) {
    if (name === 'inet' || name === 'ip') options.inet = true;
    else if (name === 'inet6') options.inet6 = true;
    else
      throw refuse(
        `Unknown address family \`${name}'.`,
        1,
        '-A',
        `there is no address family "${name}"`,
        'use inet or inet6',
      );
  }
}

const NO_SOCKETS = ['there are no sockets of programs here', 'use -r or -i'] as const;
const noSockets = (option: string) => absent(option, ...NO_SOCKETS);
const useless = (option: string) => absent(option, 'it would change nothing', 'leave it out');

/** What is said nowhere else: -W, that nothing be cut short, and -F, the default. */
const kept: Letter = () => {};

/** By letter; `value`: takes one. */
const LETTERS: Record<string, Letter> = {
  r: (options) => {
    options.routes = true;
  },
  i: (options) => {
    options.links = true;
  },
  n: (options) => {
    options.numeric = true;
  },
  a: (options) => {
    options.all = true;
  },
  e: (options) => {
    options.extent++;
  },
  '4': (options) => takeFamily(options, 'inet'),
  '6': (options) => takeFamily(options, 'inet6'),
  A: takeFamily,
  F: kept,
  W: kept,
  h: (options) => {
    options.print = 'help';
  },
  V: (options) => {
    options.print = 'version';
  },
  C: absent('-C', 'routes that look-ups have learned are shown elsewhere', 'use "sluice ip route show cache"'),
  s: absent('-s', 'there are no protocol statistics yet', 'use "sluice status"'),
  g: absent('-g', 'multicast groups are not shown here', 'leave it out'),
  M: absent('-M', 'there is no masquerading yet', 'leave it out'),
  '@': useless('--numeric-ports'),
  '#': useless('--numeric-users'),
  c: absent('-c', 'it is shown once', 'use watch(1)'),
  ...Object.fromEntries([...'NdvoZ'].map((letter) => [letter, useless(`-${letter}`)])),
  ...Object.fromEntries([...'ltuUSwx2fp'].map((letter) => [letter, noSockets(`-${letter}`)])),
};

/** Long name → letter. */
const NAMES: Record<string, string> = {
  inet: '4',
  inet6: '6',
  ip: '4',
  version: 'V',
  interfaces: 'i',
  help: 'h',
  route: 'r',
  masquerade: 'M',
  protocol: 'A',
  tcp: 't',
  sctp: 'S',
  udp: 'u',
  udplite: 'U',
  raw: 'w',
  unix: 'x',
  l2cap: '2',
  rfcomm: 'f',
  listening: 'l',
  all: 'a',
  timers: 'o',
  continuous: 'c',
  extend: 'e',
  programs: 'p',
  verbose: 'v',
  statistics: 's',
  notrim: 'W',
  wide: 'W',
  numeric: 'n',
  'numeric-hosts': 'n',
  'numeric-ports': '@',
  'numeric-users': '#',
  symbolic: 'N',
  cache: 'C',
  fib: 'F',
  groups: 'g',
  context: 'Z',
};

export const OPTIONS = ['-r', '-i', '-n', '-a', '-e', '-4', '-6'];

function letterOf(word: string): { letter: string; value: string | undefined } {
  const [name, value] = word.slice(2).split(/=(.*)/s);
  const exact = Object.hasOwn(NAMES, name) ? [name] : Object.keys(NAMES).filter((known) => matches(name, known));
  if (exact.length === 1) return { letter: NAMES[exact[0]], value };
  const [line, cause] =
    exact.length === 0
      ? [`netstat: unrecognized option '${word}'`, 'there is no such option']
      : [
          `netstat: option '${word}' is ambiguous; possibilities: ${exact.map((one) => `'--${one}'`).join(' ')}`,
          'it may mean several',
        ];
  throw refuse(line, WRONG_OPTION, word, cause);
}

/** As getopt_long: letters in one word, and the value of -A behind it or in the next. */
function parseOptions(argv: readonly string[]): Options {
  const options: Options = {
    routes: false,
    links: false,
    numeric: false,
    all: false,
    extent: 0,
    inet: false,
    inet6: false,
  };
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at];
    if (word.startsWith('--')) {
      const { letter, value } = letterOf(word);
      LETTERS[letter](
        options,
        letter === 'A' ? (value ?? argv[++at] ?? missing(`'${word}' requires an argument`)) : '',
      );
      continue;
    }
    if (!word.startsWith('-') || word === '-') throw extra(word);
    for (let n = 1; n < word.length; n++) {
      const letter = word[n];
      if (!Object.hasOwn(LETTERS, letter) || letter === '@' || letter === '#')
        throw refuse(`netstat: invalid option -- '${letter}'`, WRONG_OPTION, word, 'there is no such option');
      if (letter !== 'A') LETTERS[letter](options, '');
      else takeFamily(options, word.slice(n + 1) || (argv[++at] ?? missing("requires an argument -- 'A'")));
      if (letter === 'A') break;
    }
  }
  return options;
}

function missing(complaint: string): never {
  throw refuse(`netstat: option ${complaint}`, WRONG_OPTION, '-A', 'it needs an address family', 'use inet or inet6');
}

const USAGE = 'usage: netstat [-vWeenNcCF] [<Af>] -r         netstat {-V|--version|-h|--help}';

function extra(word: string): Refusal {
  return refuse(USAGE, WRONG_OPTION, word, `"${word}" is no option`);
}

function check({ routes, links, numeric, extent }: Options): void {
  if (routes && links) throw refuse(USAGE, WRONG_OPTION, '', '-r and -i exclude each other', 'use one of them');
  if (!routes && !links) throw unsupported('sockets', ...NO_SOCKETS);
  if (routes && !numeric) throw unsupported('name resolution', 'names are not looked up', 'add -n');
  if (links && extent > 0) throw unsupported('-e', 'with -i that is what ifconfig shows', 'use "sluice ifconfig"');
  if (extent > 2) throw unsupported('-eee', 'there is no more to show', 'use -ee');
}

async function showIPv4(session: Session, extent: number): Promise<void> {
  const client = await session.client();
  const { terminal } = session;
  terminal.out(ipv4Head(extent));
  await client.stream<RouteInfo[]>({ op: 'route.list', family: 4, table: MAIN }, (routes) => {
    terminal.out(ipv4Lines(routes, extent));
    return true;
  });
}

async function showIPv6(session: Session): Promise<void> {
  const client = await session.client();
  const tables = new Ipv6Tables();
  await client.stream<RouteInfo[]>({ op: 'route.list', family: 6 }, (routes) => {
    tables.add(routes);
    return true;
  });
  session.terminal.out(tables.text());
}

async function show(session: Session, options: Options): Promise<number> {
  const { terminal } = session;
  if (options.links) {
    terminal.out(linkTable(await session.ask<LinkInfo[]>({ op: 'link.list' }), options.all));
    return 0;
  }
  if (options.inet || !options.inet6) await showIPv4(session, options.extent);
  if (options.inet6) await showIPv6(session);
  return 0;
}

export function run(words: readonly string[], terminal: Terminal): Promise<number> {
  return inSession(terminal, async (session) => {
    const options = parseOptions(words);
    if (options.print === 'help') terminal.out(helpText(['netstat']));
    if (options.print === 'version') terminal.out('netstat, sluice, in the words of net-tools 2.10\n');
    if (options.print !== undefined) return 0;
    check(options);
    return show(session, options);
  });
}
