/**
 * Faults of a private VLAN: parted nets, killed nodes, old state, bad invites. Nobody is lost, nothing repeats.
 *
 *   a, b ──[ west ]══uplink══[ east ]── c, d, e      each with ptap0 10.7.0.n; a makes the VLAN
 */

import assert from 'node:assert/strict';
import { cpSync, existsSync, rmSync } from 'node:fs';
import { after, before, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { LabDaemon } from '../lab/daemon.ts';
import { waitFor } from '../lab/deadline.ts';
import { MemberNet, withMemberNet } from '../lab/member-net.ts';
import { WEST_COUNT } from '../lab/topology.ts';
import { describeOnce } from './matrix.ts';

const BOUND = { timeout: 90_000 };
/** Each side by itself, and both together. */
const PARTED_BOUND = { timeout: 180_000 };
const PAIRS_TIMEOUT_MS = 60_000;
/** Long enough for each side to settle epochs of its own. */
const PARTED_MS = 5_000;
/** Within it a change is proposed, committed and written somewhere. */
const KILL_WITHIN_MS = 600;
const KILLED_STATUS = 137;
const OTHER_PORTS = {
  libp2p: ['/ip4/0.0.0.0/tcp/17946'],
  datagram: { address: '0.0.0.0', port: 17_947 },
};

describeOnce('a private VLAN in trouble', (engine) => {
  let net: MemberNet;

  before(async () => {
    net = new MemberNet(5, { engine, workers: 1 });
    await net.start();
    await net.admit(...net.nodes.slice(1));
    await net.waitForAllPairs(net.nodes, PAIRS_TIMEOUT_MS);
    // So that a member of the other side can change the group, too, when the owner's side is away.
    await net.owner.succeed('vlan', 'set', 'lab', `admins=+${net.node(3).peerId}`);
    // Cut off before the record has come, it could not: the first test parts the net at once.
    await waitForAdmin(net.node(3));
  }, BOUND);

  after(async () => {
    await net.remove();
  });

  it(
    'works on both sides of a parted net, and as one again when it is healed',
    PARTED_BOUND,
    async (context) => {
      const [west, east] = [net.nodes.slice(0, WEST_COUNT), net.nodes.slice(WEST_COUNT)];
      net.lan.cut();
      try {
        // Each side goes on to epochs of its own: the west by a new record, the east by a removal and an invite.
        await changeEpoch('parted');
        await net.node(3).succeed('vlan', 'remove', 'lab', net.node(4).peerId);
        await sleep(PARTED_MS);
        await net.waitForAllPairs(west, PAIRS_TIMEOUT_MS / 2);
        // One that had followed the other side comes over when the trunks to that side are given up: half a minute at most.
        await net.waitForAllPairs(east.slice(0, 2), PAIRS_TIMEOUT_MS);
      } finally {
        net.lan.heal();
      }
      const tookMs = await net.waitForAllPairs(net.nodes.slice(0, 4), PAIRS_TIMEOUT_MS);
      context.diagnostic(`all pairs ${Math.round(tookMs)} ms after healing`);
      for (const node of net.nodes.slice(0, 4)) await waitForMembers(node, net.nodes.slice(0, 4));
    },
  );

  it('lets in again whom one side had removed', BOUND, async () => {
    const back = net.node(4);
    await net.waitForState(back, 'expelled');
    await net.join(back, await net.node(3).succeed('vlan', 'invite', 'lab'));
    await net.waitForState(back, 'active');
    await net.waitForAllPairs(net.nodes, PAIRS_TIMEOUT_MS);
  });

  for (let index = 0; index < 5; index++) {
    it(`finds node ${index} again that was killed in the middle of a change`, BOUND, async (context) => {
      const victim = net.node(index);
      const delayMs = Math.round(Math.random() * KILL_WITHIN_MS);
      const change = changeEpoch(`kill ${index}`).catch(() => 'the owner was killed');
      await sleep(delayMs);
      assert.equal(await victim.stop('SIGKILL'), KILLED_STATUS);
      await change;
      victim.spawn();
      const tookMs = await net.waitForAllPairs(net.nodes, PAIRS_TIMEOUT_MS);
      context.diagnostic(`killed after ${delayMs} ms; all pairs ${Math.round(tookMs)} ms after its start`);
      await waitForMembers(victim, net.nodes);
    });
  }

  it('takes a node back whose state directory was rolled back', BOUND, async () => {
    const node = net.node(2);
    const { stateDirectory } = node.config;
    const copy = `${stateDirectory}.copy`;
    await node.stop();
    cpSync(stateDirectory, copy, { recursive: true });
    await node.start();
    await net.waitForState(node, 'active');
    for (const what of ['rolled', 'back']) await changeEpoch(what);
    await node.stop();
    rmSync(stateDirectory, { recursive: true });
    cpSync(copy, stateDirectory, { recursive: true });
    await node.start();
    await net.waitForAllPairs(net.nodes, PAIRS_TIMEOUT_MS);
    await waitForMembers(node, net.nodes);
  });

  it(
    'is left alone by a second daemon on the same state directory, which refuses to start',
    BOUND,
    async () => {
      const first = net.node(1);
      const second = new LabDaemon(first.machine, { engine });
      second.writeConfig({ listen: OTHER_PORTS, stateDirectory: first.config.stateDirectory });
      second.spawn();
      assert.equal(await second.waitForExit(), 1, second.logTail());
      assert.ok(second.log().includes(first.config.stateDirectory), second.logTail());
      assert.equal(existsSync(second.config.controlSocket), false);
      assert.ok(await net.reaches(net.owner, first, 2));
    },
  );

  it('is all there after every daemon was stopped and started', BOUND, async () => {
    await Promise.all(net.nodes.map((node) => node.stop()));
    await Promise.all(net.nodes.map((node) => node.start()));
    await net.waitForAllPairs(net.nodes, PAIRS_TIMEOUT_MS);
  });

  /** A new record is carried by a commit, so a new epoch follows. */
  async function changeEpoch(description: string): Promise<string> {
    return net.owner.succeed('vlan', 'set', 'lab', `description=${description}`);
  }

  /** Waits until a node itself knows that it is an admin. */
  async function waitForAdmin(node: LabDaemon): Promise<void> {
    const look = async (): Promise<boolean> =>
      (await net.membersSeenBy(node)).some(({ peer, role }) => peer === node.peerId && role === 'admin');
    await waitFor('a node to be an admin', look, {
      timeoutMs: PAIRS_TIMEOUT_MS / 2,
      explain: () => net.explain([node, net.owner]),
    });
  }

  async function waitForMembers(node: LabDaemon, members: readonly LabDaemon[]): Promise<void> {
    const expected = members.map(({ peerId }) => peerId).toSorted();
    const look = async (): Promise<boolean> => {
      const seen = (await net.membersSeenBy(node)).map(({ peer }) => peer).toSorted();
      return JSON.stringify(seen) === JSON.stringify(expected);
    };
    await waitFor('the members to be known', look, {
      timeoutMs: PAIRS_TIMEOUT_MS / 2,
      explain: () => net.explain([node, net.owner]),
    });
  }
});

describeOnce('an invite that is not good', (engine) => {
  it('is told apart: cut, mistyped, used, of a VLAN that nobody here has', BOUND, async () => {
    await withMemberNet(3, { engine, workers: 1 }, async (net) => {
      await net.start();
      const [, second, third] = net.nodes;
      assert.ok(second !== undefined && third !== undefined);
      const invite = await net.owner.succeed('vlan', 'invite', 'lab');
      const changed = invite.slice(0, -6) + (invite.at(-6) === 'a' ? 'b' : 'a') + invite.slice(-5);
      await assertRefused(third, invite.slice(0, -10), 2, /the invite was cut/);
      await assertRefused(third, changed, 2, /mistyped/);
      await assertRefused(third, 'b'.repeat(25), 1, /no VLAN here goes by/);
      await net.join(second, invite);
      await net.waitForState(second, 'active');
      await assertRefused(third, invite, 1, /the invite has been used; ask for a new one/);
      const fresh = await net.owner.succeed('vlan', 'invite', 'lab');
      await net.join(third, fresh);
      await net.waitForState(third, 'active');
      await net.waitForAllPairs(net.nodes, PAIRS_TIMEOUT_MS);
    });
  });

  async function assertRefused(
    node: LabDaemon,
    text: string,
    status: number,
    message: RegExp,
  ): Promise<void> {
    const result = await node.command('vlan', 'join', text, '--interface', 'ptap0');
    assert.equal(result.status, status, result.stderr);
    assert.match(result.stderr, message);
  }
});
