import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FigureKey } from './figures.ts';
import { describeVerdict, judge, type Target } from './targets.ts';

const ratio: Target = {
  subject: 'mine',
  figure: 'tcpGbit',
  relativeTo: 'theirs',
  sense: 'at least',
  value: 0.35,
};
const absolute: Target = { subject: 'mine', figure: 'startMs', sense: 'at most', value: 2000 };

function table(rows: Record<string, Partial<Record<FigureKey, number[]>>>) {
  return new Map(
    Object.entries(rows).map(([subject, figures]) => [
      subject,
      new Map(Object.entries(figures) as [FigureKey, number[]][]),
    ]),
  );
}

describe('judge', () => {
  it('takes a ratio within each repeat and the median of the ratios', () => {
    const [verdict] = judge(
      [ratio],
      table({ mine: { tcpGbit: [4, 2, 9] }, theirs: { tcpGbit: [10, 5, 9] } }),
    );
    assert.equal(verdict?.measured, 0.4);
    assert.equal(verdict.met, true);
  });

  it('judges an absolute figure by its median', () => {
    const [verdict] = judge([absolute], table({ mine: { startMs: [1900, 2100, 2200] } }));
    assert.equal(verdict?.measured, 2100);
    assert.equal(verdict.met, false);
  });

  it('leaves out what was not measured', () => {
    assert.deepEqual(judge([ratio, absolute], table({ mine: { tcpGbit: [4] } })), []);
  });
});

describe('describeVerdict', () => {
  it('names the figure, the value, the demand and the verdict', () => {
    const row = describeVerdict({ target: ratio, measured: 0.4, met: true });
    assert.deepEqual(row, ['mine: TCP, 1 stream', '0.40', '≥ 0.35 × theirs', 'met']);
  });
});
