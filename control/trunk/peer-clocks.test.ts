/** Behaviour of the clock comparison: nodes converge, nobody follows a single liar far. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { clockCorrection, clockOffset } from './peer-clocks.ts';

const HOUR_MS = 3_600_000;
const clock = fc.integer({ min: -HOUR_MS / 2, max: HOUR_MS / 2 });

/** What each node takes the time to be, when all hear all. */
function corrected(clocks: readonly number[]): number[] {
  return clocks.map(
    (own, index) => own + clockCorrection(clocks.toSpliced(index, 1).map((peer) => peer - own)),
  );
}

test('nodes that all hear each other agree on one time', () => {
  fc.assert(
    fc.property(fc.array(clock, { minLength: 2, maxLength: 9 }), (clocks) => {
      assert.equal(new Set(corrected(clocks)).size, 1);
    }),
  );
});

test('two nodes meet halfway', () => {
  assert.deepEqual(corrected([0, 60_000]), [30_000, 30_000]);
});

test('the majority wins over one clock that is wrong', () => {
  assert.deepEqual(corrected([0, 0, 60_000]), [0, 0, 0]);
});

test('without peers the own clock counts', () => {
  assert.equal(clockCorrection([]), 0);
  assert.equal(clockOffset([]), undefined);
});

test('nobody moves the clock by more than a token period', () => {
  assert.equal(clockCorrection([1e12, 1e12]), HOUR_MS);
  assert.equal(clockCorrection([-1e12, -1e12, -1e12]), -HOUR_MS);
});

test('the offset is what the peers say, ours left out', () => {
  assert.equal(clockOffset([60_000]), 60_000);
  assert.equal(clockOffset([-1_000, 5_000, 3_000]), 3_000);
});
