/**
 * A private VLAN whose members know nobody but a relay: its group speaks over a circuit through the relay, its frames go by
 * the relay's own trunks.
 *
 *   a ──ptap9 10.8.0.1 ┈┈(daemon ─ to_b ═══ to_a ─ daemon ─ to_c ═══ to_b ─ daemon)┈┈ 10.8.0.3 ptap9── c
 *                                             the relay b, on no VLAN
 */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import type { LabDaemon } from '../lab/daemon.ts';
import { waitFor } from '../lab/deadline.ts';
import { FabricNet, relayedLine } from '../lab/fabric-net.ts';
import { type PingResult, ping } from '../lab/ping.ts';
import { describeOnce } from './matrix.ts';

const BOUND = { timeout: 90_000 };
const TAP = 'ptap9';
const ADDRESSES = ['10.8.0.1', '10.8.0.3'] as const;
const COUNTED_MS = 5_000;
const JOIN_TIMEOUT_MS = 30_000;
/** A removal settles within it, and what was sealed before is no longer opened. */
const REMOVED_MS = 3_000;
/** Of the full-sized pings and their answers, most. */
const PINGED_BYTES = 40_000;
const PINGS = { count: 20, intervalSeconds: 0.05 };

describeOnce('a private VLAN over a relay', (engine) => {
  it(
    'lets in whom an invite names, carries frames by udp, and ends with a removal',
    BOUND,
    async (context) => {
      const net = new FabricNet({ ...relayedLine({ engine, workers: 1 }), members: [] });
      try {
        await net.start();
        const [owner, guest] = [net.node(0), net.node(2)];
        const id = await owner.succeed('vlan', 'create', 'lab', '--private');
        await join(owner, id, 0);
        // Its address at the relay is in the invite as soon as it has one.
        const invite = await inviteOverCircuit(owner);
        const startMs = performance.now();
        await join(guest, invite, 1);
        await waitForPing(guest, 0);
        context.diagnostic(`in, and answered, after ${Math.round(performance.now() - startMs)} ms`);

        const before = await relayedBytes(net.node(1));
        await assertAllAnswered(guest, 0);
        await assertAllAnswered(owner, 1, { payloadBytes: 1472, dontFragment: true });
        await waitForRelayed(net.node(1), before + PINGED_BYTES);

        await owner.succeed('vlan', 'remove', id, guest.peerId);
        await sleep(REMOVED_MS);
        const { receivedCount } = await pingOnce(guest, 0, { count: 3 });
        assert.equal(receivedCount, 0);
      } finally {
        await net.remove();
      }
    },
  );
});

async function join(node: LabDaemon, target: string, index: 0 | 1): Promise<void> {
  const where = ['--interface', TAP, '--address', `${ADDRESSES[index]}/24`];
  await node.succeed('vlan', 'join', target, ...where, '--no-wait');
}

/** Waits until the owner can be dialled through the relay. @returns an invite that says so */
async function inviteOverCircuit(owner: LabDaemon): Promise<string> {
  const look = async (): Promise<boolean> =>
    (await owner.succeed('status', '--json')).includes('/p2p-circuit');
  await waitFor('an address at the relay', look, {
    timeoutMs: JOIN_TIMEOUT_MS,
    explain: () => owner.logTail(20),
  });
  return owner.succeed('vlan', 'invite', 'lab');
}

async function waitForPing(from: LabDaemon, to: 0 | 1): Promise<void> {
  const look = async (): Promise<boolean> => (await pingOnce(from, to)).receivedCount > 0;
  await waitFor('a ping through the relay', look, {
    timeoutMs: JOIN_TIMEOUT_MS,
    explain: () => from.logTail(30),
  });
}

function pingOnce(from: LabDaemon, to: 0 | 1, more: object = {}): Promise<PingResult> {
  return ping(from.machine.namespace, ADDRESSES[to], { count: 1, waitSeconds: 0.5, ...more });
}

async function assertAllAnswered(from: LabDaemon, to: 0 | 1, more: object = {}): Promise<void> {
  const { receivedCount, output } = await ping(from.machine.namespace, ADDRESSES[to], { ...PINGS, ...more });
  assert.equal(receivedCount, PINGS.count, output);
}

/** The relay counts once a second. */
async function waitForRelayed(relay: LabDaemon, leastBytes: number): Promise<void> {
  const look = async (): Promise<boolean> => (await relayedBytes(relay)) >= leastBytes;
  await waitFor('frames to go by the relay’s trunks', look, {
    timeoutMs: COUNTED_MS,
    explain: () => relay.logTail(20),
  });
}

/** What the relay has passed on by tokens; a circuit is none of it. */
async function relayedBytes(relay: LabDaemon): Promise<number> {
  const { total } = JSON.parse(await relay.succeed('relay', 'status', '--json')) as {
    total: { bytes: number };
  };
  return total.bytes;
}
