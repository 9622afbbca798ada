/**
 * Reading of iperf3's reports; needs no iperf3.
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { readUdpReport } from './iperf.ts';

const report = (sent: { packets: number; seconds: number }, receivedCount: number, lostCount: number) => ({
  end: { sum_sent: sent, sum_received: { bytes: receivedCount * 64, lost_packets: lostCount } },
});
const second = { packets: 1000, seconds: 1 };

describe('readUdpReport', () => {
  it('gives the share that was lost and the rates', () => {
    const { lossRatio, sentPerSecond, deliveredPerSecond } = readUdpReport(
      report({ packets: 1000, seconds: 0.5 }, 900, 100),
      64,
    );
    assert.equal(lossRatio, 0.1);
    assert.equal(sentPerSecond, 2000);
    assert.equal(deliveredPerSecond, 1800);
  });

  it('counts what waited in queues at the end as lost, but for the last 10 ms', () => {
    assert.equal(readUdpReport(report(second, 900, 0), 64).lossRatio, 0.09);
    assert.equal(readUdpReport(report(second, 990, 0), 64).lossRatio, 0);
  });

  it('never shows more delivered than sent', () => {
    assert.equal(readUdpReport(report(second, 1001, 0), 64).lossRatio, 0);
  });

  it('takes a run that sent nothing for lost', () => {
    assert.equal(readUdpReport(report({ packets: 0, seconds: 1 }, 0, 0), 64).lossRatio, 1);
  });
});
