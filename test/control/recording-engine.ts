/* An engine that only writes down what it is asked to do. */

import type { Call, EngineThread, SharedCounters } from '../../src/control/engine-thread.js';
import { DropReason } from '../../src/core/drop.js';
import { Counter, MAX_LINKS, Total } from '../../src/core/links.js';

const NO_STATIONS = { words: new Int32Array(0), next: -1 };

class RecordingEngine {
  calls: Call[] = [];
  readonly counters: SharedCounters = {
    counters: new Float64Array((MAX_LINKS + 1) << Counter.SHIFT),
    drops: new Float64Array((MAX_LINKS + 1) * DropReason.COUNT),
    totals: new Float64Array(Total.COUNT),
  };

  post(calls: Call[]): void {
    this.calls.push(...calls);
  }

  transact(calls: Call[]): Promise<unknown[]> {
    this.post(calls);
    return Promise.resolve(calls.map(([name]) => (name === 'stations' ? NO_STATIONS : undefined)));
  }

  async call(...call: Call): Promise<unknown> {
    return (await this.transact([call]))[0];
  }

  settled(): Promise<void> {
    return Promise.resolve();
  }

  /** What it was asked since the last look, without settings. */
  take(): Call[] {
    const calls = this.calls.filter(([name]) => name !== 'setConfRow' && name !== 'setMac');
    this.calls = [];
    return calls;
  }
}

export type Recording = RecordingEngine & EngineThread;

export function recordingEngine(): Recording {
  return new RecordingEngine() as unknown as Recording;
}
