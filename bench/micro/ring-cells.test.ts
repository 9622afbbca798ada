import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RingBench } from './ring-cells.ts';

test('messages cross to the other thread and back, spinning and woken', async () => {
  const bench = await RingBench.start();
  const readings = bench.measure(0.001);
  await bench.close();
  assert.equal(readings.length, 4);
  assert.ok(readings.every(({ value }) => value > 0));
});
