/**
 * Keeps the data workers running. Main thread.
 *
 *   start ─▶ running ─▶ died ─▶ (memory reset, TAP queues detached) ─▶ wait ─▶ next incarnation ─▶ running …
 *                   └▶ stop: shutdown word, wake, join; terminated past the deadline
 *
 * Descriptors and arenas outlive a worker; its lanes and salts do not: `onWorkerDown` is called while no incarnation
 * runs, so that they are withdrawn before the next one could seal under them. The others go on meanwhile.
 */
import { invariant } from '../base/invariant.ts';
import type { EngineName } from '../contract/engine.ts';
import type { WorkerStart } from '../contract/worker-start.ts';
import { signalEventfd } from '../io/eventfd.ts';
import { attachTapQueue, detachTapQueue } from '../io/tap-device.ts';
import type { Arena } from '../shm/arena.ts';
import { ArenaHeader, TablesHeader } from '../shm/layout.ts';
import type { Tables } from '../shm/tables.ts';
import { clearTapQueues, resetAfterDeath, setTapQueues, tapQueueFds } from './arena-control.ts';
import { spawnDataWorker, type WorkerRunning } from './spawn.ts';

/** A worker's thread, as far as the supervisor uses it. */
export interface WorkerThread {
  on(event: 'error', listener: (error: unknown) => void): unknown;
  on(event: 'exit', listener: (code: number) => void): unknown;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  terminate(): Promise<number>;
}

/** What the supervisor needs of the world; tests give others. */
export interface SupervisorPorts {
  readonly spawn: (start: WorkerStart) => WorkerThread;
  readonly attachQueue: (fd: number) => boolean;
  readonly detachQueue: (fd: number) => boolean;
  readonly wake: (fd: number) => void;
  /** Calls back once after a time; returns what cancels it. */
  readonly after: (delayMs: number, run: () => void) => () => void;
  readonly nowMs: () => number;
}

/** A worker's death. */
export interface WorkerDown {
  readonly worker: number;
  /** The one that died. */
  readonly incarnation: number;
  readonly reason: string;
  readonly restartInMs: number;
}

/** What the supervisor is made of and whom it tells. */
export interface SupervisorOptions {
  readonly engine: EngineName;
  readonly tables: Tables;
  /** One a worker, with udpFd and wakeFd set. */
  readonly arenas: readonly Arena[];
  /** Withdraw the worker's lanes and salts now: no incarnation of it runs. */
  readonly onWorkerDown: (down: WorkerDown) => void;
  /** The next incarnation runs. */
  readonly onWorkerRestarted: (worker: number) => void;
  /** Allows {@link WorkerSupervisor.crashWorker}. */
  readonly debug?: boolean;
  readonly ports?: Partial<SupervisorPorts>;
}

/** Restart delays: at once, then doubling up to a second while a worker keeps dying young. */
const FIRST_RESTART_MS = 10;
const LONGEST_RESTART_MS = 1000;
const YOUNG_MS = 5000;

const REAL_PORTS: SupervisorPorts = {
  spawn: spawnDataWorker,
  attachQueue: attachTapQueue,
  detachQueue: detachTapQueue,
  wake: signalEventfd,
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
  nowMs: () => performance.now(),
};

interface Slot {
  readonly worker: number;
  readonly arena: Arena;
  thread: WorkerThread | undefined;
  incarnation: number;
  startedMs: number;
  restartMs: number;
  cancelRestart: (() => void) | undefined;
  /** Of the running thread, told before its exit. */
  error: string | undefined;
  exited: () => void;
}

/** Starts, restarts and stops the data workers. */
export class WorkerSupervisor {
  readonly #options: SupervisorOptions;
  readonly #ports: SupervisorPorts;
  readonly #slots: readonly Slot[];
  #stopping = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#ports = { ...REAL_PORTS, ...options.ports };
    this.#slots = options.arenas.map((arena, worker) => ({
      worker,
      arena,
      thread: undefined,
      incarnation: 0,
      startedMs: 0,
      restartMs: FIRST_RESTART_MS,
      cancelRestart: undefined,
      error: undefined,
      exited: () => undefined,
    }));
  }

  /**
   * Starts every worker.
   *
   * @returns when all run their loops
   * @throws Error when one dies before it runs: its engine cannot be loaded, and a restart would not help
   */
  async start(): Promise<void> {
    await Promise.all(
      this.#slots.map((slot) => {
        return new Promise<void>((resolve, reject) => {
          const failed = (): void =>
            reject(new Error(`data worker ${slot.worker} did not start: ${slot.error}`));
          this.#spawn(slot, resolve, failed);
        });
      }),
    );
  }

  /** Wakes a worker that sleeps: something lies in its rings. */
  wake(worker: number): void {
    this.#ports.wake(this.#slot(worker).arena.i32[ArenaHeader.at.wakeFd >> 2] ?? -1);
  }

  /** Gives a worker its queues of a VLAN's TAP: a power of two of them, at most LIMIT.tapQueues. */
  attachTap(worker: number, vlan: number, fds: readonly number[]): void {
    setTapQueues(this.#slot(worker).arena, vlan, fds);
    this.wake(worker);
  }

  /** Takes them away; their descriptors may be closed once the worker has ended a turn (ArenaHeader.turns). */
  detachTap(worker: number, vlan: number): void {
    clearTapQueues(this.#slot(worker).arena, vlan);
    this.wake(worker);
  }

  /**
   * Makes a worker throw at its next turn, for tests of what follows.
   *
   * @returns false unless debugging is allowed
   */
  crashWorker(worker: number): boolean {
    if (this.#options.debug !== true) return false;
    Atomics.store(this.#slot(worker).arena.u32, ArenaHeader.at.crashRequest >> 2, 1);
    this.wake(worker);
    return true;
  }

  /**
   * Ends every worker. Descriptors stay open: they are the caller's.
   *
   * @returns false when one had to be terminated after `deadlineMs`
   */
  async stop(deadlineMs: number): Promise<boolean> {
    this.#stopping = true;
    Atomics.store(this.#options.tables.u32, TablesHeader.at.shutdown >> 2, 1);
    const ends = this.#slots.map((slot) => {
      slot.cancelRestart?.();
      if (slot.thread === undefined) return Promise.resolve();
      this.wake(slot.worker);
      return new Promise<void>((resolve) => {
        slot.exited = resolve;
      });
    });
    let late = (): void => undefined;
    const deadline = new Promise<'late'>((resolve) => {
      late = this.#ports.after(deadlineMs, () => resolve('late'));
    });
    const outcome = await Promise.race([Promise.all(ends), deadline]);
    late();
    if (outcome !== 'late') return true;
    await Promise.all(
      this.#slots.flatMap((slot) => (slot.thread === undefined ? [] : [slot.thread.terminate()])),
    );
    return false;
  }

  #slot(worker: number): Slot {
    const slot = this.#slots[worker];
    invariant(slot !== undefined, 'no such worker');
    return slot;
  }

  #spawn(slot: Slot, onRunning: () => void, onFailed?: () => void): void {
    slot.incarnation++;
    slot.startedMs = this.#ports.nowMs();
    slot.error = undefined;
    slot.arena.u32[ArenaHeader.at.incarnation >> 2] = slot.incarnation;
    const thread = this.#ports.spawn({
      worker: slot.worker,
      engine: this.#options.engine,
      tables: this.#options.tables.buffer,
      arenas: this.#slots.map((other) => other.arena.buffer),
    });
    slot.thread = thread;
    let running = false;
    thread.on('message', (message) => {
      if ((message as WorkerRunning | undefined)?.kind !== 'running') return;
      running = true;
      onRunning();
    });
    thread.on('error', (error) => {
      slot.error = error instanceof Error ? (error.stack ?? error.message) : String(error);
    });
    thread.on('exit', (code) => {
      slot.thread = undefined;
      slot.error ??= `its thread ended with code ${code}`;
      if (this.#stopping) slot.exited();
      else if (!running && onFailed !== undefined) onFailed();
      else this.#restart(slot);
    });
  }

  #restart(slot: Slot): void {
    const livedMs = this.#ports.nowMs() - slot.startedMs;
    if (livedMs >= YOUNG_MS) slot.restartMs = FIRST_RESTART_MS;
    const delayMs = slot.restartMs;
    slot.restartMs = Math.min(slot.restartMs * 2, LONGEST_RESTART_MS);
    const fds = tapQueueFds(slot.arena);
    for (const fd of fds) this.#ports.detachQueue(fd);
    resetAfterDeath(slot.arena);
    this.#options.onWorkerDown({
      worker: slot.worker,
      incarnation: slot.incarnation,
      reason: slot.error ?? 'unknown',
      restartInMs: delayMs,
    });
    slot.cancelRestart = this.#ports.after(delayMs, () => {
      slot.cancelRestart = undefined;
      for (const fd of tapQueueFds(slot.arena)) this.#ports.attachQueue(fd);
      this.#spawn(slot, () => this.#options.onWorkerRestarted(slot.worker));
    });
  }
}
