/*
 * V8's inlining budget is a little too small for a burst's way through the bridge: with the default the last
 * checks of each frame stay calls. To be imported before that code runs, in any thread: flags are the process's.
 */
import { setFlagsFromString } from 'node:v8';

/** Bytes of bytecode that may be inlined into one function; V8's default is 920. */
setFlagsFromString('--max-inlined-bytecode-size-cumulative=1600');
