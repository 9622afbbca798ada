/**
 * What a data worker is started with; cloneable, given as workerData. Main writes it, the worker reads it once.
 */
import type { EngineName } from './engine.ts';

/** workerData of a data worker. */
export interface WorkerStart {
  readonly worker: number;
  readonly engine: EngineName;
  readonly tables: SharedArrayBuffer;
  /** Arenas of all workers, by number: the own one, and the others' hand-off rings. */
  readonly arenas: readonly SharedArrayBuffer[];
}
