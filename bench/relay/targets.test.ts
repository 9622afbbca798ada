/** How the relay's targets are judged. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Recorder } from '../section.ts';
import { CPU_FIGURE, judgeRelay, LOOP, type SizeGroup } from './targets.ts';

function group(bytes: 1472 | 200, native: readonly number[], loop: readonly number[]): SizeGroup {
  const recorder = new Recorder('a size');
  for (const ns of native) recorder.add({ subject: 'native', figure: CPU_FIGURE }, ns);
  for (const ns of loop) recorder.add({ subject: LOOP, figure: CPU_FIGURE }, ns);
  return { bytes, recorder };
}

test('large datagrams are judged by the loop’s time in the same repeat over the relay’s', () => {
  const verdicts = judgeRelay([group(1472, [500, 1000, 500], [450, 900, 450])]);
  assert.deepEqual(
    verdicts.map(({ measured, met, stretch }) => [measured, met, stretch]),
    [
      [0.9, true, false],
      [0.9, false, true],
    ],
  );
});

test('small ones by the time of one', () => {
  const verdicts = judgeRelay([group(200, [170, 150, 190], [])]);
  assert.deepEqual(
    verdicts.map(({ measured, met }) => [measured, met]),
    [
      [170, true],
      [170, false],
    ],
  );
});

test('what was not measured is not judged', () => {
  assert.deepEqual(judgeRelay([group(1472, [], [400]), group(200, [], [])]), []);
});
