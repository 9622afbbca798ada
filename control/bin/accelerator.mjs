/**
 * Builds the accelerator when there is a Rust toolchain and the addon is missing or older than its sources.
 *
 * Plain JavaScript for Node 20. Must never fail: without the addon, the TypeScript engine does the same work.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** What the addon is made from, relative to rust-accel/. */
const SOURCES = ['Cargo.toml', 'Cargo.lock', 'build.rs', 'src'];

/**
 * @param {{ root: string, env: NodeJS.ProcessEnv, say: (line: string) => void }} options
 */
export function ensureAccelerator({ root, env, say }) {
  const crate = join(root, 'rust-accel');
  const addonMs = newestMs(crate, (name) => name.endsWith('.node'));
  const sourceMs = Math.max(0, ...SOURCES.map((name) => newestMs(join(crate, name), () => true)));
  if (sourceMs === 0 || addonMs >= sourceMs) return;
  if (spawnSync('cargo', ['--version'], { env }).status !== 0) {
    say('no Rust toolchain (cargo) here: the TypeScript engine will be used');
    return;
  }
  say('building the accelerator (cargo, a minute or two the first time)…');
  const startMs = Date.now();
  const result = spawnSync('npm', ['run', '--silent', 'build:native'], { cwd: root, env, encoding: 'utf8' });
  if (result.status === 0) {
    say(`accelerator built in ${Math.round((Date.now() - startMs) / 1000)} s`);
    return;
  }
  const lastLines = `${result.stdout ?? ''}${result.stderr ?? ''}`.trim().split('\n').slice(-5).join('\n  ');
  say(`the accelerator did not build, so the TypeScript engine will be used:\n  ${lastLines}`);
}

/** Newest change of a file, or of the files right in a directory that are wanted; 0 when there is none. */
function newestMs(path, isWanted) {
  if (!existsSync(path)) return 0;
  if (!statSync(path).isDirectory()) return statSync(path).mtimeMs;
  const entries = readdirSync(path, { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && isWanted(entry.name));
  return Math.max(0, ...files.map((entry) => statSync(join(path, entry.name)).mtimeMs));
}
