import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Recorder } from '../section.ts';
import { BLOCK_FIGURE } from './figures.ts';
import { addStages, JOIN_SUBJECTS, judgeJoins, STAGE_FIGURES } from './join-figures.ts';

describe('the verdicts on joins between daemons', () => {
  it('take the joins of a running newcomer at 200 members, and each daemon’s longest block at any size', () => {
    const [times, loops] = [new Recorder('times'), new Recorder('loops')];
    const figure = STAGE_FIGURES.tookMs;
    for (const ms of [900, 2_600, 2_100]) times.add({ subject: JOIN_SUBJECTS.running, figure, x: 200 }, ms);
    times.add({ subject: JOIN_SUBJECTS.running, figure, x: 500 }, 100);
    times.add({ subject: JOIN_SUBJECTS.fresh, figure, x: 200 }, 100);
    loops.add({ subject: 'admin', figure: BLOCK_FIGURE, x: 10 }, 21);
    loops.add({ subject: 'admin', figure: BLOCK_FIGURE, x: 200 }, 4);
    loops.add({ subject: 'newcomer', figure: BLOCK_FIGURE, x: 200 }, 20);
    assert.deepEqual(
      judgeJoins(times, loops, [10, 200, 500]).map(({ measured, met }) => [measured, met]),
      [
        [2_100, false],
        [21, false],
        [20, true],
      ],
    );
  });

  it('say nothing about what was not measured', () => {
    const empty = new Recorder('none');
    assert.deepEqual(judgeJoins(empty, empty, [200]), []);
  });
});

describe('the stages of a join', () => {
  it('are figures of their own, but for one that nobody saw', () => {
    const times = new Recorder('times');
    addStages(times, { subject: 'one', x: 10 }, { answeredMs: 20, tookMs: 700 });
    assert.deepEqual(
      times.group().figures.map(({ title, median, x }) => [title, median, x]),
      [
        ['request answered, interface up', 20, 10],
        ['join: first frame both ways', 700, 10],
      ],
    );
  });
});
