/* Entry of the second run, in a user namespace: see demo.ts. */
import { run } from './demo.js';

process.exitCode = await run({ isInside: true });
