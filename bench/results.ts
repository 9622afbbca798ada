/**
 * Owns the result files of the bench: JSON in bench/results, one a run, which git ignores.
 *
 * Runs on the main thread of the bench.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import type { Summary } from './arithmetic.ts';
import type { MachineDescription } from './machine.ts';

/** A figure with its unit. */
export interface FigureResult extends Summary {
  readonly unit: string;
}

/** What a section found. */
export interface SectionResult {
  readonly section: string;
  readonly startedAt: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly machine: MachineDescription;
  /** Share of CPU time that a hypervisor gave to others meanwhile. */
  readonly stealShare: number;
  /** By subject and figure. */
  readonly subjects: Readonly<Record<string, Readonly<Record<string, FigureResult>>>>;
  readonly targets: readonly unknown[];
}

/** Writes a result. @returns the path of the file */
export function writeResult(result: SectionResult): string {
  const folder = fileURLToPath(new URL('./results/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  const file = `${folder}${result.section}-${result.startedAt.replaceAll(/[:.]/g, '-')}.json`;
  writeFileSync(file, `${JSON.stringify(result, undefined, 2)}\n`);
  return file;
}
