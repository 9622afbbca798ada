/**
 * Traffic of a private VLAN: a change of epoch that no stream notices.
 *
 *   a ──ptap0 10.7.0.1 ┈┈(daemon ─ eth0 ══[ lan ]══ eth0 ─ daemon)┈┈ 10.7.0.2 ptap0── b
 */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import type { LabDaemon } from '../lab/daemon.ts';
import { waitFor } from '../lab/deadline.ts';
import { IperfServer, runTcp } from '../lab/iperf.ts';
import { type MemberNet, withMemberNet } from '../lab/member-net.ts';
import { describeEngines } from './matrix.ts';

const BOUND = { timeout: 90_000 };
const PAIRS_TIMEOUT_MS = 40_000;
const STREAM_SECONDS = 8;
/** What both engines carry on a busy machine without a loss, so that each lost frame shows. */
const BITRATE = 200e6;
/** A tail of segments that a busy machine was late with, in one second. */
const NOISE_RETRANSMITS = 10;

describeEngines('a change of epoch under a stream', (engine) => {
  it('costs it nothing that a stream without one does not pay', BOUND, async (context) => {
    await withMemberNet(2, { engine, workers: 1 }, async (net) => {
      const [a, b] = await pair(net);
      const server = await IperfServer.start(b.machine.namespace);
      const stream = () =>
        runTcp(a.machine.namespace, net.addressOf(b), { seconds: STREAM_SECONDS, bitrate: BITRATE });
      try {
        const plain = await stream();
        const before = await epochOf(net, a);
        const running = stream();
        await sleep(2_000);
        await a.succeed('vlan', 'set', 'lab', 'description=one');
        await waitForEpochAfter(net, before);
        await a.succeed('vlan', 'set', 'lab', 'description=two');
        await waitForEpochAfter(net, before + 1);
        const rekeyed = await running;
        const shown = [plain, rekeyed].map((run) => run.retransmitsEachSecond.join(' '));
        context.diagnostic(`sent again each second: without ${shown[0]}, with ${shown[1]}`);
        const most = (counts: readonly number[]) => Math.max(0, ...counts);
        const limit = most(plain.retransmitsEachSecond) + NOISE_RETRANSMITS;
        assert.ok(most(rekeyed.retransmitsEachSecond) <= limit, shown.join(' | '));
        assert.ok(rekeyed.bitsPerSecond > plain.bitsPerSecond * 0.9, 'the stream was held up');
      } finally {
        await server.stop();
      }
    });
  });

  it('comes by itself, so often as the owner says', BOUND, async () => {
    await withMemberNet(2, { engine, workers: 1 }, async (net) => {
      const [a] = await pair(net);
      await a.succeed('vlan', 'set', 'lab', 'rekeyIntervalSeconds=10');
      const before = await epochOf(net, a);
      // The setting itself may bring the first.
      await waitForEpochAfter(net, before + 1, 40_000);
      await net.waitForAllPairs(net.nodes, PAIRS_TIMEOUT_MS);
    });
  });
});

async function pair(net: MemberNet): Promise<[LabDaemon, LabDaemon]> {
  await net.start();
  await net.admit(net.node(1));
  await net.waitForAllPairs(net.nodes, PAIRS_TIMEOUT_MS);
  return [net.node(0), net.node(1)];
}

async function epochOf(net: MemberNet, node: LabDaemon): Promise<number> {
  return (await net.seenBy(node))?.epoch ?? -1;
}

/** Waits until every node is beyond an epoch. */
async function waitForEpochAfter(net: MemberNet, epoch: number, timeoutMs = 20_000): Promise<void> {
  const look = async (): Promise<boolean> => {
    const epochs = await Promise.all(net.nodes.map((node) => epochOf(net, node)));
    return epochs.every((seen) => seen > epoch);
  };
  await waitFor(`an epoch after ${epoch}`, look, { timeoutMs, explain: () => net.explain(net.nodes) });
}
