/**
 * Owns the build of the accelerator that a profile can be read of: the same code with its symbols and frame pointers.
 * The addon that users run has neither. It has a target folder of its own and is built anew only when sources changed.
 *
 * Runs on the main thread of the bench.
 */

import { copyFileSync, existsSync, globSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { findTool, run } from '../../test/lab/command.ts';

const CRATE = fileURLToPath(new URL('../../rust-accel', import.meta.url));
const TARGET = join(CRATE, 'target', 'profiling');
const LIBRARY = join(TARGET, 'release', 'libpeertap_accel.so');
/** Node loads only files of this name. */
const ADDON = join(TARGET, 'peertap-accel.node');
const SOURCES = ['src/**/*.rs', 'Cargo.toml', 'Cargo.lock', 'build.rs'];
const BUILD_TIMEOUT_MS = 600_000;
const ENVIRONMENT = {
  CARGO_TARGET_DIR: TARGET,
  CARGO_PROFILE_RELEASE_STRIP: 'none',
  RUSTFLAGS: '-C force-frame-pointers=yes',
} as const;

/** An addon to run with, or why there is none, as a sentence. */
export type ProfilingAddon = { readonly file: string } | { readonly reason: string };

/**
 * Finds the build, or makes it.
 *
 * @param mayBuild - a build takes a minute or two, for which a short run has no time
 */
export async function profilingAddon(
  mayBuild: boolean,
  progress: (text: string) => void,
): Promise<ProfilingAddon> {
  if (isFresh()) return { file: ADDON };
  if (!mayBuild) {
    const how = '`npm run bench -- flame` builds one that has';
    return { reason: `The accelerator of this run has no symbols, so its functions have no names: ${how}.` };
  }
  if (findTool('cargo') === undefined) {
    return { reason: 'There is no cargo to build an accelerator with symbols: its functions have no names.' };
  }
  progress('building an accelerator with symbols (a minute or two)\n');
  const manifest = ['--manifest-path', join(CRATE, 'Cargo.toml')];
  const built = await run('cargo', ['build', '--release', '--lib', '--locked', ...manifest], {
    environment: ENVIRONMENT,
    timeoutMs: BUILD_TIMEOUT_MS,
    allowFailure: true,
  });
  if (built.status !== 0) {
    const said = built.stderr.trim().split('\n').slice(-5).join('\n');
    return { reason: `The accelerator with symbols did not build: ${said}` };
  }
  copyFileSync(LIBRARY, ADDON);
  return { file: ADDON };
}

function isFresh(): boolean {
  if (!existsSync(ADDON)) return false;
  const builtMs = statSync(ADDON).mtimeMs;
  return globSync(SOURCES, { cwd: CRATE }).every((file) => statSync(join(CRATE, file)).mtimeMs < builtMs);
}
