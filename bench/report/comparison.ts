/**
 * Owns the report of a comparison on the terminal: every figure with its ratio, then what became worse.
 *
 * Pure. Runs on the main thread of the bench.
 */

import type { Change, ComparedFigure, Comparison } from '../compare.ts';
import { renderTable } from '../table.ts';
import { formatFigure, formatPlace, formatTitle, NOTHING } from './format.ts';

/** What stands beside a figure. */
const MARKS: Readonly<Record<Change, string>> = {
  same: '',
  better: 'better',
  worse: 'WORSE',
  unclear: 'unclear: unsteady',
  stated: '',
};

/** The whole report. @param file - what was compared with, for the heading */
export function comparisonReport(comparison: Comparison, file: string, threshold: number): string {
  const { figures, warnings, unmatched } = comparison;
  const groups = Map.groupBy(figures, ({ section, group }) => `${section}: ${group}`);
  const tables = [...groups].map(([title, members]) => `${title}\n\n${figureTable(members)}`);
  const remarks = [...warnings, ...unmatched].map((text) => `! ${text}\n`).join('');
  return [`━━ compared with ${file}\n`, ...tables, remarks, summary(figures, threshold)]
    .filter((part) => part !== '')
    .join('\n');
}

/** Says whether a comparison fails. */
export function hasWorsened({ figures }: Comparison): boolean {
  return figures.some(({ change }) => change === 'worse');
}

function figureTable(figures: readonly ComparedFigure[]): string {
  const rows = figures.map((compared) => [
    placeOf(compared),
    formatFigure(compared.then),
    formatFigure(compared.now),
    compared.ratio === undefined ? NOTHING : `× ${compared.ratio.toFixed(2)}`,
    MARKS[compared.change],
  ]);
  return renderTable(['', 'then', 'now', 'now/then', ''], rows);
}

function placeOf({ now }: ComparedFigure): string {
  const at = now.x === undefined ? '' : ` at ${formatPlace(now.x)}`;
  return `${now.subject}: ${formatTitle(now)}${at}`;
}

function summary(figures: readonly ComparedFigure[], threshold: number): string {
  const percent = `${Math.round(threshold * 100)} %`;
  const count = (change: Change): number => figures.filter((figure) => figure.change === change).length;
  if (figures.length === 0) return 'The runs have no figure in common.\n';
  const counts = `${figures.length} figures compared: ${count('worse')} worse and ${count('better')} better by more than ${percent}, ${count('unclear')} unclear\n`;
  const worse = figures
    .filter(({ change }) => change === 'worse')
    .map((compared) => {
      const by = compared.ratio === undefined ? '' : ` × ${compared.ratio.toFixed(2)}`;
      return `  worse: ${compared.section}: ${compared.group}: ${placeOf(compared)}${by}\n`;
    });
  return counts + worse.join('');
}
