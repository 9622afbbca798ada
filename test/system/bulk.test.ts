/**
 * Bulk traffic: it arrives whole, in order, both ways, and memory does not grow with it.
 *
 *   a ──ptap0 10.7.0.1 ┈┈(daemon ─ eth0 ══════ eth0 ─ daemon)┈┈ 10.7.0.2 ptap0── b
 */

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';

import { IperfServer, runTcp } from '../lab/iperf.ts';
import { ping } from '../lab/ping.ts';
import { transfer } from '../lab/probes.ts';
import { Segment, withSegment } from '../lab/segment.ts';
import { residentBytesOf } from '../lab/usage.ts';
import { describeEngines, describeMatrix } from './matrix.ts';

const GIBIBYTE = 2 ** 30;
const STREAM_SECONDS = 2;
/** A cache that fills or a buffer that is made once is no leak; a queue that grows with traffic exceeds this soon. */
const GROWTH_LIMIT_BYTES = 96 * 2 ** 20;

describeMatrix('bulk traffic', (engine, carrier) => {
  let segment: Segment;

  before(async () => {
    segment = new Segment({ engine, carrier });
    await segment.start();
    await segment.waitForCarrier();
  });

  after(async () => {
    await segment.remove();
  });

  for (const reverse of [false, true]) {
    it(`flows by iperf3 from ${reverse ? 'b to a' : 'a to b'}`, async (context) => {
      const server = await IperfServer.start(segment.b.machine.namespace);
      try {
        const options = { seconds: STREAM_SECONDS, reverse };
        const { bitsPerSecond } = await runTcp(segment.a.machine.namespace, segment.addressOfB, options);
        context.diagnostic(`${(bitsPerSecond / 1e9).toFixed(2)} Gbit/s`);
        assert.ok(bitsPerSecond > 0);
      } finally {
        await server.stop();
      }
    });
  }

  it('brings 1 GiB of one stream with the right checksum, and memory does not grow with it', async (context) => {
    const before = [segment.a, segment.b].map(({ processId }) => residentBytesOf(processId));
    const ends = {
      from: segment.a.machine.namespace,
      to: segment.b.machine.namespace,
      address: segment.addressOfB,
    };
    const result = await transfer(ends, { bytes: GIBIBYTE, checksum: true, timeoutMs: 120_000 });
    context.diagnostic(`${(result.bitsPerSecond / 1e9).toFixed(2)} Gbit/s`);
    assert.equal(result.bytes, GIBIBYTE);
    assert.equal(result.receivedSha256, result.sentSha256);
    for (const [index, { processId }] of [segment.a, segment.b].entries()) {
      const grownBytes = residentBytesOf(processId) - (before[index] ?? 0);
      assert.ok(grownBytes < GROWTH_LIMIT_BYTES, `grown by ${Math.round(grownBytes / 2 ** 20)} MiB`);
    }
  });
});

describeEngines('bulk traffic on a wire that cuts to the MTU', (engine) => {
  it('brings 256 MiB both ways with the right checksum', async () => {
    await withSegment({ engine, wire: 'mtu' }, async (segment) => {
      await segment.start();
      const [a, b] = [segment.a.machine.namespace, segment.b.machine.namespace];
      const amount = { bytes: GIBIBYTE / 4, checksum: true, timeoutMs: 60_000 };
      const there = await transfer({ from: a, to: b, address: segment.addressOfB }, amount);
      const back = await transfer({ from: b, to: a, address: segment.addressOfA }, amount);
      assert.equal(there.receivedSha256, there.sentSha256);
      assert.equal(back.receivedSha256, back.sentSha256);
    });
  });
});

describeEngines('a VLAN with an MTU of 9,000', (engine) => {
  it('carries jumbo frames over an underlay of 1,500', async () => {
    await withSegment({ engine, mtuBytes: 9000 }, async (segment) => {
      await segment.start();
      const [a, b] = [segment.a.machine.namespace, segment.b.machine.namespace];
      const { receivedCount, output } = await ping(a, segment.addressOfB, {
        count: 5,
        intervalSeconds: 0.05,
        payloadBytes: 8972,
        dontFragment: true,
      });
      const amount = { bytes: GIBIBYTE / 16, checksum: true, timeoutMs: 60_000 };
      const result = await transfer({ from: a, to: b, address: segment.addressOfB }, amount);
      assert.equal(receivedCount, 5, output);
      assert.equal(result.receivedSha256, result.sentSha256);
    });
  });
});
