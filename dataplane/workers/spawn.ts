/**
 * The only place that makes worker threads. Main thread. `tsc` does not rewrite the URL of a worker's file, so the
 * extension is this file's own: `.ts` from a checkout, `.js` when built.
 */
import { Worker } from 'node:worker_threads';
import type { WorkerStart } from '../contract/worker-start.ts';

const ENTRY = import.meta.url.endsWith('.ts') ? './data-worker.ts' : './data-worker.js';

/** A worker's heap holds views and key schedules only; the frames lie in shared memory. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 96, stackSizeMb: 4 } as const;

/** What a data worker says once it runs its loop. */
export interface WorkerRunning {
  readonly kind: 'running';
  readonly worker: number;
}

/** Starts the thread of one data worker. */
export function spawnDataWorker(start: WorkerStart): Worker {
  return new Worker(new URL(ENTRY, import.meta.url), {
    name: `data-${start.worker}`,
    workerData: start,
    resourceLimits: RESOURCE_LIMITS,
  });
}
