/**
 * Owns the matrix of system tests: engines and carriers, and when one of them is skipped.
 *
 * Runs on the main thread of a test process. A skip is always shown with its reason; PEERTAP_REQUIRE_SYSTEM=1 turns
 * the reasons that lie in the machine into failures, so that CI cannot pass by skipping everything.
 */

import { describe } from 'node:test';

import { allEngines, type LabEngine, skipReason } from '../lab/engines.ts';
import { preflightProblems } from '../lab/preflight.ts';
import type { Carrier } from '../lab/segment.ts';

/** Programs that every system test may run. */
const TOOLS = ['ip', 'nft', 'ping', 'iperf3', 'ethtool'] as const;

/** Describes tests once an engine. */
export function describeEngines(what: string, define: (engine: LabEngine) => void): void {
  for (const engine of allEngines()) {
    describe(`${what}, engine ${engine}`, { skip: machineSkip() || skipReason(engine) }, () => {
      define(engine);
    });
  }
}

/** Describes tests once an engine and carrier. */
export function describeMatrix(what: string, define: (engine: LabEngine, carrier: Carrier) => void): void {
  for (const carrier of ['udp', 'stream'] as const) {
    describeEngines(`${what}, carrier ${carrier}`, (engine) => {
      define(engine, carrier);
    });
  }
}

/** Describes tests in which the engine plays no part: they run with the first that can. */
export function describeOnce(what: string, define: (engine: LabEngine) => void): void {
  const engine = allEngines().find((candidate) => skipReason(candidate) === false) ?? 'typescript';
  describe(what, { skip: machineSkip() }, () => {
    define(engine);
  });
}

/** Describes tests of the lab itself, in which no daemon runs. */
export function describeUnderlays(what: string, define: () => void): void {
  describe(what, { skip: machineSkip() }, define);
}

function machineSkip(): string | false {
  const problems = preflightProblems(TOOLS);
  if (problems.length === 0) return false;
  if (process.env['PEERTAP_REQUIRE_SYSTEM'] === '1') throw new Error(problems.join('\n'));
  return problems.join(' ');
}
