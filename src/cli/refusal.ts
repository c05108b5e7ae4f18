/*
 * How a command says no.
 *
 * A verb with a real counterpart fails as it does: the real tool's first line on stderr, its exit
 * status, then one line of ours, *cannot VERB OBJECT: CAUSE; HINT*. Sluice's own verbs print only
 * that line, with status 1, or 2 for wrong usage.
 */
import type { ApiError } from '../control/api/answer.js';

export class Refusal extends Error {
  /**
   * @param tool  the real tool's first line, '' if it would print nothing
   * @param ends  the real tool exits on the spot: in a batch nothing more is read and "Command failed" is not said
   */
  constructor(
    readonly tool: string,
    readonly status: number,
    sentence: string,
    readonly ends = false,
  ) {
    super(sentence);
  }

  get text(): string {
    return this.tool === '' ? `${this.message}\n` : `${this.tool}\n${this.message}\n`;
  }
}

/** The house sentence. The object may be empty. */
export function cannot(verb: string, object: string, cause: string, hint: string): string {
  return `cannot ${verb}${object === '' ? '' : ` ${object}`}: ${cause}; ${hint}`;
}

/** Wrong usage of one of Sluice's own verbs. */
export function misuse(verb: string, object: string, cause: string): Refusal {
  return new Refusal('', 2, cannot(verb, object, cause, `see "sluice ${verb} --help"`));
}

/** strerror(3) of what a dataplane can answer. */
const ERRORS: Record<string, string> = {
  EPERM: 'Operation not permitted',
  ENOENT: 'No such file or directory',
  ESRCH: 'No such process',
  EIO: 'Input/output error',
  ENXIO: 'No such device or address',
  ENOMEM: 'Cannot allocate memory',
  EACCES: 'Permission denied',
  EBUSY: 'Device or resource busy',
  EEXIST: 'File exists',
  EXDEV: 'Invalid cross-device link',
  ENODEV: 'No such device',
  EINVAL: 'Invalid argument',
  ENFILE: 'Too many open files in system',
  EMFILE: 'Too many open files',
  ENOSPC: 'No space left on device',
  ERANGE: 'Numerical result out of range',
  ENAMETOOLONG: 'File name too long',
  ELOOP: 'Too many levels of symbolic links',
  EMLINK: 'Too many links',
  EADDRINUSE: 'Address already in use',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  ENETDOWN: 'Network is down',
  ENOBUFS: 'No buffer space available',
  ENOTCONN: 'Transport endpoint is not connected',
  EALREADY: 'Operation already in progress',
  ENETUNREACH: 'Network is unreachable',
  EHOSTUNREACH: 'No route to host',
  EAFNOSUPPORT: 'Address family not supported by protocol',
  EOPNOTSUPP: 'Operation not supported',
  ECANCELED: 'Operation canceled',
};

export function strerror(errno: string): string {
  return ERRORS[errno] ?? `Unknown error ${errno}`;
}

/** What iproute2 prints of a refusal by the kernel. */
export function netlinkLine(error: ApiError): string {
  if (error.extack) return `Error: ${error.extack}${error.extack.endsWith('.') ? '' : '.'}`;
  return `RTNETLINK answers: ${strerror(error.errno)}`;
}
