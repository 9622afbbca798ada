/**
 * Owns the report of a run on the terminal.
 *
 * Pure: a run in, text out. Runs on the main thread of the bench.
 */

import type { BenchRun, SectionRun } from '../run-format.ts';
import { renderTable } from '../table.ts';
import { LEGEND, machineRows, runWarnings, sectionHeading, verdictCells } from './format.ts';
import { groupTables, type TextTable } from './tables.ts';

const COLUMN_GAP = 2;

/** The whole report. @param widthCharacters - of the terminal: a wider table is shown in parts */
export function terminalReport(run: BenchRun, widthCharacters: number): string {
  const warnings = runWarnings(run).map((warning) => `! ${warning}\n`);
  const machine = machineRows(run).map(([name, value]) => `${name.padEnd(16)}${value}\n`);
  const sections = run.sections.map((section) => sectionReport(section, widthCharacters));
  return [`\n${machine.join('')}${LEGEND}\n`, ...sections, warnings.join('')]
    .filter((part) => part !== '')
    .join('\n');
}

function sectionReport(section: SectionRun, widthCharacters: number): string {
  const heading = `━━ ${section.section}: ${sectionHeading(section)}\n`;
  const groups = section.groups.flatMap((group) => {
    const tables = groupTables(group).map((table) => tableInParts(table, widthCharacters));
    return tables.length === 0 ? [] : [`${group.title}\n\n${tables.join('\n')}`];
  });
  return [heading, ...groups, verdictTable(section), remarks(section)]
    .filter((part) => part !== '')
    .join('\n');
}

function verdictTable({ verdicts }: SectionRun): string {
  if (verdicts.length === 0) return '';
  return renderTable(['target', 'measured', 'wanted', ''], verdicts.map(verdictCells));
}

function remarks({ notes, files }: SectionRun): string {
  return [...notes.map((note) => `* ${note}\n`), ...files.map((file) => `* written: ${file}\n`)].join('');
}

/** As many columns side by side as fit; the first column stands before each part. */
function tableInParts({ title, header, rows }: TextTable, widthCharacters: number): string {
  const widths = header.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const parts = splitColumns(widths, widthCharacters).map((columns) => {
    const pick = (row: readonly string[]) => [0, ...columns].map((column) => row[column] ?? '');
    return renderTable(pick(header), rows.map(pick));
  });
  return `${title === undefined ? '' : `${title}\n`}${parts.join('\n')}`;
}

/** Columns after the first, in runs that fit beside it; at least one a run. */
function splitColumns(widths: readonly number[], widthCharacters: number): number[][] {
  const runs: number[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const [column, width] of widths.entries()) {
    if (column === 0) continue;
    used += width + COLUMN_GAP;
    const current = runs.at(-1);
    if (current !== undefined && used <= widthCharacters) {
      current.push(column);
    } else {
      runs.push([column]);
      used = (widths[0] ?? 0) + COLUMN_GAP + width;
    }
  }
  return runs;
}
