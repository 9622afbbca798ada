/**
 * `npm test`: unit, property, simulation and system tests in one run, which prints its counts at the end.
 *
 * One file at a time: system tests share the machine's cores and measure what they carry. Arguments go to Node's
 * test runner (`npm test -- --test-name-pattern=…`), or name the files to run instead of all.
 */
import { replaceBy } from './child.mjs';

const ALL = ['control', 'dataplane', 'bench', 'test'].map((folder) => `${folder}/**/*.test.ts`);
/** A test that hangs is a failure, not a build that never ends. */
const TIMEOUT_MS = 900_000;

const args = process.argv.slice(2);
const files = args.filter((argument) => !argument.startsWith('-'));
const options = args.filter((argument) => argument.startsWith('-'));
replaceBy(process.execPath, [
  '--test',
  '--test-concurrency=1',
  `--test-timeout=${TIMEOUT_MS}`,
  ...options,
  ...(files.length > 0 ? files : ALL),
]);
