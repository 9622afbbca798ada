/**
 * Membership on bad wires: members that come, die and come again while a fifth of all control datagrams is
 * lost and the rest arrives in any order, on virtual time and from a seed.
 *
 * A failure names its seed; `PEERTAP_SIM_SEED=<seed> node --test test/sim/membership.test.ts` replays it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom, SimVlan } from '../../control/membership/membership-fixture.ts';
import type { SimMember } from '../../control/membership/sim-member.fixture.ts';
import { macNumber } from '../../control/membership/station-claims.ts';
import { PrivateWorld } from './private-world.ts';

const SEEDS = process.env['PEERTAP_SIM_SEED']?.split(',') ?? ['1', '2', '3'];
const BAD_WIRE = { lossRatio: 0.2, leastDelayMs: 1, mostDelayMs: 400 };

for (const seed of SEEDS) {
  test(`members agree on each other and on every station after the wire was bad (seed ${seed})`, () => {
    const vlan = new SimVlan(`bad wire ${seed}`);
    const random = new SeededRandom(`events ${seed}`);
    vlan.wire = BAD_WIRE;
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    for (const name of names) {
      start(vlan, name);
    }
    for (let step = 0; step < 12; step++) {
      disturb(vlan, names[Math.floor(random.unit() * names.length)] ?? 'a', random.unit());
      vlan.run(random.unit() * 20_000);
    }
    vlan.wire = { ...BAD_WIRE, lossRatio: 0 };
    vlan.run(60_000);

    assertAgreement(vlan, names, seed);
  });

  test(`a partition that heals leaves no member out and no recording in (seed ${seed})`, () => {
    const vlan = new SimVlan(`partition ${seed}`);
    const names = ['a', 'b', 'c', 'd'];
    for (const name of names) {
      start(vlan, name);
    }
    vlan.run(2_000);
    vlan.place('c', 1);
    vlan.place('d', 1);
    vlan.run(110_000);
    assert.deepEqual(vlan.views(), { a: ['b'], b: ['a'], c: ['d'], d: ['c'] }, `seed ${seed}`);

    vlan.place('c', 0);
    vlan.place('d', 0);
    vlan.wire = { ...BAD_WIRE, lossRatio: 0.05 };
    vlan.run(60_000);

    assertAgreement(vlan, names, seed);
  });
}

function macOf(name: string): Uint8Array {
  return Uint8Array.of(2, 0, 0, 0, 0, name.charCodeAt(0));
}

function start(vlan: SimVlan, name: string): void {
  const member = vlan.join(name);
  vlan.input(member, { kind: 'interface-mac', mac: macOf(name) });
}

function disturb(vlan: SimVlan, name: string, choice: number): void {
  const member = vlan.members.get(name);
  if (member === undefined) {
    return;
  }
  if (choice < 0.4) {
    vlan.kill(member);
    start(vlan, name);
  } else if (choice < 0.7) {
    vlan.input(member, { kind: 'worker-restarted', worker: 0 });
  } else {
    vlan.input(member, { kind: 'leave' });
    vlan.kill(member);
    vlan.run(5_000);
    start(vlan, name);
  }
}

function assertAgreement(vlan: SimVlan, names: readonly string[], seed: string): void {
  for (const name of names) {
    const member = vlan.members.get(name);
    assert.ok(member);
    const others = names.filter((other) => other !== name);
    assert.deepEqual(vlan.views()[name], others, `${name}'s roster, seed ${seed}`);
    for (const other of others) {
      const station = member.stations.get(macNumber(macOf(other)));
      assert.ok(typeof station === 'number', `${name} does not know ${other}'s station, seed ${seed}`);
      assert.equal(vlan.peerName(member.peers.get(station) ?? ''), other, `seed ${seed}`);
      assertOpens(member, vlan.members.get(other), seed);
    }
  }
}

function assertOpens(receiver: SimMember, sender: SimMember | undefined, seed: string): void {
  assert.ok(sender);
  for (const [id, salt] of sender.salts) {
    if (!sender.groupKeys.has(id)) continue;
    const opened = [...receiver.senders.values()].find((open) => Buffer.compare(open.salt, salt.value) === 0);
    assert.ok(opened, `${receiver.name} does not open ${sender.name}'s worker ${salt.worker}, seed ${seed}`);
    assert.deepEqual(opened.groupKey, sender.groupKeys.get(id));
  }
}

for (const seed of SEEDS) {
  test(`changes of epoch on a bad wire lose no frame and no member (seed ${seed})`, () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    const world = new PrivateWorld(`changes ${seed}`);
    world.settle(names, { skewMs: 0 });
    for (const name of names) world.start(name);
    world.run(2_000);
    world.group.vlan.wire = BAD_WIRE;
    for (let change = 0; change < 15; change++) {
      const again = world.pick(names);
      // Now and then one comes in anew and has another leaf.
      const leaves = world.random.unit() < 0.3 ? { [again]: 10 + change } : {};
      world.settle(names, { skewMs: world.pick([50, 1_000, 6_000]), leaves });
      // Four epochs are live at a time: who lags behind by more than that is lost.
      world.run(6_000 + world.random.unit() * 10_000);
    }
    world.group.vlan.wire = { ...BAD_WIRE, lossRatio: 0 };
    world.run(60_000);

    world.assertSettled(names);
    assert.ok(world.looked > 10_000, `only ${world.looked} frames were looked at`);
    const downs = world.members.flatMap(({ effects }) =>
      effects.filter(({ kind }) => kind === 'member-down'),
    );
    assert.deepEqual(downs, [], `seed ${seed}`);
  });

  test(`whatever happens to a private VLAN, nobody removed can open a frame, and in the end all are there (seed ${seed})`, () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const world = new PrivateWorld(`wild ${seed}`);
    let inside = [...names];
    world.settle(inside, { skewMs: 0 });
    for (const name of names) world.start(name);
    world.run(2_000);
    world.group.vlan.wire = BAD_WIRE;
    for (let step = 0; step < 20; step++) {
      inside = disturbPrivately(world, names, inside);
      world.run(world.random.unit() * 15_000);
    }
    world.group.vlan.wire = { ...BAD_WIRE, lossRatio: 0 };
    for (const name of names) {
      world.group.vlan.place(name, 0);
      if (!world.group.vlan.members.has(name)) world.start(name);
    }
    world.settle(names, { skewMs: 1_000 });
    world.run(90_000);

    world.assertSettled(names);
  });
}

/** @returns who is in the group then */
function disturbPrivately(
  world: PrivateWorld,
  names: readonly string[],
  inside: readonly string[],
): string[] {
  const name = world.pick(inside);
  const outside = names.filter((each) => !inside.includes(each));
  const choice = world.random.unit();
  const skewMs = world.pick([50, 1_000, 10_000]);
  const member = world.group.vlan.members.get(name);
  if (choice < 0.3) {
    world.settle(inside, { skewMs });
  } else if (choice < 0.45 && inside.length > 2) {
    const rest = inside.filter((each) => each !== name);
    world.settle(rest, { skewMs, remove: true });
    return rest;
  } else if (choice < 0.6 && outside.length > 0) {
    const more = [...inside, world.pick(outside)];
    world.settle(more, { skewMs });
    return more;
  } else if (choice < 0.75) {
    world.kill(name);
    world.run(world.random.unit() * 3_000);
    world.start(name);
  } else if (choice < 0.85 && member !== undefined) {
    world.unlink(name);
    world.group.vlan.input(member, { kind: 'worker-restarted', worker: 1 });
  } else {
    world.place(name, world.random.unit() < 0.5 ? 1 : 0);
  }
  return [...inside];
}
