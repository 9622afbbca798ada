/**
 * Multicast goes to whom it is wanted by, and to nobody else: not to other members' TAPs, and not over the links to them.
 *
 *   sender b ══╗        ╔══ c, which has joined the group by IGMP v2 (MLD v1)
 *            [ relay a, no member ]
 *                ╔════════╝
 *                ║        ╚══ d, which has joined it by IGMP v3 (MLD v2)
 *                e, which has not
 */

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';

import { waitFor } from '../lab/deadline.ts';
import { FABRIC_TAP, FabricNet, RELAY_FOR_ALL } from '../lab/fabric-net.ts';
import { runProbe, startProbe } from '../lab/probes.ts';
import { describeOnce } from './matrix.ts';

const BOUND = { timeout: 60_000 };
const [RELAY, SENDER, OLD_SUBSCRIBER, SUBSCRIBER, OTHER] = [0, 1, 2, 3, 4];
const PORT = 5311;
const BURST_PER_SECOND = 10_000;
const BURST_BYTES = 200;
/** A socket of a busy machine may overflow for a moment. */
const LEAST_SHARE = 0.98;
/** ARP, neighbour discovery and queries of a few seconds, and a trickle of liveness. */
const IDLE_FRAMES = 100;
const IDLE_BYTES = 200_000;
const SETTLE_TIMEOUT_MS = 15_000;

for (const { family, group, interfaceAddressOf } of [
  { family: 'IPv4', group: '239.77.1.2', interfaceAddressOf: (index: number) => `10.7.0.${index + 1}` },
  { family: 'IPv6', group: 'ff15::77', interfaceAddressOf: () => `::%${FABRIC_TAP}` },
]) {
  describeOnce(`a multicast group of ${family}`, (engine) => {
    let net: FabricNet;

    before(async () => {
      net = new FabricNet({
        count: 5,
        edges: [SENDER, OLD_SUBSCRIBER, SUBSCRIBER, OTHER].map((index) => [RELAY, index] as const),
        members: [SENDER, OLD_SUBSCRIBER, SUBSCRIBER, OTHER],
        relays: { [RELAY]: RELAY_FOR_ALL },
        daemon: { engine, workers: 1 },
      });
      net.links
        .machine(OLD_SUBSCRIBER)
        .namespace.runSync('sh', [
          '-c',
          'echo 2 > /proc/sys/net/ipv4/conf/all/force_igmp_version; echo 1 > /proc/sys/net/ipv6/conf/all/force_mld_version',
        ]);
      await net.start();
      await net.waitForAllPairs();
    }, BOUND);

    after(async () => {
      await net.remove();
    });

    it(
      `reaches its subscribers at ${BURST_PER_SECOND} datagrams a second, and no one else`,
      BOUND,
      async (context) => {
        const seconds = BOUND.timeout / 1000;
        const listeners = await Promise.all(
          [OLD_SUBSCRIBER, SUBSCRIBER].map((index) =>
            startProbe(net.links.machine(index).namespace, 'multicast', {
              mode: 'count',
              ...groupAt(index),
              seconds,
            }),
          ),
        );
        await waitForPruned();
        const before = readCounters();
        const sent = Number(
          await send({ perSecond: BURST_PER_SECOND, seconds: 1, payloadBytes: BURST_BYTES }),
        );
        await sleep(300);
        const after = readCounters();
        const frames = after.frames.map((count, index) => count - (before.frames[index] ?? 0));
        const otherBytes = after.otherBytes - before.otherBytes;
        context.diagnostic(
          `${sent} sent; frames at b–e: ${frames.slice(1).join(' ')}; to e ${otherBytes} bytes`,
        );
        for (const index of [OLD_SUBSCRIBER, SUBSCRIBER])
          assert.ok(
            (frames[index] ?? 0) >= sent * LEAST_SHARE,
            `${frames.join(' ')}\n${await net.explain(net.nodes)}`,
          );
        assert.ok((frames[OTHER] ?? 0) <= IDLE_FRAMES, `e was sent ${frames[OTHER]} frames`);
        assert.ok((frames[SENDER] ?? 0) <= IDLE_FRAMES, `b was sent ${frames[SENDER]} frames`);
        assert.ok(otherBytes <= IDLE_BYTES, `the link to e carried ${otherBytes} bytes`);
        for (const listener of listeners) {
          const heard = v.parse(v.number(), await listener.finish());
          assert.ok(heard >= sent * LEAST_SHARE, `a subscriber heard ${heard}`);
        }
      },
    );

    it('stops when nobody wants it any more', BOUND, async () => {
      // The listeners have ended, and with them their subscriptions.
      await waitForPruned([OLD_SUBSCRIBER, SUBSCRIBER, OTHER]);
    });

    /** Sends a few at a time until they do not come any more to those who do not want them. */
    async function waitForPruned(unwanted: readonly number[] = [OTHER]): Promise<void> {
      let seen = '';
      const look = async (): Promise<boolean> => {
        const before = readCounters();
        const sent = Number(await send({ perSecond: 400, seconds: 0.25, payloadBytes: BURST_BYTES }));
        await sleep(100);
        const after = readCounters();
        const frames = after.frames.map((count, index) => count - (before.frames[index] ?? 0));
        seen = `of ${sent}: ${frames.join(' ')}\n`;
        return unwanted.every((index) => (frames[index] ?? 0) < sent / 4);
      };
      const explain = () => net.explain(net.nodes, seen);
      await waitFor('the group to be pruned', look, { timeoutMs: SETTLE_TIMEOUT_MS, explain });
    }

    function groupAt(index: number) {
      return { group, port: PORT, interfaceAddress: interfaceAddressOf(index) };
    }

    function send(how: { perSecond: number; seconds: number; payloadBytes: number }): Promise<unknown> {
      const { namespace } = net.links.machine(SENDER);
      return runProbe(namespace, 'multicast', { mode: 'send', ...groupAt(SENDER), ...how }, 20_000);
    }

    /** Frames that came out of each member's TAP, and bytes that the relay sent to e. */
    function readCounters(): { frames: number[]; otherBytes: number } {
      const frames = net.links.machines.map(({ namespace }, index) =>
        index === RELAY ? 0 : namespace.counters(FABRIC_TAP).receivedPackets,
      );
      return { frames, otherBytes: net.links.sentBytes(RELAY, OTHER) };
    }
  });
}
