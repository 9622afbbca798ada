import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Lane } from '../shm/layout.ts';
import { TABLE, tablesBytes } from '../shm/memory-map.ts';
import {
  insertLaneWindow,
  testLaneWindow,
  WINDOW_ACCEPT,
  WINDOW_REPLAY,
  WINDOW_TOO_OLD,
} from './lane-window.ts';

const LANE = 3;
const TWO_32 = 2 ** 32;
const table = new DataView(new SharedArrayBuffer(tablesBytes(64)));

function clear(): void {
  const laneAt = TABLE.lanes + LANE * Lane.size;
  table.setUint32(laneAt + Lane.at.rxHighestLow, 0, true);
  table.setUint32(laneAt + Lane.at.rxHighestHigh, 0, true);
  new Uint8Array(table.buffer, TABLE.laneWindows + LANE * 1024, 1024).fill(0xff); // left over from another lane
}

function insert(counter: number): number {
  const low = counter % TWO_32;
  const high = Math.floor(counter / TWO_32);
  const seen = testLaneWindow(table, LANE, low, high);
  const entered = insertLaneWindow(table, LANE, low, high);
  assert.equal(seen, entered, 'test and insert disagree');
  return entered;
}

/** All counters ever accepted, and the rule of RFC 6479 in words of 32. */
class Model {
  readonly seen = new Set<number>();
  highest = -1;

  insert(counter: number): number {
    if (this.highest >= 0 && Math.floor(this.highest / 32) - Math.floor(counter / 32) >= 256)
      return WINDOW_TOO_OLD;
    if (this.seen.has(counter)) return WINDOW_REPLAY;
    this.seen.add(counter);
    this.highest = Math.max(this.highest, counter);
    return WINDOW_ACCEPT;
  }
}

test('the window agrees with a model that remembers everything', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: -40, max: 40 }) },
    { weight: 2, arbitrary: fc.integer({ min: -9000, max: 9000 }) },
    { weight: 1, arbitrary: fc.integer({ min: -70_000, max: 70_000 }) },
  );
  const starts = fc.constantFrom(0, 31, 8191, TWO_32 - 4000, 2 ** 40 - 200_000);
  fc.assert(
    fc.property(starts, fc.array(step, { maxLength: 200 }), (start, steps) => {
      clear();
      const model = new Model();
      let counter = start;
      for (const move of steps) {
        counter = Math.max(0, Math.min(2 ** 40 - 1, counter + move));
        assert.equal(insert(counter), model.insert(counter));
      }
    }),
    { numRuns: 300 },
  );
});

test('every counter is accepted once, also the first and across 2^32', () => {
  clear();
  for (let counter = 0; counter < 20_000; counter++) assert.equal(insert(counter), WINDOW_ACCEPT);
  for (let counter = 12_000; counter < 20_000; counter++) assert.equal(insert(counter), WINDOW_REPLAY);
  assert.equal(insert(0), WINDOW_TOO_OLD);
  for (let counter = TWO_32 - 100; counter < TWO_32 + 100; counter++)
    assert.equal(insert(counter), WINDOW_ACCEPT);
  for (let counter = TWO_32 - 100; counter < TWO_32 + 100; counter++)
    assert.equal(insert(counter), WINDOW_REPLAY);
});

test('at least 8,161 counters behind the highest are remembered', () => {
  clear();
  assert.equal(insert(100_000), WINDOW_ACCEPT);
  assert.equal(insert(100_000 - 8160), WINDOW_ACCEPT);
  assert.equal(insert(100_000 - 8160), WINDOW_REPLAY);
  assert.equal(insert(100_000 - 8192), WINDOW_TOO_OLD);
});
