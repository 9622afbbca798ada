/**
 * A private VLAN of five: who is let in talks to all, and who is put out hears and says nothing any more.
 *
 *   a, b ──[ west ]══uplink══[ east ]── c, d, e      each with ptap0 10.7.0.n; a makes the VLAN
 */

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import type { LabDaemon } from '../lab/daemon.ts';
import { waitFor } from '../lab/deadline.ts';
import { MEMBER_TAP, MemberNet } from '../lab/member-net.ts';
import { gatherFrames, runProbe } from '../lab/probes.ts';
import { describeEngines } from './matrix.ts';

const BOUND = { timeout: 90_000 };
const PAIRS_TIMEOUT_MS = 40_000;
/** After a removal is settled, nothing of the old epoch is accepted for longer than a second. */
const REMOVAL_LIMIT_MS = 10_000;
const BROADCAST_PORT = 5302;
const CAPTURE_MS = 6_000;

describeEngines('a private VLAN of five', (engine) => {
  let net: MemberNet;

  before(async () => {
    net = new MemberNet(5, { engine, workers: 1 });
    await net.start();
  }, BOUND);

  after(async () => {
    await net.remove();
  });

  it('is nobody’s but its owner’s at first', async () => {
    const members = await net.membersSeenBy(net.owner);
    assert.deepEqual(members, [{ peer: net.owner.peerId, role: 'owner', state: 'self' }]);
  });

  it('lets in whom an invite names, by itself, and in whichever order they come', BOUND, async () => {
    await net.admit(net.node(1), net.node(2));
    await net.waitForAllPairs(net.nodes.slice(0, 3), PAIRS_TIMEOUT_MS);
  });

  it('has who comes by the id alone wait, until an admin approves', BOUND, async () => {
    const waiting = net.nodes.slice(3);
    for (const node of waiting) await net.join(node, net.id);
    for (const node of waiting) await net.waitForState(node, 'waiting-for-approval');
    for (const node of waiting) {
      assert.equal(await net.reaches(node, net.owner), false);
      const listed = await net.owner.succeed('vlan', 'requests', 'lab');
      assert.ok(listed.includes(node.peerId), listed);
      await net.owner.succeed('vlan', 'approve', 'lab', node.peerId);
    }
    for (const node of waiting) await net.waitForState(node, 'active');
    assert.equal((await net.seenBy(net.owner))?.requests, 0);
  });

  it('carries ping between all pairs, and all see the same members in one epoch', BOUND, async (context) => {
    const tookMs = await net.waitForAllPairs(net.nodes, PAIRS_TIMEOUT_MS);
    context.diagnostic(`all pairs after ${Math.round(tookMs)} ms`);
    const everybody = net.nodes.map((node) => node.peerId).toSorted();
    for (const node of net.nodes) {
      const members = await net.membersSeenBy(node);
      assert.deepEqual(members.map(({ peer }) => peer).toSorted(), everybody);
    }
    await waitForOneEpoch(net.nodes);
  });

  it(
    'is deaf and dumb to a member that was removed, and that one reads nothing, even unaware of it',
    BOUND,
    async (context) => {
      const removed = net.node(4);
      const staying = net.nodes.slice(0, 4);
      const removedMac = removed.machine.namespace.macOf(MEMBER_TAP).replaceAll(':', '');
      // Asleep, it does not hear of its removal: it wakes up with its old keys and goes on with them.
      removed.signal('SIGSTOP');
      const startMs = performance.now();
      await net.owner.succeed('vlan', 'remove', 'lab', removed.peerId);
      for (const node of staying) await waitUntilWithout(node, removed.peerId);
      context.diagnostic(`removed everywhere after ${Math.round(performance.now() - startMs)} ms`);
      await sleep(1_000);
      const marker = Buffer.from(`only-for-members-${Date.now()}`);
      const heard = await gather(net.node(3), MEMBER_TAP, marker.toString('hex'));
      const unheard = await Promise.all(
        [MEMBER_TAP, 'eth0'].map((name) => gather(removed, name, marker.toString('hex'))),
      );
      // Members may still ask each other where that address has gone, so not each frame with it is from there.
      const about = await Promise.all(staying.map((node) => gather(node, MEMBER_TAP, removedMac, 50)));
      const opened = async () => Number((await removed.status()).counters['framesOpened']);
      removed.signal('SIGCONT');
      // What came to its socket before its removal is its own.
      await sleep(500);
      const openedBefore = await opened();
      await Promise.all([tellAll(marker.toString()), ...staying.map((node) => net.reaches(removed, node))]);
      assert.equal((await heard()).length, 1, 'the members themselves did not hear it');
      for (const frames of unheard) assert.deepEqual(await frames(), []);
      const smuggled = (await Promise.all(about.map((frames) => frames()))).flat();
      assert.deepEqual(
        smuggled.filter((frame) => frame.slice(12, 24) === removedMac),
        [],
      );
      assert.equal(await opened(), openedBefore, 'it opened a frame');
      await net.waitForAllPairs(staying, PAIRS_TIMEOUT_MS);
    },
  );

  it('tells the removed one, once it hears of it', BOUND, async () => {
    await net.waitForState(net.node(4), 'expelled', 30_000);
  });

  it('lets a removed one in again by a new invite', BOUND, async () => {
    const invite = await net.owner.succeed('vlan', 'invite', 'lab');
    await net.join(net.node(4), invite);
    await net.waitForState(net.node(4), 'active');
    await net.waitForAllPairs(net.nodes, PAIRS_TIMEOUT_MS);
  });

  it('goes on without one that leaves', BOUND, async () => {
    const leaving = net.node(4);
    await leaving.succeed('vlan', 'leave', 'lab');
    assert.equal(leaving.machine.namespace.hasInterface(MEMBER_TAP), false);
    const staying = net.nodes.slice(0, 4);
    for (const node of staying) await waitUntilWithout(node, leaving.peerId);
    await net.waitForAllPairs(staying, PAIRS_TIMEOUT_MS);
  });

  /** Gathers frames that hold something, given in hexadecimal, from now on. */
  function gather(node: LabDaemon, interfaceName: string, marker: string, count = 1) {
    return gatherFrames(node.machine.namespace, { interfaceName, marker, count, timeoutMs: CAPTURE_MS });
  }

  async function waitUntilWithout(node: LabDaemon, peer: string): Promise<void> {
    const look = async (): Promise<boolean> =>
      (await net.membersSeenBy(node)).every((member) => member.peer !== peer);
    await waitFor('a member to be gone', look, {
      timeoutMs: REMOVAL_LIMIT_MS,
      explain: () => net.explain([node, net.owner]),
    });
  }

  async function waitForOneEpoch(nodes: readonly LabDaemon[]): Promise<void> {
    const look = async (): Promise<boolean> => {
      const epochs = await Promise.all(nodes.map(async (node) => (await net.seenBy(node))?.epoch));
      return new Set(epochs).size === 1 && epochs[0] !== null;
    };
    await waitFor('one epoch', look, { timeoutMs: PAIRS_TIMEOUT_MS, explain: () => net.explain(nodes) });
  }

  /** Broadcasts a text to the whole VLAN, several times over the first half of a capture. */
  async function tellAll(text: string): Promise<void> {
    for (let count = 0; count < 3; count++) {
      const datagram = { mode: 'send', port: BROADCAST_PORT, address: '10.7.0.255', text };
      await runProbe(net.owner.machine.namespace, 'datagrams', datagram, 5_000);
      await sleep(300);
    }
  }
});
