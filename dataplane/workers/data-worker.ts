/**
 * The entry of a data worker's thread: binds the engine to the memory it was given, and runs turns until the daemon
 * shuts down. It blocks in Engine.wait and never returns to its event loop; an error ends the thread, and the
 * supervisor starts the next incarnation.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { invariant } from '../base/invariant.ts';
import type { WorkerStart } from '../contract/worker-start.ts';
import { signalEventfd } from '../io/eventfd.ts';
import { requestSlice, WORKER_SLICE_US } from '../io/scheduler.ts';
import { openArena } from '../shm/arena.ts';
import { ArenaHeader, TablesHeader } from '../shm/layout.ts';
import { openTables } from '../shm/tables.ts';
import { loadEngine } from './engine-loader.ts';
import type { WorkerRunning } from './spawn.ts';
import { runTurn } from './turn.ts';
import { createWorkerContext, type WorkerContext } from './worker-context.ts';

async function createContext(start: WorkerStart): Promise<WorkerContext> {
  const tables = openTables(start.tables);
  const arenas = start.arenas.map((buffer) => openArena(buffer));
  const arena = arenas[start.worker];
  invariant(arena !== undefined, 'a worker without an arena');
  const engine = await loadEngine(start.engine, tables, arena);
  return createWorkerContext({ engine, tables, arenas, worker: start.worker, wake: signalEventfd });
}

function run(context: WorkerContext): void {
  const { u32 } = context.tables;
  while (Atomics.load(u32, TablesHeader.at.shutdown >> 2) === 0) runTurn(context);
}

const context = await createContext(workerData as WorkerStart);
// Without it frames wait longer where the machine is busy, and that is all; `peertap doctor` says so.
requestSlice(WORKER_SLICE_US);
const running: WorkerRunning = { kind: 'running', worker: context.worker };
parentPort?.postMessage(running);
Atomics.store(context.arena.u32, ArenaHeader.at.running >> 2, 1);
try {
  run(context);
} finally {
  Atomics.store(context.arena.u32, ArenaHeader.at.running >> 2, 0);
  context.engine.close();
}
