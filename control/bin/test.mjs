/**
 * `npm test`: unit, property, simulation and system tests, with their counts together in the last line.
 *
 *   everything without a network of its own     a file on each core
 *   test/system, what mostly waits              likewise
 *   test/system, what is timed or fills a core  one file at a time
 *
 * Arguments go to Node's test runner (`npm test -- --test-name-pattern=…`), or name the files to run instead of all: those
 * run one at a time. Plain JavaScript: runs under the pinned Node, with node_modules/.bin on the PATH.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';

/** They look at how long something takes, or how much gets through. */
const ALONE = [
  ...['bulk', 'carriers', 'fabric-cuts', 'hostile'],
  ...['private-faults', 'private-traffic', 'quic-blocked', 'recovery'],
];
const SYSTEM_TOGETHER = `test/system/!(${ALONE.join('|')}).test.ts`;
const SYSTEM_ALONE = `test/system/{${ALONE.join(',')}}.test.ts`;
const WITHOUT_NETWORK = [
  ...['control', 'dataplane', 'bench'].map((folder) => `${folder}/**/*.test.ts`),
  'test/!(system)/**/*.test.ts',
];
/** A test that hangs is a failure, not a build that never ends. */
const TIMEOUT_MS = 900_000;
const REPORTER = new URL('./test-totals.mjs', import.meta.url).href;
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'];

const args = process.argv.slice(2);
const files = args.filter((argument) => !argument.startsWith('-'));
const options = args.filter((argument) => argument.startsWith('-'));
const runs =
  files.length > 0
    ? [{ files, concurrency: 1 }]
    : [
        { files: WITHOUT_NETWORK, concurrency: availableParallelism() },
        { files: [SYSTEM_TOGETHER], concurrency: availableParallelism() },
        { files: [SYSTEM_ALONE], concurrency: 1 },
      ];

const directory = mkdtempSync(join(tmpdir(), 'peertap-test-'));
let isFailed = false;
const totals = { passed: 0, failed: 0 };
try {
  for (const [index, run] of runs.entries()) {
    const into = join(directory, `${index}.json`);
    if ((await runTests(run, into)) !== 0) isFailed = true;
    const { passed, failed } = JSON.parse(readFileSync(into, 'utf8'));
    totals.passed += passed;
    totals.failed += failed;
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
if (runs.length > 1) console.log(`\n${totals.passed} passed, ${totals.failed} failed`);
process.exitCode = isFailed ? 1 : 0;

/** @returns {Promise<number>} the exit code; a signal that ends us ends the tests, too */
function runTests(run, into) {
  const { promise, resolve } = Promise.withResolvers();
  const child = spawn(
    process.execPath,
    [
      '--test',
      `--test-concurrency=${run.concurrency}`,
      `--test-timeout=${TIMEOUT_MS}`,
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      `--test-reporter=${REPORTER}`,
      `--test-reporter-destination=${into}`,
      ...options,
      ...run.files,
    ],
    { stdio: 'inherit' },
  );
  const forward = (signal) => {
    child.kill(signal);
  };
  for (const signal of SIGNALS) process.on(signal, forward);
  child.once('exit', (code, signal) => {
    for (const name of SIGNALS) process.removeListener(name, forward);
    if (signal !== null) process.kill(process.pid, signal);
    else resolve(code ?? 1);
  });
  return promise;
}
