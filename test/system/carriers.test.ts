/**
 * A trunk that loses its carrier: a stream inside the VLAN goes on by the libp2p connection when UDP is blocked under it, and
 * returns to datagrams when they pass again.
 *
 *   a ──ptap0 10.7.0.1 ┈┈(daemon ─ eth0, nftables drops UDP ══════ eth0, nftables drops UDP ─ daemon)┈┈ 10.7.0.2 ptap0── b
 */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { allowUdp, blockUdp } from '../lab/firewall.ts';
import { IperfServer, underTcp } from '../lab/iperf.ts';
import { ping } from '../lab/ping.ts';
import { watchStalls } from '../lab/probes.ts';
import { TAP, withSegment } from '../lab/segment.ts';
import { describeEngines } from './matrix.ts';

const BOUND = { timeout: 90_000 };
/** What both engines carry on either carrier. */
const BITRATE = 50e6;
/**
 * The promise is 3 s. TCP doubles its pauses: who misses its try after 1.4 s, as a busy machine may, goes on with the next
 * one, which comes at 3.0 s and takes its time; the one after that would be at 6.2 s.
 */
const STALL_LIMIT_MS = 4_000;
const RETURN_LIMIT_MS = 10_000;
const BLOCKED_SECONDS = 5;
const MEBIBYTE = 2 ** 20;

describeEngines('a trunk under a stream', (engine) => {
  it('goes on when UDP is blocked, and goes back to it', BOUND, async (context) => {
    await withSegment({ engine }, async (segment) => {
      await segment.start();
      await segment.waitForCarrier('udp');
      const [a, b] = [segment.pair.a.namespace, segment.pair.b.namespace];
      const server = await IperfServer.start(b);
      try {
        await underTcp(a, segment.addressOfB, BITRATE, async () => {
          await sleep(500);

          const watched = await watchStalls(b, { interfaceName: TAP, seconds: BLOCKED_SECONDS });
          for (const namespace of [a, b]) blockUdp(namespace);
          const blocked = await watched();
          context.diagnostic(`UDP blocked: ${shown(blocked)}`);
          assert.ok(blocked.longestMs <= STALL_LIMIT_MS, `${shown(blocked)}\n${segment.a.logTail()}`);
          await segment.waitForCarrier('stream', 1_000);

          const openMs = performance.now();
          for (const namespace of [a, b]) allowUdp(namespace);
          await segment.waitForCarrier('udp', RETURN_LIMIT_MS);
          context.diagnostic(`back on UDP after ${Math.round(performance.now() - openMs)} ms`);

          const after = await (await watchStalls(b, { interfaceName: TAP, seconds: 2 }))();
          context.diagnostic(`UDP open: ${shown(after)}`);
          assert.ok(after.longestMs <= STALL_LIMIT_MS && after.receivedBytes > MEBIBYTE, shown(after));
        });
        const pings = await ping(a, segment.addressOfB, { count: 20, intervalSeconds: 0.02 });
        assert.equal(pings.receivedCount, 20, pings.output);
      } finally {
        await server.stop();
      }
    });
  });
});

function shown({ receivedBytes, longestMs }: { receivedBytes: number; longestMs: number }): string {
  return `${(receivedBytes / MEBIBYTE).toFixed(1)} MiB, longest stall ${longestMs} ms`;
}
