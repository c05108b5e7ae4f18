/*
 * Kernel network namespaces, by the name that a user gives: a path if it has a slash, else a name under
 * /run/netns, else a pid.
 */
import { existsSync } from 'node:fs';
import { SluiceError } from '../core/errors.js';
import { errnoName, errnoText } from './errno.js';
import { type NamespaceFd, shim } from './shim.js';

/** The daemon's own namespace. */
export const OWN_NAMESPACE: NamespaceFd = -1;

/** The file that stands for a namespace. */
export function namespacePath(name: string): string {
  if (name.includes('/')) return name;
  const named = `/run/netns/${name}`;
  return !existsSync(named) && /^\d+$/.test(name) ? `/proc/${name}/ns/net` : named;
}

/** Opens a namespace, hands its descriptor to `use` and closes it. */
export function withNamespace<T>(name: string | undefined, use: (namespace: NamespaceFd) => T): T {
  if (name === undefined) return use(OWN_NAMESPACE);
  const path = namespacePath(name);
  const fd = shim.openNamespace(path);
  if (fd < 0) {
    const hint = name.includes('/') ? 'check the path' : '"ip netns list" shows the names, or give a pid or a path';
    throw new SluiceError(errnoName(fd), `cannot open namespace "${name}": ${path}: ${errnoText(fd)}; ${hint}`);
  }
  try {
    return use(fd);
  } finally {
    shim.close(fd);
  }
}
