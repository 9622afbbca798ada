/**
 * Two members with two paths to each other, a trunk of their own and the way through a third, send by both at once: whichever
 * of the two is cut, nothing is lost.
 *
 *        b            b is the root of the tree, so that it leads a─b─c and not by a─c
 *      ╱   ╲
 *     a─────c         a and c: `"paths": "redundant"`
 */

import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { waitFor } from '../lab/deadline.ts';
import { FABRIC_TAP, FabricNet } from '../lab/fabric-net.ts';
import { ring } from '../lab/links.ts';
import { describeOnce } from './matrix.ts';

const BOUND = { timeout: 90_000 };
const PAIRS_TIMEOUT_MS = 30_000;
const PING_INTERVAL_SECONDS = 0.01;
const PING_COUNT = 500;
/** What is cut is noticed, and gone round, while pings go on. */
const CUT_AFTER_MS = 1_000;
const PROBE_COUNT = 20;
const PROBE_BYTES = 1_000;

describeOnce('redundant paths', (engine) => {
  it('carry each frame twice, and lose none when one of them is cut', BOUND, async (context) => {
    const net = new FabricNet({ count: 3, edges: ring(3), daemon: { engine, workers: 1 } });
    try {
      net.nodes.forEach((node, index) => {
        const addresses = [`${net.addressOf(node)}/24`];
        const policy = index === 1 ? ({ treeRank: 0 } as const) : ({ paths: 'redundant' } as const);
        node.writeConfig({ vlans: [{ id: net.vlanId, interface: FABRIC_TAP, addresses, ...policy }] });
      });
      await net.start();
      await net.waitForAllPairs(PAIRS_TIMEOUT_MS);
      for (const other of [2, 1]) {
        await waitForBoth(net);
        await cutUnderPing(net, other, context);
        net.links.restore(0, other);
        await net.waitForTrunks(0);
      }
    } finally {
      await net.remove();
    }
  });
});

/** Waits until what a sends to c leaves it by both links. */
async function waitForBoth(net: FabricNet): Promise<void> {
  const sent = (): readonly number[] => [1, 2].map((other) => net.links.sentBytes(0, other));
  await waitFor(
    'frames on both paths',
    async () => {
      const before = sent();
      const options = {
        count: PROBE_COUNT,
        intervalSeconds: PING_INTERVAL_SECONDS,
        payloadBytes: PROBE_BYTES,
      };
      const { receivedCount, duplicateCount } = await net.ping(0, 2, options);
      assert.equal(duplicateCount, 0, 'a copy came through');
      const after = sent();
      const grown = after.every((bytes, index) => bytes - (before[index] ?? 0) >= PROBE_COUNT * PROBE_BYTES);
      return grown && receivedCount === PROBE_COUNT;
    },
    { timeoutMs: PAIRS_TIMEOUT_MS, intervalMs: 200, explain: () => net.explain(net.nodes) },
  );
}

async function cutUnderPing(net: FabricNet, other: number, context: TestContext): Promise<void> {
  const options = { count: PING_COUNT, intervalSeconds: PING_INTERVAL_SECONDS };
  const pinging = net.ping(0, 2, options);
  await sleep(CUT_AFTER_MS);
  net.links.cut(0, other);
  const { sentCount, receivedCount, duplicateCount } = await pinging;
  const shown = `${receivedCount} of ${sentCount} pings, with the link to ${other} cut`;
  context.diagnostic(shown);
  assert.deepEqual(
    [receivedCount, duplicateCount],
    [sentCount, 0],
    await net.explain(net.nodes, `${shown}\n`),
  );
}
