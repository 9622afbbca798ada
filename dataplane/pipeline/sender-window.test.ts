import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { SenderWindow } from '../shm/layout.ts';
import { tablesBytes } from '../shm/memory-map.ts';
import { WINDOW_ACCEPT, WINDOW_REPLAY, WINDOW_TOO_OLD } from './lane-window.ts';
import type { WindowRace } from './sender-window.fixture.ts';
import { insertSenderWindow, senderWindow, testSenderWindow } from './sender-window.ts';

const words = new Uint32Array(new SharedArrayBuffer(tablesBytes(64)));
const WINDOW = senderWindow(7, true);

function clear(): void {
  words.fill(0, WINDOW, WINDOW + SenderWindow.size / 4);
}

function insert(counter: number): number {
  const seen = testSenderWindow(words, WINDOW, counter);
  const entered = insertSenderWindow(words, WINDOW, counter);
  assert.equal(seen, entered, 'test and insert disagree');
  return entered;
}

/** All counters ever accepted; the window is the highest block of 16 and the 511 before it. */
class Model {
  readonly seen = new Set<number>();
  highest = -1;

  insert(counter: number): number {
    const block = Math.floor(counter / 16);
    if (block + 512 <= this.highest) return WINDOW_TOO_OLD;
    if (this.seen.has(counter)) return WINDOW_REPLAY;
    this.seen.add(counter);
    this.highest = Math.max(this.highest, block);
    return WINDOW_ACCEPT;
  }
}

test('the window agrees with a model that remembers everything', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: -40, max: 40 }) },
    { weight: 2, arbitrary: fc.integer({ min: -9000, max: 9000 }) },
    { weight: 1, arbitrary: fc.integer({ min: -70_000, max: 70_000 }) },
  );
  const starts = fc.constantFrom(0, 15, 8191, 2 ** 28 + 5, 2 ** 29 - 10_000, 2 ** 32 - 100_000);
  fc.assert(
    fc.property(starts, fc.array(step, { maxLength: 200 }), (start, steps) => {
      clear();
      const model = new Model();
      let counter = start;
      for (const move of steps) {
        counter = Math.max(0, Math.min(2 ** 32 - 1, counter + move));
        assert.equal(insert(counter), model.insert(counter));
      }
    }),
    { numRuns: 300 },
  );
});

test('a window that opens late in a salt accepts at once', () => {
  for (const start of [2 ** 28, 2 ** 28 + 8192 * 3, 2 ** 31, 2 ** 32 - 8192]) {
    clear();
    for (let counter = start; counter < start + 8192; counter++) assert.equal(insert(counter), WINDOW_ACCEPT);
    for (let counter = start; counter < start + 8192; counter++) assert.equal(insert(counter), WINDOW_REPLAY);
  }
});

test('a word left from half a tag cycle ago is stale, not newer', () => {
  clear();
  for (let counter = 0; counter < 8192; counter++) assert.equal(insert(counter), WINDOW_ACCEPT);
  const far = 2 ** 28 + 8192; // 32,769 rounds later
  assert.equal(insert(far), WINDOW_ACCEPT);
  for (let counter = far - 500; counter < far; counter++) assert.equal(insert(counter), WINDOW_ACCEPT);
  for (let counter = far - 500; counter <= far; counter++) assert.equal(insert(counter), WINDOW_REPLAY);
});

test('of two workers that enter one counter, one is told that it was seen', () => {
  clear();
  assert.equal(testSenderWindow(words, WINDOW, 40), WINDOW_ACCEPT);
  assert.equal(testSenderWindow(words, WINDOW, 40), WINDOW_ACCEPT); // both looked before either entered
  assert.equal(insertSenderWindow(words, WINDOW, 40), WINDOW_ACCEPT);
  assert.equal(insertSenderWindow(words, WINDOW, 40), WINDOW_REPLAY);
});

test('group-sealed and pairwise frames, and neighbouring senders, have windows of their own', () => {
  const windows = [senderWindow(0, false), senderWindow(0, true), senderWindow(1, false)];
  for (const window of windows) {
    assert.equal(insertSenderWindow(words, window, 9), WINDOW_ACCEPT);
    assert.equal(insertSenderWindow(words, window, 9), WINDOW_REPLAY);
  }
});

test('real threads that enter the same counters accept each of them once', async () => {
  clear();
  const counters = 200_000;
  const threads = 2;
  const gate = new SharedArrayBuffer(4);
  const workerData: WindowRace = { tables: words.buffer, window: WINDOW, counters, gate, threads };
  const file = new URL('./sender-window.fixture.ts', import.meta.url);
  const results = Array.from({ length: threads }, () => once(new Worker(file, { workerData }), 'message'));
  const accepted = (await Promise.all(results)).map(([count]) => count as number);
  assert.equal(
    accepted.reduce((sum, count) => sum + count, 0),
    counters,
  );
});
