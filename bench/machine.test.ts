import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { busyShare, describeMachine, quietWarnings, readCpuTimes, stealShare } from './machine.ts';

const start = { totalTicks: 1000, idleTicks: 500, stealTicks: 10 };

describe('shares of CPU time', () => {
  it('are of what passed between two readings', () => {
    const end = { totalTicks: 1200, idleTicks: 600, stealTicks: 30 };
    assert.equal(stealShare(start, end), 0.1);
    assert.equal(busyShare(start, end), 0.4);
  });

  it('are none when no time passed', () => {
    assert.equal(stealShare(start, start), 0);
    assert.equal(busyShare(start, start), 0);
  });

  it('come from counters that this kernel has', () => {
    const { totalTicks, idleTicks } = readCpuTimes();
    assert.ok(totalTicks > idleTicks && idleTicks > 0);
  });
});

describe('quietWarnings', () => {
  it('says nothing of a quiet machine', () => {
    assert.deepEqual(quietWarnings({ loadAverage: 0.3, busyShare: 0.02, stealShare: 0 }), []);
  });

  it('names what is at work', () => {
    const warnings = quietWarnings({ loadAverage: 2, busyShare: 0.5, stealShare: 0.1 });
    assert.match(warnings.join('\n'), /not quiet: 50 %.*\n.*hypervisor.* 10 %/);
  });
});

describe('describeMachine', () => {
  it('knows what decides how fast this machine is', () => {
    const { cpuModel, coreCount, governor, microcode } = describeMachine();
    assert.ok(coreCount > 0 && cpuModel !== '' && governor !== '' && microcode !== '');
  });
});
