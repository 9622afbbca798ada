/**
 * The bench: `npm run bench -- [SECTION…] [options]`.
 *
 *   options ─▶ run (or an earlier result, --from) ─▶ result file, page, tables ─▶ comparison, --compare
 *
 * Progress goes to stderr, the report to stdout. Exit status: 0; 1 when a section failed, none could run, or a figure
 * became worse; 2 for a command line that cannot be followed. Runs on its own main thread; it must leave no namespace
 * and no process behind.
 */

import { relative } from 'node:path';

import { undoAll } from '../test/lab/cleanup.ts';
import { nativeEngineProblem, runnableEngines } from '../test/lab/engines.ts';
import { compareRuns } from './compare.ts';
import { describeMachine, describeSource, observeQuiet, quietWarnings } from './machine.ts';
import { type BenchOptions, BenchUsageError, benchUsage, parseBenchOptions, settingsFor } from './options.ts';
import { comparisonReport, hasWorsened } from './report/comparison.ts';
import { terminalReport } from './report/terminal.ts';
import { readRun, resultFileFor, writePage, writeRun } from './results.ts';
import { runSections } from './run.ts';
import { type BenchRun, emptyRun, RunFileError } from './run-format.ts';
import { loadSection, SECTION_TITLES } from './sections.ts';

const WATCH_MS = 1000;
/** A pipe has no width; this suits a log. */
const DEFAULT_WIDTH_CHARACTERS = 120;

async function main(): Promise<number> {
  const options = parseBenchOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(benchUsage(SECTION_TITLES));
    return 0;
  }
  // A file that cannot be compared with is better known before minutes of measuring than after.
  const earlier = options.compare === undefined ? undefined : readRun(options.compare);
  const { run, file } = options.from === undefined ? await measure(options) : reread(options, options.from);
  await report(run, file);
  const worsened = earlier !== undefined && compare(earlier, run, options);
  const failed = run.sections.length === 0 || run.absences.some((absence) => absence.failed);
  return failed || worsened ? 1 : 0;
}

async function measure(options: BenchOptions): Promise<{ run: BenchRun; file: string }> {
  const runnable = runnableEngines();
  const problem = options.engines.includes('native') ? nativeEngineProblem() : undefined;
  if (problem !== undefined) throw new BenchUsageError(`--engine native cannot run here: ${problem}`);
  const quiet = await observeQuiet(options.smoke ? 0 : WATCH_MS);
  for (const warning of quietWarnings(quiet)) say(`! ${warning}\n`);
  const startedAt = new Date().toISOString();
  const source = describeSource();
  const file = options.output ?? resultFileFor(startedAt);
  const start = emptyRun({
    startedAt,
    commandLine: process.argv.slice(2),
    ...(source === undefined ? {} : { source }),
    machine: describeMachine(),
    quiet,
  });
  const run = await runSections(start, options.sections, {
    load: loadSection,
    settings: (section) => settingsFor(section, options, runnable),
    progress: say,
    save: (soFar) => writeRun(soFar, file),
  });
  return { run, file };
}

function reread(options: BenchOptions, from: string): { run: BenchRun; file: string } {
  const run = readRun(from);
  if (options.output !== undefined) writeRun(run, options.output);
  return { run, file: options.output ?? from };
}

async function report(run: BenchRun, file: string): Promise<void> {
  const page = await writePage(run, file);
  process.stdout.write(
    terminalReport(run, process.stdout.isTTY ? process.stdout.columns : DEFAULT_WIDTH_CHARACTERS),
  );
  process.stdout.write(`\nresult: ${shortPath(file)}\npage:   ${shortPath(page)}\n`);
}

/** Shows the comparison. @returns whether something became worse */
function compare(earlier: BenchRun, run: BenchRun, { compare: file = '', threshold }: BenchOptions): boolean {
  const comparison = compareRuns(earlier, run, threshold);
  process.stdout.write(`\n${comparisonReport(comparison, file, threshold)}`);
  return hasWorsened(comparison);
}

function shortPath(path: string): string {
  return relative(process.cwd(), path);
}

function say(text: string): void {
  process.stderr.write(text);
}

function explain(error: unknown): number {
  if (error instanceof BenchUsageError) {
    say(`bench: ${error.message}\n(npm run bench -- --help shows the usage)\n`);
    return 2;
  }
  if (error instanceof RunFileError) {
    say(`bench: ${error.message}\n`);
    return 2;
  }
  say(`bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.exitCode = explain(error);
} finally {
  undoAll();
}
