/**
 * A relay on bad paths and among hostile neighbours: what passes it arrives whole, and what it is sent beside that is
 * counted and forgotten.
 *
 *   a ──ptap0 ┈┈(daemon ─ to_b ══[ a bridge that disturbs ]══ to_a ─ relay b ─ to_c ═══ to_b ─ daemon)┈┈ ptap0── c
 *                                                              └─ to_d ═══ to_b ── d, which sends garbage
 */

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';

import { DATAGRAM_PORT } from '../lab/daemon.ts';
import { FabricNet, RELAY_FOR_ALL } from '../lab/fabric-net.ts';
import { loseDatagrams, stopLosing } from '../lab/firewall.ts';
import type { Edge } from '../lab/links.ts';
import { runProbe, startProbe, type TransferResult, transfer } from '../lab/probes.ts';
import { residentBytesOf } from '../lab/usage.ts';
import { describeOnce } from './matrix.ts';

const BOUND = { timeout: 90_000 };
const MEBIBYTE = 2 ** 20;
const DISTURBED: Edge = [0, 1];
const GARBAGE_COUNT = 60_000;
const GROWTH_LIMIT_BYTES = 64 * MEBIBYTE;
const UNDISTURBED = { left: 'left', right: 'right' };

describeOnce('a relay', (engine) => {
  let net: FabricNet;
  let bridge: Awaited<ReturnType<typeof startProbe>>;

  before(async () => {
    net = new FabricNet({
      count: 4,
      edges: [DISTURBED, [1, 2], [1, 3]],
      members: [0, 2],
      relays: { 1: RELAY_FOR_ALL },
      links: { disturbed: DISTURBED },
      daemon: { engine, workers: 1 },
    });
    // Without GRO every datagram meets the rule by itself; with it, a whole train would.
    for (const [at, towards] of [
      [1, 2],
      [2, 1],
      [1, 0],
      [0, 1],
    ] as const)
      net.links
        .machine(at)
        .namespace.runSync('ethtool', ['-K', net.links.interfaceTo(towards), 'gro', 'off']);
    bridge = await startBridge({});
    await net.start();
    await net.waitForPing(0, 2);
  }, BOUND);

  after(async () => {
    await bridge.stop();
    await net.remove();
  });

  for (const { percent, bytes } of [
    { percent: 1, bytes: 32 * MEBIBYTE },
    { percent: 10, bytes: 4 * MEBIBYTE },
  ]) {
    it(`brings a stream whole at ${percent} % loss on the way to it`, BOUND, async (context) => {
      const relay = net.links.machine(1).namespace;
      loseDatagrams(relay, percent);
      try {
        context.diagnostic(shown(await assertWhole(bytes)));
      } finally {
        stopLosing(relay);
      }
    });
  }

  it(
    'brings a stream whole when every tenth datagram is overtaken on the way to it',
    BOUND,
    async (context) => {
      await withDisturbance({ holdEvery: 10, holdFrames: 3 }, async () => {
        context.diagnostic(shown(await assertWhole(16 * MEBIBYTE)));
      });
    },
  );

  it('counts what is forged, replayed, cut short or noise, and goes on', BOUND, async (context) => {
    const relay = net.node(1);
    const before = await relay.status();
    const residentBefore = residentBytesOf(relay.processId);
    await withDisturbance({ repeatEvery: 3, damageEvery: 50 }, async () => {
      const attacking = runProbe(
        net.links.machine(3).namespace,
        'garbage',
        { mode: 'datagrams', address: net.links.addressOf(1, 3), port: DATAGRAM_PORT, count: GARBAGE_COUNT },
        40_000,
      );
      context.diagnostic(shown(await assertWhole(48 * MEBIBYTE)));
      await attacking;
    });
    const { drops } = await relay.status();
    const counted = Object.fromEntries(
      Object.entries(drops)
        .map(([code, count]) => [code, count - (before.drops[code] ?? 0)] as const)
        .filter(([, count]) => count > 0),
    );
    context.diagnostic(JSON.stringify(counted));
    for (const code of [
      'datagram-short',
      'datagram-version',
      'receiver-unknown',
      'link-replay',
      'token-unknown',
    ])
      assert.ok((counted[code] ?? 0) > 0, `${code} was not counted: ${JSON.stringify(counted)}`);
    const grownBytes = residentBytesOf(relay.processId) - residentBefore;
    context.diagnostic(`the relay grew by ${(grownBytes / MEBIBYTE).toFixed(1)} MiB`);
    assert.ok(grownBytes < GROWTH_LIMIT_BYTES, `grown by ${Math.round(grownBytes / MEBIBYTE)} MiB`);
  });

  function startBridge(disturbance: object): ReturnType<typeof startProbe> {
    assert.ok(net.links.middle !== undefined);
    return startProbe(net.links.middle, 'bridge', { ...UNDISTURBED, ...disturbance });
  }

  async function withDisturbance(disturbance: object, work: () => Promise<void>): Promise<void> {
    await bridge.stop();
    bridge = await startBridge(disturbance);
    try {
      await work();
    } finally {
      await bridge.stop();
      bridge = await startBridge({});
    }
  }

  async function assertWhole(bytes: number): Promise<TransferResult> {
    const [from, to] = [net.node(0), net.node(2)];
    const ends = { from: from.machine.namespace, to: to.machine.namespace, address: net.addressOf(to) };
    const result = await transfer(ends, { bytes, checksum: true, timeoutMs: 60_000 });
    assert.equal(result.bytes, bytes);
    assert.equal(result.receivedSha256, result.sentSha256);
    return result;
  }
});

function shown({ bytes, bitsPerSecond }: TransferResult): string {
  return `${bytes / MEBIBYTE} MiB at ${(bitsPerSecond / 1e6).toFixed(1)} Mbit/s`;
}
