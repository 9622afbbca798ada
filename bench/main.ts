/**
 * The bench: `npm run bench -- tunnel [options]`.
 *
 * Reads the command line, runs the sections that it names and writes what they found. Runs on its own main thread; it
 * must leave no namespace and no process behind.
 */

import { undoAll } from '../test/lab/cleanup.ts';
import { preflightProblems } from '../test/lab/preflight.ts';
import { BENCH_USAGE, type BenchOptions, BenchUsageError, parseBenchOptions } from './options.ts';
import { runTunnelSection } from './tunnel/section.ts';
import { TUNNEL_TOOLS } from './tunnel/subject.ts';

async function main(): Promise<number> {
  if (process.argv.includes('--help')) {
    process.stdout.write(BENCH_USAGE);
    return 0;
  }
  const options = readOptions();
  if (options === undefined) return 2;
  const problems = preflightProblems(options.wire === 'mtu' ? [...TUNNEL_TOOLS, 'ethtool'] : TUNNEL_TOOLS);
  if (problems.length > 0) {
    process.stderr.write(
      `The bench cannot run here:\n${problems.map((problem) => `  - ${problem}\n`).join('')}`,
    );
    return 1;
  }
  await runTunnelSection(options);
  return 0;
}

function readOptions(): BenchOptions | undefined {
  try {
    return parseBenchOptions(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof BenchUsageError)) throw error;
    process.stderr.write(`${error.message}\n\n${BENCH_USAGE}`);
    return undefined;
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
} finally {
  undoAll();
}
