/*
 * What ipset complains of, in its words and with its exit statuses.
 *
 * - A wrong command line: "Try `ipset help' …", status 2.
 * - What is wrong with a value, and what the kernel refuses: status 1; in a restored text with the number of the line.
 */

export const VERSION = 'v7.17';

/** Ends the tool: nothing more is read. */
export abstract class Complaint extends Error {
  abstract readonly status: number;
  /** For stderr. @param line of the restored text, 0 = none */
  abstract text(line: number): string;
}

/** A command line that cannot be. */
export class BadWords extends Complaint {
  readonly status = 2;

  text(): string {
    return `ipset ${VERSION}: ${this.message}\nTry \`ipset help' for more information.\n`;
  }
}

/** Options that do not go together. */
export class BadMix extends Complaint {
  readonly status = 1;

  text(): string {
    return `ipset ${VERSION}: ${this.message}\n`;
  }
}

/** What is wrong with a value, or what the kernel refuses. Of several lines the last one has the cause. */
export class Refused extends Complaint {
  readonly status = 1;
  readonly lines: readonly string[];

  constructor(...lines: string[]) {
    super(lines.at(-1));
    this.lines = lines;
  }

  text(line: number): string {
    if (line > 0) return `ipset ${VERSION}: Error in line ${line}: ${this.message}\n`;
    return `ipset ${VERSION}: ${this.lines.join('\n')}\n`;
  }
}

/** A word that is neither a number nor a name: the real tool does not say in which line. */
export class Unreadable extends Refused {
  override text(): string {
    return super.text(0);
  }
}

/** It has no effect here. */
export class Useless extends Refused {}

export function syntax(...lines: string[]): Refused {
  return new Refused(...lines.map((line) => `Syntax error: ${line}`));
}

/** What the kernel answers, as ipset says it. */
export const KERNEL = {
  noSet: 'The set with the given name does not exist',
  setExists: 'Set cannot be created: set with the same name already exists',
  tooManySets: 'Kernel error received: maximal number of sets reached, cannot create more.',
  badFamily: 'Protocol family not supported by the set type',
  badNetmask: 'The value of the netmask parameter is invalid',
  badMarkmask: 'The value of the markmask parameter is invalid',
  maskTwice: 'netmask and bitmask options are mutually exclusive, provide only one',
  busy: 'Set cannot be destroyed: it is in use by a kernel component',
  nameTaken: 'Set cannot be renamed: a set with the new name already exists',
  referenced: 'Set cannot be renamed: it is in use by another system',
  noSecondSet: 'Sets cannot be swapped: the second set does not exist',
  otherType: 'The sets cannot be swapped: their type does not match',
  badPrefix: 'The value of the CIDR parameter of the IP address is invalid',
  noTimeout: 'Timeout cannot be used: set was created without timeout support',
  noCounters: 'Packet/byte counters cannot be used: set was created without counter support',
  noComment: 'Comment cannot be used: set was created without comment support',
  noSkbinfo: 'Skbinfo mapping cannot be used: set was created without skbinfo support',
  isIn: "Element cannot be added to the set: it's already added",
  isNotIn: "Element cannot be deleted from the set: it's not added",
  outOfRange: 'Element is out of the range of the set',
  tooWide: 'The range you specified exceeds the size limit of the set type',
  full: 'Hash is full, cannot add more elements',
  isNull: 'Null-valued element, cannot be stored in a hash type of set',
  badProtocol: 'Invalid protocol specified',
  noRange: 'Range is not supported in the "net" component of the element',
  allAddresses: 'Invalid range, covers the whole address space',
  noMember: 'Set to be added/deleted/tested as element does not exist.',
  loop: 'Sets with list:set type cannot be added to the set.',
  noReference: "The set to which you referred with 'before' or 'after' does not exist.",
  notBeside: "The set to which you referred with 'before' or 'after' is not added to the set.",
  invalid: 'Kernel error received: Invalid argument',
  protocol: 'Kernel error received: ipset protocol error',
} as const;

export function kernel(what: keyof typeof KERNEL): Refused {
  return new Refused(KERNEL[what]);
}
