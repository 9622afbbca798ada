import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { DemoUsageError, parseDemoOptions } from './options.ts';

describe('parseDemoOptions', () => {
  it('runs with whatever engine fits and removes everything, unless told otherwise', () => {
    assert.deepEqual(parseDemoOptions([]), { action: 'run', keep: false, engine: 'auto' });
  });

  it('takes what it is told', () => {
    const options = parseDemoOptions(['--keep', '--engine', 'typescript']);
    assert.deepEqual(options, { action: 'run', keep: true, engine: 'typescript' });
    assert.equal(parseDemoOptions(['--remove']).action, 'remove');
    assert.equal(parseDemoOptions(['--help']).action, 'help');
  });

  it('refuses what it does not know', () => {
    for (const argv of [['--engine', 'rust'], ['--keep', '--remove'], ['--nope'], ['word']]) {
      assert.throws(() => parseDemoOptions(argv), DemoUsageError, argv.join(' '));
    }
  });
});
