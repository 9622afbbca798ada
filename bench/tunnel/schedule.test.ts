import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { SectionSettings } from '../section.ts';
import { isOccasion, type Occasion, scheduleOf } from './schedule.ts';

const full: SectionSettings = {
  seconds: 5,
  repeatCount: 3,
  engines: ['native'],
  wires: ['gso', 'mtu'],
  short: false,
  smoke: false,
  peers: true,
  memoryGigabytes: 10,
  limitsOnly: false,
};
const short = { ...full, seconds: 2, short: true };

describe('scheduleOf', () => {
  it('gives a stream the seconds that were asked for, in the short form too', () => {
    assert.deepEqual(scheduleOf(full).stream, { seconds: 5 });
    assert.deepEqual(scheduleOf(short).stream, { seconds: 2 });
  });

  it('goes by size, not by time, in the smoke form, for iperf3 has no part of a second', () => {
    assert.ok('bytes' in scheduleOf({ ...full, smoke: true }).stream);
  });

  it('keeps trials of the short form shorter than those of the full form', () => {
    assert.ok(scheduleOf(short).trialSeconds < scheduleOf(full).trialSeconds);
  });
});

describe('isOccasion', () => {
  const repeats = (occasion: Occasion) => [0, 1, 2].filter((repeat) => isOccasion(occasion, repeat, 3));

  it('is every repeat, the first, the last or none', () => {
    assert.deepEqual(repeats('every repeat'), [0, 1, 2]);
    assert.deepEqual(repeats('first repeat'), [0]);
    assert.deepEqual(repeats('last repeat'), [2]);
    assert.deepEqual(repeats('never'), []);
  });

  it('is both the first and the last when there is one repeat', () => {
    assert.ok(isOccasion('first repeat', 0, 1));
    assert.ok(isOccasion('last repeat', 0, 1));
  });
});
