/**
 * Owns the section `tunnel`: a user's traffic through two daemons, beside the bare link and kernel VXLAN in the same
 * run.
 *
 * All subjects are up at once and take turns within each repeat, so that a ratio compares two moments that lie close
 * together. Runs on the main thread of the bench.
 */

import { relative } from 'node:path';

import { isUnsteady, summarize } from '../arithmetic.ts';
import { describeMachine, readCpuTimes, stealShare } from '../machine.ts';
import type { BenchOptions } from '../options.ts';
import { type FigureResult, type SectionResult, writeResult } from '../results.ts';
import { renderTable } from '../table.ts';
import { FIGURES, type FigureKey, MEASUREMENTS, type Measurement } from './figures.ts';
import { makePeertapSubjects } from './peertap-subject.ts';
import { makeBareSubject, makeVxlanSubject, type Subject } from './subject.ts';
import { describeVerdict, judge, TARGETS } from './targets.ts';

type Samples = Map<string, Map<FigureKey, number[]>>;

/** Runs the section, shows its tables and writes its result file. */
export async function runTunnelSection(options: BenchOptions): Promise<SectionResult> {
  const startedAt = new Date().toISOString();
  const timesBefore = readCpuTimes();
  const subjects = await makeSubjects(options);
  const samples: Samples = new Map(subjects.map((subject) => [subject.name, new Map<FigureKey, number[]>()]));
  for (let repeat = 0; repeat < options.repeatCount; repeat++) {
    await runRepeat(subjects, samples, { repeat, options });
  }
  for (const subject of subjects) await subject.remove();
  const result: SectionResult = {
    section: 'tunnel',
    startedAt,
    settings: { ...options },
    machine: describeMachine(),
    stealShare: stealShare(timesBefore, readCpuTimes()),
    subjects: summarizeAll(samples),
    targets: options.wire === 'gso' ? judge(TARGETS, samples) : [],
  };
  show(result, samples, options);
  return result;
}

async function makeSubjects(options: BenchOptions): Promise<Subject[]> {
  const limits = [makeBareSubject(options.wire), makeVxlanSubject(options.wire)];
  if (options.limitsOnly) return limits;
  return [...limits, ...(await makePeertapSubjects(options.wire, options.engines))];
}

async function runRepeat(
  subjects: readonly Subject[],
  samples: Samples,
  { repeat, options }: { repeat: number; options: BenchOptions },
): Promise<void> {
  for (const measurement of MEASUREMENTS) {
    // What is done once comes last, when the daemons have carried everything else.
    if (measurement.once === true && repeat + 1 < options.repeatCount) continue;
    for (const subject of subjects) {
      if (!measurement.appliesTo(subject)) continue;
      await runMeasurement(subject, measurement, { samples, options, repeat });
    }
  }
}

async function runMeasurement(
  subject: Subject,
  measurement: Measurement,
  context: { samples: Samples; options: BenchOptions; repeat: number },
): Promise<void> {
  const { options, repeat, samples } = context;
  process.stderr.write(`[${repeat + 1}/${options.repeatCount}] ${subject.name}: ${measurement.title} … `);
  const readings = Object.entries(await measurement.run(subject, options)) as [FigureKey, number][];
  const shown: string[] = [];
  for (const [key, value] of readings) {
    const ofSubject = samples.get(subject.name);
    ofSubject?.set(key, [...(ofSubject.get(key) ?? []), value]);
    shown.push(`${value.toFixed(FIGURES[key].digits)} ${FIGURES[key].unit}`);
  }
  process.stderr.write(`${shown.join(', ')}\n`);
}

function summarizeAll(samples: Samples): Record<string, Record<string, FigureResult>> {
  return Object.fromEntries(
    [...samples].map(([subject, figures]) => [
      subject,
      Object.fromEntries(
        [...figures].map(([key, values]) => [key, { unit: FIGURES[key].unit, ...summarize(values) }]),
      ),
    ]),
  );
}

function show(result: SectionResult, samples: Samples, options: BenchOptions): void {
  const { machine } = result;
  process.stdout.write(
    `\ntunnel, wire ${options.wire}: ${options.repeatCount} × ${options.seconds} s, medians (spread; ! above 15 %)\n` +
      `${machine.cpuModel}, ${machine.coreCount} cores, Linux ${machine.kernel}, Node ${machine.nodeVersion}, governor ${machine.governor}, steal ${(result.stealShare * 100).toFixed(1)} %\n\n`,
  );
  process.stdout.write(figureTable(result));
  const verdicts = options.wire === 'gso' ? judge(TARGETS, samples) : [];
  if (verdicts.length > 0) {
    process.stdout.write(
      `\n${renderTable(['target', 'measured', 'wanted', ''], verdicts.map(describeVerdict))}`,
    );
  }
  process.stdout.write(`\nresults: ${relative(process.cwd(), writeResult(result))}\n`);
}

function figureTable(result: SectionResult): string {
  const names = Object.keys(result.subjects);
  const rows = (Object.keys(FIGURES) as FigureKey[]).flatMap((key) => {
    const cells = names.map((name) => figureCell(key, result.subjects[name]?.[key]));
    return cells.every((cell) => cell === '–')
      ? []
      : [[`${FIGURES[key].title}, ${FIGURES[key].unit}`, ...cells]];
  });
  return renderTable(['', ...names], rows);
}

function figureCell(key: FigureKey, figure: FigureResult | undefined): string {
  if (figure === undefined) return '–';
  const mark = isUnsteady(figure) ? '!' : '';
  return `${figure.median.toFixed(FIGURES[key].digits)} (${Math.round(figure.spread * 100)} %${mark})`;
}
