import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';

import { isUnsteady, mean, median, medianRatio, percentile, summarize } from './arithmetic.ts';

const samples = fc.array(fc.double({ min: 0.001, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 50 });

describe('median', () => {
  it('is the middle sample of an odd count, whatever their order', () => {
    assert.equal(median([9, 1, 5]), 5);
  });

  it('is the mean of the middle two of an even count', () => {
    assert.equal(median([4, 1, 3, 2]), 2.5);
  });

  it('leaves its input as it was', () => {
    const input = [3, 1, 2];
    median(input);
    assert.deepEqual(input, [3, 1, 2]);
  });

  it('has as many samples at most as large as at least as large', () => {
    fc.assert(
      fc.property(samples, (list) => {
        const middle = median(list);
        const below = list.filter((sample) => sample <= middle).length;
        const above = list.filter((sample) => sample >= middle).length;
        assert.ok(below * 2 >= list.length && above * 2 >= list.length);
      }),
    );
  });

  it('refuses to answer for no samples', () => {
    assert.throws(() => median([]), RangeError);
  });
});

describe('percentile', () => {
  it('is the nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
    assert.equal(percentile(hundred, 0.99), 99);
    assert.equal(percentile(hundred, 0.5), 50);
    assert.equal(percentile(hundred, 1), 100);
  });

  it('of one sample is that sample', () => {
    assert.equal(percentile([7], 0.99), 7);
  });

  it('refuses a share outside (0, 1]', () => {
    assert.throws(() => percentile([1], 0), RangeError);
    assert.throws(() => percentile([1], 1.1), RangeError);
    assert.throws(() => percentile([1], Number.NaN), RangeError);
  });
});

describe('summarize', () => {
  it('states the spread as the range over the median', () => {
    assert.deepEqual(summarize([10, 8, 12]), { median: 10, spread: 0.4, samples: [10, 8, 12] });
  });

  it('has no spread for one sample or a median of zero', () => {
    assert.equal(summarize([5]).spread, 0);
    assert.equal(summarize([0, 0, 3]).spread, 0);
  });

  it('marks what varies by more than 15 %', () => {
    assert.equal(isUnsteady(summarize([100, 107, 93])), false);
    assert.equal(isUnsteady(summarize([100, 110, 90])), true);
  });
});

describe('medianRatio', () => {
  it('pairs the repeats, so that a slow moment of the machine cancels out', () => {
    assert.equal(medianRatio([5, 10, 2], [10, 20, 4]), 0.5);
  });

  it('is unknown without a pair or with a zero reference', () => {
    assert.equal(medianRatio([], [1]), undefined);
    assert.equal(medianRatio([1], [0]), undefined);
  });

  it('of a list with itself is one', () => {
    fc.assert(
      fc.property(samples, (list) => {
        assert.equal(medianRatio(list, list), 1);
      }),
    );
  });
});

describe('mean', () => {
  it('is the sum over the count', () => {
    assert.equal(mean([1, 2, 6]), 3);
  });
});
