import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { planWindows, requestCostUs, throughputEffect, type WindowReading } from './rounds.ts';

function window(
  kind: WindowReading['kind'],
  bytes: number,
  changes: Partial<WindowReading> = {},
): WindowReading {
  return { kind, bytes, seconds: 1, mainThreadSeconds: 0, clientSeconds: 0, requestCount: 0, ...changes };
}

describe('planWindows', () => {
  it('puts a quiet window before each loaded one and runs full speed at least once', () => {
    assert.deepEqual(planWindows(1), ['quiet', 'steady', 'quiet', 'full']);
    assert.deepEqual(planWindows(2), ['quiet', 'steady', 'quiet', 'full', 'quiet', 'steady']);
  });
});

describe('throughputEffect', () => {
  it('compares a loaded window with the quiet ones beside it, so that a drift does not count', () => {
    const drifting = [window('quiet', 100), window('steady', 147), window('quiet', 200)];
    assert.ok(Math.abs((throughputEffect(drifting, 'steady') ?? 0) - 0.02) < 1e-9);
  });

  it('takes the median over all windows of the kind', () => {
    const windows = [
      window('quiet', 100),
      window('steady', 10),
      window('quiet', 100),
      window('steady', 95),
      window('quiet', 100),
      window('steady', 96),
      window('quiet', 100),
    ];
    assert.ok(Math.abs((throughputEffect(windows, 'steady') ?? 0) - 0.05) < 1e-9);
  });

  it('reckons with the length of each window', () => {
    const windows = [window('quiet', 100), window('full', 200, { seconds: 2 }), window('quiet', 100)];
    assert.equal(throughputEffect(windows, 'full'), 0);
  });

  it('says nothing without two quiet neighbours, or without traffic in them', () => {
    assert.equal(throughputEffect([window('quiet', 1), window('steady', 1)], 'steady'), undefined);
    const idle = [window('quiet', 0), window('steady', 1), window('quiet', 0)];
    assert.equal(throughputEffect(idle, 'steady'), undefined);
  });
});

describe('requestCostUs', () => {
  it('shares out what the main thread used more than without load', () => {
    const windows = [
      window('quiet', 0, { mainThreadSeconds: 0.1 }),
      window('steady', 0, { mainThreadSeconds: 0.3, requestCount: 1000 }),
      window('quiet', 0, { mainThreadSeconds: 0.1 }),
    ];
    assert.ok(Math.abs((requestCostUs(windows, 'steady', 'mainThreadSeconds') ?? 0) - 200) < 1e-6);
  });

  it('says nothing when nothing was asked', () => {
    assert.equal(requestCostUs([window('quiet', 0)], 'steady', 'clientSeconds'), undefined);
  });
});
