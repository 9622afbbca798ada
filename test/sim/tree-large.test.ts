/**
 * Spanning trees of 1,000 nodes, and what a tree costs while nothing happens.
 *
 * `SIM_SEED=n` replays a seed; `SIM_SEEDS=n` runs as many.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { disturb, growGraph, startAll } from './mesh-scenario.ts';
import { forEachSeed } from './simulation.ts';
import { TreeWorld } from './tree-world.ts';

const FILE = 'test/sim/tree-large.test.ts';
const REST_MS = 3_000;

test('a thousand nodes come to one tree within 3 s, and again after troubles', (context) => {
  forEachSeed({ count: 3, file: FILE }, (simulation) => {
    const world = new TreeWorld(simulation);
    growGraph(world, { nodes: 1_000, relayShare: 0.2 });
    startAll(world);
    const startMs = simulation.nowMs;
    simulation.runFor(REST_MS);
    assert.deepEqual(world.faults(), []);
    const hops = world.nodes.map(({ machine }) => machine?.status().hops ?? 0);
    const startedMs = Math.round(world.lastPortChangeMs - startMs);
    for (let round = 0; round < 3; round++) {
      for (let step = 0; step < 10; step++) {
        disturb(world);
        simulation.runFor(simulation.between(0, 200));
      }
      simulation.runFor(REST_MS);
      assert.deepEqual(world.faults(), []);
    }
    const { messages, verifications } = world;
    context.diagnostic(
      `seed ${simulation.seed}: ${startedMs} ms to the first tree, ${Math.max(...hops)} hops deep, ` +
        `${Math.round(messages / 1_000)} messages and ${Math.round(verifications / 1_000)} signatures a node in all`,
    );
  });
});

test('while nothing happens a node sends less than a byte a second on each trunk', (context) => {
  forEachSeed({ count: 5, file: FILE }, (simulation) => {
    const world = new TreeWorld(simulation);
    growGraph(world, { nodes: 30, relayShare: 0.2 });
    startAll(world);
    simulation.runFor(30_000);
    const before = { messages: world.messages, bytes: world.bytes, changeMs: world.lastPortChangeMs };
    simulation.runFor(3_600_000);
    const nodeHours = world.nodes.length;
    const bytesPerSecond = (world.bytes - before.bytes) / nodeHours / 3_600;
    const messagesPerMinute = (world.messages - before.messages) / nodeHours / 60;
    assert.equal(world.lastPortChangeMs, before.changeMs, 'a port changed');
    assert.deepEqual(world.faults(), []);
    const trunksEach = (2 * world.trunks.length) / nodeHours;
    assert.ok(bytesPerSecond < trunksEach, `${bytesPerSecond} bytes a second`);
    context.diagnostic(
      `seed ${simulation.seed}: ${bytesPerSecond.toFixed(2)} B/s and ${messagesPerMinute.toFixed(2)} messages a minute a node, ` +
        `${trunksEach.toFixed(1)} trunks each`,
    );
  });
});

test('two nodes alone send little more than a claim in 200 s', () => {
  forEachSeed({ count: 1, file: FILE }, (simulation) => {
    const world = new TreeWorld(simulation);
    growGraph(world, { nodes: 2, relayShare: 0 });
    startAll(world);
    simulation.runFor(10_000);
    const { bytes } = world;
    simulation.runFor(2_000_000);
    assert.equal(world.bytes - bytes, 10 * 164);
  });
});
