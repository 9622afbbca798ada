import assert from 'node:assert/strict';
import { test } from 'node:test';
import { POINTS } from './micro-figures.ts';
import { framesOfSize, measureAead, measureCut, measureLink } from './stage-cells.ts';

const START = { engine: 'typescript', seconds: 0, smoke: true, first: true } as const;

test('a batch has as many frames of a size as one read of a TAP returns', () => {
  assert.deepEqual(
    POINTS.frameBytes.map((bytes) => framesOfSize(bytes).length),
    [64, 64, 64, 64, 64, 46, 16, 4, 1],
  );
  for (const bytes of POINTS.frameBytes) {
    assert.ok(framesOfSize(bytes).every((frame) => frame.bytes.length === bytes));
  }
});

test('every size of the curve is sealed and opened', () => {
  for (const bytes of [64, 65_440]) {
    const readings = measureAead(START, bytes);
    assert.deepEqual(
      readings.map(({ group, place }) => [group, place.x]),
      [
        ['seal', bytes],
        ['seal', bytes],
        ['open', bytes],
        ['open', bytes],
      ],
    );
    assert.ok(readings.every(({ value }) => Number.isFinite(value) && value > 0));
  }
});

test('link headers, windows, cuts and merges give a figure each', () => {
  const readings = [...measureLink(START), ...measureCut(START)];
  const titles = readings.map(({ group, place }) => `${group}: ${place.figure.title}`);
  assert.equal(new Set(titles).size, 11);
  assert.ok(readings.every(({ value }) => Number.isFinite(value) && value >= 0));
});
