/**
 * `npm run build`: dist/ with what is published: plain JavaScript, the shim, the licences, and the addon if built.
 *
 * tsc (tsconfig.build.json) → .mjs files → package.json without what only a checkout needs → documents, addon
 *
 * Runs under the pinned Node. Must never publish a test, or a key, or anything from outside the repository.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

const OUT = 'dist';
const SHIM_FILES = ['peertap.mjs', 'pinned-node.mjs', 'child.mjs'];
const DOCUMENTS = ['README.md', 'CHANGELOG.md', 'LICENSE-APACHE', 'LICENSE-MIT', 'docs'];
/** Keys of package.json that a user of the package needs. */
const MANIFEST_KEYS = [
  'name',
  'version',
  'description',
  'license',
  'repository',
  'type',
  'engines',
  'dependencies',
  'optionalDependencies',
];

rmSync(OUT, { recursive: true, force: true });
const compiled = spawnSync('tsc', ['--project', 'tsconfig.build.json'], { stdio: 'inherit' });
if (compiled.status !== 0) process.exit(1);

mkdirSync(join(OUT, 'control', 'bin'), { recursive: true });
for (const name of SHIM_FILES) cpSync(join('control', 'bin', name), join(OUT, 'control', 'bin', name));
chmodSync(join(OUT, 'control', 'bin', 'peertap.mjs'), 0o755);
for (const name of DOCUMENTS.filter(existsSync)) cpSync(name, join(OUT, name), { recursive: true });
for (const name of addons()) {
  mkdirSync(join(OUT, 'rust-accel'), { recursive: true });
  cpSync(join('rust-accel', name), join(OUT, 'rust-accel', name));
}
writeFileSync(join(OUT, 'package.json'), `${JSON.stringify(publishedManifest(), undefined, 2)}\n`);
console.log(`built ${OUT}/: node ${OUT}/control/bin/peertap.mjs --help`);

function addons() {
  return existsSync('rust-accel') ? readdirSync('rust-accel').filter((name) => name.endsWith('.node')) : [];
}

function publishedManifest() {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
  const kept = MANIFEST_KEYS.filter((key) => key in manifest).map((key) => [key, manifest[key]]);
  return { ...Object.fromEntries(kept), bin: { peertap: 'control/bin/peertap.mjs' } };
}
