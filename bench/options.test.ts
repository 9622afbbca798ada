import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { BenchUsageError, parseBenchOptions } from './options.ts';

describe('parseBenchOptions', () => {
  it('measures the tunnel on every engine, three times five seconds, unless told otherwise', () => {
    const options = parseBenchOptions([]);
    assert.deepEqual(options.sections, ['tunnel']);
    assert.deepEqual(options.engines, []);
    assert.equal(options.seconds, 5);
    assert.equal(options.repeatCount, 3);
    assert.equal(options.wire, 'gso');
  });

  it('takes what it is told', () => {
    const options = parseBenchOptions([
      'tunnel',
      '--seconds',
      '2',
      '--repeat',
      '1',
      '--engine',
      'typescript',
      '--wire',
      'mtu',
    ]);
    assert.equal(options.seconds, 2);
    assert.equal(options.repeatCount, 1);
    assert.deepEqual(options.engines, ['typescript']);
    assert.equal(options.wire, 'mtu');
  });

  it('refuses what it does not know, with the range or the names it does', () => {
    const refused = [
      ['--seconds', '0'],
      ['--seconds', ''],
      ['--repeat', '1.5'],
      ['--engine', 'rust'],
      ['--wire', 'x'],
      ['--nope'],
      ['micr'],
    ];
    for (const argv of refused) {
      assert.throws(() => parseBenchOptions(argv), BenchUsageError, argv.join(' '));
    }
  });
});
