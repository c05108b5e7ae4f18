/* Runs the command line in this process, with its output caught. */
import { main } from '../../src/cli/main.js';

export interface Outcome {
  status: number;
  out: string;
  err: string;
}

export async function sluice(argv: readonly string[], socket = '/nonexistent/sluice.sock'): Promise<Outcome> {
  let out = '';
  let err = '';
  const terminal = {
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
    socket,
  };
  const status = await main(argv, terminal);
  return { status, out, err };
}

/** Words of a line, as a shell without quotes splits them. */
export function words(line: string): string[] {
  return line.split(' ').filter((word) => word !== '');
}
