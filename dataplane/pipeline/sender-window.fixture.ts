/**
 * One of several threads that enter the same counters into one window; for sender-window.test.ts. workerData: the
 * tables, the window, how many counters, and a word to wait for.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { WINDOW_ACCEPT } from './lane-window.ts';
import { insertSenderWindow } from './sender-window.ts';

/** What a thread is started with. */
export interface WindowRace {
  readonly tables: SharedArrayBuffer;
  readonly window: number;
  readonly counters: number;
  /** i32[1]: the threads that are ready; all start when it reaches `threads`. */
  readonly gate: SharedArrayBuffer;
  readonly threads: number;
}

const race = workerData as WindowRace;
const words = new Uint32Array(race.tables);
const gate = new Int32Array(race.gate);
Atomics.add(gate, 0, 1);
while (Atomics.load(gate, 0) < race.threads);
let accepted = 0;
for (let counter = 0; counter < race.counters; counter++) {
  if (insertSenderWindow(words, race.window, counter) === WINDOW_ACCEPT) accepted++;
}
parentPort?.postMessage(accepted);
