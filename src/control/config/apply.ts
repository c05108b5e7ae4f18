/*
 * Makes the running state what a configuration file says: all of it or nothing.
 *
 * 1. The file is read and checked whole; what only `sluice up` can set must not differ.
 * 2. The plan (plan.ts) is checked against the machine.
 * 3. It is carried out. If a request is refused, the reverse plan, from what is there then back to what was there before, is
 *    carried out: what was only changed is as it was, a TAP that was deleted is a new device of the same description.
 */
import { SluiceError } from '../../core/errors.js';
import type { Done } from '../api/answer.js';
import type { ConfigInfo } from '../api/config.js';
import type { ChangeNeighbour } from '../api/neighbour.js';
import type { ChangeRule } from '../api/rule.js';
import type { ToolOutcome } from '../api/tool.js';
import { type Config, type DataplaneConfig, isSame, placeOf, present } from './model.js';
import { isOfNetfilter, netfilterKey, refusalOf } from './netfilter.js';
import { type Planned, planOf, remade } from './plan.js';
import { type Machine, preflight, thisMachine } from './preflight.js';
import { type ConfigFile, readConfig } from './reader.js';
import { normalRule, type RuleConfig } from './rules.js';
import { kindOfRequest } from './services.js';
import type { Path } from './source.js';
import { type BuiltInet, type BuiltLink, configOf, exactConfigOf, NO_INET, type StationInfo } from './state.js';
import { renderConfig } from './text.js';

/** The daemon, as a configuration meets it. */
export interface Running {
  /** Of all namespaces. */
  links(): BuiltLink[];
  /** The FDBs of all namespaces, as `fdb.list` answers. */
  stations(): Promise<StationInfo[]>;
  /** Namespaces, addresses, routes and sysctls; absent: there are none. */
  inet?(): Promise<BuiltInet>;
  dataplane: Required<DataplaneConfig>;
  /** Carries out a request of a plan. */
  execute(request: Planned): Promise<unknown>;
  /** For tests; this machine otherwise. */
  machine?: Machine;
}

export interface ApplyRequest {
  text: string;
  /** As errors name it; - is standard input. */
  file: string;
  /** Only look whether it could be applied. */
  check?: boolean;
  /** Where relative paths start: the working directory of who read the file. */
  folder?: string;
}

function inetOf(running: Running): Promise<BuiltInet> | BuiltInet {
  return running.inet?.() ?? NO_INET;
}

async function exactNow(running: Running): Promise<Config> {
  return exactConfigOf(running.links(), await running.stations(), await inetOf(running));
}

function checkDataplane({ config, source }: ConfigFile, running: Running): void {
  for (const [key, value] of Object.entries(config.dataplane ?? {})) {
    const now = running.dataplane[key as keyof DataplaneConfig];
    if (now !== value)
      source.problem(
        ['dataplane', key],
        `it is ${now} in the running daemon, not ${value}; restart it with "sluice up -c FILE"`,
      );
  }
  source.throwFirst('apply');
}

/** Where in the file a request comes from. */
function pathOf(request: Planned, config: Config): Path {
  const space = request.ns;
  const place = placeOf(present({ space }));
  if (request.op === 'fdb.replace') {
    const own = config.fdb.filter((station) => station.space === space);
    return [...place, 'fdb', own.findIndex(({ mac, dev }) => mac === request.mac && dev === request.dev)];
  }
  if (request.op === 'fdb.del') return [...place, 'fdb'];
  if (request.op === 'netns.add') return ['namespaces', request.name];
  if (request.op === 'sysctl.set') return [...place, 'sysctl', request.key];
  if (isOfNetfilter(request)) return [...place, netfilterKey(request)];
  if (request.op === 'route.change') return [...place, ...listPath('routes', routeNumber(request, config))];
  const kind = kindOfRequest(request.op);
  if (kind !== undefined && 'dev' in request) return [...place, kind, String(request.dev)];
  if (request.op === 'rule.add' || request.op === 'rule.del')
    return [...place, ...listPath('rules', ruleNumber(request, config))];
  if (isOfNeighbour(request)) return [...place, ...listPath('neighbours', neighbourNumber(request, config))];
  if ('dev' in request && request.dev !== undefined) return [...place, 'links', request.dev];
  return 'name' in request && request.name !== undefined ? [...place, 'links', request.name] : [];
}

/** An item of a list; the list, if what went wrong is no item of it any more. */
function listPath(list: string, number: number): Path {
  return number < 0 ? [list] : [list, number];
}

type NeighbourRequest = Extract<Planned, { op: ChangeNeighbour['op'] }>;

function isOfNeighbour(request: Planned): request is NeighbourRequest {
  return request.op.startsWith('neigh.');
}

function neighbourNumber({ ns, dst, dev, proxy }: NeighbourRequest, { neighbours = [] }: Config): number {
  const own = neighbours.filter(({ space }) => space === ns);
  return own.findIndex((one) => one.dst === dst && one.dev === dev && one.proxy === proxy);
}

function ruleNumber({ ns, family, rule }: Extract<Planned, ChangeRule>, { rules = [] }: Config): number {
  const own = rules.filter(({ space }) => space === ns);
  const wanted = normalRule(present<RuleConfig>({ space: ns, priority: 0, ...rule, family }));
  return own.findIndex((one) => isSame(one, wanted));
}

function routeNumber({ ns, route }: Extract<Planned, { op: 'route.change' }>, { routes = [] }: Config): number {
  const own = routes.filter(({ space }) => space === ns);
  return own.findIndex((wanted) => isSame(wanted, present({ ...route, space: ns })));
}

async function executed(request: Planned, running: Running): Promise<Done | undefined> {
  const done = await running.execute(request);
  if (!isOfNetfilter(request)) return done as Done | undefined;
  const refusal = refusalOf(done as ToolOutcome);
  if (refusal === undefined) return undefined;
  throw new SluiceError('EINVAL', `cannot load ${netfilterKey(request)}: ${refusal}`);
}

async function carryOut(
  plan: Planned[],
  running: Running,
  onRefusal: (request: Planned, error: SluiceError) => Promise<never>,
): Promise<string[]> {
  const warnings: string[] = [];
  for (const request of plan) {
    try {
      const done = await executed(request, running);
      warnings.push(...(done?.warnings ?? []));
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      await onRefusal(request, error);
    }
  }
  return warnings;
}

/** Goes back to `before`; answers the sentence for the user. */
async function putBack(before: Config, running: Running): Promise<string> {
  try {
    await carryOut(planOf(before, await exactNow(running)), running, (_, error) => Promise.reject(error));
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return `not all could be put back: ${error.message}; "sluice config show" tells what is there`;
  }
  return 'what there was is put back';
}

export async function applyConfig(request: ApplyRequest, running: Running): Promise<Done> {
  const file = readConfig(request.text, request.file, request.folder);
  const { config, source } = file;
  const verb = request.check === true ? 'check' : 'apply';
  checkDataplane(file, running);
  const before = await exactNow(running);
  const plan = planOf(config, before);
  preflight(running.machine ?? (await thisMachine()), plan, config, before, (path, text) => source.problem(path, text));
  source.throwFirst(verb);
  if (request.check === true) return {};
  const warnings = [...remade(config, before)].map(
    ([name, key]) => `link "${name}" was made anew: its ${key} cannot be changed in place`,
  );
  warnings.push(
    ...(await carryOut(plan, running, async (failed, error) => {
      const path = pathOf(failed, config);
      const text = `${error.message}; ${await putBack(before, running)}`;
      throw source.error('apply', { path, line: source.line(path), text }, error.errno);
    })),
  );
  return warnings.length === 0 ? {} : { warnings };
}

/** `config.show`. */
export async function showConfig(running: Running): Promise<ConfigInfo> {
  const config = configOf(running.links(), await running.stations(), running.dataplane, await inetOf(running));
  return { text: renderConfig(config) };
}
