/**
 * Discovery among nodes that come and go, in parts that split and heal, among liars and floods; on virtual time, from a seed.
 *
 * A failure names its seed; `PEERTAP_SIM_SEED=<seed> node --test test/sim/discovery.test.ts` replays it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { DiscoverySource, FoundPeer } from '../../control/discovery/discovery-port.ts';
import { presenceKeyOf, sealPresences, signPresence } from '../../control/discovery/presence.ts';
import { formatPeerId } from '../../control/identity/peer-id.ts';
import { DiscoveryWorld, type SimPeer } from './discovery-world.ts';

const SEEDS = (process.env['PEERTAP_SIM_SEED']?.split(',') ?? ['1', '2', '3', '4', '5']).map(Number);
const VLAN = new Uint8Array(16).fill(1);
const OTHER_VLAN = new Uint8Array(16).fill(2);
const MINUTE_MS = 60_000;
const NO_LAN = { mdns: false };

function knows(node: SimPeer): number {
  return node.machine.status().filter(({ sources }) => sources.includes('presence')).length;
}

function trunksOf(node: SimPeer): string[] {
  return [...node.trunks].map(({ peer }) => peer).sort();
}

for (const seed of SEEDS) {
  test(`members that know one bootstrap node of no VLAN find each other, and all by presence (seed ${seed})`, () => {
    const world = new DiscoveryWorld(seed);
    const bootstrap = world.add([], [], { ...NO_LAN, connectionLimit: 64 });
    const config = { ...NO_LAN, connectionLimit: 8 };
    for (let count = 0; count < 24; count++) {
      world.add([VLAN], [bootstrap], config);
      world.sim.runFor(world.sim.between(0, 2_000));
    }
    for (let minute = 0; minute < 15; minute++) {
      world.sim.runFor(MINUTE_MS);
      world.assertWithinLimits(`seed ${seed}, minute ${minute}`);
    }
    world.assertConnected(VLAN, `seed ${seed}`);
    for (const node of world.nodes.slice(1)) {
      assert.equal(knows(node), 23, `seed ${seed}: presences known`);
    }
  });

  test(`parts heal, and members that have moved, died or come are found (seed ${seed})`, () => {
    const world = new DiscoveryWorld(seed);
    const bootstrap = world.add([VLAN], [], { connectionLimit: 16 });
    for (let count = 0; count < 13; count++) {
      world.add([VLAN], [bootstrap], { connectionLimit: 10 });
    }
    world.sim.runFor(3 * MINUTE_MS);
    world.assertConnected(VLAN, `seed ${seed}, before`);

    world.split((_node, index) => index % 2);
    const some = (): SimPeer => world.nodes[1 + Math.floor(world.sim.random() * 13)] as SimPeer;
    for (let step = 0; step < 8; step++) {
      const [moved, killed] = [some(), some()];
      if (moved.isAlive) world.move(moved);
      world.kill(killed);
      world.sim.runFor(world.sim.between(10_000, 4 * MINUTE_MS));
      world.start(killed);
      world.assertWithinLimits(`seed ${seed}, step ${step}`);
    }
    world.sim.runFor(5 * MINUTE_MS);
    world.assertConnected(VLAN, `seed ${seed}, apart`);

    world.split(() => 0);
    world.sim.runFor(20 * MINUTE_MS);
    world.assertConnected(VLAN, `seed ${seed}, healed`);
    world.assertWithinLimits(`seed ${seed}, healed`);
  });

  test(`invented peers at a meeting point cost places and dials within bounds, and hide no member for long (seed ${seed})`, () => {
    const world = new DiscoveryWorld(seed);
    const bootstrap = world.add([], [], NO_LAN);
    const config = { ...NO_LAN, candidatesMax: 600, quotas: quotasOf(300) };
    let invented = 0;
    world.inventProviders = () =>
      Array.from({ length: 20 }, (): FoundPeer => {
        invented += 1;
        const peer = formatPeerId(world.sim.bytes(32));
        return { peer, addresses: [`/ip4/192.0.2.${invented % 250}/tcp/${1 + (invented % 60_000)}`] };
      });
    const one = world.add([VLAN], [bootstrap], config);
    world.sim.runFor(60 * MINUTE_MS);
    const before = one.machine.sizes().candidates;
    const dialsBefore = one.dials;
    const other = world.add([VLAN], [bootstrap], config);
    world.sim.runFor(20 * MINUTE_MS);
    const dialsPerMinute = (one.dials - dialsBefore) / 20;
    assert.ok(invented > 250, `seed ${seed}: ${invented} were invented`);
    assert.ok(before <= 302, `seed ${seed}: ${before} candidates`);
    assert.ok(dialsPerMinute <= 120, `seed ${seed}: ${dialsPerMinute} dials a minute`);
    assert.ok(one.trunks.has(other), `seed ${seed}: the members have found each other`);
    world.assertWithinLimits(`seed ${seed}`);
  });

  test(`lies about who is present are counted and lead nowhere (seed ${seed})`, () => {
    const world = new DiscoveryWorld(seed);
    const [liar, honest] = [world.add([VLAN, OTHER_VLAN], []), world.add([VLAN, OTHER_VLAN], [])];
    const victim = world.add([VLAN, OTHER_VLAN], []);
    world.sim.runFor(MINUTE_MS);
    world.kill(victim);
    world.sim.runFor(MINUTE_MS);
    const addressesBefore = rowOf(honest, victim)?.addresses;
    const lie = (presence: Uint8Array, key = presenceKeyOf(VLAN)): void => {
      const bytes = sealPresences([presence], key, world.sim.bytes(12));
      world.input(honest, { kind: 'heard', vlan: bytesToHex(VLAN), peer: liar.peer, bytes });
    };
    const claim = {
      peer: victim.peer,
      sequence: 1_990_000_000_000,
      roles: 0,
      load: 0,
      addresses: ['/ip4/192.0.2.66/tcp/1'],
      segments: [],
    };
    const forged = signPresence(claim, VLAN, (bytes) => world.sign(liar, bytes)).bytes;
    const ofOtherVlan = signPresence(claim, OTHER_VLAN, (bytes) => world.sign(victim, bytes)).bytes;
    const old = signPresence({ ...claim, sequence: 5 }, VLAN, (bytes) => world.sign(victim, bytes)).bytes;
    lie(forged);
    lie(ofOtherVlan);
    lie(old);
    lie(forged.subarray(0, 50));
    lie(forged, presenceKeyOf(OTHER_VLAN));
    world.sim.runFor(MINUTE_MS);

    const counters = honest.machine.counters();
    assert.equal(counters.get('presenceForged'), 2, `seed ${seed}`);
    assert.ok((counters.get('presenceOld') ?? 0) >= 1, `seed ${seed}`);
    assert.equal(counters.get('presenceMalformed'), 1, `seed ${seed}`);
    assert.equal(counters.get('presenceUnsealable'), 1, `seed ${seed}`);
    assert.deepEqual(rowOf(honest, victim)?.addresses, addressesBefore, `seed ${seed}`);
  });
}

test('the ids of VLANs, and what names them in the DHT, stand in nothing that is said', () => {
  const world = new DiscoveryWorld(99);
  const bootstrap = world.add([VLAN], []);
  for (let count = 0; count < 4; count++) world.add([VLAN], [bootstrap]);
  world.sim.runFor(5 * MINUTE_MS);
  assert.ok(world.said.length > 8);
  for (const bytes of world.said) {
    assert.equal(Buffer.from(bytes).includes(Buffer.from(VLAN)), false);
  }
});

test('nodes on one LAN without a VLAN in common leave each other alone', () => {
  const world = new DiscoveryWorld(7);
  const [one, two] = [world.add([VLAN], []), world.add([OTHER_VLAN], [])];
  const idle = world.add([], []);
  world.sim.runFor(10 * MINUTE_MS);
  assert.deepEqual([...one.wanted.keys(), ...two.wanted.keys()], []);
  assert.ok(one.dials + two.dials <= 20, `${one.dials + two.dials} dials`);
  assert.equal(idle.dials, 0);
  world.setVlans(two, [VLAN]);
  world.cut(one, two);
  world.sim.runFor(5 * MINUTE_MS);
  assert.deepEqual(trunksOf(one), [two.peer]);
});

test('the same seed gives the same run', () => {
  const run = (): string => {
    const world = new DiscoveryWorld(1234);
    const bootstrap = world.add([VLAN], []);
    for (let count = 0; count < 6; count++) world.add([VLAN], [bootstrap], { connectionLimit: 4 });
    world.sim.runFor(10 * MINUTE_MS);
    return JSON.stringify(world.nodes.map((node) => [node.peer, trunksOf(node), node.dials]));
  };
  assert.equal(run(), run());
});

function quotasOf(count: number): Record<DiscoverySource, number> {
  return { config: 16, trunk: count, presence: count, fabric: count, invite: count, mdns: count, dht: count };
}

function rowOf(node: SimPeer, other: SimPeer): { readonly addresses: readonly string[] } | undefined {
  return node.machine.status().find(({ peer }) => peer === other.peer);
}
