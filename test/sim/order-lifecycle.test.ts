/**
 * What members do in their lives, one thing at a time, on a good network and virtual time.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signItem } from '../../control/membership/group/order/item.ts';
import { VLAN_ID } from './order-authority.ts';
import type { SimOrderNode } from './order-node.ts';
import { foundGroup, proposeAdd, remove, type Scenario, settleDown } from './order-scenario.ts';
import { Simulation } from './simulation.ts';

const PEACE_BOUND_MS = 30_000;

function scenarioOf(members: number, outsiders = 1): Scenario {
  const scenario = foundGroup(new Simulation(7), { members, outsiders });
  scenario.world.simulation.runFor(2_000);
  return scenario;
}

function nodeAt(scenario: Scenario, index: number): SimOrderNode {
  return scenario.world.nodes[index] ?? assert.fail(`no node ${index}`);
}

function membersOf(node: SimOrderNode): readonly number[] {
  const { byPeer } = node.world;
  return (node.settled?.members ?? []).map(({ peer }) => byPeer.get(peer)?.index ?? -1).sort((a, b) => a - b);
}

test('whoever leaves soon after it came is not brought back, and comes again when it is let in again', () => {
  const scenario = scenarioOf(3);
  const [admin, joiner] = [nodeAt(scenario, 0), nodeAt(scenario, 3)];
  proposeAdd(scenario, admin, joiner);
  settleDown(scenario, PEACE_BOUND_MS);
  assert.deepEqual(membersOf(admin), [0, 1, 2, 3]);

  joiner.input({ kind: 'leave' });
  scenario.world.simulation.runFor(200_000);
  assert.equal(joiner.end, 'left');
  assert.deepEqual(membersOf(admin), [0, 1, 2]);

  joiner.end = undefined;
  proposeAdd(scenario, admin, joiner);
  settleDown(scenario, PEACE_BOUND_MS);
  assert.deepEqual(membersOf(admin), [0, 1, 2, 3]);
  assert.ok(joiner.isUp, 'its Welcome was for another key package');
});

test('whoever was put out comes again only by a later admission, and at once', () => {
  const scenario = scenarioOf(4, 0);
  const { world } = scenario;
  const [admin, victim] = [nodeAt(scenario, 0), nodeAt(scenario, 3)];
  remove(world, victim, admin);
  world.simulation.runFor(3_000);
  assert.equal(victim.end, 'expelled');

  victim.end = undefined;
  proposeAdd(scenario, admin, victim);
  world.simulation.runFor(3_000);
  assert.ok(victim.isUp);
  assert.deepEqual(membersOf(victim), [0, 1, 2, 3]);
  settleDown(scenario, PEACE_BOUND_MS);
});

test('a member that lost its disk is replaced by the admin that lets it in again', () => {
  const scenario = scenarioOf(4, 0);
  const [admin, lost] = [nodeAt(scenario, 0), nodeAt(scenario, 2)];
  lost.crash();
  lost.model.disk.clear();
  lost.head = undefined;
  proposeAdd(scenario, admin, lost);
  scenario.world.simulation.runFor(5_000);
  assert.ok(lost.isUp);
  assert.deepEqual(membersOf(admin), [0, 1, 2, 3]);
  settleDown(scenario, PEACE_BOUND_MS);
});

test('a member that lost its disk and has its admission comes in from outside', () => {
  const scenario = scenarioOf(4, 0);
  const lost = nodeAt(scenario, 2);
  lost.crash();
  lost.model.disk.clear();
  const { admission } = lost;
  lost.start({ kind: 'start', from: 'outside', record: scenario.world.authority.record(), admission });
  settleDown(scenario, PEACE_BOUND_MS);
  assert.deepEqual(membersOf(lost), [0, 1, 2, 3]);
  assert.equal(lost.machine?.status(scenario.world.simulation.nowMs).counters.rejoins, 1);
});

test('a member cannot put another out by proposing it anew', () => {
  const scenario = scenarioOf(4, 0);
  const { world } = scenario;
  const [admin, liar, victim] = [nodeAt(scenario, 0), nodeAt(scenario, 1), nodeAt(scenario, 2)];
  const result = victim.model.run({ op: 'key-package' });
  assert.ok(result.ok && 'keyPackage' in result.value);
  const before = admin.settled?.id;
  const item = signItem(
    {
      type: 'add',
      base: before ?? '',
      admission: victim.admission,
      joiner: victim.peer,
      keyPackage: result.value.keyPackage,
    },
    { self: liar.peer, vlanId: VLAN_ID, sign: (bytes) => world.authority.signature(liar.peer, bytes) },
  );
  const bytes = new Uint8Array([1, item[0] ?? 0, item.length & 0xff, item.length >>> 8, ...item]);
  for (const node of world.nodes) node.input({ kind: 'message', peer: liar.peer, bytes });
  world.simulation.runFor(20_000);
  assert.equal(admin.settled?.id, before, 'a commit was made of it');
});

test('a disk that is rolled back over commits of its own costs no membership', () => {
  const scenario = scenarioOf(4, 0);
  const { world } = scenario;
  const old = nodeAt(scenario, 2);
  const copy = { head: old.head ?? assert.fail('no head'), states: [...old.model.disk] };
  for (let round = 0; round < 9; round++) {
    old.input({ kind: 'renew' });
    world.simulation.runFor(3_000);
  }
  old.crash();
  old.restartNow(copy);
  settleDown(scenario, PEACE_BOUND_MS);
  assert.deepEqual(membersOf(old), [0, 1, 2, 3]);
  assert.ok((old.settled?.epoch ?? 0) > 9);
});

test('a burst of joins takes a few commits', () => {
  const scenario = scenarioOf(3, 100);
  const admin = nodeAt(scenario, 0);
  for (const joiner of scenario.outside) proposeAdd(scenario, admin, joiner);
  settleDown(scenario, PEACE_BOUND_MS);
  assert.equal(admin.settled?.members.length, 103);
  assert.ok(
    scenario.world.nodes.every(({ isUp }) => isUp),
    'somebody waits for its Welcome',
  );
  assert.ok(admin.settled.epoch <= 8, `${admin.settled.epoch} epochs`);
});

test('keys are renewed by one member each interval', () => {
  const scenario = scenarioOf(5, 0);
  const { world } = scenario;
  const before = nodeAt(scenario, 0).settled?.epoch ?? 0;
  world.simulation.runFor(4 * 3_600_000 + 60_000);
  const renewed = (nodeAt(scenario, 0).settled?.epoch ?? 0) - before;
  assert.equal(renewed, 4);
  settleDown(scenario, PEACE_BOUND_MS);
});

test('an idle pair says next to nothing', (context) => {
  const scenario = scenarioOf(2, 0);
  const { world } = scenario;
  world.simulation.runFor(60_000);
  let bytes = 0;
  const pass = world.effect.bind(world);
  world.effect = (node, effect) => {
    if (effect.kind === 'send') bytes += effect.bytes.length;
    pass(node, effect);
  };
  world.simulation.runFor(600_000);
  context.diagnostic(`${(bytes / 600).toFixed(1)} bytes/s in all`);
  assert.ok(bytes / 600 < 10, `${bytes / 600} bytes/s`);
});

test('a neighbour whose stream ends is absent at once, and live again when it is back', () => {
  const scenario = scenarioOf(3, 0);
  const { world } = scenario;
  const [one, other] = [nodeAt(scenario, 0), nodeAt(scenario, 1)];
  const stateOf = (): string | undefined =>
    one.machine?.status(world.simulation.nowMs).members.find(({ peer }) => peer === other.peer)?.state;
  assert.equal(stateOf(), 'live');
  other.crash();
  world.simulation.runFor(100);
  assert.equal(stateOf(), 'absent');
  other.restartNow();
  world.simulation.runFor(3_000);
  assert.equal(stateOf(), 'live');
});

test('a change is settled whenever it comes, also while old states are being destroyed', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const scenario = foundGroup(new Simulation(seed), { members: 2, outsiders: 0 });
    const { simulation } = scenario.world;
    const [one] = scenario.world.nodes;
    // Housekeeping comes each 15 s; the renewal's state is being written right then, in some of these.
    simulation.runUntil(1_000 + 15_000 * 2 - 45 + seed);
    const before = one?.settled?.epoch ?? 0;
    one?.input({ kind: 'renew' });
    simulation.runFor(3_000);
    assert.equal(one?.settled?.epoch, before + 1, `seed ${seed}`);
  }
});
