import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Recorder } from '../section.ts';
import { allocationFigure } from './path-figures.ts';
import { judgeAllocation } from './section.ts';

test('an engine is judged by the kind of traffic for which it allocates most', () => {
  const recorder = new Recorder('allocation');
  recorder.add({ subject: 'native', figure: allocationFigure('one', false) }, 0);
  recorder.add({ subject: 'typescript', figure: allocationFigure('one', false) }, 0);
  recorder.add({ subject: 'typescript', figure: allocationFigure('one', true) }, 16);
  const group = recorder.group();
  assert.equal(judgeAllocation('native', group).met, true);
  const verdict = judgeAllocation('typescript', group);
  assert.deepEqual([verdict.met, verdict.measured], [false, 16]);
});
