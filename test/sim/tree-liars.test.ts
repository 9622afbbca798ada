/**
 * Spanning trees among relays that lie (tree-liar.ts), with all the other troubles.
 *
 * Checked at each step: no loop of honest nodes alone. Checked 3 s after the liars are gone: one tree joins all.
 *
 * `SIM_SEED=n` replays a seed; `SIM_SEEDS=n` runs as many.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { disturb, growGraph, startAll } from './mesh-scenario.ts';
import { forEachSeed } from './simulation.ts';
import { startLying } from './tree-liar.ts';
import { TreeWorld } from './tree-world.ts';

const FILE = 'test/sim/tree-liars.test.ts';
const SEEDS = 60;
const REST_MS = 3_000;

test('relays that lie make no loop of honest nodes, and when they are gone one tree joins all', () => {
  forEachSeed({ count: SEEDS, file: FILE }, (simulation) => {
    const world = new TreeWorld(simulation);
    const liars = 1 + Math.floor(simulation.random() * 4);
    growGraph(world, { nodes: 8 + Math.floor(simulation.random() * 23), relayShare: 0.3, liars });
    for (const node of world.nodes.filter(({ isLiar }) => isLiar)) {
      startLying(world, node);
    }
    startAll(world);
    for (let step = 0; step < 6; step++) {
      simulation.runFor(simulation.between(200, 2_000));
      disturb(world);
    }
    for (const node of world.nodes.filter(({ isLiar }) => isLiar)) {
      node.liar = undefined;
      world.crash(node);
    }
    simulation.runFor(REST_MS);
    assert.deepEqual(world.faults(), []);
  });
});
