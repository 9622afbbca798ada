import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { WireReadings } from './figures.ts';

describe('WireReadings', () => {
  it('shows figures and subjects in one order, whichever was read first', () => {
    const readings = new WireReadings('mtu', ['one', 'two']);
    readings.add('two', { tcpFour: 1 });
    readings.add('two', { tcpOne: 2 });
    readings.add('one', { tcpOne: 3 });
    const [group, ...others] = readings.groups();
    assert.deepEqual(others, []);
    assert.equal(group?.title, 'wire mtu: throughput');
    assert.deepEqual(
      group.figures.map(({ title, subject }) => `${subject}: ${title}`),
      ['one: TCP, 1 stream', 'two: TCP, 1 stream', 'two: TCP, 4 streams'],
    );
  });

  it('keeps the readings of each repeat', () => {
    const readings = new WireReadings('gso', ['one']);
    readings.add('one', { pingIdle: 5 });
    readings.add('one', { pingIdle: 7 });
    assert.deepEqual(readings.samples('one', 'pingIdle'), [5, 7]);
    assert.deepEqual(readings.samples('one', 'tcpOne'), []);
  });
});
