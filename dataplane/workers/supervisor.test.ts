/** The supervisor over threads, timers and queues that the test plays itself. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { InvariantError } from '../base/invariant.ts';
import { INJECTION } from '../contract/ring-message.ts';
import type { WorkerStart } from '../contract/worker-start.ts';
import { type Arena, createArena } from '../shm/arena.ts';
import { ArenaHeader, LIMIT, TablesHeader, TapQueue } from '../shm/layout.ts';
import { ARENA } from '../shm/memory-map.ts';
import { emptyMessage, RingProducer } from '../shm/ring.ts';
import { createTables, type Tables } from '../shm/tables.ts';
import { type WorkerDown, WorkerSupervisor } from './supervisor.ts';

class FakeThread extends EventEmitter {
  terminated = false;

  terminate(): Promise<number> {
    this.terminated = true;
    this.emit('exit', 1);
    return Promise.resolve(1);
  }
}

interface World {
  readonly supervisor: WorkerSupervisor;
  readonly tables: Tables;
  readonly arenas: readonly Arena[];
  readonly threads: FakeThread[];
  readonly starts: WorkerStart[];
  /** What happened, in order. */
  readonly log: string[];
  readonly downs: WorkerDown[];
  /** Lets time pass up to the next timer. */
  readonly elapse: () => void;
  readonly setNow: (nowMs: number) => void;
  readonly timers: { delayMs: number; run: () => void }[];
}

function world(debug = false): World {
  const tables = createTables({ workerCount: 2, tokenCapacity: 16, hashKey: { key0: 1, key1: 2 } });
  const arenas = [createArena(0), createArena(1)];
  arenas.forEach((arena, worker) => {
    arena.i32[ArenaHeader.at.wakeFd >> 2] = 100 + worker;
  });
  const threads: FakeThread[] = [];
  const starts: WorkerStart[] = [];
  const log: string[] = [];
  const downs: WorkerDown[] = [];
  const timers: { delayMs: number; run: () => void }[] = [];
  let nowMs = 0;
  const supervisor = new WorkerSupervisor({
    engine: 'typescript',
    tables,
    arenas,
    debug,
    onWorkerDown: (down) => {
      downs.push(down);
      log.push(`down ${down.worker}`);
    },
    onWorkerRestarted: (worker) => log.push(`restarted ${worker}`),
    ports: {
      spawn: (start) => {
        const thread = new FakeThread();
        threads.push(thread);
        starts.push(start);
        return thread;
      },
      attachQueue: (fd) => log.push(`attach ${fd}`) > 0,
      detachQueue: (fd) => log.push(`detach ${fd}`) > 0,
      wake: (fd) => log.push(`wake ${fd}`),
      after: (delayMs, run) => {
        const timer = { delayMs, run };
        timers.push(timer);
        return () => timers.splice(timers.indexOf(timer), 1);
      },
      nowMs: () => nowMs,
    },
  });
  const elapse = (): void => timers.shift()?.run();
  const setNow = (now: number): void => {
    nowMs = now;
  };
  return { supervisor, tables, arenas, threads, starts, log, downs, elapse, setNow, timers };
}

async function started(debug = false): Promise<World> {
  const made = world(debug);
  const start = made.supervisor.start();
  for (const thread of made.threads) thread.emit('message', { kind: 'running', worker: 0 });
  await start;
  return made;
}

function incarnation(arena: Arena | undefined): number | undefined {
  return arena?.u32[ArenaHeader.at.incarnation >> 2];
}

test('every worker is started with all arenas, and start ends when all run', async () => {
  const { starts, tables, arenas } = await started();
  assert.deepEqual(
    starts.map((start) => start.worker),
    [0, 1],
  );
  assert.equal(starts[0]?.tables, tables.buffer);
  assert.deepEqual(
    starts[1]?.arenas,
    arenas.map((arena) => arena.buffer),
  );
  assert.deepEqual(arenas.map(incarnation), [1, 1]);
});

test('a worker that dies before it ever ran fails the start with its reason', async () => {
  const { supervisor, threads } = world();
  const start = supervisor.start();
  threads[0]?.emit('error', new Error('no addon'));
  threads[0]?.emit('exit', 1);
  await assert.rejects(start, /data worker 0 did not start: .*no addon/);
});

test('a dead worker is reported, its memory reset, its queues detached, and it is started again', async () => {
  const { supervisor, threads, arenas, log, downs, elapse, timers } = await started();
  supervisor.attachTap(1, 7, [55, 56]);
  const arena = arenas[1];
  assert.ok(arena !== undefined);
  const injections = new RingProducer(arena.buffer, ARENA.injections);
  injections.putEmpty({ ...emptyMessage(), type: INJECTION.link });
  arena.u32[ArenaHeader.at.crashRequest >> 2] = 1;
  log.length = 0;
  threads[1]?.emit('error', new Error('a bug'));
  threads[1]?.emit('exit', 1);
  assert.deepEqual(log, ['detach 55', 'detach 56', 'down 1']);
  assert.match(downs[0]?.reason ?? '', /a bug/);
  assert.equal(downs[0]?.incarnation, 1);
  assert.equal(injections.usedBytes(), 0);
  assert.equal(arena.u32[ArenaHeader.at.crashRequest >> 2], 0);
  assert.ok((timers[0]?.delayMs ?? Infinity) <= 1000);
  elapse();
  assert.deepEqual(log.slice(3), ['attach 55', 'attach 56']);
  assert.equal(incarnation(arena), 2);
  threads[2]?.emit('message', { kind: 'running', worker: 1 });
  assert.deepEqual(log.slice(5), ['restarted 1']);
});

test('a worker that keeps dying young is started ever later, within a second, and the patience comes back', async () => {
  const { threads, downs, elapse, setNow } = await started();
  const die = (): void => {
    threads.at(-1)?.emit('exit', 1);
    elapse();
  };
  for (let i = 0; i < 12; i++) die();
  const delays = downs.map((down) => down.restartInMs);
  assert.deepEqual(delays.slice(0, 4), [10, 20, 40, 80]);
  assert.equal(Math.max(...delays), 1000);
  setNow(60_000);
  die();
  assert.equal(downs.at(-1)?.restartInMs, 10);
});

test('stop wakes the workers, waits for them, and restarts none', async () => {
  const { supervisor, threads, tables, log, timers } = await started();
  log.length = 0;
  const stop = supervisor.stop(500);
  assert.equal(tables.u32[TablesHeader.at.shutdown >> 2], 1);
  assert.deepEqual(log, ['wake 100', 'wake 101']);
  for (const thread of threads) thread.emit('exit', 0);
  assert.equal(await stop, true);
  assert.equal(timers.length, 0);
  assert.equal(threads.length, 2);
});

test('a worker that does not end in time is terminated', async () => {
  const { supervisor, threads, elapse } = await started();
  const stop = supervisor.stop(500);
  threads[0]?.emit('exit', 0);
  elapse();
  assert.equal(await stop, false);
  assert.equal(threads[1]?.terminated, true);
});

test('a stop while a worker waits for its restart does not start it', async () => {
  const { supervisor, threads, timers } = await started();
  threads[0]?.emit('exit', 1);
  const stop = supervisor.stop(500);
  threads[1]?.emit('exit', 0);
  assert.equal(await stop, true);
  assert.equal(timers.length, 0);
  assert.equal(threads.length, 2);
});

test('a crash is asked for only where debugging is allowed', async () => {
  const plain = await started();
  assert.equal(plain.supervisor.crashWorker(0), false);
  const debugged = await started(true);
  assert.equal(debugged.supervisor.crashWorker(1), true);
  assert.equal(debugged.arenas[1]?.u32[ArenaHeader.at.crashRequest >> 2], 1);
});

test('the queues of a TAP are published with their generation, and withdrawn together', async () => {
  const { supervisor, arenas } = await started();
  const arena = arenas[0];
  assert.ok(arena !== undefined);
  const field = (queue: number, name: keyof typeof TapQueue.at): number | undefined =>
    arena.i32[(ARENA.tapQueues + (queue * LIMIT.vlans + 3) * TapQueue.size + TapQueue.at[name]) >> 2];
  const generation = (): number | undefined => arena.u32[ArenaHeader.at.tapGeneration >> 2];
  supervisor.attachTap(0, 3, [9, 10]);
  assert.equal(generation(), 1);
  assert.deepEqual([field(0, 'fd'), field(0, 'queues'), field(0, 'attached')], [9, 2, 1]);
  assert.deepEqual([field(1, 'fd'), field(1, 'attached')], [10, 1]);
  assert.deepEqual([field(2, 'fd'), field(2, 'attached')], [-1, 0]);
  supervisor.detachTap(0, 3);
  assert.equal(generation(), 2);
  assert.deepEqual(
    [0, 1].map((queue) => field(queue, 'fd')),
    [-1, -1],
  );
});

test('a number of queues that no mask can choose from is refused', async () => {
  const { supervisor } = await started();
  assert.throws(() => supervisor.attachTap(0, 3, [9, 10, 11]), InvariantError);
});
