/* Why the demo ends with a status other than 0: a house sentence. */
export class DemoFailure extends Error {
  constructor(verb: string, object: string, cause: string, hint: string) {
    super(`cannot ${verb} ${object}: ${cause}; ${hint}`);
  }
}

/** Any error in one line; those of other parts are house sentences already. */
export function sentence(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  if (/^cannot .+: .+/.test(text)) return text;
  return `cannot finish the demo: ${text}; this is a bug: ${error instanceof Error ? (error.stack ?? '') : ''}`;
}
