/**
 * A trunk whose libp2p connection goes by UDP, too: when UDP is blocked under a stream, the datagrams and QUIC stop at one
 * moment, and a TCP connection is dialled in time.
 *
 *   a ──ptap0 10.7.0.1 ┈┈(daemon, QUIC and TCP ═══ nftables drops UDP ═══ QUIC and TCP, daemon)┈┈ 10.7.0.2 ptap0── b
 */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import type { LabDaemon } from '../lab/daemon.ts';
import { allowUdp, blockUdp } from '../lab/firewall.ts';
import { IperfServer, startTcp } from '../lab/iperf.ts';
import { watchStalls } from '../lab/probes.ts';
import { type Segment, TAP, withSegment } from '../lab/segment.ts';
import { describeOnce } from './matrix.ts';

const BOUND = { timeout: 90_000 };
const BITRATE = 50e6;
const STALL_LIMIT_MS = 4_000;
const RETURN_LIMIT_MS = 10_000;
const BLOCKED_SECONDS = 5;
const MEBIBYTE = 2 ** 20;
const PORT = 7_946;

describeOnce('a trunk whose connection is QUIC', (engine) => {
  it('goes over to TCP when UDP is blocked under a stream, and back', BOUND, async (context) => {
    await withSegment({ engine }, async (segment) => {
      listenByQuic(segment);
      await segment.start();
      await segment.waitForCarrier('udp');
      const [a, b] = [segment.pair.a.namespace, segment.pair.b.namespace];
      const server = await IperfServer.start(b);
      try {
        const stop = startTcp(a, segment.addressOfB, BITRATE);
        await sleep(1_000);
        assert.equal(
          a
            .runSync('ss', ['-Htn', 'state', 'established', `( dport = :${PORT} or sport = :${PORT} )`])
            .stdout.trim(),
          '',
          'there is a TCP connection already',
        );

        const watched = await watchStalls(b, { interfaceName: TAP, seconds: BLOCKED_SECONDS });
        for (const namespace of [a, b]) blockUdp(namespace);
        const { longestMs, receivedBytes } = await watched();
        context.diagnostic(
          `UDP blocked: longest stall ${longestMs} ms, ${(receivedBytes / MEBIBYTE).toFixed(1)} MiB`,
        );
        const logs = `${segment.a.logTail()}\n${segment.b.logTail()}`;
        assert.ok(
          longestMs <= STALL_LIMIT_MS && receivedBytes > MEBIBYTE,
          `a stall of ${longestMs} ms\n${logs}`,
        );

        const openMs = performance.now();
        for (const namespace of [a, b]) allowUdp(namespace);
        await segment.waitForCarrier('udp', RETURN_LIMIT_MS);
        context.diagnostic(`back on UDP after ${Math.round(performance.now() - openMs)} ms`);
        await stop();
      } finally {
        await server.stop();
      }
    });
  });
});

/** Both listen by QUIC and TCP, and know of each other the QUIC address alone. */
function listenByQuic({ a, b }: Segment): void {
  const quicOf = (daemon: LabDaemon): string => `/ip4/${daemon.machine.address}/udp/${PORT}/quic-v1`;
  for (const [daemon, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const { datagram, libp2p } = daemon.config.listen;
    daemon.writeConfig({
      listen: { datagram, libp2p: [quicOf(daemon), ...libp2p] },
      bootstrap: [`${quicOf(other)}/p2p/${other.peerId}`],
      discovery: { mdns: false, dht: false },
    });
  }
}
