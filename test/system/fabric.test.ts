/**
 * The fabric of members over every shape of underlay: all reach all, and hear each broadcast once.
 *
 *   line  a─b─c─d─e      ring  line and e─a      star  b, c, d, e ─ a      mesh  each with each      (lab/links.ts)
 *
 * Each machine reaches only those that it has a wire to.
 */

import assert from 'node:assert/strict';
import { it } from 'node:test';

import { countCopies, oneCopyEach } from '../lab/copies.ts';
import { withFabric } from '../lab/fabric-net.ts';
import { type Edge, line, mesh, ring, star } from '../lab/links.ts';
import { describeOnce } from './matrix.ts';

const BOUND = { timeout: 90_000 };
const NODE_COUNT = 5;
const SHAPES: Readonly<Record<string, readonly Edge[]>> = {
  line: line(NODE_COUNT),
  ring: ring(NODE_COUNT),
  star: star(NODE_COUNT),
  mesh: mesh(NODE_COUNT),
};

describeOnce('five members', (engine) => {
  for (const [shape, edges] of Object.entries(SHAPES)) {
    it(`all reach all over a ${shape}, and hear each broadcast once`, BOUND, async (context) => {
      await withFabric({ count: NODE_COUNT, edges, daemon: { engine, workers: 1 } }, async (net) => {
        context.diagnostic(`all pairs after ${Math.round(await net.waitForAllPairs())} ms`);
        const counts = await countCopies(net);
        assert.deepEqual(counts, oneCopyEach(net), await net.explain(net.nodes, JSON.stringify(counts)));
      });
    });
  }
});
