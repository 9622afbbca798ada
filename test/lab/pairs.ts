/**
 * Owns the question whether nodes reach each other through their VLAN, each the others.
 *
 * Runs on the main thread of a test process; bounded in time.
 */

import type { LabDaemon } from './daemon.ts';
import { waitFor } from './deadline.ts';
import { ping } from './ping.ts';

/** How long to try, and what to say of those that did not answer. */
export interface PairsOptions {
  readonly timeoutMs: number;
  readonly explain: (missing: readonly (readonly [LabDaemon, LabDaemon])[]) => string | Promise<string>;
}

/** Whether one ping is answered. */
export async function answers(from: LabDaemon, address: string, waitSeconds = 0.5): Promise<boolean> {
  return (await ping(from.machine.namespace, address, { count: 1, waitSeconds })).receivedCount > 0;
}

/** Waits until each node has answered each other's ping. @returns ms that it took */
export async function waitForAllPairs(
  nodes: readonly LabDaemon[],
  addressOf: (node: LabDaemon) => string,
  { timeoutMs, explain }: PairsOptions,
): Promise<number> {
  const startMs = performance.now();
  let missing = pairsOf(nodes);
  const look = async (): Promise<boolean> => {
    const answered = await Promise.all(missing.map(([from, to]) => answers(from, addressOf(to))));
    missing = missing.filter((_, index) => answered[index] !== true);
    return missing.length === 0;
  };
  await waitFor('a ping between all pairs', look, {
    timeoutMs,
    intervalMs: 50,
    explain: () => explain(missing),
  });
  return performance.now() - startMs;
}

function pairsOf(nodes: readonly LabDaemon[]): [LabDaemon, LabDaemon][] {
  return nodes.flatMap((from, index) =>
    nodes.slice(index + 1).map((to): [LabDaemon, LabDaemon] => [from, to]),
  );
}
