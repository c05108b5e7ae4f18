/*
 * Errors of the control path. The data path never throws: it drops and counts.
 */

/** A refused command: *cannot VERB OBJECT: CAUSE; HINT*. */
export class SluiceError extends Error {
  /**
   * `errno`: what the kernel would answer (EEXIST, ENODEV, …). `extack`: the kernel's extended message, where it has
   * one for this case.
   */
  constructor(
    readonly errno: string,
    message: string,
    readonly extack?: string,
  ) {
    super(message);
    this.name = 'SluiceError';
  }
}
