import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { runSections } from './run.ts';
import { type BenchRun, formatRun, parseRun } from './run-format.ts';
import { runOf, SETTINGS, TCP } from './sample-run.fixture.ts';
import { Recorder, type Section, type SectionFindings, type SectionName } from './section.ts';

function findings(...readings: readonly number[]): SectionFindings {
  const recorder = new Recorder('group');
  for (const reading of readings) recorder.add({ subject: 'native', figure: TCP }, reading);
  return { groups: [recorder.group()], verdicts: [], notes: ['a note'] };
}

function section(name: SectionName, run: Section['run'], problems: readonly string[] = []): Section {
  return { name, title: name, problems: () => problems, run };
}

/** Runs the sections, and keeps what was shown and saved. */
async function runAll(sections: readonly Section[]) {
  const saved: BenchRun[] = [];
  const shown: string[] = [];
  const names = sections.map(({ name }) => name);
  const run = await runSections(runOf([]), names, {
    load: async (name) => {
      const found = sections.find((candidate) => candidate.name === name);
      assert.ok(found);
      return found;
    },
    settings: () => SETTINGS,
    progress: (text) => shown.push(text),
    save: (soFar) => saved.push(soFar),
  });
  return { run, saved, shown: shown.join('') };
}

describe('runSections', () => {
  it('keeps what each section found, and saves after each', async () => {
    const { run, saved } = await runAll([
      section('micro', async () => findings(1, 2)),
      section('path', async () => findings(3)),
    ]);
    assert.deepEqual(
      run.sections.map(({ section: name, settings, notes }) => [name, settings, notes]),
      [
        ['micro', SETTINGS, ['a note']],
        ['path', SETTINGS, ['a note']],
      ],
    );
    assert.deepEqual(
      saved.map(({ sections }) => sections.length),
      [1, 2],
    );
    assert.deepEqual(parseRun(formatRun(run), 'x.json'), run);
  });

  it('goes on after a section that fails or cannot run, and keeps the reasons', async () => {
    const { run, shown } = await runAll([
      section('micro', () => Promise.reject(new Error('no luck\nand a long story'))),
      section('path', async () => findings(1), ['There is no path.']),
      section('tunnel', async () => findings(1)),
    ]);
    assert.deepEqual(run.absences, [
      { section: 'micro', failed: true, reasons: ['no luck'] },
      { section: 'path', failed: false, reasons: ['There is no path.'] },
    ]);
    assert.equal(run.sections.length, 1);
    assert.match(shown, /micro failed: Error: no luck\nand a long story/);
  });

  it('leaves out what is no number, and says so', async () => {
    const { run } = await runAll([section('micro', async () => findings(1, Number.NaN))]);
    assert.deepEqual(run.sections[0]?.groups[0]?.figures, []);
    assert.match(run.sections[0].notes.join(), /TCP, 1 stream of native is left out/);
  });

  it('names files from the root of the project', async () => {
    const file = new URL('./results/graph.svg', import.meta.url).pathname;
    const { run } = await runAll([section('flame', async () => ({ ...findings(1), files: [file] }))]);
    assert.deepEqual(run.sections[0]?.files, ['bench/results/graph.svg']);
  });
});
