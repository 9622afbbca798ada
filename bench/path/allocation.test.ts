import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withBatches } from '../../dataplane/workers/batches.ts';
import { allocated, bytesEachRound, type Collection } from './allocation.ts';
import { cablePair } from './cable.ts';
import { graphRounds, type Rounds } from './graph.ts';
import { makeWorkload } from './workload.ts';

function collection(gcType: string, before: number, after: number): Collection {
  return {
    gcType,
    beforeGC: { heapStatistics: { usedHeapSize: before } },
    afterGC: { heapStatistics: { usedHeapSize: after } },
  };
}

/** What a test leaves behind, so that no compiler finds it unused. */
const kept: { last: unknown } = { last: undefined };

test('without a collection the growth of the heap is what was allocated', () => {
  assert.deepEqual(allocated(1000, 1800, []), { bytes: 800, exact: true });
});

test('what collections took away counts as well', () => {
  const collections = [collection('Scavenge', 1500, 900), collection('Scavenge', 1400, 1000)];
  assert.deepEqual(allocated(1000, 1200, collections), { bytes: 500 + 500 + 200, exact: true });
});

test('a collection that sweeps on after its report makes a reading inexact', () => {
  assert.equal(allocated(0, 10, [collection('MarkSweepCompact', 20, 5)]).exact, false);
});

test('work that allocates nothing reads as nothing', () => {
  const words = new Uint32Array(64);
  const rounds: Rounds = (count) => {
    for (let round = 0; round < count; round++) words[round & 63] = (words[(round + 1) & 63] ?? 0) + 1;
  };
  rounds(100_000);
  assert.equal(bytesEachRound(rounds, 10_000), 0);
});

test('a boxed number a round is seen to the byte', () => {
  const rounds: Rounds = (count) => {
    for (let round = 0; round < count; round++) kept.last = round + 0.5;
  };
  rounds(100_000);
  // A compiler that is at work meanwhile, as on a busy machine, blurs a reading; it does not blur all of them.
  const readings: number[] = [];
  const isSeen = (): boolean => readings.some((bytes) => bytes >= 12 && bytes <= 24);
  while (!isSeen() && readings.length < 50) readings.push(bytesEachRound(rounds, 10_000));
  assert.ok(isSeen(), `${readings.join(', ')} bytes a round`);
});

test('a stage that makes one small object a batch is found out, and without it nothing is', () => {
  const pair = cablePair('typescript', makeWorkload('small'));
  const { engine, node } = pair.right;
  const stages = { ...engine, learn: learnWastefully };
  const wasteful = {
    ...pair,
    right: { node, engine: withBatches(stages, node.tables, node.arena) },
  };
  function learnWastefully(count: number): void {
    kept.last = { count };
    engine.learn(count);
  }
  const clean = settled(graphRounds(pair));
  const wasted = bytesEachRound(warmedUp(graphRounds(wasteful)), 200);
  pair.close();
  assert.equal(clean, 0);
  assert.ok(wasted >= 16, `${wasted} bytes a batch`);
});

function warmedUp(rounds: Rounds): Rounds {
  rounds(1500);
  return rounds;
}

/** The compiler may be late on a busy machine: whoever allocates nothing in the end gets there. */
function settled(rounds: Rounds): number {
  let bytes = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 10 && bytes > 0; attempt++) bytes = bytesEachRound(warmedUp(rounds), 200);
  return bytes;
}
