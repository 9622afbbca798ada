/**
 * Trunks of several nodes under a seeded, faulty underlay.
 *
 *   n0 ─── n1        full mesh; each scenario says what fails: loss, cuts, blocked UDP,
 *    │ ╲ ╱ │         crashes, address changes, dead workers
 *    │ ╱ ╲ │
 *   n3 ─── n2
 *
 * `SIM_SEEDS=1000 node --test test/sim/trunk.test.ts` runs more; a failure prints how to replay it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SimNode } from './sim-node.ts';
import { forEachSeed } from './simulation.ts';
import {
  assertAllUp,
  assertBounded,
  createWorld,
  describe,
  disturb,
  pairs,
  startAll,
  Traffic,
  UP_BOUND_MS,
} from './trunk-world.ts';

const FILE = 'test/sim/trunk.test.ts';
test('every pair comes up over datagrams, with one trunk, and meets in its shared VLANs', () => {
  forEachSeed({ count: 30, file: FILE }, (simulation) => {
    const world = createWorld(simulation, 4);
    const vlans = Array.from({ length: 4 }, () => simulation.bytes(16));
    const memberships = world.nodes.map(() => vlans.filter(() => simulation.random() < 0.5));
    world.nodes.forEach((node, index) => node.setVlans(memberships[index] ?? []));
    startAll(world);
    simulation.runFor(UP_BOUND_MS);
    assertAllUp(world, 'udp');
    assertBounded(world);
    for (const [index, one] of world.nodes.entries()) {
      for (const [otherIndex, other] of world.nodes.entries()) {
        const expected =
          index === otherIndex
            ? []
            : (memberships[index]?.filter((vlan) => memberships[otherIndex]?.includes(vlan)) ?? []);
        assert.deepEqual(one.shared.get(other.id) ?? [], expected);
      }
    }
  });
});

test('one configured side is enough, and the path size is found', () => {
  forEachSeed({ count: 20, file: FILE }, (simulation) => {
    const world = createWorld(simulation, 2, (index, nodes) => (index === 0 ? nodes : []));
    startAll(world);
    simulation.runFor(30_000);
    assertAllUp(world, 'udp');
    const path = world.network.path('n0', 'n1');
    for (const [from, to] of [
      ['n0', 'n1'],
      ['n1', 'n0'],
    ] as const) {
      const found = world.nodes.find((node) => node.id === from)?.statusOf(to)?.datagramMtuBytes ?? 0;
      assert.ok(
        found <= path.mtuBytes && found >= Math.min(path.mtuBytes, 8_972) - 50,
        `found ${found} of ${path.mtuBytes}`,
      );
    }
  });
});

test('rekeys lose no frame on a path that loses none, and leave nothing behind', () => {
  forEachSeed({ count: 6, file: FILE }, (simulation) => {
    const world = createWorld(simulation, 2);
    startAll(world);
    simulation.runFor(UP_BOUND_MS);
    const [one, other] = world.nodes as [SimNode, SimNode];
    const traffic = [new Traffic(simulation, one, other, 40), new Traffic(simulation, other, one, 40)];
    simulation.runFor(400_000);
    for (const flow of traffic) {
      flow.stop();
    }
    simulation.runFor(1_000);
    for (const flow of traffic) {
      assert.equal(flow.refused, 0);
      assert.equal(flow.arrivedAtMs.length, flow.sent, describe(one, other));
    }
    assert.ok((one.statusOf(other.id)?.generation ?? 0) >= 4);
    assertBounded(world);
  });
});

test('loss, delay and reordering do not end trunks, and rekeys go through', () => {
  forEachSeed({ count: 6, file: FILE }, (simulation) => {
    const world = createWorld(simulation, 3);
    world.network.defaults = {
      ...world.network.defaults,
      lossRatio: simulation.between(0, 0.2),
      jitterMs: simulation.between(0, 120),
    };
    startAll(world);
    simulation.runFor(10_000);
    assertAllUp(world);
    const downs: string[] = [];
    for (const node of world.nodes) {
      node.onNotice = (effect) => {
        if (effect.kind === 'trunk-down') {
          downs.push(effect.reason);
        }
      };
    }
    const traffic = pairs(world.nodes).map(([one, other]) => new Traffic(simulation, one, other, 100));
    simulation.runFor(250_000);
    assert.deepEqual(downs, []);
    assertAllUp(world);
    assertBounded(world);
    for (const flow of traffic) {
      assert.ok(flow.arrivedAtMs.length > 0.7 * flow.sent, `${flow.arrivedAtMs.length} of ${flow.sent}`);
    }
  });
});

test('blocked datagrams: the stream takes over within 2 s under traffic, and datagrams come back', () => {
  forEachSeed({ count: 20, file: FILE }, (simulation) => {
    const world = createWorld(simulation, 2);
    const path = world.network.path('n0', 'n1');
    path.isUdpBlocked = simulation.random() < 0.3;
    startAll(world);
    simulation.runFor(UP_BOUND_MS);
    assertAllUp(world, path.isUdpBlocked ? 'stream' : 'udp');
    const [one, other] = world.nodes as [SimNode, SimNode];
    const traffic = [new Traffic(simulation, one, other, 50), new Traffic(simulation, other, one, 50)];
    simulation.runFor(3_000);
    path.isUdpBlocked = true;
    const blockedAtMs = simulation.nowMs;
    simulation.runFor(2_500);
    assertAllUp(world, 'stream');
    simulation.runFor(simulation.between(1_000, 40_000));
    for (const flow of traffic) {
      assert.ok(flow.longestGapMs(blockedAtMs) < 2_500, `a gap of ${flow.longestGapMs(blockedAtMs)} ms`);
    }
    path.isUdpBlocked = false;
    const unblockedAtMs = simulation.nowMs;
    simulation.runFor(11_000);
    assertAllUp(world, 'udp');
    for (const flow of traffic) {
      assert.ok(
        flow.longestGapMs(unblockedAtMs) < 500,
        `a gap of ${flow.longestGapMs(unblockedAtMs)} ms on the way back`,
      );
    }
  });
});

test('an underlay down for up to 5 s ends no trunk, and frames pass within 1.5 s after it', () => {
  forEachSeed({ count: 20, file: FILE }, (simulation) => {
    const world = createWorld(simulation, 2);
    startAll(world);
    simulation.runFor(UP_BOUND_MS);
    const [one, other] = world.nodes as [SimNode, SimNode];
    const trunk = one.up.get(other.id);
    const flow = new Traffic(simulation, one, other, 50);
    simulation.runFor(simulation.between(1_000, 20_000));
    const path = world.network.path('n0', 'n1');
    path.isCut = true;
    simulation.runFor(simulation.between(200, 5_000));
    path.isCut = false;
    const backAtMs = simulation.nowMs;
    simulation.runFor(12_000);
    assert.equal(one.up.get(other.id), trunk, 'the trunk was torn down');
    assert.ok(flow.longestGapMs(backAtMs) < 1_500, `a gap of ${flow.longestGapMs(backAtMs)} ms`);
    assertAllUp(world, 'udp');
  });
});

test('a partition of minutes heals', () => {
  forEachSeed({ count: 10, file: FILE }, (simulation) => {
    const world = createWorld(simulation, 4);
    startAll(world);
    simulation.runFor(UP_BOUND_MS);
    const side = (node: SimNode): boolean => node.id === 'n0' || node.id === 'n1';
    const cut = pairs(world.nodes).filter(([one, other]) => side(one) !== side(other));
    for (const [one, other] of cut) {
      world.network.path(one.id, other.id).isCut = true;
    }
    simulation.runFor(simulation.between(100_000, 400_000));
    assert.equal(world.nodes[0]?.up.has('n2'), false, 'a dead trunk stays');
    for (const [one, other] of cut) {
      world.network.path(one.id, other.id).isCut = false;
    }
    simulation.runFor(20_000);
    assertAllUp(world, 'udp');
    assertBounded(world);
  });
});

test('killed nodes that start again rejoin, whoever is configured', () => {
  forEachSeed({ count: 15, file: FILE }, (simulation) => {
    const world = createWorld(simulation, 4);
    startAll(world);
    simulation.runFor(UP_BOUND_MS);
    for (let round = 0; round < 5; round++) {
      const victim = world.nodes[Math.floor(simulation.random() * world.nodes.length)] ?? assert.fail();
      victim.crash();
      simulation.runFor(simulation.between(50, 30_000));
      victim.start();
      simulation.runFor(simulation.between(10, 12_000));
    }
    simulation.runFor(8_000);
    assertAllUp(world, 'udp');
    assertBounded(world);
  });
});

test('a node that changes its address keeps its trunk, and traffic follows within 2.5 s', () => {
  forEachSeed({ count: 10, file: FILE }, (simulation) => {
    const world = createWorld(simulation, 2);
    startAll(world);
    simulation.runFor(UP_BOUND_MS);
    const [one, other] = (simulation.random() < 0.5 ? world.nodes : world.nodes.toReversed()) as [
      SimNode,
      SimNode,
    ];
    const trunk = other.up.get(one.id);
    const flows = [new Traffic(simulation, one, other, 50), new Traffic(simulation, other, one, 50)];
    simulation.runFor(5_000);
    one.roam('10.9.9.9');
    const movedAtMs = simulation.nowMs;
    simulation.runFor(60_000);
    assert.equal(other.up.get(one.id), trunk, describe(one, other));
    for (const flow of flows) {
      assert.ok(
        flow.longestGapMs(movedAtMs) < 2_500,
        `a gap of ${flow.longestGapMs(movedAtMs)} ms\n${describe(one, other)}`,
      );
    }
    assertAllUp(world, 'udp');
    simulation.runFor(240_000);
    assert.equal(other.up.get(one.id), trunk, `the trunk did not survive its rekey: ${describe(one, other)}`);
  });
});

test('a restarted worker has its lanes keyed anew within a second, and only its own', () => {
  forEachSeed({ count: 20, file: FILE }, (simulation) => {
    const world = createWorld(simulation, 2);
    startAll(world);
    simulation.runFor(UP_BOUND_MS);
    const [one, other] = (simulation.random() < 0.5 ? world.nodes : world.nodes.toReversed()) as [
      SimNode,
      SimNode,
    ];
    for (let round = 0; round < 3; round++) {
      const worker = 0;
      const others = [...one.dataplane.lanes.values()]
        .filter((lane) => lane.worker !== worker)
        .map((lane) => lane.handle);
      const before = one.statusOf(other.id)?.lanes;
      one.input({ kind: 'worker-restarted', worker });
      simulation.runFor(1_000);
      assertAllUp(world);
      assert.equal(one.statusOf(other.id)?.lanes, before, describe(one, other));
      for (const handle of others) {
        assert.ok(one.dataplane.lanes.has(handle), 'a lane of another worker was touched');
      }
    }
    assertBounded(world);
  });
});

test('a process that stands still for up to 5 s keeps its trunks', () => {
  forEachSeed({ count: 15, file: FILE }, (simulation) => {
    const world = createWorld(simulation, 2);
    startAll(world);
    simulation.runFor(UP_BOUND_MS);
    const [one, other] = world.nodes as [SimNode, SimNode];
    const trunks = [one.up.get(other.id), other.up.get(one.id)];
    const flow = new Traffic(simulation, one, other, 50);
    simulation.runFor(3_000);
    one.pause(simulation.between(500, 5_000));
    simulation.runFor(15_000);
    assert.deepEqual([one.up.get(other.id), other.up.get(one.id)], trunks, describe(one, other));
    assert.ok(flow.longestGapMs(simulation.nowMs - 8_000) < 500);
    assertAllUp(world, 'udp');
  });
});

test('a path that shrinks under full-size frames is noticed within 10 s', () => {
  forEachSeed({ count: 10, file: FILE }, (simulation) => {
    const world = createWorld(simulation, 2);
    const path = world.network.path('n0', 'n1');
    path.mtuBytes = 1_472;
    startAll(world);
    simulation.runFor(UP_BOUND_MS);
    const [one, other] = world.nodes as [SimNode, SimNode];
    const flow = new Traffic(simulation, one, other, 50, 9_000);
    simulation.runFor(2_000);
    assert.equal(one.statusOf(other.id)?.datagramMtuBytes, 1_472);
    path.mtuBytes = 1_300;
    simulation.runFor(10_000);
    const found = one.statusOf(other.id)?.datagramMtuBytes ?? 0;
    assert.ok(found <= 1_300 && found >= 1_232, `found ${found}`);
    assert.ok(flow.longestGapMs(simulation.nowMs - 500) < 200, 'full-size frames pass again');
  });
});

test('whatever happens in whatever order, a quiet network comes up again', () => {
  forEachSeed({ count: 14, file: FILE }, (simulation) => {
    const world = createWorld(simulation, 4);
    startAll(world);
    const traffic = pairs(world.nodes).map(([one, other]) => new Traffic(simulation, one, other, 300));
    for (let step = 0; step < 25; step++) {
      disturb(world);
      simulation.runFor(simulation.between(10, 15_000));
      assertBounded(world);
    }
    for (const [one, other] of pairs(world.nodes)) {
      Object.assign(world.network.path(one.id, other.id), {
        isCut: false,
        isUdpBlocked: false,
        lossRatio: 0,
      });
    }
    for (const node of world.nodes.filter(({ isAlive }) => !isAlive)) {
      node.start();
    }
    simulation.runFor(45_000);
    assertAllUp(world, 'udp');
    for (const flow of traffic) {
      assert.ok(flow.longestGapMs(simulation.nowMs - 3_000) < 1_500, 'frames do not pass');
    }
  });
});
