/*
 * `sluice brctl`. The real tool asks the kernel step by step and words each refusal itself; so the
 * links are looked up first, and what would fail there fails here, before anything is sent.
 */
import type { FdbInfo } from '../control/api/fdb.js';
import type { LinkInfo } from '../control/api/link.js';
import type { Request } from '../control/api/request.js';
import { ApiFailure } from '../control/client.js';
import { bridgeLine, byName, SHOW_HEADING, stationLines, stpText } from './brctl-format.js';
import { NAME_BYTES } from './link-kinds.js';
import { cannot, Refusal, strerror } from './refusal.js';
import { inSession, type Session } from './session.js';
import type { Terminal } from './terminal.js';
import { isName } from './words.js';

/** One command's run: its words after the name. */
interface Command {
  /** Words it needs at least. */
  needs: number;
  help: string;
  run(context: Context, words: readonly string[]): Promise<number>;
}

class Context {
  constructor(
    readonly session: Session,
    private readonly name: string,
  ) {}

  links(): Promise<LinkInfo[]> {
    return this.session.ask<LinkInfo[]>({ op: 'link.list' });
  }

  refuse(line: string, object: string, cause: string, hint = 'see "sluice brctl show"'): Refusal {
    return new Refusal(line, 1, cannot(`brctl ${this.name}`, object, cause, hint));
  }

  /** Sends a change; `word` makes the tool's line of the daemon's refusal. */
  async change(request: Request, word: (errno: string) => string): Promise<void> {
    try {
      await this.session.run({
        requests: [request],
        print: () => '',
        explain: (error) => new Refusal(word(error.errno), 1, error.message),
      });
    } catch (error) {
      if (error instanceof ApiFailure) throw new Refusal(word(error.error.errno), 1, error.message);
      throw error;
    }
  }
}

function find(links: readonly LinkInfo[], name: string): LinkInfo | undefined {
  return links.find((link) => link.ifname === name);
}

function isBridge(link: LinkInfo | undefined): link is LinkInfo {
  return link?.linkinfo?.info_kind === 'bridge';
}

async function addBridge(context: Context, [name]: readonly string[]): Promise<number> {
  if (!isName(name, NAME_BYTES)) {
    const hint = `a name has 1 to ${NAME_BYTES} bytes, no slash and no space`;
    throw context.refuse('add bridge failed: Invalid argument', name, 'that is no name', hint);
  }
  await context.change({ op: 'link.add', name, kind: 'bridge' }, (errno) =>
    errno === 'EEXIST'
      ? `device ${name} already exists; can't create bridge with the same name`
      : `add bridge failed: ${strerror(errno)}`,
  );
  return 0;
}

async function deleteBridge(context: Context, [name]: readonly string[]): Promise<number> {
  const link = find(await context.links(), name);
  if (link === undefined)
    throw context.refuse(`bridge ${name} doesn't exist; can't delete it`, name, 'there is no such bridge');
  const line = (errno: string) => `can't delete bridge ${name}: ${strerror(errno)}`;
  if (!isBridge(link))
    throw context.refuse(line('EPERM'), name, 'it is no bridge', `say "sluice ip link delete ${name}"`);
  if (link.flags.includes('UP')) {
    throw context.refuse(
      `bridge ${name} is still up; can't delete it`,
      name,
      'it is up',
      `say "sluice ip link set ${name} down" first`,
    );
  }
  await context.change({ op: 'link.del', name, kind: 'bridge' }, line);
  return 0;
}

/** Both ends of addif and delif must exist, and one must be a bridge. */
function checkPair(context: Context, links: readonly LinkInfo[], bridge: string, port: string, line: string): LinkInfo {
  const link = find(links, port);
  if (link === undefined)
    throw context.refuse(`interface ${port} does not exist!`, port, 'there is no such link', 'see "sluice ip link"');
  const master = find(links, bridge);
  if (master === undefined)
    throw context.refuse(`bridge ${bridge} does not exist!`, port, `there is no bridge "${bridge}"`);
  if (!isBridge(master)) throw context.refuse(`${line}: Operation not supported`, port, `"${bridge}" is no bridge`);
  return link;
}

async function addPort(context: Context, [bridge, ...ports]: readonly string[]): Promise<number> {
  for (const port of ports) {
    const line = `can't add ${port} to bridge ${bridge}`;
    const link = checkPair(context, await context.links(), bridge, port, line);
    const busy = `device ${port} is already a member of a bridge; can't add it to bridge ${bridge}.`;
    const loop = `device ${port} is a bridge device itself; can't add a bridge device to a bridge device.`;
    if (link.linkinfo?.info_kind === 'bridge')
      throw context.refuse(loop, port, 'it is a bridge itself', 'bridges do not nest');
    if (link.master !== undefined) {
      throw context.refuse(
        busy,
        port,
        `it is a port of "${link.master}"`,
        `say "sluice brctl delif ${link.master} ${port}" first`,
      );
    }
    await context.change({ op: 'link.set', name: port, master: bridge }, (errno) => {
      if (errno === 'EBUSY') return busy;
      return errno === 'ELOOP' ? loop : `${line}: ${strerror(errno)}`;
    });
  }
  return 0;
}

async function deletePort(context: Context, [bridge, ...ports]: readonly string[]): Promise<number> {
  for (const port of ports) {
    const line = `can't delete ${port} from ${bridge}`;
    const link = checkPair(context, await context.links(), bridge, port, line);
    if (link.master !== bridge)
      throw context.refuse(`device ${port} is not a port of ${bridge}`, port, `it is no port of "${bridge}"`);
    await context.change({ op: 'link.set', name: port, master: null }, (errno) => `${line}: ${strerror(errno)}`);
  }
  return 0;
}

function onOff(context: Context, word: string, object: string): boolean {
  if (['on', 'yes', '1'].includes(word)) return true;
  if (['off', 'no', '0'].includes(word)) return false;
  throw context.refuse('expect on/off for argument', object, `"${word}" is neither on nor off`, 'say on or off');
}

async function hairpin(context: Context, [bridge, port, word]: readonly string[]): Promise<number> {
  const value = onOff(context, word, port);
  const links = await context.links();
  const link = find(links, port);
  if (link === undefined)
    throw context.refuse(`interface ${port} does not exist!`, port, 'there is no such link', 'see "sluice ip link"');
  if (find(links, bridge) === undefined)
    throw context.refuse(`bridge ${bridge} does not exist!`, port, `there is no bridge "${bridge}"`);
  const line = (errno: string) => `can't set ${port} to hairpin on bridge ${bridge}: ${strerror(errno)}`;
  if (link.master !== bridge) throw context.refuse(line('ENOENT'), port, `it is no port of "${bridge}"`);
  await context.change({ op: 'link.set', name: port, port: { hairpin: value } }, line);
  return 0;
}

/** The beginning of a word as a number, as sscanf("%lf") reads it. */
function parseSeconds(text: string): number | undefined {
  const number = Number.parseFloat(text);
  return Number.isNaN(number) || number < 0 ? undefined : number;
}

async function requireBridge(context: Context, name: string, what: string): Promise<void> {
  const link = find(await context.links(), name);
  if (link === undefined) throw context.refuse(`${what} failed: No such device`, name, 'there is no such bridge');
  if (!isBridge(link)) throw context.refuse(`${what} failed: Operation not supported`, name, 'it is no bridge');
}

async function setAgeing(context: Context, [bridge, word]: readonly string[]): Promise<number> {
  const seconds = parseSeconds(word);
  if (seconds === undefined)
    throw context.refuse('bad ageing time value', bridge, `"${word}" is no time`, 'say seconds');
  await requireBridge(context, bridge, 'set ageing time');
  const request: Request = { op: 'link.set', name: bridge, bridge: { ageing_time: Math.trunc(seconds * 100) } };
  await context.change(request, (errno) => `set ageing time failed: ${strerror(errno)}`);
  return 0;
}

async function stp(context: Context, [bridge, word]: readonly string[]): Promise<number> {
  const value = onOff(context, word, bridge);
  await requireBridge(context, bridge, 'set stp status');
  if (!value) return 0;
  throw context.refuse(
    'set stp status failed: Operation not supported',
    bridge,
    'the spanning tree protocol is not there yet',
    'leave it off',
  );
}

/** A setting of the spanning tree: checked as the tool checks it, then refused. */
function stpSetting(what: string, isTime: boolean, at = 1): Command['run'] {
  return async (context, words) => {
    const value = isTime ? parseSeconds(words[at]) : Number.parseInt(words[at], 10);
    const subject = what.replace('port priority', 'path priority');
    if (value === undefined || Number.isNaN(value)) {
      const line = `bad ${subject.replace('bridge ', '')}${/priority$/.test(what) && at === 1 ? '' : ' value'}`;
      throw context.refuse(line, words[0], `"${words[at]}" is no ${isTime ? 'time' : 'number'}`);
    }
    await requireBridge(context, words[0], `set ${what}`);
    throw context.refuse(
      `set ${what} failed: Operation not supported`,
      words[0],
      'the spanning tree protocol is not there yet',
      'leave it out',
    );
  };
}

async function show(context: Context, names: readonly string[]): Promise<number> {
  const links = await context.links();
  const { terminal } = context.session;
  terminal.out(SHOW_HEADING);
  if (names.length === 0) {
    for (const link of links.filter(isBridge).sort(byName)) terminal.out(bridgeLine(link, links));
    return 0;
  }
  let status = 0;
  for (const name of names) {
    const link = find(links, name);
    if (isBridge(link)) terminal.out(bridgeLine(link, links));
    else {
      const line = link === undefined ? `bridge ${name} does not exist!` : `device ${name} is not a bridge!`;
      terminal.err(context.refuse(line, name, link === undefined ? 'there is no such bridge' : 'it is no bridge').text);
      status = 1;
    }
  }
  return status;
}

async function showMacs(context: Context, [name]: readonly string[]): Promise<number> {
  const links = await context.links();
  const link = find(links, name);
  const line = `read of forward table failed: ${strerror(link === undefined ? 'ENODEV' : 'EOPNOTSUPP')}`;
  if (!isBridge(link))
    throw context.refuse(line, name, link === undefined ? 'there is no such bridge' : 'it is no bridge');
  const stations = await context.session.ask<FdbInfo[]>({ op: 'fdb.list', bridge: name });
  context.session.terminal.out(stationLines(name, stations, links));
  return 0;
}

async function showStp(context: Context, [name]: readonly string[]): Promise<number> {
  const links = await context.links();
  const link = find(links, name);
  if (link === undefined) throw context.refuse(`bridge ${name} does not exist!`, name, 'there is no such bridge');
  if (!isBridge(link)) throw context.refuse(`device ${name} is not a bridge!`, name, 'it is no bridge');
  context.session.terminal.out(stpText(link, links));
  return 0;
}

export const COMMANDS: Record<string, Command> = {
  addbr: { needs: 1, help: '<bridge>\t\tadd bridge', run: addBridge },
  delbr: { needs: 1, help: '<bridge>\t\tdelete bridge', run: deleteBridge },
  addif: { needs: 2, help: '<bridge> <device>\tadd interface to bridge', run: addPort },
  delif: { needs: 2, help: '<bridge> <device>\tdelete interface from bridge', run: deletePort },
  hairpin: { needs: 3, help: '<bridge> <port> {on|off}\tturn hairpin on/off', run: hairpin },
  setageing: { needs: 2, help: '<bridge> <time>\t\tset ageing time', run: setAgeing },
  show: { needs: 0, help: '[ <bridge> ]\t\tshow a list of bridges', run: show },
  showmacs: { needs: 1, help: '<bridge>\t\tshow a list of mac addrs', run: showMacs },
  showstp: { needs: 1, help: '<bridge>\t\tshow bridge stp info', run: showStp },
  stp: { needs: 2, help: '<bridge> {on|off}\tturn stp on/off', run: stp },
};

/** Commands of the real tool that the spanning tree will bring. */
const ABSENT: Record<string, Command> = {
  setbridgeprio: {
    needs: 2,
    help: '<bridge> <prio>\t\tset bridge priority',
    run: stpSetting('bridge priority', false),
  },
  setfd: { needs: 2, help: '<bridge> <time>\t\tset bridge forward delay', run: stpSetting('forward delay', true) },
  sethello: { needs: 2, help: '<bridge> <time>\t\tset hello time', run: stpSetting('hello timer', true) },
  setmaxage: { needs: 2, help: '<bridge> <time>\t\tset max message age', run: stpSetting('max age', true) },
  setpathcost: { needs: 3, help: '<bridge> <port> <cost>\tset path cost', run: stpSetting('path cost', false, 2) },
  setportprio: {
    needs: 3,
    help: '<bridge> <port> <prio>\tset port priority',
    run: stpSetting('port priority', false, 2),
  },
};

function lookup(name: string): Command | undefined {
  if (Object.hasOwn(COMMANDS, name)) return COMMANDS[name];
  return Object.hasOwn(ABSENT, name) ? ABSENT[name] : undefined;
}

const SEE = 'see "sluice brctl --help"';

function badOption(option: string): Refusal {
  const line = option.startsWith('--')
    ? `brctl: unrecognized option '${option}'`
    : `brctl: invalid option -- '${option[1]}'`;
  return new Refusal(line, 1, cannot('brctl', option, 'there is no such option', SEE));
}

export function run(words: readonly string[], terminal: Terminal): Promise<number> {
  return inSession(terminal, async (session) => {
    const [name, ...rest] = words;
    if (name === undefined)
      throw new Refusal('Usage: brctl [commands]', 1, cannot('brctl', '', 'it names no command', SEE));
    if (name === '-V' || name === '--version') {
      terminal.out('sluice, in the words of bridge-utils, 1.7\n');
      return 0;
    }
    if (name.startsWith('-')) throw badOption(name);
    const command = lookup(name);
    if (command === undefined) {
      throw new Refusal(`never heard of command [${name}]`, 1, cannot('brctl', name, 'there is no such command', SEE));
    }
    if (rest.length < command.needs) {
      const cause = `it takes ${command.help.split('\t')[0]}`;
      throw new Refusal('Incorrect number of arguments for command', 1, cannot(`brctl ${name}`, '', cause, SEE));
    }
    return command.run(new Context(session, name), rest);
  });
}
