import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';

import { highestRate, type Trial } from './bisect.ts';

/** A path that carries up to `capacity` and a sender that reaches at most `fastest`. */
function path(capacity: number, fastest = Number.POSITIVE_INFINITY): (rate: number) => Promise<Trial> {
  return (rate) => {
    const sentPerSecond = Math.min(rate, fastest);
    const deliveredPerSecond = Math.min(sentPerSecond, capacity);
    return Promise.resolve({
      sentPerSecond,
      deliveredPerSecond,
      lossRatio: 1 - deliveredPerSecond / sentPerSecond,
    });
  };
}

const limits = { ceilingPerSecond: 500_000, maxLossRatio: 0.01, steps: 8, triesPerRate: 1 };

describe('highestRate', () => {
  it('finds what the path carries to within one step of the search', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 5_000, max: 495_000 }), async (capacity) => {
        const found = await highestRate(path(capacity), limits);
        assert.ok(found <= capacity, `${found} > ${capacity}`);
        assert.ok(found >= capacity - 500_000 / 2 ** 8, `${found} far below ${capacity}`);
      }),
    );
  });

  it('needs one trial when the sender is slower than the path', async () => {
    let trialCount = 0;
    const measure = path(1_000_000, 80_000);
    const found = await highestRate((rate) => {
      trialCount++;
      return measure(rate);
    }, limits);
    assert.equal(found, 80_000);
    assert.equal(trialCount, 1);
  });

  it('tries a rate again before it believes a loss', async () => {
    const measure = path(300_000);
    let trialCount = 0;
    const hiccups = (rate: number): Promise<Trial> =>
      trialCount++ % 2 === 0
        ? Promise.resolve({ sentPerSecond: rate, deliveredPerSecond: rate * 0.9, lossRatio: 0.1 })
        : measure(rate);
    const found = await highestRate(hiccups, { ...limits, triesPerRate: 2 });
    assert.ok(found > 295_000, `${found}`);
  });

  it('is zero for a path that loses at every rate, after a bounded number of trials', async () => {
    let trialCount = 0;
    const found = await highestRate((rate) => {
      trialCount++;
      return Promise.resolve({ sentPerSecond: rate, deliveredPerSecond: rate / 2, lossRatio: 0.5 });
    }, limits);
    assert.equal(found, 0);
    assert.equal(trialCount, 9);
  });
});
