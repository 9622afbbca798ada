/**
 * Owns text tables for the terminal.
 *
 * Pure. Runs on the main thread of the bench and the demonstration.
 */

/**
 * Lays out rows in columns: the first column to the left, the others to the right.
 *
 * @param header - one name a column
 * @param rows - as many cells as the header has; missing ones are empty
 * @returns lines, each ended by a newline
 */
export function renderTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    widths
      .map((width, column) => pad(cells[column] ?? '', width, column === 0))
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '─'.repeat(width)).join('──');
  return [line(header), rule, ...rows.map(line)].map((text) => `${text}\n`).join('');
}

function pad(text: string, width: number, toTheLeft: boolean): string {
  return toTheLeft ? text.padEnd(width) : text.padStart(width);
}
