/** Behaviour of the event pump with a real thread on the other side. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { EVENT } from '../../dataplane/contract/ring-message.ts';
import { createArena } from '../../dataplane/shm/arena.ts';
import { ARENA } from '../../dataplane/shm/memory-map.ts';
import { emptyMessage, RingProducer } from '../../dataplane/shm/ring.ts';
import { createTables } from '../../dataplane/shm/tables.ts';
import { EventPump, type EventSink } from './event-pump.ts';

const EVENTS = 2_000;

/** Puts events into worker 1's ring and notifies the main thread, as a data worker does. */
const PRODUCER = `
  import { workerData } from 'node:worker_threads';
  const { emptyMessage, RingProducer } = await import(workerData.ring);
  const { ARENA, TABLE } = await import(workerData.map);
  const { TablesHeader } = await import(workerData.layout);
  const ring = new RingProducer(workerData.arena, ARENA.events);
  const words = new Int32Array(workerData.tables);
  const wake = (TABLE.header + TablesHeader.at.mainWake) >> 2;
  const payload = new Uint8Array(100);
  for (let number = 0; number < workerData.count; ) {
    const message = { ...emptyMessage(), type: workerData.type, a: number, b: 7, c: 9 };
    payload.fill(number & 255);
    if (ring.put(message, payload, 0, 100)) number++;
    if (number % 64 === 0 || number === workerData.count) {
      Atomics.add(words, wake, 1);
      Atomics.notify(words, wake);
    }
  }
`;

function silentSink(): EventSink {
  const nothing = (): void => undefined;
  return {
    link: nothing,
    control: nothing,
    stationSeen: nothing,
    senderUnknown: nothing,
    carrier: nothing,
    snooped: nothing,
    groupSeen: nothing,
  };
}

test('every event of a worker arrives, in order and whole, without polling', async () => {
  const tables = createTables({ workerCount: 2, tokenCapacity: 64, hashKey: { key0: 1, key1: 2 } });
  const arenas = [createArena(0), createArena(1)];
  const seen: number[] = [];
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const pump = new EventPump(tables, arenas, {
    ...silentSink(),
    control: (epoch, trunk, control, { bytes, offset, length }) => {
      assert.deepEqual([trunk, control, length], [7, 9, 100]);
      assert.equal(bytes[offset + 99], epoch & 255);
      seen.push(epoch);
      if (seen.length === EVENTS) resolve(undefined);
    },
  });
  pump.start();
  const url = (path: string): string => new URL(path, import.meta.url).href;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(PRODUCER)}`), {
    workerData: {
      arena: arenas[1]?.buffer,
      tables: tables.buffer,
      type: EVENT.control,
      count: EVENTS,
      ring: url('../../dataplane/shm/ring.ts'),
      map: url('../../dataplane/shm/memory-map.ts'),
      layout: url('../../dataplane/shm/layout.ts'),
    },
  });
  // An idle main thread: only the notification keeps it going, and this timer alive.
  const alive = setTimeout(() => undefined, 20_000);
  await promise;
  clearTimeout(alive);
  pump.stop();
  await worker.terminate();

  assert.deepEqual(
    seen,
    Array.from({ length: EVENTS }, (_, number) => number),
  );
});

test('a turn ends when its time is over, and the next one begins with another worker', () => {
  const tables = createTables({ workerCount: 2, tokenCapacity: 64, hashKey: { key0: 1, key1: 2 } });
  const arenas = [createArena(0), createArena(1)];
  const seen: number[] = [];
  const pump = new EventPump(tables, arenas, {
    ...silentSink(),
    control: (epoch) => {
      seen.push(epoch);
      const endMs = performance.now() + 5;
      while (performance.now() < endMs);
    },
  });
  for (const [worker, arena] of arenas.entries()) {
    const ring = new RingProducer(arena.buffer, ARENA.events);
    for (let number = 0; number < 2; number++) {
      ring.put({ ...emptyMessage(), type: EVENT.control, a: 10 * worker + number }, new Uint8Array(0), 0, 0);
    }
  }

  assert.ok(pump.drain(), 'something is left');
  assert.equal(seen.length, 1);
  assert.ok(pump.drain());
  assert.deepEqual(
    seen.toSorted((a, b) => a - b),
    [0, 10],
  );
});
