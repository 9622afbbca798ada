/**
 * Owns the comparison of two runs: figure by figure, what changed, and whether that says anything.
 *
 * The rule. Let a figure be steady when its repeats, then and now, spread by no more than the threshold.
 *   steady    worse when its median moved to the worse by more than the threshold
 *   unsteady  worse when even the best repeat of now is worse by more than the threshold than the worst repeat of then:
 *             a median that wanders by itself proves nothing, a gap between all repeats does
 * Better is judged alike. An unsteady figure whose median moved past the threshold without such a gap is `unclear`: it
 * is shown, and fails nothing. What has no better direction is only shown.
 *
 * Pure. Runs on the main thread of the bench.
 */

import type { BenchRun, SectionRun } from './run-format.ts';
import type { FigureGroup, FigureResult } from './section.ts';

/** What became of a figure. */
export type Change = 'same' | 'worse' | 'better' | 'unclear' | 'stated';

/** One figure in both runs. */
export interface ComparedFigure {
  readonly section: string;
  readonly group: string;
  readonly then: FigureResult;
  readonly now: FigureResult;
  /** Now as a multiple of then; undefined when then was 0. */
  readonly ratio: number | undefined;
  readonly change: Change;
  /** The repeats of either run spread by more than the threshold. */
  readonly unsteady: boolean;
}

/** Two runs side by side. */
export interface Comparison {
  readonly figures: readonly ComparedFigure[];
  /** Sentences: what makes the runs hard to compare. */
  readonly warnings: readonly string[];
  /** Sentences: what stands in one run only. */
  readonly unmatched: readonly string[];
}

/** What stands in one run, by where it stands. */
type PlacedFigures = ReadonlyMap<string, { section: string; group: string; figure: FigureResult }>;

const DISTURBED_STEAL_SHARE = 0.02;
const SHOWN_NAMES = 5;

/** Puts the figures of two runs side by side. @param threshold - above 0; 0.15 is 15 % */
export function compareRuns(then: BenchRun, now: BenchRun, threshold: number): Comparison {
  const before = placeFigures(then);
  const after = placeFigures(now);
  const figures = [...after].flatMap(([key, { section, group, figure }]) => {
    const old = before.get(key)?.figure;
    return old === undefined ? [] : [{ section, group, ...compareFigures(old, figure, threshold) }];
  });
  const unmatched = [
    ...describeUnmatched('the earlier run', before, after),
    ...describeUnmatched('this run', after, before),
  ];
  return { figures, warnings: [...machineWarnings(then, now), ...settingsWarnings(then, now)], unmatched };
}

/** Says what became of one figure. */
export function compareFigures(
  then: FigureResult,
  now: FigureResult,
  threshold: number,
): Pick<ComparedFigure, 'then' | 'now' | 'ratio' | 'change' | 'unsteady'> {
  const unsteady = then.spread > threshold || now.spread > threshold;
  const ratio = then.median === 0 ? undefined : now.median / then.median;
  return { then, now, ratio, unsteady, change: judgeChange(then, now, { threshold, unsteady }) };
}

function judgeChange(
  then: FigureResult,
  now: FigureResult,
  { threshold, unsteady }: { threshold: number; unsteady: boolean },
): Change {
  if (now.better === 'none') return 'stated';
  // From 0 every rise is boundless; one that is not even shown is none.
  if (then.median === 0 && Number(now.median.toFixed(now.digits)) === 0) return 'same';
  const higher = now.better === 'higher';
  const isWorse = (from: number, to: number): boolean =>
    (higher ? loss(from, to) : gain(from, to)) > threshold;
  const isBetter = (from: number, to: number): boolean =>
    (higher ? gain(from, to) : loss(from, to)) > threshold;
  const medianMoved = isWorse(then.median, now.median) || isBetter(then.median, now.median);
  if (!unsteady) {
    if (!medianMoved) return 'same';
    return isWorse(then.median, now.median) ? 'worse' : 'better';
  }
  const [best, worst] = higher ? [greatest, least] : [least, greatest];
  if (isWorse(worst(then), best(now))) return 'worse';
  if (isBetter(best(then), worst(now))) return 'better';
  return medianMoved ? 'unclear' : 'same';
}

/** By how much a value fell, as a share of where it came from. */
function loss(from: number, to: number): number {
  return from === 0 ? (to < 0 ? Number.POSITIVE_INFINITY : 0) : (from - to) / Math.abs(from);
}

/** By how much a value rose. From 0 everything above it is a rise without bound. */
function gain(from: number, to: number): number {
  return from === 0 ? (to > 0 ? Number.POSITIVE_INFINITY : 0) : (to - from) / Math.abs(from);
}

function least(figure: FigureResult): number {
  return Math.min(...figure.samples);
}

function greatest(figure: FigureResult): number {
  return Math.max(...figure.samples);
}

function placeFigures(run: BenchRun): PlacedFigures {
  const placed = new Map<string, { section: string; group: string; figure: FigureResult }>();
  for (const { section, groups } of run.sections) {
    for (const group of groups) {
      for (const figure of group.figures) {
        placed.set(placeKey(section, group, figure), { section, group: group.title, figure });
      }
    }
  }
  return placed;
}

/** A figure in another unit or turned the other way is another figure. */
function placeKey(section: string, group: FigureGroup, figure: FigureResult): string {
  const { subject, title, unit, better, x = '' } = figure;
  return [section, group.title, subject, title, unit, better, x].join('\n');
}

function describeUnmatched(where: string, here: PlacedFigures, there: PlacedFigures): string[] {
  const missing = [...here].filter(([key]) => !there.has(key)).map(([, place]) => place);
  const sections = [...new Set(missing.map(({ section }) => section))];
  return sections.map((section) => {
    const ofSection = missing.filter((place) => place.section === section);
    const names = [...new Set(ofSection.map(({ figure }) => `${figure.subject}: ${figure.title}`))];
    const shown = names.slice(0, SHOWN_NAMES).join('; ');
    const rest = names.length > SHOWN_NAMES ? ` and ${names.length - SHOWN_NAMES} more` : '';
    return `${section}: only in ${where}: ${shown}${rest}`;
  });
}

/** Sentences on machines that differ: then only ratios within a run mean something. */
function machineWarnings(then: BenchRun, now: BenchRun): string[] {
  const differing = [
    ['CPU', then.machine.cpuModel, now.machine.cpuModel],
    ['CPU flags', then.machine.cpuFlags.join(' '), now.machine.cpuFlags.join(' ')],
    ['cores', String(then.machine.coreCount), String(now.machine.coreCount)],
    ['architecture', then.machine.architecture, now.machine.architecture],
    ['kernel', then.machine.kernel, now.machine.kernel],
    ['governor', then.machine.governor, now.machine.governor],
    ['Node', then.machine.nodeVersion, now.machine.nodeVersion],
  ].filter(([, before, after]) => before !== after);
  if (differing.length === 0) return [];
  const list = differing.map(([name, before, after]) => `${name} was ${before}, is ${after}`).join('; ');
  return [`The machines differ, so that the code is not all that changed: ${list}.`];
}

function settingsWarnings(then: BenchRun, now: BenchRun): string[] {
  return now.sections.flatMap((section) => {
    const before = then.sections.find((other) => other.section === section.section);
    return before === undefined ? [] : sectionWarnings(before, section);
  });
}

function sectionWarnings(then: SectionRun, now: SectionRun): string[] {
  const warnings: string[] = [];
  const settingsOf = ({ settings }: SectionRun) =>
    `${settings.repeatCount} × ${settings.seconds} s${settings.short ? ', short form' : ''}${settings.smoke ? ', smoke' : ''}`;
  if (settingsOf(then) !== settingsOf(now))
    warnings.push(`${now.section}: measured otherwise: ${settingsOf(then)} then, ${settingsOf(now)} now.`);
  const stolen = Math.max(then.stealShare, now.stealShare);
  if (stolen > DISTURBED_STEAL_SHARE)
    warnings.push(
      `${now.section}: a hypervisor took ${(stolen * 100).toFixed(1)} % of the CPU time in one of the runs.`,
    );
  return warnings;
}
