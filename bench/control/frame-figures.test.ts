import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Recorder } from '../section.ts';
import { FRAME_FIGURES, type FrameKind, frameSubject, judgeFrames, orderOfRound } from './frame-figures.ts';

function recorded(rounds: readonly (readonly [open: number, closed: number])[]): Recorder {
  const recorder = new Recorder('frames');
  const add = (kind: FrameKind, value: number): void => {
    recorder.add({ subject: frameSubject('native', kind), figure: FRAME_FIGURES.throughput }, value);
  };
  for (const [open, closed] of rounds) {
    add('open', open);
    add('private', closed);
  }
  return recorder;
}

describe('the verdict on the frame path of a private VLAN', () => {
  it('is the median of the rounds’ ratios, not the ratio of medians', () => {
    const rounds = [
      [10, 9],
      [2, 1.98],
      [4, 4],
    ] as const;
    const [verdict] = judgeFrames(recorded(rounds), ['native', 'typescript']);
    assert.equal(verdict?.measured, 0.99);
    assert.equal(verdict.met, true);
  });

  it('is missed below 0.97', () => {
    const verdicts = judgeFrames(recorded([[10, 9.6]]), ['native']);
    assert.deepEqual(
      verdicts.map(({ met }) => met),
      [false],
    );
  });

  it('is not given for an engine that was not measured', () => {
    assert.deepEqual(judgeFrames(recorded([]), ['native']), []);
  });
});

it('each of the two VLANs goes first every other round', () => {
  assert.deepEqual(
    [0, 1, 2].map((round) => orderOfRound(round)[0]),
    ['open', 'private', 'open'],
  );
});
