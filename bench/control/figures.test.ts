import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Recorder } from '../section.ts';
import { BLOCK_FIGURE, JOIN_FIGURE, judgeGroups } from './figures.ts';

describe('the verdicts on groups', () => {
  it('take the median join at 200 members, and the longest block of all sizes', () => {
    const [times, blocks] = [new Recorder('times'), new Recorder('blocks')];
    const subject = 'x-wing';
    for (const ms of [100, 3_000, 200]) times.add({ subject, figure: JOIN_FIGURE, x: 200 }, ms);
    times.add({ subject, figure: JOIN_FIGURE, x: 500 }, 9_000);
    blocks.add({ subject, figure: BLOCK_FIGURE, x: 10 }, 25);
    blocks.add({ subject, figure: BLOCK_FIGURE, x: 500 }, 3);
    const verdicts = judgeGroups(times, blocks, { subject, sizes: [10, 500] });
    assert.deepEqual(
      verdicts.map(({ measured, met }) => [measured, met]),
      [
        [200, true],
        [25, false],
      ],
    );
  });

  it('say nothing about a size that was not measured', () => {
    const empty = new Recorder('none');
    assert.deepEqual(judgeGroups(empty, empty, { subject: 'x-wing', sizes: [4] }), []);
  });
});
