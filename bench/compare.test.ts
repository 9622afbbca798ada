import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';

import { type Change, compareFigures, compareRuns } from './compare.ts';
import { hasWorsened } from './report/comparison.ts';
import { runOf, SETTINGS, sampleRun, sectionOf, TCP } from './sample-run.fixture.ts';
import { type FigureDescription, type FigureResult, Recorder } from './section.ts';

const THRESHOLD = 0.15;

function figure(samples: readonly number[], better: FigureDescription['better'] = 'higher'): FigureResult {
  const recorder = new Recorder('group');
  for (const sample of samples) recorder.add({ subject: 'native', figure: { ...TCP, better } }, sample);
  const [only] = recorder.group().figures;
  assert.ok(only);
  return only;
}

function changeOf(
  then: readonly number[],
  now: readonly number[],
  better: FigureDescription['better'] = 'higher',
): Change {
  return compareFigures(figure(then, better), figure(now, better), THRESHOLD).change;
}

function runWith(samples: readonly number[], subject = 'native') {
  const recorder = new Recorder('group');
  for (const sample of samples) recorder.add({ subject, figure: TCP }, sample);
  return runOf([sectionOf('tunnel', { groups: [recorder.group()] })]);
}

const samples = fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 7 });

describe('compareFigures', () => {
  it('states now as a multiple of then', () => {
    assert.equal(compareFigures(figure([10]), figure([8]), THRESHOLD).ratio, 0.8);
  });

  it('calls steady figures by their medians', () => {
    assert.equal(changeOf([100, 101, 99], [84, 85, 83]), 'worse');
    assert.equal(changeOf([100, 101, 99], [86, 87, 85]), 'same');
    assert.equal(changeOf([100, 101, 99], [116, 117, 115]), 'better');
  });

  it('turns round where less is better', () => {
    assert.equal(changeOf([100, 101, 99], [116, 117, 115], 'lower'), 'worse');
    assert.equal(changeOf([100, 101, 99], [84, 85, 83], 'lower'), 'better');
  });

  it('only states what has no better direction', () => {
    assert.equal(changeOf([100], [1], 'none'), 'stated');
  });

  it('proves nothing by an unsteady median', () => {
    assert.equal(changeOf([100, 60, 110], [80, 60, 75]), 'unclear');
    assert.equal(changeOf([100, 101, 99], [80, 60, 95]), 'unclear');
  });

  it('believes an unsteady figure when even its best repeat is worse than the worst was, by the threshold', () => {
    assert.equal(changeOf([100, 80, 120], [50, 40, 60]), 'worse');
    assert.equal(changeOf([100, 80, 120], [60, 40, 79]), 'unclear');
    assert.equal(changeOf([50, 40, 60], [100, 80, 120]), 'better');
    assert.equal(changeOf([100, 80, 120], [200, 140, 260], 'lower'), 'worse');
  });

  it('takes every rise from zero that is shown for a change, and has no ratio for it', () => {
    assert.equal(changeOf([0, 0], [3, 3], 'lower'), 'worse');
    assert.equal(changeOf([0, 0], [3, 3]), 'better');
    assert.equal(changeOf([0, 0], [0.001, 0.001], 'lower'), 'same');
    assert.equal(compareFigures(figure([0]), figure([3]), THRESHOLD).ratio, undefined);
  });

  it('finds a figure the same as itself, however unsteady', () => {
    fc.assert(
      fc.property(samples, (list) => {
        assert.equal(changeOf(list, list), 'same');
        assert.equal(changeOf(list, list, 'lower'), 'same');
      }),
    );
  });

  it('never finds worse without a worse median', () => {
    fc.assert(
      fc.property(samples, samples, (then, now) => {
        const compared = compareFigures(figure(then), figure(now), THRESHOLD);
        if (compared.change === 'worse') assert.ok(compared.now.median < compared.then.median);
        if (compared.change === 'better') assert.ok(compared.now.median > compared.then.median);
      }),
    );
  });
});

describe('compareRuns', () => {
  it('pairs every figure of a run with itself, and warns of nothing', () => {
    const run = sampleRun();
    const comparison = compareRuns(run, run, THRESHOLD);
    const count = run.sections.flatMap(({ groups }) => groups.flatMap(({ figures }) => figures)).length;
    assert.equal(comparison.figures.length, count);
    assert.ok(comparison.figures.every(({ change, ratio }) => change === 'same' && ratio === 1));
    assert.deepEqual(comparison.warnings, []);
    assert.deepEqual(comparison.unmatched, []);
  });

  it('fails when a figure became worse', () => {
    assert.equal(hasWorsened(compareRuns(runWith([10]), runWith([5]), THRESHOLD)), true);
    assert.equal(hasWorsened(compareRuns(runWith([10]), runWith([9]), THRESHOLD)), false);
    assert.equal(hasWorsened(compareRuns(runWith([10]), runWith([20]), THRESHOLD)), false);
  });

  it('names what stands in one run only', () => {
    const { figures, unmatched } = compareRuns(runWith([1], 'native'), runWith([1], 'nebula'), THRESHOLD);
    assert.equal(figures.length, 0);
    assert.deepEqual(unmatched, [
      'tunnel: only in the earlier run: native: TCP, 1 stream',
      'tunnel: only in this run: nebula: TCP, 1 stream',
    ]);
  });

  it('warns of another machine, of other settings and of a hypervisor', () => {
    const then = runWith([1]);
    const now = runWith([1]);
    const other = {
      ...now,
      machine: { ...now.machine, cpuModel: 'Other CPU' },
      sections: now.sections.map((section) => ({
        ...section,
        stealShare: 0.1,
        settings: { ...SETTINGS, seconds: 9 },
      })),
    };
    const { warnings } = compareRuns(then, other, THRESHOLD);
    assert.match(warnings[0] ?? '', /The machines differ.*CPU was Some CPU <of a kind>, is Other CPU/);
    assert.match(warnings[1] ?? '', /tunnel: measured otherwise: 3 × 2 s then, 3 × 9 s now/);
    assert.match(warnings[2] ?? '', /10\.0 %/);
  });
});
