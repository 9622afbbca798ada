/**
 * Multicast among members that all have links to each other: hosts are snooped on, and frames go to those who have joined.
 *
 *   a (sends) ══ b (joins by IGMPv3, MLDv2)
 *      ║    ╲╱   ║
 *      ║    ╱╲   ║
 *   d (joins nothing) ══ c (joins by IGMPv2, MLDv1)
 */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';

import { query } from '../../control/multicast/multicast-frames.fixture.ts';
import { waitFor } from '../lab/deadline.ts';
import { FABRIC_TAP, FabricNet } from '../lab/fabric-net.ts';
import { mesh } from '../lab/links.ts';
import { gatherFrames, runProbe, sendFrames, startProbe } from '../lab/probes.ts';
import { describeEngines } from './matrix.ts';

const BOUND = { timeout: 60_000 };
const [SENDER, NEW_HOST, OLD_HOST, OTHER] = [0, 1, 2, 3];
const PORT = 5311;
const PER_SECOND = 10_000;
/** As long as a few bursts take, however busy the machine is. */
const LISTEN_SECONDS = 10;
const BYTES = 200;
const LEAST_SHARE = 0.99;
/** What an idle interface gets in seconds: ARP, neighbour discovery, router solicitations. */
const IDLE_FRAMES = 60;
/** A leave is told twice within a second, and two queries go unanswered in two; the rest is a busy machine. */
const LEAVE_TIMEOUT_MS = 10_000;
const OLD_VERSIONS =
  'echo 2 > /proc/sys/net/ipv4/conf/all/force_igmp_version; echo 1 > /proc/sys/net/ipv6/conf/all/force_mld_version';

const FAMILIES = [
  {
    family: 'IPv4',
    group: '239.77.1.2',
    from: (index: number) => `10.7.0.${index + 1}`,
    joined: '239.77.9.9',
    marker: 'ef4d0909',
  },
  {
    family: 'IPv6',
    group: 'ff15::77',
    from: () => `::%${FABRIC_TAP}`,
    joined: 'ff15::7799',
    marker: 'ff150000000000000000000000007799',
  },
] as const;

describeEngines('multicast', (engine) => {
  let net: FabricNet;

  before(async () => {
    net = new FabricNet({ count: 4, edges: mesh(4), daemon: { engine, workers: 1 } });
    net.links.machine(OLD_HOST).namespace.runSync('sh', ['-c', OLD_VERSIONS]);
    await net.start();
    await net.waitForAllPairs();
  }, BOUND);

  after(async () => {
    await net.remove();
  });

  for (const { family, group, from } of FAMILIES) {
    it(
      `of ${family} reaches those who have joined, at ${PER_SECOND} datagrams a second, and no one else`,
      BOUND,
      async (context) => {
        const listeners = await Promise.all(
          [NEW_HOST, OLD_HOST].map((index) =>
            startProbe(namespaceOf(index), 'multicast', {
              mode: 'count',
              ...{ group, port: PORT, interfaceAddress: from(index), seconds: LISTEN_SECONDS },
            }),
          ),
        );
        await waitFor('the joins to be announced', () => comes([NEW_HOST, OLD_HOST], group, from), {
          timeoutMs: 10_000,
        });
        // Others use the machine, too: a burst that its queues had no room for is sent again.
        const isWhole = async (): Promise<boolean> => {
          const { sent, frames } = await burst(group, from);
          context.diagnostic(`${sent} sent; frames out of the TAPs of a–d: ${frames.join(' ')}`);
          for (const index of [SENDER, OTHER])
            assert.ok((frames[index] ?? 0) < IDLE_FRAMES, frames.join(' '));
          return [NEW_HOST, OLD_HOST].every((index) => (frames[index] ?? 0) >= sent * LEAST_SHARE);
        };
        assert.ok((await isWhole()) || (await isWhole()) || (await isWhole()), await net.explain(net.nodes));
        for (const listener of listeners) {
          const heard = v.parse(v.number(), await listener.result(20_000));
          assert.ok(heard >= PER_SECOND * LEAST_SHARE, `a listener heard ${heard}`);
        }
        // They have ended, and with them their memberships.
        for (const index of [NEW_HOST, OLD_HOST]) {
          await waitFor('the leaves to prune', async () => !(await comes([index], group, from)), {
            timeoutMs: LEAVE_TIMEOUT_MS,
          });
        }
      },
    );
  }

  it('to link-local groups goes to all, joined or not', BOUND, async () => {
    for (const [group, from] of [
      ['224.0.0.251', FAMILIES[0].from],
      ['ff02::fb', FAMILIES[1].from],
    ] as const) {
      await waitFor(`${group} to come to all`, () => comes([NEW_HOST, OLD_HOST, OTHER], group, from), {
        timeoutMs: 10_000,
      });
    }
  });

  it('goes to a multicast router, joined or not, and so do reports', BOUND, async () => {
    for (const { group, from } of FAMILIES) assert.ok(!(await comes([OTHER], group, from)), group);
    await sendFrames(namespaceOf(OTHER), FABRIC_TAP, [query('0.0.0.0', '10.7.0.4')]);
    for (const { group, from, joined, marker } of FAMILIES) {
      await waitFor('all groups to come', () => comes([OTHER], group, from), { timeoutMs: 5_000 });
      assert.ok(!(await comes([NEW_HOST], group, from)), 'others are still spared');

      const options = { interfaceName: FABRIC_TAP, marker, count: 1, timeoutMs: 4_000 };
      const [toRouter, toHost] = await Promise.all(
        [OTHER, NEW_HOST].map((index) => gatherFrames(namespaceOf(index), options)),
      );
      const request = {
        mode: 'count',
        group: joined,
        port: PORT,
        interfaceAddress: from(OLD_HOST),
        seconds: 1,
      };
      const listener = await startProbe(namespaceOf(OLD_HOST), 'multicast', request);
      assert.equal((await toRouter?.())?.length, 1, 'the router did not hear of the join');
      assert.equal((await toHost?.())?.length, 0, 'a host heard what another reports');
      await listener.result(5_000);
    }
  });

  function namespaceOf(index: number) {
    return net.links.machine(index).namespace;
  }

  /** Frames that have come out of each member's TAP. */
  function framesOfAll(): number[] {
    return net.links.machines.map(({ namespace }) => namespace.counters(FABRIC_TAP).receivedPackets);
  }

  async function burst(group: string, from: (index: number) => string) {
    const earlier = framesOfAll();
    const sent = await send({ group, from, perSecond: PER_SECOND, seconds: 1 });
    await sleep(300);
    return { sent, frames: since(earlier) };
  }

  function since(earlier: readonly number[]): number[] {
    return framesOfAll().map((count, index) => count - (earlier[index] ?? 0));
  }

  async function send(what: {
    readonly group: string;
    readonly from: (index: number) => string;
    readonly perSecond: number;
    readonly seconds: number;
  }): Promise<number> {
    const { from, ...rest } = what;
    const request = {
      mode: 'send',
      ...rest,
      port: PORT,
      interfaceAddress: from(SENDER),
      payloadBytes: BYTES,
    };
    return Number(await runProbe(namespaceOf(SENDER), 'multicast', request, 20_000));
  }

  /** Whether what is sent to a group comes to each of these; if not, it comes to none of them. */
  async function comes(
    members: readonly number[],
    group: string,
    from: (index: number) => string,
  ): Promise<boolean> {
    const earlier = framesOfAll();
    const sent = await send({ group, from, perSecond: 400, seconds: 0.25 });
    await sleep(100);
    const frames = since(earlier);
    return members.every((index) => (frames[index] ?? 0) >= sent * LEAST_SHARE);
  }
});
