/**
 * `npm run check`: every tool that has to agree before a change lands, one line each; what failed is shown in full.
 *
 * types · format · lint · imports · dead code · layout · unit tests · a short seeded simulation · Rust's own
 *
 * Runs under the pinned Node, with node_modules/.bin on the PATH. Must never change a file.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const UNIT_TESTS = [
  'control/**/*.test.ts',
  'dataplane/**/*.test.ts',
  'bench/**/*.test.ts',
  'test/style/*.test.ts',
  'test/docs/*.test.ts',
];
const LAYOUT = 'dataplane/shm/generate-layout.ts';
const MANIFEST = ['--manifest-path', 'rust-accel/Cargo.toml'];

/** Name, command line, and whether it can run here. */
const STEPS = [
  ['types', ['tsc', '--noEmit']],
  ['format', ['biome', 'ci', '--colors=off', '--reporter=summary', '--error-on-warnings', '.']],
  ['lint', ['eslint', '--max-warnings=0', '.']],
  ['imports', ['depcruise', '--config', '.dependency-cruiser.mjs', 'control', 'dataplane', 'bench', 'test']],
  ['dead code', ['knip', '--no-progress']],
  ['layout', [process.execPath, LAYOUT, '--check']],
  ['unit tests', [process.execPath, '--test', '--test-reporter=dot', ...UNIT_TESTS]],
  [
    'simulation',
    [process.execPath, '--test', '--test-reporter=dot', 'test/sim/**/*.test.ts'],
    existsSync('test/sim'),
  ],
  ['rustfmt', ['cargo', 'fmt', ...MANIFEST, '--check'], hasCargo()],
  ['clippy', ['cargo', 'clippy', ...MANIFEST, '--all-targets', '--', '-D', 'warnings'], hasCargo()],
  ['rust tests', ['cargo', 'test', '--quiet', ...MANIFEST], hasCargo()],
];

const { FORCE_COLOR: _, ...inherited } = process.env;
/** What failed is read in logs too. */
const PLAIN = { ...inherited, NO_COLOR: '1' };

const only = process.argv.slice(2);
let failed = 0;
for (const [name, command, canRun = true] of STEPS) {
  if (only.length > 0 && !only.includes(name)) continue;
  if (!canRun) {
    console.log(`–  ${name}: not here`);
    continue;
  }
  const startMs = performance.now();
  const { code, output } = await run(command);
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  console.log(`${code === 0 ? '✔' : '✖'}  ${name} (${seconds} s)`);
  if (code !== 0) {
    failed++;
    console.log(`${output.trimEnd()}\n   ↑ ${command.join(' ')}\n`);
  }
}
console.log(failed === 0 ? 'all checks passed' : `${failed} ${failed === 1 ? 'check' : 'checks'} failed`);
process.exitCode = failed === 0 ? 0 : 1;

function run([command, ...args]) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: PLAIN });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    }
    child.once('error', (error) => resolve({ code: 1, output: error.message }));
    child.once('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

function hasCargo() {
  return existsSync('rust-accel/Cargo.toml') && spawnSync('cargo', ['--version']).status === 0;
}
