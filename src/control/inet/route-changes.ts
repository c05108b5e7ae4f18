/*
 * Changes of routes as requests name them: one, or a batch of thousands.
 *
 * In a batch what lines share is checked once, not once a route: a template's Info stays as found until a route that changes might
 * change what it says, one that covers its gateway or its source. So a route costs a look-up in its table and a few words
 * for the engine. One that fails is answered with its index; those before it stay.
 */
import type { SluiceError } from '../../core/errors.js';
import type { ApiError } from '../api/answer.js';
import type { Family } from '../api/family.js';
import type { ChangeRoute, ChangeRoutes, RouteChange, RouteFailures, RouteVerb } from '../api/route.js';
import { type RouteBatch, RouteFailed, routeOf, unpackRoutes } from '../route-batch.js';
import { isLoopback } from './host.js';
import { type Info, type InfoTemplate, isZero } from './info.js';
import { bitsOf, covers, loadBytes, maskKey, type Words, wordsOf } from './keys.js';
import { type Refusal, Refused, worded } from './refused.js';
import { parseDestination, parseRoute, type RouteSpec, VERBS } from './route-spec.js';
import type { Stack } from './stack.js';

/** A template with more gateways than this is checked for every route. */
const MAX_WATCHED = 64;

function nameOf(verb: RouteVerb, route: Pick<RouteChange, 'dst'>): string {
  return `${verb === 'del' ? 'delete' : verb} route ${route.dst}`;
}

/** What a refusal is called by; other errors are not of the route. */
function wordedError(error: unknown, what: string): unknown {
  return error instanceof Refused ? worded(error.refusal, what) : error;
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof Refused) return error.refusal;
  throw error;
}

/** Carries out one change; throws SluiceError. */
export function changeRoute(stack: Stack, { verb, route }: ChangeRoute): void {
  let refusal: Refusal | undefined;
  try {
    const { key, length } = parseDestination(route.dst, route.family);
    const spec = parseRoute(stack.namespace, route.family, verb, route);
    refusal = carryOut(stack, route.family, verb, spec, key, length);
  } catch (error) {
    throw wordedError(error, nameOf(verb, route));
  }
  if (refusal !== undefined) throw worded(refusal, nameOf(verb, route));
}

function carryOut(
  stack: Stack,
  family: Family,
  verb: RouteVerb,
  spec: RouteSpec,
  key: Int32Array,
  length: number,
): Refusal | undefined {
  const { routes4, routes6 } = stack;
  if (family === 4) {
    if (verb === 'del') return routes4.remove(spec, key, length);
    return routes4.put(VERBS[verb], spec.table, key, length, () => routes4.create(spec, key));
  }
  maskKey(key, 4, length);
  if (verb === 'del') return routes6.remove(spec, key, length);
  return routes6.put(VERBS[verb], spec.table, key, length, routes6.create(spec, key));
}

/** A template of a batch, and what was found of it. */
interface Prepared {
  verb: RouteVerb;
  spec: RouteSpec;
  info?: Info | undefined;
  templates?: InfoTemplate[] | undefined;
  /** Why no route of it can be. */
  refusal?: Refusal;
  /** IPv6: a route by lo depends on its destination. */
  isFixed: boolean;
}

export class RouteBatchRun {
  private readonly batch: RouteBatch;
  private readonly words: Words;
  private readonly prepared: Array<Prepared | undefined>;
  /** Addresses whose routes decide whether templates are valid. */
  private readonly watched: Int32Array[] = [];
  private readonly key = new Int32Array(4);

  constructor(
    private readonly stack: Stack,
    request: ChangeRoutes,
  ) {
    this.batch = unpackRoutes(request);
    this.words = wordsOf(request.family);
    this.prepared = new Array<Prepared | undefined>(this.batch.templates.length);
  }

  /** Throws RouteFailed at the first failure if it is to stop there. */
  run(stopAtFirst: boolean): RouteFailures {
    const failures: Array<[number, ApiError]> = [];
    for (let i = 0; i < this.batch.count; i++) {
      const refusal = this.change(i);
      if (refusal === undefined) continue;
      const error = this.wordedAt(i, refusal);
      if (stopAtFirst) throw new RouteFailed(i, error);
      const { errno, message, extack } = error;
      failures.push([i, { errno, message, ...(extack !== undefined && { extack }) }]);
    }
    return { failures };
  }

  private wordedAt(index: number, refusal: Refusal): SluiceError {
    const { verb, route } = routeOf(this.batch, index);
    return worded(refusal, nameOf(verb, route));
  }

  private change(index: number): Refusal | undefined {
    const { addresses, lengths, numbers, family } = this.batch;
    const { key, words } = this;
    loadBytes(addresses, index * words * 4, key, words);
    const length = lengths[index];
    if (length > bitsOf(words)) return { errno: 'EINVAL', cause: 'its length is too long', hint: 'shorten it' };
    const prepared = this.prepare(numbers[index]);
    if (prepared.refusal !== undefined) return prepared.refusal;
    const refusal = family === 4 ? this.change4(prepared, key, length) : this.change6(prepared, key, length);
    if (refusal === undefined && this.watched.length > 0) this.review(key, length);
    return refusal;
  }

  private prepare(number: number): Prepared {
    const known = this.prepared[number];
    if (known !== undefined) return known;
    const { verb, route } = this.batch.templates[number];
    const prepared: Prepared = { verb, spec: NO_SPEC, isFixed: true };
    try {
      prepared.spec = parseRoute(this.stack.namespace, this.batch.family, verb, route);
      prepared.isFixed = !prepared.spec.hops.some(({ link }) => link !== undefined && isLoopback(link));
    } catch (error) {
      prepared.refusal = refusalOf(error);
    }
    this.prepared[number] = prepared;
    return prepared;
  }

  private change4(prepared: Prepared, key: Int32Array, length: number): Refusal | undefined {
    const { routes4 } = this.stack;
    const { verb, spec } = prepared;
    try {
      if (verb === 'del') return routes4.remove(spec, key, length);
      const refusal = routes4.put(VERBS[verb], spec.table, key, length, () => this.infoOf(prepared, key));
      if (refusal !== undefined && prepared.info?.references === 0) prepared.info = undefined;
      return refusal;
    } catch (error) {
      return refusalOf(error);
    }
  }

  private infoOf(prepared: Prepared, key: Int32Array): Info {
    if (prepared.info !== undefined) return prepared.info;
    const info = this.stack.routes4.create(prepared.spec, key);
    if (this.watch(prepared.spec)) prepared.info = info;
    return info;
  }

  private change6(prepared: Prepared, key: Int32Array, length: number): Refusal | undefined {
    const { routes6 } = this.stack;
    const { verb, spec } = prepared;
    maskKey(key, 4, length);
    try {
      if (verb === 'del') return routes6.remove(spec, key, length);
      return routes6.put(VERBS[verb], spec.table, key, length, this.templatesOf(prepared, key));
    } catch (error) {
      return refusalOf(error);
    }
  }

  private templatesOf(prepared: Prepared, key: Int32Array): InfoTemplate[] {
    if (prepared.templates !== undefined) return prepared.templates;
    const templates = this.stack.routes6.create(prepared.spec, key);
    if (prepared.isFixed && this.watch(prepared.spec)) prepared.templates = templates;
    return templates;
  }

  /** Whether what was found of a template may be kept: what it depends on is watched. */
  private watch({ hops, prefsrc, type }: RouteSpec): boolean {
    const addresses = hops.filter(({ family }) => family !== 0).map(({ gateway }) => gateway);
    // What a local route prefers is valid if it is its own destination.
    if (!isZero(prefsrc)) {
      if (type === 2) return false;
      addresses.push(prefsrc);
    }
    if (this.watched.length + addresses.length > MAX_WATCHED) return false;
    for (const address of addresses) {
      const isKnown = this.watched.some((other) => other.every((word, i) => word === address[i]));
      if (!isKnown && address.length === this.words) this.watched.push(address);
      // Through IPv6 an IPv4 route depends on what no IPv4 route changes.
    }
    return true;
  }

  /** A route changed: what depends on addresses that it covers is to be found anew. */
  private review(key: Int32Array, length: number): void {
    for (const address of this.watched) {
      if (!covers(key, length, address, this.words)) continue;
      for (const prepared of this.prepared) {
        if (prepared === undefined) continue;
        prepared.info = undefined;
        prepared.templates = undefined;
      }
      this.watched.length = 0;
      return;
    }
  }
}

const NO_SPEC = { hops: [] } as unknown as RouteSpec;
