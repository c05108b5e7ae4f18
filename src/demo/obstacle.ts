/* What keeps the demo from making kernel namespaces and TAPs here, if anything does: found out by trying. */
import { accessSync, constants } from 'node:fs';
import { errnoName, errnoText } from '../io/errno.js';
import { shim } from '../io/shim.js';

export interface Obstacle {
  cause: string;
  /** What would remove it. */
  need: string;
  /** A user namespace may get around it. */
  isPrivilege: boolean;
}

function namespaceObstacle(): Obstacle | undefined {
  const fd = shim.newNamespace();
  if (fd >= 0) {
    shim.close(fd);
    return undefined;
  }
  const cause = `a network namespace cannot be made (${errnoText(fd)})`;
  return { cause, need: 'root, or user namespaces for everybody', isPrivilege: errnoName(fd) === 'EPERM' };
}

function tapObstacle(): Obstacle | undefined {
  const fd = shim.tapOpen('sluice%d', 0);
  if (fd >= 0) {
    shim.close(fd);
    return undefined;
  }
  const cause = `a TAP cannot be made with /dev/net/tun (${errnoText(fd)})`;
  const isPrivilege = errnoName(fd) === 'EPERM';
  const need = isPrivilege
    ? 'CAP_NET_ADMIN'
    : '/dev/net/tun that this user may open (modprobe tun, or give the container that device)';
  return { cause, need, isPrivilege };
}

function settingsObstacle(): Obstacle | undefined {
  try {
    accessSync('/proc/sys/net/ipv4/ping_group_range', constants.W_OK);
    return undefined;
  } catch (error) {
    const cause = `/proc/sys/net cannot be written (${(error as NodeJS.ErrnoException).code})`;
    return { cause, need: 'a writable /proc/sys', isPrivilege: false };
  }
}

export function findObstacle(): Obstacle | undefined {
  return namespaceObstacle() ?? tapObstacle() ?? settingsObstacle();
}

/** Runs a program as root of a user namespace and a network namespace of its own. Its status, or why that cannot be. */
export function runPrivileged(file: string, args: string[]): number | string {
  const status = shim.runInUserNamespace(file, args);
  return status >= 0 ? status : `a user namespace cannot be made (${errnoText(status)})`;
}
