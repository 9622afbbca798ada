/**
 * Membership on bad wires: members that come, die and come again while a fifth of all control datagrams is
 * lost and the rest arrives in any order, on virtual time and from a seed.
 *
 * A failure names its seed; `PEERTAP_SIM_SEED=<seed> node --test test/sim/membership.test.ts` replays it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom, type SimMember, SimVlan } from '../../control/membership/membership-fixture.ts';
import { macNumber } from '../../control/membership/station-claims.ts';

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
    vlan.run(60_000);
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
