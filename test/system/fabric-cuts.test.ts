/**
 * Links that are cut under a stream: others take over, the stream goes on, and a link that comes back is used again.
 *
 *   a ─ b
 *   │   │     members or relays at b and d; or a, b, c and a wire between a and c      (lab/links.ts)
 *   d ─ c
 *
 * Cuts are silent: the nodes have to notice them by themselves.
 */

import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { countCopies, oneCopyEach } from '../lab/copies.ts';
import { FABRIC_TAP, FabricNet, type FabricOptions, RELAY_FOR_ALL, withFabric } from '../lab/fabric-net.ts';
import { IperfServer, underTcp } from '../lab/iperf.ts';
import { ring } from '../lab/links.ts';
import { longestGap } from '../lab/ping.ts';
import { watchStalls } from '../lab/probes.ts';
import { describeOnce } from './matrix.ts';

const BOUND = { timeout: 90_000 };
/** What both engines carry on a busy machine, so that a stall is the path's and not the machine's. */
const BITRATE = 50e6;
const PING_INTERVAL_SECONDS = 0.02;
/** Detection within a second on a lane in use, 200 ms to the backup; the same again, as the machine may be busy. */
const GAP_LIMIT_MS = 2_400;
/** Going over from one way to another that are both there loses nothing but what a busy machine does. */
const MOVE_LIMIT_MS = 200;
const CUT_MS = 3_500;
const WATCH_SECONDS = 2;
const MEBIBYTE = 2 ** 20;

describeOnce('a cut link', (engine) => {
  const daemon = { engine, workers: 1 } as const;
  const relays = { 1: RELAY_FOR_ALL, 3: RELAY_FOR_ALL };
  const detours: Readonly<Record<string, { options: FabricOptions; ways: readonly number[] }>> = {
    'a ring of members': {
      options: { count: 4, edges: ring(4), daemon },
      ways: [1, 3],
    },
    'relays that are no members': {
      options: { count: 4, edges: ring(4), members: [0, 2], relays, daemon },
      ways: [1, 3],
    },
  };

  for (const [what, { options, ways }] of Object.entries(detours)) {
    it(`is gone round by ${what}, and taken again when it is back`, BOUND, async (context) => {
      await withFabric(options, async (net) => {
        await net.waitForAllPairs();
        await underStream(net, context, () => cutInTurn(net, ways, context));
        await net.waitForAllPairs();
        assert.deepEqual(await countCopies(net), oneCopyEach(net));
      });
    });
  }

  it('is preferred when it comes up between two members, and left when it dies', BOUND, async (context) => {
    const net = new FabricNet({ count: 3, edges: ring(3), daemon });
    try {
      net.links.cut(0, 2);
      await net.start();
      await net.waitForAllPairs();
      await underStream(net, context, async () => {
        assert.ok((await directShare(net)) < 0.1, 'traffic went over a cut link');
        await comeUp(net, context);
        const gapMs = await gapWhile(net, () => cutForLong(net, 2));
        context.diagnostic(`silent for ${gapMs} ms when it died`);
        assert.ok(gapMs <= GAP_LIMIT_MS, await net.explain(net.nodes, `silent for ${gapMs} ms\n`));
      });
    } finally {
      await net.remove();
    }
  });

  /** One of a's links leads to c over the tree; without it, the other one does. */
  async function cutInTurn(net: FabricNet, ways: readonly number[], context: TestContext): Promise<void> {
    for (const neighbour of ways) {
      const gapMs = await gapWhile(net, () => cutForLong(net, neighbour));
      context.diagnostic(`without the link to ${neighbour}: silent for ${gapMs} ms`);
      assert.ok(gapMs <= GAP_LIMIT_MS, await net.explain(net.nodes, `silent for ${gapMs} ms\n`));
      net.links.restore(0, neighbour);
      await net.waitForTrunks(0);
    }
  }

  async function cutForLong(net: FabricNet, neighbour: number): Promise<void> {
    net.links.cut(0, neighbour);
    await sleep(CUT_MS);
  }

  /** Restores the link from a to c, and sees the stream go over to it. */
  async function comeUp(net: FabricNet, context: TestContext): Promise<void> {
    const startMs = performance.now();
    net.links.restore(0, 2);
    await net.waitForTrunks(0);
    context.diagnostic(`a trunk of their own after ${Math.round(performance.now() - startMs)} ms`);
    const gapMs = await gapWhile(net, () => sleep(1_000));
    const share = await directShare(net);
    context.diagnostic(`${(share * 100).toFixed(1)} % over it, silent for ${gapMs} ms on the way`);
    assert.ok(gapMs <= MOVE_LIMIT_MS, `silent for ${gapMs} ms`);
    assert.ok(share > 0.9, await net.explain(net.nodes, `only ${share} took the direct trunk\n`));
  }

  /** What share of a's bytes takes the link to c, for a second. */
  async function directShare(net: FabricNet): Promise<number> {
    const read = () => [net.links.sentBytes(0, 1), net.links.sentBytes(0, 2)] as const;
    const before = read();
    await sleep(1_000);
    const after = read();
    const [around, direct] = [after[0] - before[0], after[1] - before[1]];
    return direct / Math.max(1, around + direct);
  }
});

/** Works while a TCP stream runs from a to c, which must go on to the end. */
async function underStream(net: FabricNet, context: TestContext, work: () => Promise<void>): Promise<void> {
  const [from, to] = [net.node(0), net.node(2)];
  const { namespace } = to.machine;
  const server = await IperfServer.start(namespace);
  try {
    await underTcp(from.machine.namespace, net.addressOf(to), BITRATE, async () => {
      await sleep(500);
      await work();
      const watched = await watchStalls(namespace, { interfaceName: FABRIC_TAP, seconds: WATCH_SECONDS });
      const { receivedBytes, longestMs } = await watched();
      const shown = `${(receivedBytes / MEBIBYTE).toFixed(1)} MiB, stalled ${longestMs} ms`;
      context.diagnostic(`the stream in its last ${WATCH_SECONDS} s: ${shown}`);
      assert.ok(
        receivedBytes > MEBIBYTE,
        await net.explain(net.nodes, `the stream did not go on: ${shown}\n`),
      );
    });
  } finally {
    await server.stop();
  }
}

/** Pings from a to c while something is done, and a little longer. @returns the longest silence */
async function gapWhile(net: FabricNet, work: () => Promise<void>): Promise<number> {
  const count = Math.ceil((CUT_MS + 1_000) / (PING_INTERVAL_SECONDS * 1000));
  const pinging = net.ping(0, 2, { count, intervalSeconds: PING_INTERVAL_SECONDS });
  await sleep(200);
  await work();
  return Math.round(longestGap((await pinging).output) * PING_INTERVAL_SECONDS * 1000);
}
