/**
 * From a fresh clone to a running script: `npm start`, `npm test` and the others go through here.
 *
 * dependencies (npm ci, if missing or older than the lock file) → accelerator (if there is cargo and it is older
 * than its sources) → the script under the pinned Node, which comes first on the PATH
 *
 * Plain JavaScript for Node 20 without node_modules. Must never fail for want of a Rust toolchain.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureAccelerator } from './accelerator.mjs';
import { replaceBy } from './child.mjs';
import { findNode, missingNodeMessage } from './pinned-node.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What each script runs under the pinned Node, relative to the root. */
const TARGETS = {
  start: ['bench/demo/main.ts'],
  test: ['control/bin/test.mjs'],
  check: ['control/bin/check.mjs'],
  bench: ['bench/main.ts'],
  build: ['control/bin/build.mjs'],
};

/** A build or a check does not need the accelerator to be there. */
const WITH_ACCELERATOR = new Set(['start', 'test', 'bench']);

main();

function main() {
  const [name = '', ...args] = process.argv.slice(2);
  const target = TARGETS[name];
  if (target === undefined) {
    say(`usage: bootstrap.mjs ${Object.keys(TARGETS).join('|')} [arguments]`);
    process.exit(2);
  }
  ensureDependencies();
  const node = pinnedNode();
  const path = [join(root, 'node_modules', '.bin'), dirname(node), process.env.PATH ?? ''].join(delimiter);
  const env = { ...process.env, PATH: path };
  if (WITH_ACCELERATOR.has(name)) ensureAccelerator({ root, env, say });
  replaceBy(node, [...target, ...args], { cwd: root, env });
}

/** npm writes node_modules/.package-lock.json at the end of an install. */
function ensureDependencies() {
  const installed = modifiedMs(join(root, 'node_modules', '.package-lock.json'));
  if (installed >= modifiedMs(join(root, 'package-lock.json'))) return;
  say('installing the dependencies (npm ci), which takes a minute or so…');
  const startMs = Date.now();
  const clean = runNpm(['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
  // Some registries lack packages of foreign platforms, and npm ci refuses a lock that names them differently.
  const result =
    clean.status === 0
      ? clean
      : runNpm(['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund']);
  if (result.status !== 0) {
    process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
    say(
      `installing the dependencies failed${result.error === undefined ? '' : `: ${result.error.message}`}; see above`,
    );
    process.exit(1);
  }
  say(`dependencies installed in ${Math.round((Date.now() - startMs) / 1000)} s`);
}

function runNpm(args) {
  const npm = process.env.npm_execpath;
  const [command, first] = npm === undefined ? ['npm', []] : [process.execPath, [npm]];
  return spawnSync(command, [...first, ...args], { cwd: root, encoding: 'utf8' });
}

function pinnedNode() {
  const node = findNode();
  if (node !== undefined) return node;
  say(missingNodeMessage());
  process.exit(1);
}

function modifiedMs(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

function say(line) {
  process.stderr.write(`${line}\n`);
}
