/*
 * Measurements of the engine alone: each run is a process of its own, on a processor of its own, that measures and writes one line.
 */
import { Bench } from 'tinybench';
import { median, type Options, type Row, round } from './measure.js';
import { run } from './program.js';

/** What a run's process writes, as JSON. */
export interface Run {
  /** Mpps, unless the row's unit says otherwise. */
  value: number;
  /** CPU seconds per million frames, where time is measured. */
  cpu?: number;
}

type Wanted = Pick<Row, 'name' | 'least' | 'goal' | 'below'> & Partial<Pick<Row, 'unit'>>;

/** Does work of so many frames for some seconds; writes the line. `check` answers the frames that were transmitted in all. */
export function measureAlone(work: () => void, frames: number, seconds: number, check: () => number): void {
  const bench = new Bench({ time: seconds * 1000, warmupTime: 1500 }).add('work', work);
  const cpu = process.cpuUsage();
  const [{ result }] = bench.runSync();
  const { user, system } = process.cpuUsage(cpu);
  if (result.state !== 'completed') throw new Error(`tinybench: ${result.state}`);
  const own: Run = { value: frames / result.latency.mean / 1000, cpu: (user + system) / check() };
  process.stdout.write(JSON.stringify(own));
}

/** Runs a file with arguments, each time for one `Run`, as `measureAlone` writes it. */
export function rowAlone(wanted: Wanted, file: string, words: number[], options: Options): Row {
  const { name, unit = 'Mpps', ...target } = wanted;
  const runs: Run[] = [];
  for (let i = 0; i < options.rounds; i++) {
    const line = run([
      'taskset',
      '-c',
      '1',
      process.execPath,
      '--expose-gc',
      file,
      ...[...words, options.seconds].map(String),
    ]);
    runs.push(JSON.parse(line) as Run);
    options.say(`${name}: ${runs[i].value.toFixed(2)} ${unit}`);
  }
  const cpu = runs.flatMap((own) => own.cpu ?? []);
  return {
    name,
    unit,
    value: round(median(runs.map(({ value }) => value))),
    runs: runs.map(({ value }) => round(value)),
    peer: null,
    peer_value: null,
    ratio: null,
    cpu_s_per_mpkt: cpu.length === 0 ? null : round(median(cpu)),
    ...target,
  };
}
