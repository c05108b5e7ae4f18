/*
 * Makes the running state what a configuration file says: all of it or nothing.
 *
 * 1. The file is read and checked whole; what only `sluice up` can set must not differ.
 * 2. The plan (plan.ts) is checked against the machine.
 * 3. It is carried out. If a request is refused, the reverse plan, from what is there then back to what was there before, is
 *    carried out: what was only changed is as it was, a TAP that was deleted is a new device of the same description.
 */
import { SluiceError } from '../../core/errors.js';
import type { ConfigInfo, Done, FdbInfo, Request } from '../api.js';
import type { Config, DataplaneConfig } from './model.js';
import { planOf, remade } from './plan.js';
import { type Machine, preflight, thisMachine } from './preflight.js';
import { type ConfigFile, readConfig } from './reader.js';
import type { Path } from './source.js';
import { type BuiltLink, configOf, exactConfigOf } from './state.js';
import { renderConfig } from './text.js';

/** The daemon, as a configuration meets it. */
export interface Running {
  links(): BuiltLink[];
  /** The whole FDB, as `fdb.list` answers. */
  stations(): Promise<FdbInfo[]>;
  dataplane: Required<DataplaneConfig>;
  /** Carries out a request of a plan: link.add, link.set, link.del, fdb.replace, fdb.del. */
  execute(request: Request): Promise<unknown>;
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

async function exactNow(running: Running): Promise<Config> {
  return exactConfigOf(running.links(), await running.stations());
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
function pathOf(request: Request, { fdb }: Config): Path {
  if (request.op === 'fdb.replace')
    return ['fdb', fdb.findIndex(({ mac, dev }) => mac === request.mac && dev === request.dev)];
  if (request.op === 'fdb.del') return ['fdb'];
  return 'name' in request && request.name !== undefined ? ['links', request.name] : [];
}

async function carryOut(
  plan: Request[],
  running: Running,
  onRefusal: (request: Request, error: SluiceError) => Promise<never>,
): Promise<string[]> {
  const warnings: string[] = [];
  for (const request of plan) {
    try {
      const done = (await running.execute(request)) as Done | undefined;
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
  return { text: renderConfig(configOf(running.links(), await running.stations(), running.dataplane)) };
}
