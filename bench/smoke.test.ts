/**
 * Runs every section of the bench through its command line, as briefly as it goes: do all steps still work, and is
 * what they yield a result that reads and compares? The figures themselves mean nothing and are not looked at.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import { type CommandResult, run } from '../test/lab/command.ts';
import { preflightProblems } from '../test/lab/preflight.ts';
import { readRun, writeRun } from './results.ts';
import type { BenchRun } from './run-format.ts';
import { sampleRun } from './sample-run.fixture.ts';
import { SECTION_NAMES, type SectionName } from './section.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
/** Each takes seconds, unless it has a program to build first; this ends one that hangs. */
const SECTION_TIMEOUT_MS = 300_000;
const mustRun = process.env['PEERTAP_REQUIRE_SYSTEM'] === '1';

function bench(...args: string[]): Promise<CommandResult> {
  return run(process.execPath, [MAIN, ...args], { timeoutMs: SECTION_TIMEOUT_MS, allowFailure: true });
}

describe('npm run bench', () => {
  let folder = '';

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'peertap-bench-'));
  });

  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  for (const section of SECTION_NAMES) {
    it(`goes through every step of ${section}`, async (context) => {
      const file = join(folder, `${section}.json`);
      const { status, stdout, stderr } = await bench(section, '--smoke', '--output', file);
      const found = readRun(file);
      const [absence] = found.absences;
      if (absence !== undefined && !absence.failed && !mustRun) {
        context.skip(absence.reasons.join(' '));
        return;
      }
      assert.equal(status, 0, stderr);
      assertUsable(found, section);
      assert.match(stdout, /a smoke run: the figures mean nothing/);
      assert.match(readFileSync(join(folder, `${section}.html`), 'utf8'), /<svg /);
      for (const written of found.sections[0]?.files ?? []) assert.ok(existsSync(written), written);
    });
  }

  it('exits with 1 when a figure became worse than in the file it is compared with', async () => {
    const { now, before: then } = pairOfRuns(folder);
    const worse = await bench('--from', now, '--compare', then);
    assert.equal(worse.status, 1, worse.stderr);
    assert.match(worse.stdout, /WORSE/);
    const within = await bench('--from', now, '--compare', then, '--threshold', '60');
    assert.equal(within.status, 0, within.stderr);
  });

  it('exits with 2 for what it cannot follow, and says why', async () => {
    const misspelt = await bench('micor');
    assert.equal(misspelt.status, 2);
    assert.match(misspelt.stderr, /did you mean micro\?/);
    const missing = await bench('micro', '--compare', join(folder, 'nothing.json'));
    assert.equal(missing.status, 2);
    assert.match(missing.stderr, /nothing\.json: there is no such file/);
  });
});

function assertUsable(found: BenchRun, section: SectionName): void {
  assert.deepEqual(
    found.sections.map((one) => one.section),
    [section],
  );
  const groups = found.sections[0]?.groups ?? [];
  const figures = groups.flatMap((group) => group.figures);
  assert.ok(figures.length > 0, 'no figures');
  for (const { title, subject, unit, samples } of figures) {
    assert.ok(unit !== '' && title !== '' && subject !== '', `${title} of ${subject}: "${unit}"`);
    assert.ok(samples.every(Number.isFinite), `${title} of ${subject}: ${samples.join()}`);
  }
  const unusable = found.sections[0]?.notes.filter((note) => note.includes('no number'));
  assert.deepEqual(unusable, []);
  assert.deepEqual(
    preflightProblems([]).length === 0 ? found.absences : [],
    [],
    'a section that can run here must',
  );
}

/** The same run twice, half as fast the second time. */
function pairOfRuns(folder: string): { now: string; before: string } {
  const then = sampleRun();
  const now: BenchRun = {
    ...then,
    sections: then.sections.map((section) => ({
      ...section,
      groups: section.groups.map((group) => ({
        ...group,
        figures: group.figures.map((figure) => ({
          ...figure,
          median: figure.median / 2,
          samples: figure.samples.map((sample) => sample / 2),
        })),
      })),
    })),
  };
  const files = { now: join(folder, 'now.json'), before: join(folder, 'then.json') };
  writeRun(then, files.before);
  writeRun(now, files.now);
  return files;
}
