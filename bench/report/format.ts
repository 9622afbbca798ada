/**
 * Owns how the reports of the bench write numbers, targets and the machine.
 *
 * Pure. Runs on the main thread of the bench.
 */

import { isUnsteady, UNSTEADY_SPREAD } from '../arithmetic.ts';
import { quietWarnings } from '../machine.ts';
import type { BenchRun, SectionRun } from '../run-format.ts';
import type { FigureGroup, FigureResult, Verdict } from '../section.ts';

/** How a missing figure is shown. */
export const NOTHING = '–';

/** Says what the percentages and marks beside figures are. */
export const LEGEND = `medians; in brackets the spread of the repeats (range over median), with ! above ${Math.round(UNSTEADY_SPREAD * 100)} %`;

/** A value with its figure's digits and with commas between thousands. */
export function formatValue(value: number, digits: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A place on an axis: whole as it is, otherwise to three figures. */
export function formatPlace(x: number): string {
  return x.toLocaleString('en', Number.isInteger(x) ? {} : { maximumSignificantDigits: 3 });
}

/** Median and spread: `8.60 (12 %)`, `8.60 (31 %!)`; without a spread when there is one repeat. */
export function formatFigure(figure: FigureResult | undefined): string {
  if (figure === undefined) return NOTHING;
  const value = formatValue(figure.median, figure.digits);
  if (figure.samples.length < 2) return value;
  return `${value} (${Math.round(figure.spread * 100)} %${isUnsteady(figure) ? '!' : ''})`;
}

/** Name and unit of a figure. */
export function formatTitle({ title, unit }: Pick<FigureResult, 'title' | 'unit'>): string {
  return unit === '' ? title : `${title}, ${unit}`;
}

/** One row of a table of targets: title, measured, wanted, verdict. */
export function verdictCells(verdict: Verdict): [string, string, string, string] {
  const sign = verdict.sense === 'at least' ? '≥' : '≤';
  const wanted = `${sign} ${verdict.wanted} ${verdict.unit}`.trimEnd();
  return [
    verdict.title,
    Number(verdict.measured.toPrecision(3)).toLocaleString('en', { maximumFractionDigits: 6 }),
    verdict.stretch ? `${wanted} (stretch)` : wanted,
    verdict.met ? 'met' : 'missed',
  ];
}

/** The machine in pairs of a name and a value. */
export function machineRows({ machine, quiet, source, startedAt }: BenchRun): [string, string][] {
  return [
    ['CPU', `${machine.cpuModel}, ${machine.coreCount} cores${machine.virtual ? ', virtual machine' : ''}`],
    ['CPU flags', machine.cpuFlags.join(' ') || NOTHING],
    ['microcode', machine.microcode],
    ['governor', machine.governor],
    ['memory', `${machine.memoryGiB} GiB`],
    ['kernel', `Linux ${machine.kernel}, ${machine.architecture}`],
    ['Node', machine.nodeVersion],
    [
      'before the run',
      `load average ${quiet.loadAverage.toFixed(2)}, ${formatShare(quiet.busyShare)} of CPU time in use, ${formatShare(quiet.stealShare)} stolen`,
    ],
    ['source', source ?? 'unknown'],
    ['started', startedAt],
  ];
}

/** What each section was asked for, in one line. */
export function sectionHeading({ settings, seconds, stealShare }: SectionRun): string {
  const form = settings.smoke
    ? ['a smoke run: the figures mean nothing']
    : settings.short
      ? ['short form']
      : [];
  return [
    `${settings.repeatCount} × ${settings.seconds} s`,
    ...form,
    `took ${seconds.toFixed(0)} s`,
    `${formatShare(stealShare)} of CPU time stolen`,
  ].join(', ');
}

/** What a reader must know before any figure. */
export function runWarnings(run: BenchRun): string[] {
  const absent = run.absences.map(
    ({ section, failed, reasons }) =>
      `${section} ${failed ? 'failed' : 'could not run here'}: ${reasons.join(' ')}`,
  );
  return [...quietWarnings(run.quiet), ...absent];
}

/** Subjects of a group, in the order of their first figures. */
export function subjectsOf(group: FigureGroup): string[] {
  return [...new Set(group.figures.map(({ subject }) => subject))];
}

/** Figures of a group by title, in the order in which they came. */
export function figuresByTitle(group: FigureGroup): FigureResult[][] {
  return [...Map.groupBy(group.figures, ({ title, unit }) => `${title}\n${unit}`).values()];
}

/** Places on the x axis, ascending. */
export function placesOf(figures: readonly FigureResult[]): number[] {
  return [...new Set(figures.map(({ x = 0 }) => x))].sort((left, right) => left - right);
}

function formatShare(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
