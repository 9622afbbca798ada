/**
 * Owns a group of figures as tables: which rows, which columns.
 *
 *   bars    one table     a row for each figure, a column for each subject; turned round for many subjects
 *   curve   one a figure  a row for each place on the x axis, a column for each subject
 *
 * Pure; the terminal and the page show the same. Runs on the main thread of the bench.
 */

import type { FigureGroup, FigureResult } from '../section.ts';
import { figuresByTitle, formatFigure, formatPlace, formatTitle, placesOf, subjectsOf } from './format.ts';

const MAX_SUBJECT_COLUMNS = 5;

/** A table of texts. */
export interface TextTable {
  /** Above the table, where a group has more than one. */
  readonly title?: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** The tables of a group; none when it has no figures. */
export function groupTables(group: FigureGroup): TextTable[] {
  if (group.figures.length === 0) return [];
  return group.plot === 'bars' ? [barsTable(group)] : curveTables(group);
}

function barsTable(group: FigureGroup): TextTable {
  const subjects = subjectsOf(group);
  const figures = figuresByTitle(group);
  const rows = figures.map((ofTitle) => [titleOf(ofTitle), ...cells(ofTitle, subjects)]);
  const table = [['', ...subjects], ...rows];
  // Many subjects read better one below the other.
  const isTall = subjects.length > MAX_SUBJECT_COLUMNS && figures.length < subjects.length;
  const [header = [], ...body] = isTall ? turned(table) : table;
  return { header, rows: body };
}

function turned(table: readonly (readonly string[])[]): string[][] {
  return (table[0] ?? []).map((_, column) => table.map((row) => row[column] ?? ''));
}

function curveTables(group: FigureGroup): TextTable[] {
  return figuresByTitle(group).map((figures) => {
    const subjects = [...new Set(figures.map(({ subject }) => subject))];
    const rows = placesOf(figures).map((x) => {
      const atPlace = figures.filter((figure) => (figure.x ?? 0) === x);
      return [formatPlace(x), ...cells(atPlace, subjects)];
    });
    return { title: titleOf(figures), header: [group.xTitle ?? '', ...subjects], rows };
  });
}

function cells(figures: readonly FigureResult[], subjects: readonly string[]): string[] {
  return subjects.map((name) => formatFigure(figures.find(({ subject }) => subject === name)));
}

function titleOf([first]: readonly FigureResult[]): string {
  return first === undefined ? '' : formatTitle(first);
}
