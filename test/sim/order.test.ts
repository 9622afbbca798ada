/**
 * Commits ordered by small groups on bad days: everything that may happen, in an order that a seed decides.
 *
 * Checked at each step (order-world.ts): no epoch is used before it is stored, nobody who was put out comes back,
 * tables stay bounded. Checked after the peace: one branch, everybody in it who should be, nothing left over.
 *
 * `SIM_SEED=n` replays a seed; `SIM_SEEDS=n` runs as many.
 */
import { test } from 'node:test';
import { disturb, foundGroup, settleDown } from './order-scenario.ts';
import { forEachSeed, type Simulation } from './simulation.ts';

const FILE = 'test/sim/order.test.ts';
const SEEDS = 600;
/** Peace is bounded: a heartbeat, three questions, and one after the other comes in from outside. */
const PEACE_BOUND_MS = 120_000;

test('after any ten troubles, three to five members agree again', () => {
  forEachSeed({ count: SEEDS, file: FILE }, (simulation) => {
    const members = 3 + Math.floor(simulation.random() * 3);
    const scenario = foundGroup(simulation, { members, outsiders: 2 });
    simulation.runFor(1_000);
    for (let step = 0; step < 10; step++) {
      disturb(scenario);
      simulation.runFor(pauseMs(simulation));
    }
    settleDown(scenario, PEACE_BOUND_MS);
  });
});

/** Mostly within the time of a commit, some heartbeats, or long enough for old states to be destroyed. */
function pauseMs(simulation: Simulation): number {
  const which = simulation.random();
  if (which < 0.5) return simulation.between(50, 3_000);
  return which < 0.93 ? simulation.between(3_000, 20_000) : simulation.between(100_000, 150_000);
}
