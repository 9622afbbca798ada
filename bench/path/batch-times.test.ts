import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BatchTimes, clockCostMs } from './batch-times.ts';

test('the median of the batches counts, each of which ran once', () => {
  const times = new BatchTimes();
  let runs = 0;
  for (let batch = 0; batch < 5000; batch++)
    times.time(() => {
      runs++;
    });
  assert.equal(runs, 5000);
  assert.ok(times.medianMs() >= 0);
});

test('no batch has no time', () => {
  assert.throws(() => new BatchTimes().medianMs(), RangeError);
});

test('looking at the clock costs something', () => {
  assert.ok(clockCostMs() > 0);
});
