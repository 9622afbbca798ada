import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { SectionSettings } from '../section.ts';
import { isOccasion, scheduleOf } from './schedule.ts';

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
  const repeats = (
    occasion: 'every repeat' | 'first repeat' | 'last repeat',
    settings = full,
    isCore = false,
  ) => [0, 1, 2].filter((repeat) => isOccasion(occasion, { repeat, settings, isCore }));

  it('is every repeat, the first or the last', () => {
    assert.deepEqual(repeats('every repeat'), [0, 1, 2]);
    assert.deepEqual(repeats('first repeat'), [0]);
    assert.deepEqual(repeats('last repeat'), [2]);
  });

  it('is only the first in the short form for what is not its core', () => {
    assert.deepEqual(repeats('every repeat', short), [0]);
    assert.deepEqual(repeats('every repeat', short, true), [0, 1, 2]);
    assert.deepEqual(repeats('last repeat', short), [2]);
  });
});
