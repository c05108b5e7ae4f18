/* An engine that only writes down what it is asked to do, keeps neighbours, and has every port free. */

import type { Call, EngineCounters, EngineThread } from '../../src/control/engine-thread.js';
import { DropReason } from '../../src/core/drop.js';
import { Counter, MAX_LINKS, Total } from '../../src/core/links.js';
import { NeighbourKeeper } from './neighbour-keeper.js';

const NO_STATIONS = { words: new Int32Array(0), next: -1 };

class RecordingEngine {
  private readonly neighbours = new NeighbourKeeper();
  calls: Call[] = [];
  readonly counters: EngineCounters = {
    counters: new Float64Array((MAX_LINKS + 1) << Counter.SHIFT),
    drops: new Float64Array((MAX_LINKS + 1) * DropReason.COUNT),
    totals: new Float64Array(Total.COUNT),
    rules: new Float64Array(1024),
    policies: new Float64Array(256),
  };

  post(calls: Call[]): void {
    this.carryOut(calls);
  }

  transact(calls: Call[]): Promise<unknown[]> {
    return Promise.resolve(this.carryOut(calls));
  }

  private carryOut(calls: Call[]): unknown[] {
    this.calls.push(...calls);
    return calls.map((call) => {
      if (call[0] === 'stations') return NO_STATIONS;
      return call[0] === 'openEndpoint' || call[0] === 'hasRuleRoom' ? true : this.neighbours.answer(call);
    });
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
