import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TokenBucket } from '../limit/token-bucket.ts';
import { Backoff } from './backoff.ts';
import { PathEstimate } from './path-estimate.ts';

test('delays double to their limit, with jitter in the upper half, and start anew after a reset', () => {
  const backoff = new Backoff();
  const limits = { minMs: 100, maxMs: 1_000 };
  const delays = [0, 0, 0, 0, 0, 0].map((random) => backoff.next(limits, random));
  assert.deepEqual(delays, [50, 100, 200, 400, 500, 500]);
  assert.equal(backoff.next(limits, 1), 1_000);
  for (let failure = 0; failure < 2_000; failure++) {
    backoff.next(limits, 0);
  }
  assert.equal(backoff.next(limits, 0), 500);
  backoff.reset();
  assert.equal(backoff.next(limits, 1), 100);
});

test('a token bucket gives its burst, then its rate, and never more than its burst', () => {
  const bucket = new TokenBucket({ burst: 3, perSecond: 2 }, 0);
  assert.deepEqual(
    [0, 0, 0, 0].map((nowMs) => bucket.take(nowMs)),
    [true, true, true, false],
  );
  assert.deepEqual(
    [499, 500, 501].map((nowMs) => bucket.take(nowMs)),
    [false, true, false],
  );
  assert.deepEqual(
    [9e6, 9e6, 9e6, 9e6].map((nowMs) => bucket.take(nowMs)),
    [true, true, true, false],
  );
});

test('round trip, timeout and loss follow the samples', () => {
  const path = new PathEstimate();
  assert.equal(path.timeoutMs(), 1_000);
  for (let sample = 0; sample < 100; sample++) {
    path.answered(20, 3);
  }
  assert.ok(Math.abs((path.rttMs ?? 0) - 20) < 1e-9);
  assert.ok(path.timeoutMs() >= 100 && path.timeoutMs() < 200);
  assert.equal(path.lossRatio, 0);
  path.lost();
  assert.equal(path.lossRatio, 1 / 16);
});
