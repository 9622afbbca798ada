/**
 * Owns the question which data-plane engines a test or bench runs with.
 *
 * PEERTAP_ENGINES (`native`, `typescript`, or both with a comma) selects; otherwise every engine that can run on this
 * machine does. Runs on the main thread of a test process.
 */

import { runSync } from './command.ts';
import { NATIVE_LOADER } from './paths.ts';

/** Data-plane engines. */
export type LabEngine = 'native' | 'typescript';

const ALL_ENGINES: readonly LabEngine[] = ['native', 'typescript'];

let addonProblem: string | undefined | null = null;

/** Says why the native engine cannot run here, or undefined when it can. */
export function nativeEngineProblem(): string | undefined {
  if (addonProblem === null) addonProblem = findAddonProblem();
  return addonProblem;
}

/**
 * Says why tests of an engine must be skipped, or false.
 *
 * An engine that PEERTAP_ENGINES names is never skipped: whoever asks for it wants to see it fail.
 */
export function skipReason(engine: LabEngine): string | false {
  const selected = selectedEngines();
  if (selected !== undefined)
    return selected.includes(engine) ? false : `PEERTAP_ENGINES leaves out ${engine}`;
  if (engine === 'typescript') return false;
  return nativeEngineProblem() ?? false;
}

/** The engines to run with. */
export function runnableEngines(): readonly LabEngine[] {
  return ALL_ENGINES.filter((engine) => skipReason(engine) === false);
}

/** Every engine, whether it runs here or not, for tests that show a skipped one. */
export function allEngines(): readonly LabEngine[] {
  return ALL_ENGINES;
}

function selectedEngines(): readonly string[] | undefined {
  const value = process.env['PEERTAP_ENGINES'];
  if (value === undefined || value.trim() === '') return undefined;
  const names = value.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !ALL_ENGINES.some((engine) => engine === name));
  if (unknown !== undefined)
    throw new Error(`PEERTAP_ENGINES: expected native, typescript or both, got "${unknown}"`);
  return names;
}

/** Asks in a process of its own, as a broken addon may take its process down. */
function findAddonProblem(): string | undefined {
  const script =
    `import { nativeAvailability } from ${JSON.stringify(NATIVE_LOADER)};` +
    'const found = nativeAvailability(); process.stdout.write(found.ok ? "" : found.reason);';
  const argv = ['--input-type=module-typescript', '--eval', script];
  const result = runSync(process.execPath, argv, { allowFailure: true });
  if (result.status !== 0) return `the native addon takes its process down: ${result.stderr.trim()}`;
  return result.stdout === '' ? undefined : result.stdout;
}
