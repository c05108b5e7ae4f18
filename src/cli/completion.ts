/*
 * `sluice completion bash|zsh|fish`: prints a script for the shell to source.
 *
 * The words come from the tables that the verbs themselves parse with, so completion knows no word
 * that a verb does not, and misses none. `wordTree` is that table; the three scripts only look the
 * words up by the path typed so far: the longest beginning of the line that the tree knows.
 */
import { misuse } from './refusal.js';
import { report } from './session.js';
import type { Terminal } from './terminal.js';
import { VERBS } from './verbs.js';
import { offered } from './words.js';

/** Path → words that may follow, the path being words joined by spaces: "ip link add". */
export type WordTree = ReadonlyMap<string, readonly string[]>;

async function linkPaths(): Promise<Array<[string, string[]]>> {
  const [{ LOADERS: objects }, link, show, kinds, bridge] = await Promise.all([
    import('./ip.js'),
    import('./ip-link.js'),
    import('./ip-link-show.js'),
    import('./link-kinds.js'),
    import('./bridge-words.js'),
  ]);
  const set = offered(link.LINK_WORDS);
  return [
    [
      'ip',
      [
        ...Object.keys(objects),
        '-4',
        '-6',
        '-all',
        '-family',
        '-netns',
        '-Numeric',
        '-tshort',
        '-batch',
        '-brief',
        '-details',
        '-force',
        '-json',
        '-oneline',
        '-pretty',
        '-stats',
      ],
    ],
    ['ip link', ['add', 'set', 'delete', 'show', 'help']],
    ['ip link add', set],
    ['ip link set', [...set, 'dev']],
    ['ip link show', [...offered(show.SHOW_WORDS), 'dev']],
    ['ip link add type', ['bridge', ...Object.keys(kinds.KINDS)]],
    ['ip link set type', ['bridge', 'bridge_slave']],
    ['ip link add type bridge', offered(bridge.BRIDGE_WORDS)],
    ['ip link set type bridge', offered(bridge.BRIDGE_WORDS)],
    ['ip link set type bridge_slave', offered(bridge.SLAVE_WORDS)],
    ['ip link add type tap', offered(kinds.TAP_WORDS)],
    ['ip link add type tap peer', offered(kinds.PEER_WORDS)],
    ['ip link add type packet', offered(kinds.PACKET_WORDS)],
    ['ip link add type pcap', offered(kinds.PCAP_WORDS)],
    ['ip link add type veth', ['peer']],
    ['ip link add type veth peer', ['name', 'netns', 'address', 'mtu']],
    ['ip link add type vlan', offered(kinds.VLAN_WORDS)],
  ];
}

async function inetPaths(): Promise<Array<[string, string[]]>> {
  const [addr, filter, neigh, neighShow, netns, monitor] = await Promise.all([
    import('./ip-addr.js'),
    import('./ip-addr-filter.js'),
    import('./ip-neigh.js'),
    import('./ip-neigh-show.js'),
    import('./ip-netns.js'),
    import('./ip-monitor.js'),
  ]);
  const address = [...offered(addr.ADDRESS_WORDS), 'local'];
  const neighbour = [...offered(neigh.NEIGHBOUR_WORDS), 'to'];
  const paths: Array<[string, string[]]> = [
    ['ip netns', netns.NETNS_COMMANDS],
    ['ip netns exec', Object.keys(VERBS)],
    ['ip monitor', [...offered(monitor.MONITOR_WORDS), 'dev', 'help']],
  ];
  for (const object of ['addr', 'address']) {
    paths.push([`ip ${object}`, [...addr.ADDRESS_COMMANDS, 'help']]);
    for (const command of ['add', 'change', 'replace', 'delete']) paths.push([`ip ${object} ${command}`, address]);
    paths.push([`ip ${object} show`, [...offered(filter.FILTER_WORDS), 'dev']]);
    paths.push([`ip ${object} flush`, [...offered(filter.ADDRESS_FILTER_WORDS), 'dev']]);
  }
  for (const object of ['neigh', 'neighbour']) {
    paths.push([`ip ${object}`, [...neigh.NEIGHBOUR_COMMANDS, 'help']]);
    for (const command of ['add', 'change', 'replace', 'delete']) paths.push([`ip ${object} ${command}`, neighbour]);
    for (const command of ['show', 'flush'])
      paths.push([`ip ${object} ${command}`, [...offered(neighShow.NEIGHBOUR_FILTER_WORDS), 'to']]);
    paths.push([`ip ${object} get`, ['dev', 'proxy', 'to']]);
  }
  return paths;
}

async function routePaths(): Promise<Array<[string, string[]]>> {
  const [route, rule, change, filter, get, words] = await Promise.all([
    import('./ip-route.js'),
    import('./ip-rule.js'),
    import('./ip-route-change.js'),
    import('./ip-route-filter.js'),
    import('./ip-route-get.js'),
    import('./ip-rule-words.js'),
  ]);
  const hop = offered(change.NEXT_HOP_WORDS);
  const whole = [...change.TYPE_NAMES, ...offered(change.ROUTE_WORDS)];
  const selector = [...offered(filter.SELECTOR_WORDS), 'to', 'root', 'match', 'exact'];
  const paths: Array<[string, string[]]> = [
    ['ip route', [...route.ROUTE_COMMANDS, 'help']],
    ['ip route get', [...offered(get.GET_WORDS), 'to']],
    ['ip rule', [...rule.RULE_COMMANDS, 'help']],
  ];
  for (const command of ['add', 'append', 'prepend', 'replace', 'change', 'delete']) {
    paths.push([`ip route ${command}`, whole]);
    paths.push([`ip route ${command} nexthop`, [...hop, 'nexthop']]);
  }
  for (const command of ['show', 'flush']) {
    paths.push([`ip route ${command}`, selector]);
    paths.push([`ip rule ${command}`, [...offered(words.RULE_SELECTOR_WORDS), 'to']]);
  }
  for (const command of ['add', 'delete'])
    paths.push([`ip rule ${command}`, [...offered(words.RULE_WORDS), ...words.ACTION_NAMES]]);
  return paths;
}

async function bridgePaths(): Promise<Array<[string, string[]]>> {
  const [fdb, words] = await Promise.all([import('./bridge-fdb.js'), import('./bridge-words.js')]);
  const entry = offered(fdb.ENTRY_WORDS);
  return [
    ['bridge', ['fdb', 'link', '-batch', '-details', '-force', '-json', '-oneline', '-pretty', '-stats']],
    ['bridge fdb', ['add', 'append', 'replace', 'delete', 'show', 'get', 'flush', 'help']],
    ...['add', 'append', 'replace', 'delete'].map((command): [string, string[]] => [`bridge fdb ${command}`, entry]),
    ['bridge fdb show', offered(fdb.SHOW_WORDS)],
    ['bridge fdb get', offered(fdb.GET_WORDS)],
    ['bridge fdb flush', offered(fdb.FLUSH_WORDS)],
    ['bridge link', ['set', 'show', 'help']],
    ['bridge link set', ['dev', ...offered(words.PORT_WORDS)]],
    ['bridge link show', ['dev']],
  ];
}

async function otherPaths(): Promise<Array<[string, string[]]>> {
  const [brctl, ethtool, capture, config, up, ifconfig, netstat] = await Promise.all([
    import('./brctl.js'),
    import('./ethtool.js'),
    import('./capture.js'),
    import('./config.js'),
    import('./up.js'),
    import('./ifconfig.js'),
    import('./netstat.js'),
  ]);
  return [
    ['', [...Object.keys(VERBS), '--help', '--version', '--socket', '-n']],
    ['up', Object.keys(up.UP_OPTIONS)],
    ['status', ['-j']],
    ['brctl', Object.keys(brctl.COMMANDS)],
    ['ethtool', ethtool.COMMANDS.map(({ names }) => names[0])],
    ['ifconfig', [...ifconfig.OPTIONS, ...Object.keys(ifconfig.INTERFACE_WORDS)]],
    ['netstat', netstat.OPTIONS],
    ['capture', Object.keys(capture.OPTIONS)],
    ['config', Object.keys(config.COMMANDS)],
    ['completion', Object.keys(SHELLS)],
  ];
}

export async function wordTree(): Promise<WordTree> {
  return new Map([
    ...(await otherPaths()),
    ...(await linkPaths()),
    ...(await routePaths()),
    ...(await inetPaths()),
    ...(await bridgePaths()),
  ]);
}

/** Shell code that sets `choices` from a path, in the syntax that bash and zsh share. */
function cases(tree: WordTree): string {
  const lines = [...tree].map(([path, words]) => `    '${path}') choices='${words.join(' ')}' ;;`);
  return lines.join('\n');
}

/**
 * The path keeps only words that lead somewhere, so names and values on the way are passed over:
 * "ip link add t1 type tap" is the path "ip link add type tap".
 */
function walk(tree: WordTree): string {
  return `_sluice_words() {
  case "$1" in
${cases(tree)}
    *) return 1 ;;
  esac
}
_sluice_path() {
  local word next choices
  place=''
  for word in "$@"; do
    next="\${place:+$place }$word"
    if _sluice_words "$next"; then place=$next; fi
  done
}`;
}

function bash(tree: WordTree): string {
  return `# bash completion for sluice: source <(sluice completion bash)
${walk(tree)}
_sluice() {
  local place choices cur=\${COMP_WORDS[COMP_CWORD]}
  _sluice_path "\${COMP_WORDS[@]:1:COMP_CWORD-1}"
  _sluice_words "$place"
  COMPREPLY=($(compgen -W "$choices" -- "$cur"))
}
complete -o default -F _sluice sluice
`;
}

function zsh(tree: WordTree): string {
  return `#compdef sluice
# zsh completion for sluice: source <(sluice completion zsh)
${walk(tree)}
_sluice() {
  local place choices
  _sluice_path "\${(@)words[2,CURRENT-1]}"
  _sluice_words "$place"
  compadd -- \${=choices}
}
compdef _sluice sluice
`;
}

/** fish has no case by string with a result, so every path is a condition of its own. */
function fish(tree: WordTree): string {
  const known = [...tree.keys()].filter((path) => path !== '').map((path) => `'${path}'`);
  const lines = [...tree].map(
    ([path, words]) => `complete -c sluice -f -n "test (__sluice_path) = '${path}'" -a '${words.join(' ')}'`,
  );
  return `# fish completion for sluice: sluice completion fish | source
function __sluice_path
  set -l path ''
  for word in (commandline -opc)[2..-1]
    set -l next (string trim -- "$path $word")
    if contains -- $next ${known.join(' ')}
      set path $next
    end
  end
  echo "$path"
end
${lines.join('\n')}
`;
}

const SHELLS: Record<string, (tree: WordTree) => string> = { bash, zsh, fish };

export async function run(words: readonly string[], terminal: Terminal): Promise<number> {
  const [shell, extra] = words;
  const known = `it needs one of ${Object.keys(SHELLS).join(', ')}`;
  if (shell === undefined || !Object.hasOwn(SHELLS, shell))
    return report(misuse('completion', shell ?? '', known), terminal);
  if (extra !== undefined) return report(misuse('completion', shell, `"${extra}" is one word too many`), terminal);
  terminal.out(SHELLS[shell](await wordTree()));
  return 0;
}
