import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';

import { highestRate, type RateTrial, type Trial } from './rate-search.ts';

interface Path {
  readonly capacity: number;
  /** What the sender reaches at most. */
  readonly fastest?: number;
  /** Whether the machine looks away during this trial. */
  readonly isDisturbed?: () => boolean;
}

const HICCUP_LOSS = 0.2;

/** Carries up to `capacity`; a disturbed trial loses a fifth. */
function trialOf({ capacity, fastest = 500_000, isDisturbed = () => false }: Path): RateTrial {
  return (rate) => {
    const sentPerSecond = Math.min(rate, fastest);
    const undisturbed = Math.min(sentPerSecond, capacity);
    const deliveredPerSecond = isDisturbed() ? undisturbed * (1 - HICCUP_LOSS) : undisturbed;
    return Promise.resolve({
      sentPerSecond,
      deliveredPerSecond,
      lossRatio: 1 - deliveredPerSecond / sentPerSecond,
    });
  };
}

function counting(trial: RateTrial): { trial: RateTrial; count: () => number } {
  let count = 0;
  return {
    trial: (rate, length) => {
      count++;
      return trial(rate, length);
    },
    count: () => count,
  };
}

/** A small generator of numbers in [0, 1) from a seed (mulberry32). */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const limits = { ceilingPerSecond: 1_000_000, maxLossRatio: 0.01, maxTrials: 40 };

describe('highestRate', () => {
  it('finds what an undisturbed path carries to within the precision of the search', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 500, max: 499_000 }), async (capacity) => {
        const found = await highestRate(trialOf({ capacity }), limits);
        assert.ok(found <= capacity, `${found} > ${capacity}`);
        assert.ok(found >= capacity * 0.93, `${found} far below ${capacity}`);
      }),
    );
  });

  it('finds it from a start that is far off, too', async () => {
    for (const nearPerSecond of [2_000, 90_000, 480_000]) {
      const found = await highestRate(trialOf({ capacity: 100_000 }), { ...limits, nearPerSecond });
      assert.ok(found >= 93_000 && found <= 100_000, `${found} from ${nearPerSecond}`);
    }
  });

  it('needs few trials when the sender is slower than the path', async () => {
    const { trial, count } = counting(trialOf({ capacity: 1_000_000, fastest: 80_000 }));
    assert.equal(await highestRate(trial, limits), 80_000);
    assert.ok(count() <= 4, `${count()} trials`);
  });

  it('needs fewer than twenty-five trials on an undisturbed path', async () => {
    for (let capacity = 10_000; capacity < 490_000; capacity += 7_000) {
      const { trial, count } = counting(trialOf({ capacity }));
      await highestRate(trial, limits);
      assert.ok(count() < 25, `${count()} trials at ${capacity}`);
    }
  });

  it('comes close although every fourth trial is disturbed', async () => {
    const capacity = 200_000;
    let closeCount = 0;
    for (let seed = 1; seed <= 200; seed++) {
      const draw = chance(seed);
      const found = await highestRate(trialOf({ capacity, isDisturbed: () => draw() < 0.25 }), limits);
      assert.ok(found <= capacity, `seed ${seed}: ${found} > ${capacity}`);
      assert.ok(found >= capacity * 0.6, `seed ${seed}: ${found}`);
      if (found >= capacity * 0.9) closeCount++;
    }
    assert.ok(closeCount >= 190, `only ${closeCount} of 200 were close`);
  });

  it('is not led astray by a flood that delivers far less than the path can carry', async () => {
    const calm = trialOf({ capacity: 200_000 });
    const collapsing: RateTrial = async (rate, length) => {
      const trial = await calm(rate, length);
      if (trial.lossRatio < 0.3) return trial;
      return { ...trial, deliveredPerSecond: 4_000, lossRatio: 1 - 4_000 / trial.sentPerSecond };
    };
    const found = await highestRate(collapsing, limits);
    assert.ok(found >= 186_000 && found <= 200_000, `${found}`);
  });

  it('is zero for a path that loses at every rate, after a bounded number of trials', async () => {
    const lossy = (rate: number): Promise<Trial> =>
      Promise.resolve({ sentPerSecond: rate, deliveredPerSecond: rate / 2, lossRatio: 0.5 });
    const { trial, count } = counting(lossy);
    assert.equal(await highestRate(trial, limits), 0);
    assert.ok(count() < 60, `${count()} trials`);
  });

  it('returns what it has confirmed when its trials are used up', async () => {
    const { trial, count } = counting(trialOf({ capacity: 100_000 }));
    const found = await highestRate(trial, { ...limits, nearPerSecond: 60_000, maxTrials: 3 });
    assert.ok(found > 50_000 && found <= 100_000, `${found}`);
    assert.ok(count() <= 8, `${count()} trials`);
  });
});
