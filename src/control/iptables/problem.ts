/*
 * Why a tool of iptables stops: its words and its exit status. The caller puts "iptables v1.8.9 (nf_tables): " in front and,
 * for a PARAMETER problem, the line with the way to the help behind.
 */

/** Exit statuses (xtables_exittype). */
export const enum Exit {
  OTHER = 1,
  PARAMETER = 2,
  VERSION = 3,
  RESOURCE = 4,
}

export class Problem extends Error {
  constructor(
    message: string,
    readonly status: Exit = Exit.PARAMETER,
    /** The words as they stand are all that is printed: no prefix, no hint. */
    readonly isBare = false,
  ) {
    super(message);
  }
}
