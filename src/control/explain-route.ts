/* Routes of a packet that is tried out, in words; and which of them says no. */
import type { RouteInfo, RouteType } from './api/route.js';
import { holds, lengthOf } from './explain-packet.js';
import type { InetControl } from './inet/inet-control.js';
import { TableId } from './inet/keys.js';
import type { Namespace } from './namespaces.js';

const TABLE_NAMES: Record<number, string> = {
  [TableId.DEFAULT]: 'default',
  [TableId.MAIN]: 'main',
  [TableId.LOCAL]: 'local',
};

/** What a look-up answers by each of the types. */
const REFUSING: Partial<Record<RouteType, string>> = {
  blackhole: 'EINVAL',
  prohibit: 'EACCES',
  unreachable: 'EHOSTUNREACH',
};

/** IPv6: of a route that was given none. */
const METRIC6 = 1024;

function tableText(table: number): string {
  return TABLE_NAMES[table] ?? String(table);
}

/** While nobody has touched the rules, tables local and main are one, which calls itself main, as in the kernel. */
function tableOf({ type, table }: RouteInfo): number {
  return table === TableId.MAIN && (type === 'local' || type === 'broadcast') ? TableId.LOCAL : table;
}

/** `entry`: the route in the table that has been found. */
export function routeText(route: RouteInfo, entry: RouteInfo | undefined): string {
  const { dst, type, nexthops } = route;
  const hop = nexthops[0];
  const via = hop?.gateway === undefined ? '' : ` via ${hop.gateway}`;
  const dev = hop?.dev === undefined ? '' : ` dev ${hop.dev}`;
  const kind = type === 'unicast' ? '' : `${type} `;
  const found = entry === undefined ? '' : ` (${entry.dst} of table ${tableText(tableOf(entry))})`;
  return `${kind}${dst}${via}${dev}${found}`;
}

export function noRouteText(destination: string, refusing: RouteInfo | undefined, error: unknown): string {
  if (refusing !== undefined) return `${refusing.type} ${refusing.dst} (table ${tableText(refusing.table)})`;
  // "cannot get route to …: CAUSE; HINT"
  const [front] = (error as Error).message.split('; ');
  return `${destination}: ${front.slice(front.lastIndexOf(': ') + 2)}`;
}

/** Arguments of `ip` that delete a route. */
export function deletion({ family, type, dst, table, metric }: RouteInfo): string {
  const of = table === TableId.MAIN ? '' : ` table ${tableText(table)}`;
  const plain = family === 6 ? METRIC6 : 0;
  return `ip route del ${type} ${dst}${of}${metric === plain ? '' : ` metric ${metric}`}`;
}

interface Refusal {
  route: RouteInfo;
  /** What leads to the destination without it. */
  other?: RouteInfo;
}

/**
 * The route that says no to a destination, if one does: the longest of the first table, in order of the rules, whose longest is of the
 * type that answers `errno`. Whom rules are for is not looked at.
 */
export async function refusingRoute(
  inet: InetControl,
  namespace: Namespace,
  family: 4 | 6,
  destination: string,
  errno: string,
): Promise<Refusal | undefined> {
  const routes: RouteInfo[] = [];
  const take = (page: unknown): void => {
    for (const route of page as RouteInfo[]) if (holds(route.dst, destination)) routes.push(route);
  };
  await inet.listRoutes(namespace, { op: 'route.list', family }, take);
  routes.sort((a, b) => lengthOf(b.dst) - lengthOf(a.dst) || a.metric - b.metric);
  const tables = inet.listRules(namespace, family).flatMap(({ action, table }) => (action === 'lookup' ? table : []));
  const ordered = [...new Set(tables)].flatMap((table) => routes.filter((route) => route.table === table));
  const at = ordered.findIndex(({ table, type }, i) => table !== ordered[i - 1]?.table && REFUSING[type] === errno);
  if (at < 0) return undefined;
  const [route, other] = ordered.slice(at);
  return other?.type === 'unicast' || other?.type === 'local' ? { route, other } : { route };
}
