/**
 * Spanning trees of one segment on bad days: random graphs of 5 to 50 nodes with 3 to 8 trunks each, members and relays,
 * in which trunks, streams and nodes come and go, costs change, and parts are cut off and come back.
 *
 * Checked at each step: the edges that both ends have open are a forest (tree-world.ts). Checked 3 s after the last change:
 * one tree joins all that can be joined.
 *
 * `SIM_SEED=n` replays a seed; `SIM_SEEDS=n` runs as many.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { disturb, growGraph, startAll } from './mesh-scenario.ts';
import { forEachSeed, Simulation } from './simulation.ts';
import { TreeWorld } from './tree-world.ts';

const FILE = 'test/sim/tree.test.ts';
const SEEDS = 500;
/** Seeds that found something. */
const FOUND = [4_924];
const REST_MS = 3_000;

test('after any troubles one tree joins all, and there never was a loop', () => {
  for (const seed of FOUND) trouble(new Simulation(seed));
  forEachSeed({ count: SEEDS, file: FILE }, trouble);
});

function trouble(simulation: Simulation): void {
  const world = new TreeWorld(simulation);
  const nodes = 5 + Math.floor(simulation.random() * 46);
  growGraph(world, { nodes, relayShare: simulation.random() * 0.6 });
  startAll(world);
  rest(world);
  for (let round = 0; round < 3; round++) {
    const steps = 1 + Math.floor(simulation.random() * 8);
    for (let step = 0; step < steps; step++) {
      disturb(world);
      simulation.runFor(pauseMs(simulation));
    }
    rest(world);
  }
}

function pauseMs(simulation: Simulation): number {
  return simulation.random() < 0.6 ? simulation.between(0, 60) : simulation.between(60, 1_500);
}

function rest(world: TreeWorld): void {
  world.simulation.runFor(REST_MS);
  assert.deepEqual(world.faults(), []);
}
