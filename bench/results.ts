/**
 * Owns the result files of the bench: a JSON file a run and its page beside it, in bench/results unless told otherwise.
 *
 * Git ignores them, but for the reference run. Runs on the main thread of the bench.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

import { PROJECT_ROOT } from './project-root.ts';
import { renderPage } from './report/page.ts';
import { type BenchRun, formatRun, parseRun, RunFileError } from './run-format.ts';
import { SECTION_TITLES } from './sections.ts';

const RESULTS_FOLDER = join(PROJECT_ROOT, 'bench', 'results');

/** Where a run goes that nobody named a file for. @param startedAt - ISO 8601 */
export function resultFileFor(startedAt: string): string {
  return join(RESULTS_FOLDER, `${startedAt.replaceAll(/[:.]/g, '-')}.json`);
}

/** Writes a run, over what stood there. @param file - ends in .json */
export function writeRun(run: BenchRun, file: string): void {
  mkdirSync(dirname(resolve(file)), { recursive: true });
  writeFileSync(file, formatRun(run));
}

/** Writes the page of a run beside its file. @returns the path of the page */
export async function writePage(run: BenchRun, file: string): Promise<string> {
  const page = file.replace(/\.json$/, '.html');
  const folder = dirname(resolve(page));
  writeFileSync(page, await renderPage(run, { titles: SECTION_TITLES, folder }));
  return page;
}

/** @throws {@link RunFileError} when there is no such file, or it holds no run */
export function readRun(file: string): BenchRun {
  try {
    return parseRun(readFileSync(file, 'utf8'), file);
  } catch (error) {
    if (error instanceof RunFileError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    throw new RunFileError(
      code === 'ENOENT'
        ? `${file}: there is no such file`
        : `${file}: cannot be read (${code ?? String(error)})`,
    );
  }
}
