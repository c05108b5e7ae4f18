/* `ip route show` and `ip route flush`: the daemon's tables, selected, and printed or deleted. */
import type { ApiError } from '../control/api/answer.js';
import type { Family } from '../control/api/family.js';
import type { RouteChange, RouteFailures, RouteInfo, RouteTemplate } from '../control/api/route.js';
import { ApiFailure } from '../control/client.js';
import { parseAddressBytes, RoutePacker } from '../control/route-batch.js';
import { noDevice, type RouteOptions } from './ip-route-change.js';
import { familiesOf, hiddenBy, parseSelector, type Selector, testOf } from './ip-route-filter.js';
import { dialogue, exists, type Plan } from './plan.js';
import { cannot, netlinkLine, Refusal } from './refusal.js';
import { ListPrinter, type RouteFlags, routeJson, routeText } from './route-format.js';
import type { Session } from './session.js';
import type { Words } from './words.js';

export interface ListOptions extends RouteOptions, RouteFlags {
  stats: number;
}

/** All that a selector selects, in pieces. */
export async function eachRoute(
  session: Session,
  selector: Selector,
  piece: (routes: RouteInfo[]) => void,
): Promise<void> {
  await checkDevices(session, selector);
  const passes = testOf(selector);
  const client = await session.client();
  for (const family of familiesOf(selector)) {
    const { table, cached } = selector;
    const request = { op: 'route.list', family, ...(table !== 0 && { table }), ...(cached && { cached }) } as const;
    try {
      await client.stream<RouteInfo[]>(request, (routes) => {
        const selected = routes.filter(passes);
        if (selected.length > 0) piece(selected);
        return true;
      });
    } catch (error) {
      throw error instanceof ApiFailure ? new Refusal(netlinkLine(error.error), 2, error.error.message) : error;
    }
  }
}

/** iproute2 looks up the names itself, the input's first. */
async function checkDevices(session: Session, { iif, dev }: Selector): Promise<void> {
  for (const name of [iif, dev]) {
    if (name !== undefined && !(await exists(session.ask, name)))
      throw noDevice(name, cannot('ip route', name, 'there is no such link', 'see "sluice ip link show"'));
  }
}

export function routePrinter(flags: RouteFlags, selector: Selector): ListPrinter<RouteInfo> {
  const hidden = hiddenBy(selector);
  return new ListPrinter(
    flags,
    (route) => routeText(route, flags, hidden),
    (route) => routeJson(route, flags, hidden),
  );
}

/** -0: links have no routes, so nothing is listed. */
function nothing(flags: RouteFlags): Plan {
  const printer = new ListPrinter<never>(flags, String, String);
  return {
    requests: [],
    print: () => printer.end(),
    explain: (error) => new Refusal(netlinkLine(error), 2, error.message),
  };
}

export function parseShow(words: Words, options: ListOptions): Plan {
  const selector = parseSelector(words, options);
  if (options.family === 'link') return nothing(options);
  return dialogue(async (session) => {
    const printer = routePrinter(options, selector);
    await eachRoute(session, selector, (routes) => session.terminal.out(printer.piece(routes)));
    session.terminal.out(printer.end());
    return 0;
  });
}

/** The default route that the kernel keeps for "nothing found". */
function isBuiltIn(route: RouteInfo): boolean {
  return route.family === 6 && route.dst === '::/0' && route.type === 'unreachable' && route.metric === 0xffffffff;
}

/** Everything that is known of a route is compared when it is deleted. */
export function templateOf(route: RouteInfo, verb: RouteTemplate['verb']): RouteTemplate {
  const { type, table, protocol, scope, metric, prefsrc, metrics } = route;
  const nexthops = route.nexthops.map(({ flags: _, ...hop }) => hop);
  const rest: Omit<RouteChange, 'family' | 'dst'> = { type, table, protocol, scope, metric, nexthops };
  if (prefsrc !== undefined) rest.prefsrc = prefsrc;
  if (metrics !== undefined) rest.metrics = metrics;
  return { verb, route: rest };
}

type Bulk = ReturnType<RoutePacker['take']>;

/** Requests that delete routes, in their order. */
export function packDeletes(routes: readonly RouteInfo[], family: Family): Bulk[] {
  const packer = new RoutePacker(family);
  const requests: Bulk[] = [];
  let known = new Map<string, number>();
  for (const route of routes) {
    const template = templateOf(route, 'del');
    const key = JSON.stringify(template);
    const number = known.get(key) ?? packer.template(template);
    known.set(key, number);
    const [address, length] = route.dst.split('/');
    packer.addresses.set(parseAddressBytes(address) ?? [], packer.addressAt);
    packer.add(Number(length), number);
    if (!packer.isFull) continue;
    requests.push(packer.take(false));
    known = new Map();
  }
  return packer.count === 0 ? requests : [...requests, packer.take(false)];
}

async function deleteAll(session: Session, routes: readonly RouteInfo[]): Promise<void> {
  const client = await session.client();
  const answers = ([4, 6] as const)
    .flatMap((family) =>
      packDeletes(
        routes.filter((route) => route.family === family),
        family,
      ),
    )
    .map((request) => client.request<RouteFailures>(request));
  for (const { failures } of await Promise.all(answers)) {
    const failed = failures.find(([, { errno }]) => errno !== 'ESRCH');
    if (failed !== undefined) throw flushFailed(failed[1]);
  }
}

function flushFailed(error: ApiError): Refusal {
  return new Refusal(netlinkLine(error), 2, error.message);
}

/** With -s it says what it does, with -s -s it shows the routes too. */
async function flush(session: Session, selector: Selector, options: ListOptions): Promise<number> {
  const { terminal } = session;
  for (let round = 0; ; round++) {
    const routes: RouteInfo[] = [];
    await eachRoute(session, selector, (some) => {
      for (const route of some) if (!isBuiltIn(route)) routes.push(route);
    });
    if (options.stats > 1) terminal.out(routes.map((route) => routeText(route, options, hiddenBy(selector))).join(''));
    if (routes.length === 0) {
      if (options.stats > 0) terminal.out(flushed(round));
      return 0;
    }
    if (options.stats > 0) terminal.out(`\n*** Round ${round + 1}, deleting ${routes.length} entries ***\n`);
    await deleteAll(session, routes);
  }
}

function flushed(rounds: number): string {
  if (rounds === 0) return 'Nothing to flush.\n';
  return `*** Flush is complete after ${rounds} round${rounds > 1 ? 's' : ''} ***\n`;
}

/** IPv4 forgets all at once; exceptions of IPv6 go with their routes only. */
async function flushCache(session: Session, family: Family | undefined, options: ListOptions): Promise<number> {
  if (family === 6) throw new Refusal('RTNETLINK answers: Operation not supported', 2, noCache());
  await session.ask({ op: 'sysctl.set', key: 'net.ipv4.route.flush', value: '-1' });
  if (options.stats > 0) session.terminal.out('*** IPv4 routing cache is flushed.\n');
  return 0;
}

function noCache(): string {
  return cannot('ip route flush', 'cache', 'IPv6 exceptions go with their routes', 'leave out -6');
}

export function parseFlush(words: Words, options: ListOptions): Plan {
  if (words.done) {
    const line = '"ip route flush" requires arguments.';
    throw words.refuse(line, 1, 'it does not say which routes', 'name a table, "root 0/0" or a device', false);
  }
  const selector = parseSelector(words, options);
  if (options.family === 'link') return nothing({ ...options, json: false });
  return dialogue((session) =>
    selector.cached ? flushCache(session, selector.family, options) : flush(session, selector, options),
  );
}
