import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { readUdpReport } from './iperf.ts';

const report = (packets: number, seconds: number, bytes: number) => ({
  end: { sum_sent: { packets, seconds }, sum_received: { bytes } },
});

describe('readUdpReport', () => {
  it('counts what the receiver has not read as lost', () => {
    const { lossRatio, sentPerSecond, deliveredPerSecond } = readUdpReport(report(1000, 0.5, 64 * 900), 64);
    assert.ok(Math.abs(lossRatio - 0.1) < 1e-9);
    assert.equal(sentPerSecond, 2000);
    assert.equal(Math.round(deliveredPerSecond), 1800);
  });

  it('never shows more delivered than sent', () => {
    assert.equal(readUdpReport(report(1000, 1, 64 * 1001), 64).lossRatio, 0);
  });

  it('takes a run that sent nothing for lost', () => {
    assert.equal(readUdpReport(report(0, 1, 0), 64).lossRatio, 1);
  });
});
