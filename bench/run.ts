/**
 * Owns a run of the bench: each section in turn, and what it found put beside when and how undisturbed it ran.
 *
 *   load ─▶ problems? ─▶ run ─▶ findings + clock + steal ─▶ saved at once, so that a run that is cut short leaves something
 *
 * Runs on the main thread of the bench. A section that fails must never keep the others from running.
 */

import { relative, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { reasonOf } from '../dataplane/base/error-reason.ts';

import { undoAll } from '../test/lab/cleanup.ts';
import { readCpuTimes, stealShare } from './machine.ts';
import { PROJECT_ROOT } from './project-root.ts';
import type { Absence, BenchRun, SectionRun } from './run-format.ts';
import type { FigureGroup, Section, SectionFindings, SectionName, SectionSettings } from './section.ts';

/** What a run needs from outside. */
export interface RunPorts {
  readonly load: (section: SectionName) => Promise<Section>;
  readonly settings: (section: SectionName) => SectionSettings;
  /** Shows a piece of text at once, without a line's end. */
  readonly progress: (text: string) => void;
  /** Keeps the run so far. */
  readonly save: (run: BenchRun) => void;
}

/** Runs the sections one after another. @param start - the run without sections */
export async function runSections(
  start: BenchRun,
  sections: readonly SectionName[],
  ports: RunPorts,
): Promise<BenchRun> {
  let run = start;
  for (const [index, name] of sections.entries()) {
    ports.progress(`── ${name} (${index + 1} of ${sections.length})\n`);
    const outcome = await runSection(name, ports);
    run =
      'groups' in outcome
        ? { ...run, sections: [...run.sections, outcome] }
        : { ...run, absences: [...run.absences, outcome] };
    ports.save(run);
  }
  return run;
}

async function runSection(name: SectionName, ports: RunPorts): Promise<SectionRun | Absence> {
  const { progress } = ports;
  try {
    const section = await ports.load(name);
    const settings = ports.settings(name);
    const problems = section.problems(settings);
    if (problems.length > 0) {
      progress(`cannot run here:\n${problems.map((problem) => `  - ${problem}\n`).join('')}`);
      return { section: name, failed: false, reasons: problems };
    }
    const outcome = await measure(section, settings, progress);
    progress(`${name} took ${outcome.seconds.toFixed(0)} s\n`);
    return outcome;
  } catch (error) {
    const [firstLine = ''] = reasonOf(error).split('\n');
    progress(
      `\n${name} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    return { section: name, failed: true, reasons: [firstLine] };
  } finally {
    // A section undoes what it made; one that failed half-way may not have.
    undoAll();
  }
}

async function measure(
  section: Section,
  settings: SectionSettings,
  progress: (text: string) => void,
): Promise<SectionRun> {
  const startedAt = new Date().toISOString();
  const startMs = performance.now();
  const before = readCpuTimes();
  const findings = await section.run(settings, progress);
  const stolen = stealShare(before, readCpuTimes());
  const checked = withoutUnusable(findings);
  return {
    section: section.name,
    startedAt,
    seconds: (performance.now() - startMs) / 1000,
    settings,
    stealShare: stolen,
    ...checked,
    // From the project's root: a result may be read elsewhere.
    files: (findings.files ?? []).map((file) => relative(PROJECT_ROOT, resolve(file))),
  };
}

/** A quotient of nothing is no figure: it is left out and named, since no report could show it. */
function withoutUnusable(findings: SectionFindings): Pick<SectionRun, 'groups' | 'verdicts' | 'notes'> {
  const unusable: string[] = [];
  const usable = <T>(values: readonly number[], item: T, title: string): T[] => {
    if (values.every(Number.isFinite)) return [item];
    unusable.push(`${title} is left out: it was measured as no number.`);
    return [];
  };
  const groups: FigureGroup[] = findings.groups.map((group) => ({
    ...group,
    figures: group.figures.flatMap((figure) =>
      usable([...figure.samples, figure.x ?? 0], figure, `${figure.title} of ${figure.subject}`),
    ),
  }));
  const verdicts = findings.verdicts.flatMap((verdict) =>
    usable([verdict.measured], verdict, `The target "${verdict.title}"`),
  );
  return { groups, verdicts, notes: [...findings.notes, ...unusable] };
}
