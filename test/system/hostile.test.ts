/**
 * Hostile neighbours: what they send is counted and dropped; traffic, memory and the process stay as they were.
 *
 *   a ──ptap0 ┈┈(daemon ─ eth0 10.99.0.1 ══════ 10.99.0.2 eth0 ─ daemon)┈┈ ptap0── b
 *                                                └ the neighbour sends from here
 */

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';

import { DATAGRAM_PORT, LIBP2P_PORT } from '../lab/daemon.ts';
import { ping } from '../lab/ping.ts';
import { runProbe } from '../lab/probes.ts';
import { Segment } from '../lab/segment.ts';
import { residentBytesOf } from '../lab/usage.ts';
import { describeEngines } from './matrix.ts';

const GROWTH_LIMIT_BYTES = 64 * 2 ** 20;
const DATAGRAM_COUNT = 20_000;
const PINGS = { count: 100, intervalSeconds: 0.02 };
/** A burst may fill the socket's buffer for a moment: a few pings may go with it, the stream of them must not. */
const LEAST_PINGS = 90;

describeEngines('a hostile neighbour', (engine) => {
  let segment: Segment;

  before(async () => {
    segment = new Segment({ engine });
    await segment.start();
    await segment.waitForCarrier();
  });

  after(async () => {
    await segment.remove();
  });

  it('cannot disturb traffic with garbage at the datagram port, and each piece is counted', async () => {
    const before = await segment.a.status();
    const residentBefore = residentBytesOf(segment.a.processId);
    const pinging = ping(segment.pair.a.namespace, segment.addressOfB, PINGS);
    await attack({ mode: 'datagrams', port: DATAGRAM_PORT, count: DATAGRAM_COUNT });
    const { receivedCount, output } = await pinging;
    assert.ok(receivedCount >= LEAST_PINGS, output.split('\n').slice(-3).join('\n'));
    const after = await segment.a.status();
    for (const code of ['datagram-short', 'datagram-version', 'receiver-unknown']) {
      assert.ok((after.drops[code] ?? 0) > (before.drops[code] ?? 0), `${code} was not counted`);
    }
    const grownBytes = residentBytesOf(segment.a.processId) - residentBefore;
    assert.ok(grownBytes < GROWTH_LIMIT_BYTES, `grown by ${Math.round(grownBytes / 2 ** 20)} MiB`);
  });

  it('cannot disturb traffic with garbage, half a message or silence at the libp2p port', async () => {
    const pinging = ping(segment.pair.a.namespace, segment.addressOfB, PINGS);
    await attack({ mode: 'streams', port: LIBP2P_PORT, count: 30 });
    const { receivedCount, output } = await pinging;
    assert.equal(receivedCount, PINGS.count, output.split('\n').slice(-3).join('\n'));
    assert.ok(segment.a.isRunning);
  });

  async function attack(how: { mode: string; port: number; count: number }): Promise<void> {
    await runProbe(segment.pair.b.namespace, 'garbage', { ...how, address: segment.pair.a.address }, 30_000);
  }
});
