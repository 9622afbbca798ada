import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { FigureKey } from './figures.ts';
import { BEST_LAYER_2_PEER, judge, TARGETS, type Target, type WireTable } from './verdicts.ts';

type Rows = Record<string, Partial<Record<FigureKey, number[]>>>;

function table(rows: Rows, rest: Partial<WireTable> = {}): WireTable {
  return {
    wire: 'gso',
    layer2Peers: [],
    samples: (subject, figure) => rows[subject]?.[figure] ?? [],
    ...rest,
  };
}

const ratio: Target = {
  subject: 'mine',
  figure: 'tcpOne',
  relativeTo: 'theirs',
  sense: 'at least',
  wanted: 0.35,
};
const absolute: Target = { subject: 'mine', figure: 'pingLoadedP99', sense: 'at most', wanted: 2 };

describe('judge', () => {
  it('takes a ratio within each repeat and the median of the ratios', () => {
    const [verdict] = judge([ratio], table({ mine: { tcpOne: [4, 2, 9] }, theirs: { tcpOne: [10, 5, 9] } }));
    assert.equal(verdict?.measured, 0.4);
    assert.equal(verdict.met, true);
    assert.equal(verdict.unit, '× theirs');
  });

  it('judges an absolute figure by its median', () => {
    const [verdict] = judge([absolute], table({ mine: { pingLoadedP99: [1.9, 2.1, 2.2] } }));
    assert.equal(verdict?.measured, 2.1);
    assert.equal(verdict.met, false);
    assert.equal(verdict.unit, 'ms');
  });

  it('gives the stretch a verdict of its own', () => {
    const rows = { mine: { pingLoadedP99: [1.5] } };
    const verdicts = judge([{ ...absolute, stretch: 1 }], table(rows));
    assert.deepEqual(
      verdicts.map(({ wanted, met, stretch }) => ({ wanted, met, stretch })),
      [
        { wanted: 2, met: true, stretch: false },
        { wanted: 1, met: false, stretch: true },
      ],
    );
  });

  it('compares with whichever layer-2 peer was best in a repeat', () => {
    const target: Target = { ...ratio, relativeTo: BEST_LAYER_2_PEER };
    const rows = { mine: { tcpOne: [2, 3] }, one: { tcpOne: [1, 6] }, two: { tcpOne: [2, 2] } };
    const [verdict] = judge([target], table(rows, { layer2Peers: ['one', 'two'] }));
    assert.equal(verdict?.measured, 0.75);
  });

  it('leaves out what was not measured, and what is meant for the other wire', () => {
    const rows = { mine: { tcpOne: [4] }, theirs: { tcpOne: [4] } };
    assert.deepEqual(judge([absolute, { ...ratio, relativeTo: 'nobody' }], table(rows)), []);
    assert.deepEqual(judge([{ ...ratio, relativeTo: BEST_LAYER_2_PEER }], table(rows)), []);
    assert.deepEqual(judge([{ ...ratio, wire: 'mtu' }], table(rows)), []);
  });

  it('has no stretch that is easier than its target', () => {
    for (const { sense, wanted, stretch } of TARGETS) {
      if (stretch === undefined) continue;
      assert.ok(sense === 'at least' ? stretch > wanted : stretch < wanted);
    }
  });
});
