/* Where the package is: this file runs from dist/src/cli, and in tests from src/cli. */
import { existsSync } from 'node:fs';

/** A URL that ends in a slash. */
export function packageRoot(): URL {
  const candidates = ['../../', '../../../'].map((path) => new URL(path, import.meta.url));
  return candidates.find((url) => existsSync(new URL('package.json', url))) ?? candidates[1];
}
