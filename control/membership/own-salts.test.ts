/** Behaviour of our own salts: one active a worker and day, successors, and none ever twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { OwnSalts } from './own-salts.ts';
import { TIMING } from './timing.ts';

function salts(randomBytes = counted()): OwnSalts {
  let id = 0;
  return new OwnSalts({ randomBytes, nextId: () => ++id });
}

/** Draws each value twice, as a bad source might. */
function counted(): (count: number) => Uint8Array {
  let drawn = 0;
  return (count) => new Uint8Array(count).fill(drawn++ >> 1);
}

test('a salt is never drawn twice in a start, even from a source that repeats', () => {
  const own = salts();
  const values = Array.from({ length: 20 }, () =>
    own.issue({ epoch: 1, leaf: 7, lane: 0 }, 'now').salt.join(),
  );

  assert.equal(new Set(values).size, 20);
});

test('a successor waits, takes over, and its predecessor is named a while longer', () => {
  const own = salts();
  const old = own.issue({ epoch: 1, leaf: 7, lane: 0 }, 'now');
  const next = own.succeed(old.id, 1_000);
  assert.ok(next);
  assert.equal(own.succeed(old.id, 1_000), undefined, 'one successor at a time');
  assert.deepEqual(own.advance(1_000 + TIMING.successorDelayMs - 1), { activated: [], removed: [] });

  const { activated } = own.advance(1_000 + TIMING.successorDelayMs);
  assert.deepEqual(activated, [next]);
  assert.deepEqual(own.active(), [next]);
  assert.equal(own.ofEpoch(1).length, 2);
  const { removed } = own.advance(1_000 + TIMING.successorDelayMs + TIMING.retiredSaltMs);
  assert.deepEqual(removed, [old]);
});

test('whatever happens, a worker seals under one salt an epoch at most', () => {
  const step = fc.record({
    worker: fc.nat({ max: 2 }),
    act: fc.constantFrom('succeed', 'die', 'wait', 'retire'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const own = salts();
      let nowMs = 0;
      for (const worker of [0, 1, 2]) own.issue({ epoch: 1, leaf: 7, lane: worker }, 'now');
      for (const { worker, act } of steps) {
        const active = own.active().find((salt) => salt.lane === worker);
        if (act === 'succeed' && active !== undefined) own.succeed(active.id, nowMs);
        if (act === 'die' && own.takeWorker(worker).some((salt) => salt.state !== 'retired'))
          own.issue({ epoch: 1, leaf: 7, lane: worker }, 'now');
        if (act === 'wait') own.advance((nowMs += 700));
        if (act === 'retire' && nowMs > 5_000) own.retireEpoch(1, nowMs);
        for (const each of [0, 1, 2])
          assert.ok(own.active().filter((salt) => salt.lane === each).length <= 1);
      }
    }),
    { numRuns: 50 },
  );
});
