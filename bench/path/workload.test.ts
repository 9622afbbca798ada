import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DROP_CODES } from '../../dataplane/base/drop-code.ts';
import { cablePair } from './cable.ts';
import { graphRounds } from './graph.ts';
import { kernelPair } from './kernel-pair.ts';
import { WORKLOAD_NAMES } from './path-figures.ts';
import { STAGE_NAMES, timeStages } from './stage-times.ts';
import { makeWorkload } from './workload.ts';

/** What reaches the right TAP of one batch. */
const EXPECTED = {
  super: { datagrams: 49, frames: 1 },
  segment: { datagrams: 43, frames: 1 },
  small: { datagrams: 64, frames: 64 },
} as const;

for (const name of WORKLOAD_NAMES) {
  test(`${name}: every byte of a batch crosses the cable, and TCP arrives as super-frames`, () => {
    const workload = makeWorkload(name);
    const pair = cablePair('typescript', workload);
    graphRounds(pair)(3);
    const { datagrams, frames } = EXPECTED[name];
    assert.equal(pair.delivered.datagrams, 3 * datagrams);
    assert.equal(pair.delivered.frames, 3 * frames);
    const headersMerged = name === 'segment' ? 42 * 66 : 0;
    assert.equal(pair.delivered.bytes, 3 * (workload.bytes - headersMerged));
    for (const { node } of [pair.left, pair.right]) {
      const dropped = DROP_CODES.filter((_, code) => node.arena.counters[code] !== 0);
      assert.deepEqual(dropped, []);
    }
    pair.close();
  });

  test(`${name}: every batch crosses the kernel`, () => {
    const pair = kernelPair('typescript', makeWorkload(name));
    const writes = [pair.carry(), pair.carry(), pair.carry()];
    pair.close();
    assert.ok(
      writes.every((count) => count >= EXPECTED[name].frames),
      `${writes.join(', ')} writes`,
    );
  });
}

test('stages are timed over the same batches, datagram by datagram', () => {
  const pair = cablePair('typescript', makeWorkload('small'));
  const { nsByStage, datagramsABatch } = timeStages(pair, 0);
  pair.close();
  assert.equal(datagramsABatch, 64);
  assert.deepEqual(Object.keys(nsByStage), [...STAGE_NAMES]);
  assert.ok(Object.values(nsByStage).every((ns) => ns >= 0));
});
