import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mainThreadSecondsOf, receivedBytesIn } from './process-facts.ts';

const TABLE = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
 ptap0:123456789     42    0    0    0     0          0         0      777       7    0    0    0     0       0          0
`;

describe('receivedBytesIn', () => {
  it('finds the interface by its whole name', () => {
    assert.equal(receivedBytesIn(TABLE, 'ptap0'), 123456789);
    assert.throws(() => receivedBytesIn(TABLE, 'ptap'), /no interface ptap/);
  });
});

describe('mainThreadSecondsOf', () => {
  it('grows while this thread works', () => {
    const before = mainThreadSecondsOf(process.pid);
    let sum = 0;
    for (let index = 0; index < 1e6; index++) sum += Math.sqrt(index);
    assert.ok(sum > 0 && mainThreadSecondsOf(process.pid) >= before && before > 0);
  });
});
