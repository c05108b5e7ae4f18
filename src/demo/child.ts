/* How a child process that was told to end is seen off. */
import type { ChildProcess } from 'node:child_process';

const PATIENCE_MS = 3000;

/** Waits for its end, and kills it when patience is over. Answers its status, or the signal that ended it. */
export function endChild(child: ChildProcess): Promise<number | string> {
  const status = () => child.exitCode ?? child.signalCode;
  return new Promise((resolve) => {
    const ended = status();
    if (ended !== null || child.pid === undefined) return resolve(ended ?? 'nothing');
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      resolve(code ?? signal ?? 'nothing');
    });
  });
}
