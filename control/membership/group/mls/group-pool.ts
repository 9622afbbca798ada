/**
 * Owns the threads on which MLS work is done, for all VLANs of a daemon.
 *
 *   MlsGroup ──GroupTask──▶ queue (bounded in tasks and bytes) ──▶ one of two threads (group-task.ts) ──▶ answer
 *
 * Threads start with the first task and end when there was none for a minute: a daemon with open VLANs only has none.
 * Main thread; never computes anything itself.
 */
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import type { NodeSigner } from './group-context.ts';
import type { GroupTask, GroupTaskAnswer } from './group-task-types.ts';
import { MESSAGE_BYTES_MAX } from './profile.ts';

const ENTRY = import.meta.url.endsWith('.ts') ? './group-task.ts' : './group-task.js';

/** One VLAN's large group does not keep all others waiting; more would take cores from the frame path. */
const THREADS_MAX = 2;
const IDLE_MS = 60_000;
/** A VLAN has a handful of jobs at once; 256 VLANs after a start have one each. */
const QUEUED_TASKS_MAX = 512;
/** Bounds what waiting tasks hold of others' bytes: four of the largest messages. */
const QUEUED_BYTES_MAX = 4 * MESSAGE_BYTES_MAX;
/** Far above the largest group's slowest job; ends one that a peer's bytes keep busy. */
const TASK_TIMEOUT_MS = 60_000;
const CLOSE_TIMEOUT_MS = 10_000;
/**
 * A group of 1,000 with X-Wing holds some 10 MB a state, and eight of them are kept. A message of 16 MiB made of nothing
 * but tiny parts takes more: the thread ends, its task fails, another takes its place.
 */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 256, stackSizeMb: 8 } as const;

/** The threads. Make one a daemon; close it at the end. */
export class GroupPool {
  readonly #pool: Piscina<GroupTask, GroupTaskAnswer>;
  #queuedBytes = 0;
  #isClosed = false;

  /** @param signer - this node, whose key signs its leaves */
  constructor(signer: NodeSigner) {
    this.#pool = new Piscina<GroupTask, GroupTaskAnswer>({
      filename: fileURLToPath(new URL(ENTRY, import.meta.url)),
      name: 'runGroupTask',
      minThreads: 0,
      maxThreads: THREADS_MAX,
      idleTimeout: IDLE_MS,
      maxQueue: QUEUED_TASKS_MAX,
      // A waiting thread must hear that another one has destroyed a state.
      atomics: 'disabled',
      closeTimeout: CLOSE_TIMEOUT_MS,
      resourceLimits: RESOURCE_LIMITS,
      workerData: { publicKey: signer.publicKey.slice(), seed: signer.seed.slice() } satisfies NodeSigner,
    });
    // A thread that dies between two tasks is replaced with the next one; a task that it dies of reports by itself.
    this.#pool.on('error', () => undefined);
  }

  /**
   * Has a task done.
   *
   * @param task - its byte arrays are handed over to the thread; the caller gives copies
   * @param buffers - of these byte arrays
   * @throws Error when the pool is full or closed, or the thread failed
   */
  async run(task: GroupTask, buffers: readonly ArrayBuffer[]): Promise<GroupTaskAnswer> {
    const bytes = buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0);
    if (this.#isClosed) throw new Error('the pool for group work is closed');
    if (this.#queuedBytes + bytes > QUEUED_BYTES_MAX) throw new Error('too much group work is waiting');
    this.#queuedBytes += bytes;
    try {
      const signal = AbortSignal.timeout(TASK_TIMEOUT_MS);
      // Its type is that of postMessage's options; what it demands is an array.
      return await this.#pool.run(task, { transferList: [...buffers] as never, signal });
    } finally {
      this.#queuedBytes -= bytes;
    }
  }

  /** Lets running tasks end, for ten seconds at most, and ends the threads. Waiting ones fail. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#pool.close({ force: true });
  }
}
