import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refusals } from './refusals.ts';

test('a peer that refuses is left alone ever longer, up to a minute, and attempts at once count as one', () => {
  let nowMs = 1_000;
  const refusals = new Refusals(() => nowMs);
  const pauses: number[] = [];
  for (let round = 0; round < 6; round++) {
    refusals.note('peer');
    refusals.note('peer');
    const startMs = nowMs;
    while (refusals.has('peer')) nowMs += 500;
    pauses.push(nowMs - startMs);
  }
  assert.deepEqual(pauses, [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
  assert.equal(refusals.has('other'), false);
  refusals.forget('peer');
  refusals.note('peer');
  nowMs += 5_000;
  assert.equal(refusals.has('peer'), false);
});

test('it remembers four thousand peers, the latest of them', () => {
  const refusals = new Refusals(() => 0);
  for (let peer = 0; peer < 5_000; peer++) refusals.note(`peer ${peer}`);
  const known = Array.from({ length: 5_000 }, (_, peer) => refusals.has(`peer ${peer}`));
  assert.deepEqual([known.filter(Boolean).length, known[0], known[4_999]], [4_096, false, true]);
  refusals.clear();
  assert.equal(refusals.has('peer 4999'), false);
});
