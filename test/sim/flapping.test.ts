/**
 * Membership over a link that comes and goes: real trunk machines, and the members' control datagrams as their frames.
 *
 *   membership machine ─ control datagrams ─▶ trunk machine ─ datagrams, stream ─▶ a path that is cut again and again
 *
 * A failure names its seed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimVlan } from '../../control/membership/membership-fixture.ts';
import type { MembershipInput } from '../../control/membership/membership-port.ts';
import { utcDay } from '../../control/vlan/open-epoch.ts';
import type { SimNode } from './sim-node.ts';
import { forEachSeed, type Simulation } from './simulation.ts';
import { createWorld, startAll, UP_BOUND_MS } from './trunk-world.ts';

const FILE = 'test/sim/flapping.test.ts';
const CONTROL = { kind: 3, flags: 0, class: 7 } as const;
const SEAL_BYTES = 64;
/** A probe's round and the answer to an announcement. */
const MEET_BOUND_MS = 3_500;

test('members know each other soon after each return of a link, not only after the next heartbeat', () => {
  forEachSeed({ count: 20, file: FILE }, (simulation) => {
    const world = createWorld(simulation, 2);
    const vlan = new SimVlan(`flapping ${simulation.seed}`);
    vlan.nowMs = simulation.nowMs;
    for (const node of world.nodes) {
      node.setVlans([vlan.vlanId]);
      seat(simulation, vlan, node);
    }
    startAll(world);
    simulation.runFor(UP_BOUND_MS);
    assert.deepEqual(vlan.views(), { n0: ['n1'], n1: ['n0'] });

    const path = world.network.path('n0', 'n1');
    for (let flap = 0; flap < 20; flap++) {
      path.isCut = true;
      simulation.runFor(simulation.between(1_000, 18_000));
      path.isCut = false;
      simulation.runFor(MEET_BOUND_MS);
      assert.deepEqual(vlan.views(), { n0: ['n1'], n1: ['n0'] }, `flap ${flap} at ${simulation.nowMs}`);
    }
  });
});

/** Lets a node take part in the VLAN: what dataplane-link does, without tables. */
function seat(simulation: Simulation, vlan: SimVlan, node: SimNode): void {
  const member = vlan.add(node.id);
  const input = (given: MembershipInput): void => {
    for (const effect of member.machine.handle(given, simulation.nowMs)) {
      member.record(effect);
      if (effect.kind !== 'send-control') {
        continue;
      }
      for (const peer of node.shared.keys()) {
        node.sendFrame(peer, effect.payload, effect.payload.length + SEAL_BYTES);
      }
    }
    plan();
  };
  let plannedMs = Number.POSITIVE_INFINITY;
  const plan = (): void => {
    const dueMs = Math.max(member.machine.nextTimeoutMs(), simulation.nowMs);
    if (dueMs >= plannedMs) {
      return;
    }
    plannedMs = dueMs;
    simulation.after(dueMs - simulation.nowMs, () => {
      plannedMs = Number.POSITIVE_INFINITY;
      input({ kind: 'tick' });
    });
  };
  node.onFrame = (_trunk, frame) => {
    const epoch = utcDay(simulation.nowMs + vlan.unixOffsetMs);
    input({ kind: 'control', epoch, control: CONTROL, payload: frame as Uint8Array });
  };
  node.onNotice = (notice) => {
    const isMet = notice.kind === 'vlans-shared' && notice.vlans.length > 0;
    if (isMet || notice.kind === 'trunk-back') {
      input({ kind: 'neighbour' });
    }
  };
  input({ kind: 'start' });
}
