/**
 * Owns the build of the accelerator without cryptography, with which the bench shows the bound of the design.
 *
 * It has a target folder of its own and is copied to a name that nothing but the bench knows, so that it can never be
 * taken for the real addon. Runs on the main thread of the bench, which waits for cargo: minutes the first time.
 */

import { copyFileSync, existsSync, readdirSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { findTool, run } from '../../test/lab/command.ts';

/** The addon, or a sentence that says why there is none. */
export type NullAddon =
  | { readonly ok: true; readonly file: string }
  | { readonly ok: false; readonly reason: string };

const CRATE = fileURLToPath(new URL('../../rust-accel/', import.meta.url));
const TARGET_FOLDER = join(CRATE, 'target', 'null-crypto');
const ADDON_FILE = join(TARGET_FOLDER, 'peertap-accel.null.node');
/** What cargo makes of the crate's name. */
const LIBRARY_FILE = join(TARGET_FOLDER, 'release', 'libpeertap_accel.so');
/** What the addon is made from. */
const SOURCES = ['Cargo.toml', 'Cargo.lock', 'build.rs', 'src'];
const BUILD_TIMEOUT_MS = 15 * 60_000;

/**
 * Builds the addon if it is missing or older than its sources.
 *
 * @param options - `mayBuild`: a test has no minutes for a compiler; `progress`: see Section.run
 */
export async function makeNullAddon({
  mayBuild,
  progress,
}: {
  readonly mayBuild: boolean;
  readonly progress: (text: string) => void;
}): Promise<NullAddon> {
  const sourceMs = Math.max(...SOURCES.map((name) => newestMs(join(CRATE, name))));
  if (sourceMs === 0) return { ok: false, reason: 'the sources of the accelerator are not here' };
  if (newestMs(ADDON_FILE) >= sourceMs) return { ok: true, file: ADDON_FILE };
  if (!mayBuild) return { ok: false, reason: 'it is not built, or older than its sources' };
  if (findTool('cargo') === undefined)
    return { ok: false, reason: 'there is no Rust toolchain (cargo) to build it' };
  progress('building the accelerator without cryptography (cargo, a minute or two the first time) … ');
  const manifest = ['--manifest-path', join(CRATE, 'Cargo.toml'), '--target-dir', TARGET_FOLDER];
  const built = await run('cargo', ['build', '--release', '--features', 'null-crypto', ...manifest], {
    timeoutMs: BUILD_TIMEOUT_MS,
    allowFailure: true,
  });
  progress(built.status === 0 ? 'built\n' : 'failed\n');
  if (built.status !== 0) return { ok: false, reason: `it did not build: ${lastLines(built.stderr)}` };
  copyFileSync(LIBRARY_FILE, ADDON_FILE);
  // Sources that changed while cargo ran are newer than what it built.
  const builtFrom = new Date(Math.ceil(sourceMs));
  utimesSync(ADDON_FILE, builtFrom, builtFrom);
  return { ok: true, file: ADDON_FILE };
}

/** Newest change of a file, or of the files right in a folder; 0 when there is none. */
function newestMs(path: string): number {
  if (!existsSync(path)) return 0;
  if (!statSync(path).isDirectory()) return statSync(path).mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => statSync(join(path, name)).mtimeMs));
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-3).join(' ');
}
