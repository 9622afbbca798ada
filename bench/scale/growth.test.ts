/** How growth is judged, and memory told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesEach, judgeGrowth } from './growth.ts';

test('the cost with many is judged by that with one in the same repeat', () => {
  const [verdict] = judgeGrowth('VLANs', [1.05, 2.3, 1.0], [1, 2, 1]);
  assert.equal(verdict?.measured, 1.05);
  assert.equal(verdict.met, true);
  assert.equal(judgeGrowth('VLANs', [1.2], [1])[0]?.met, false);
});

test('what was not measured is not judged', () => {
  assert.deepEqual(judgeGrowth('trunks', [], [1]), []);
});

test('memory of one is the slope between few and many', () => {
  assert.equal(bytesEach({ count: 1, bytes: 1000 }, { count: 101, bytes: 6000 }), 50);
  assert.equal(bytesEach({ count: 1, bytes: 1000 }, { count: 1, bytes: 1000 }), 0);
});
