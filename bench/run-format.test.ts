import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { formatRun, parseRun, RunFileError } from './run-format.ts';
import { sampleRun } from './sample-run.fixture.ts';

/** The sample as JSON that a test may spoil. */
function spoiled(change: (json: { sections: Record<string, unknown>[] } & Record<string, unknown>) => void) {
  const json = JSON.parse(formatRun(sampleRun())) as { sections: Record<string, unknown>[] };
  change(json);
  return JSON.stringify(json);
}

describe('parseRun', () => {
  it('reads what was written', () => {
    assert.deepEqual(parseRun(formatRun(sampleRun()), 'x.json'), sampleRun());
  });

  it('passes over what a later bench may add', () => {
    const text = spoiled((json) => {
      json['later'] = true;
    });
    assert.deepEqual(parseRun(text, 'x.json'), sampleRun());
  });

  const refused: [string, string, RegExp][] = [
    ['what is not JSON', '{', /^x\.json: not JSON/],
    ['another JSON file', '{"name":"x"}', /^x\.json: not a result of this bench/],
    ['a list', '[]', /^x\.json: not a result of this bench/],
    [
      'another version, naming both',
      spoiled((json) => {
        json['version'] = 2;
      }),
      /version 2 .* version 1/,
    ],
    [
      'a figure without its median, naming the place',
      formatRun(sampleRun()).replace(/"median": [\d.]+/, '"median": "fast"'),
      /^x\.json: sections\.0\.groups\.0\.figures\.0\.median: .*"fast"/,
    ],
    [
      'an unknown section',
      spoiled((json) => {
        json.sections[0] = { ...json.sections[0], section: 'nope' };
      }),
      /sections\.0\.section/,
    ],
    [
      'a figure without repeats',
      formatRun(sampleRun()).replace(/"samples": \[[^\]]*\]/, '"samples": []'),
      /samples/,
    ],
  ];
  for (const [name, text, message] of refused) {
    it(`refuses ${name}`, () => {
      assert.throws(() => parseRun(text, 'x.json'), RunFileError);
      assert.throws(() => parseRun(text, 'x.json'), { message });
    });
  }
});
