/**
 * Recovery: what breaks comes back by itself.
 *
 *   a ──ptap0 10.7.0.1 ┈┈(daemon ─ eth0 10.99.0.1 ══════ 10.99.0.2 eth0 ─ daemon)┈┈ 10.7.0.2 ptap0── b
 *
 * Broken here: a daemon (killed with -9, both restarted, a worker of it), the wire, an address.
 */

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { CRASH_ENVIRONMENT } from '../lab/daemon.ts';
import { waitFor } from '../lab/deadline.ts';
import { addAddress } from '../lab/namespace.ts';
import { longestGap, ping } from '../lab/ping.ts';
import { Segment, TAP, withSegment } from '../lab/segment.ts';
import { describeEngines, describeMatrix } from './matrix.ts';

/** Dead peers are noticed by their silence, and dialled again with a growing pause. */
const RECOVERY_MS = 30_000;
const LINK_DOWN_MS = 5_000;
/** Twice the promise, as the machine of a test may be busy; the gap itself is shown. */
const WORKER_GAP_LIMIT_MS = 2_000;

describeMatrix('a daemon that breaks', (engine, carrier) => {
  let segment: Segment;

  before(async () => {
    segment = new Segment({ engine, carrier });
    await segment.start();
    await segment.waitForCarrier();
  });

  after(async () => {
    await segment.remove();
  });

  it('is met again by its peer after kill -9 and a start, and leaves its interface to no one', async (context) => {
    await segment.b.stop('SIGKILL');
    assert.equal(segment.b.machine.namespace.hasInterface(TAP), false);
    await assertRecovers(context, async () => {
      segment.b.spawn();
      return Promise.resolve();
    });
  });

  it('is met again when both ends are restarted', async (context) => {
    await segment.stop();
    await assertRecovers(context, async () => {
      segment.a.spawn();
      segment.b.spawn();
      return Promise.resolve();
    });
  });

  it('finds its way after the wire was down for 5 s', async (context) => {
    const { namespace } = segment.pair.b;
    namespace.ip('link', 'set', 'eth0', 'down');
    await sleep(LINK_DOWN_MS);
    await assertRecovers(context, () => {
      namespace.ip('link', 'set', 'eth0', 'up');
      return Promise.resolve();
    });
  });

  async function assertRecovers(
    context: { diagnostic: (text: string) => void },
    repair: () => Promise<void>,
  ): Promise<void> {
    const startMs = performance.now();
    await repair();
    await segment.waitForPing(RECOVERY_MS);
    const firstMs = performance.now() - startMs;
    await segment.waitForCarrier();
    // Both ends may have dialled at once: what is on its way in the connection that yields is lost.
    await waitFor('an unbroken flow', flowsBack, {
      timeoutMs: RECOVERY_MS,
      explain: () => `${segment.a.logTail()}\n${segment.b.logTail()}`,
    });
    const steadyMs = performance.now() - startMs;
    context.diagnostic(`first ping after ${Math.round(firstMs)} ms, steady after ${Math.round(steadyMs)} ms`);
  }

  async function flowsBack(): Promise<boolean> {
    const count = 10;
    const from = segment.b.machine.namespace;
    return (await ping(from, segment.addressOfA, { count, intervalSeconds: 0.02 })).receivedCount === count;
  }
});

describeEngines('a peer that changes its address', (engine) => {
  it('is followed', async (context) => {
    await withSegment({ engine, daemon: { anyAddress: true } }, async (segment) => {
      await segment.start();
      await segment.waitForCarrier();
      const { namespace } = segment.pair.b;
      const startMs = performance.now();
      addAddress(namespace, 'eth0', '10.99.0.22/24');
      namespace.ip('addr', 'del', `${segment.pair.b.address}/24`, 'dev', 'eth0');
      // The kernel drops a secondary address with the primary one of its subnet.
      if (!namespace.ip('addr', 'show', 'dev', 'eth0').includes('10.99.0.22'))
        addAddress(namespace, 'eth0', '10.99.0.22/24');
      // The one that moved has something to send, as hosts do.
      const talking = ping(segment.b.machine.namespace, segment.addressOfA, {
        count: 100,
        intervalSeconds: 0.1,
      });
      await segment.waitForPing(RECOVERY_MS);
      context.diagnostic(`first ping after ${Math.round(performance.now() - startMs)} ms`);
      await talking;
    });
  });
});

describeEngines('a worker that throws', (engine) => {
  it('is replaced, and traffic resumes within a second', async (context) => {
    await withSegment({ engine, daemon: { environment: CRASH_ENVIRONMENT } }, async (segment) => {
      await segment.start();
      await segment.waitForCarrier();
      const intervalSeconds = 0.02;
      const pinging = ping(segment.a.machine.namespace, segment.addressOfB, { count: 250, intervalSeconds });
      await sleep(1_000);
      segment.b.crashWorker();
      await sleep(2_000);
      segment.a.crashWorker();
      const { sentCount, receivedCount, output } = await pinging;
      const gapMs = longestGap(output) * intervalSeconds * 1000;
      context.diagnostic(`${sentCount - receivedCount} of ${sentCount} lost, longest gap ${gapMs} ms`);
      assert.ok(gapMs <= WORKER_GAP_LIMIT_MS, `silent for ${gapMs} ms\n${segment.b.logTail()}`);
      assert.match(segment.b.log(), /worker/);
    });
  });
});
