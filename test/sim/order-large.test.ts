/**
 * Commits ordered by larger groups: up to 200 members, most of them not neighbours of each other.
 *
 * `SIM_SEED=n` replays a seed; `SIM_SEEDS=n` runs as many. A removal's time is measured from the admin's call to when
 * the last reachable member uses an epoch without the removed one.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { disturb, foundGroup, proposeAdd, remove, settleDown } from './order-scenario.ts';
import { forEachSeed, type Simulation } from './simulation.ts';

const FILE = 'test/sim/order-large.test.ts';
const REMOVAL_BOUND_MS = 3_000;
const PEACE_BOUND_MS = 180_000;

/** Mostly small, for their troubles are the same ones, and cost less. */
function sizeOf(seed: number): number {
  if (seed % 200 === 0) return 200;
  if (seed % 40 === 0) return 40;
  return 4 + (seed % 9);
}

test('a removal is settled on all reachable members within 3 s, in groups of 3 to 200', (context) => {
  const timesMs: number[] = [];
  forEachSeed({ count: 200, file: FILE }, (simulation) => {
    const timeMs = removalTimeMs(simulation, sizeOf(simulation.seed) - 1);
    assert.ok(timeMs < REMOVAL_BOUND_MS, `the removal took ${timeMs} ms`);
    timesMs.push(timeMs);
  });
  timesMs.sort((one, other) => one - other);
  const at = (share: number): number => Math.round(timesMs[Math.floor(share * (timesMs.length - 1))] ?? 0);
  context.diagnostic(`removal, virtual ms: median ${at(0.5)}, p95 ${at(0.95)}, worst ${at(1)}`);
});

test('after any six troubles, up to forty members agree again', () => {
  forEachSeed({ count: 160, file: FILE }, (simulation) => {
    const members = Math.min(40, sizeOf(simulation.seed));
    const scenario = foundGroup(simulation, { members, outsiders: 3 });
    simulation.runFor(1_000);
    for (let step = 0; step < 6; step++) {
      disturb(scenario);
      simulation.runFor(simulation.between(100, 8_000));
    }
    settleDown(scenario, PEACE_BOUND_MS);
  });
});

test('parts of a group that went their own ways for long come together again, by an admin or by number', () => {
  forEachSeed({ count: 40, file: FILE }, (simulation) => {
    const scenario = foundGroup(simulation, { members: 3 + (simulation.seed % 6), outsiders: 2 });
    const { world } = scenario;
    simulation.runFor(1_000);
    world.partition((node) => node.index % 2);
    // Each part commits more often than branches are kept, and longer than old states are.
    for (let commit = 0; commit < 9; commit++) {
      for (const part of [0, 1])
        world.nodes.find(({ isUp, index }) => isUp && index % 2 === part)?.input({ kind: 'renew' });
      if (commit === 4)
        proposeAdd(scenario, world.nodes[0] ?? scenario.outside[0] ?? assert.fail(), scenario.outside[0]);
      simulation.runFor(simulation.between(5_000, 25_000));
    }
    settleDown(scenario, PEACE_BOUND_MS);
  });
});

function removalTimeMs(simulation: Simulation, index: number): number {
  const scenario = foundGroup(simulation, { members: index + 1, outsiders: 0 });
  const { world } = scenario;
  const [admin] = world.nodes;
  const victim = world.nodes[index];
  assert.ok(admin !== undefined && victim !== undefined);
  simulation.runFor(2_000);
  const startMs = simulation.nowMs;
  const done = new Map<number, number>();
  world.onSettled = (node, state) => {
    if (!state.members.some(({ peer }) => peer === victim.peer))
      done.set(node.index, simulation.nowMs - startMs);
  };
  remove(world, victim, admin);
  simulation.runFor(REMOVAL_BOUND_MS);
  assert.equal(done.size, index, 'members have not settled the removal');
  assert.equal(victim.end, 'expelled');
  return Math.max(...done.values());
}
