/** What relaying, trees and multicast write into the tables, as the workers see it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ForwardSet,
  INITIAL_HOPS,
  NONE,
  PATH_MIN_BYTES,
  RELAY_LIMITED,
  SEGMENT_FOREIGN,
  Segment,
  STATION_GROUP,
  STATION_REMOTE,
  STATION_SET,
  STATION_VIA_BROADCAST,
  Station,
  TablesHeader,
  TOKEN_LOCAL,
  TOKEN_SEVERAL,
  Token,
  Trunk,
  VLAN_HOSTS_MOVE,
  Vlan,
} from '../../dataplane/shm/layout.ts';
import { TABLE } from '../../dataplane/shm/memory-map.ts';
import { findStation } from '../../dataplane/shm/tables.ts';
import { macWords } from './station-table.ts';
import { type Bench, bench, lookUpToken, mac, tokenOf } from './tables.fixture.ts';

const passage = (world: Bench, token: Uint8Array): Record<'flags' | 'set' | 'segment' | 'epoch', number> => {
  const word = (TABLE.tokens + lookUpToken(world, token) * Token.size) >> 2;
  const field = (at: number): number => world.tables.u32[word + (at >> 2)] ?? 0;
  return {
    flags: field(Token.at.flags),
    set: field(Token.at.set),
    segment: field(Token.at.segment),
    epoch: field(Token.at.epoch),
  };
};

test('a token is received, passed on, or both, and lives while it has one part', () => {
  const world = bench();
  const { tokens, sets } = world.writers;
  const one = sets.intern([4]) as number;
  const two = sets.intern([5, 4]) as number;
  assert.ok(tokens.setForward(tokenOf(1), 7, one));
  assert.deepEqual(passage(world, tokenOf(1)), { flags: 0, set: one, segment: 7, epoch: NONE });
  assert.ok(tokens.setForward(tokenOf(1), 7, two));
  assert.deepEqual(passage(world, tokenOf(1)), { flags: TOKEN_SEVERAL, set: two, segment: 7, epoch: NONE });
  assert.ok(tokens.setForward(tokenOf(1), 8, one));
  const slot = tokens.setLocal(tokenOf(1), 3, 'deliver') as number;
  const both = { flags: TOKEN_LOCAL | TOKEN_SEVERAL, set: one, segment: 8, epoch: 3 };
  assert.deepEqual(passage(world, tokenOf(1)), both);
  assert.equal(tokens.setLocal(tokenOf(1), 3, 'control'), undefined);
  tokens.clearForward(tokenOf(1));
  assert.deepEqual(passage(world, tokenOf(1)), { flags: TOKEN_LOCAL, set: NONE, segment: NONE, epoch: 3 });
  assert.ok(tokens.setForward(tokenOf(1), 8, one));
  assert.deepEqual(passage(world, tokenOf(1)), both);
  tokens.clearLocal(slot);
  assert.deepEqual(passage(world, tokenOf(1)), { flags: 0, set: one, segment: 8, epoch: 3 });
  tokens.clearForward(tokenOf(1));
  assert.equal(lookUpToken(world, tokenOf(1)), NONE);
  tokens.clearForward(tokenOf(1));
  assert.equal(tokens.live, 0);
});

test('equal sets share a slot until the last of those who asked for it lets go', () => {
  const world = bench();
  const { sets } = world.writers;
  const slot = sets.intern([3, 1, 3]) as number;
  assert.equal(sets.intern([1, 3]), slot);
  assert.notEqual(sets.intern([1]), slot);
  assert.equal(sets.live, 2);
  const word = (TABLE.sets + slot * ForwardSet.size) >> 2;
  assert.equal(world.tables.u32[word + (ForwardSet.at.count >> 2)], 2);
  sets.release(slot);
  assert.equal(sets.intern([3, 1]), slot);
  sets.release(slot);
  sets.release(slot);
  sets.release(slot);
  assert.equal(sets.live, 1);
  world.pass();
  assert.equal(sets.intern([9]), slot, 'its slot is free again');
});

test('what workers count for a segment is added up over the wrap of 32 bits, and begins at nothing', () => {
  const world = bench();
  const { segments } = world.writers;
  const slot = segments.add({ ports: 2, foreign: true }) as number;
  const word = (TABLE.segments + slot * Segment.size) >> 2;
  const at = (field: number): number => word + (field >> 2);
  assert.equal(world.tables.u32[at(Segment.at.ports)], 2);
  assert.equal(world.tables.u32[at(Segment.at.flags)], SEGMENT_FOREIGN);
  Atomics.add(world.tables.u32, at(Segment.at.relayedBytes), 0xf000_0000);
  assert.equal(segments.totals(slot).bytes, 0xf000_0000);
  Atomics.add(world.tables.u32, at(Segment.at.relayedBytes), 0x2000_0000);
  Atomics.add(world.tables.u32, at(Segment.at.refusedDatagrams), 3);
  assert.deepEqual(segments.totals(slot), { datagrams: 0, bytes: 0x1_1000_0000, refused: 3 });
  segments.setPorts(slot, 5);
  segments.setForeign(slot, false);
  assert.equal(world.tables.u32[at(Segment.at.ports)], 5);
  assert.equal(world.tables.u32[at(Segment.at.flags)], 0);
  segments.remove(slot);
  assert.equal(world.tables.u32[at(Segment.at.state)], 0);
  assert.deepEqual(segments.totals(slot), { datagrams: 0, bytes: 0, refused: 0 });
});

test('a limited trunk has a second of credit, earns more by time, and pays its debts first', () => {
  const world = bench();
  const { trunks } = world.writers;
  const slot = trunks.add() as number;
  const word = (TABLE.trunks + slot * Trunk.size) >> 2;
  const credits = word + (Trunk.at.relayDatagramCredits >> 2);
  const { i32 } = world.tables;
  assert.equal(i32[word + (Trunk.at.relayFlags >> 2)], 0);
  trunks.limitRelay(slot, { datagramsPerSecond: 25, bytesPerSecond: undefined });
  assert.equal(i32[word + (Trunk.at.relayFlags >> 2)], RELAY_LIMITED);
  assert.equal(i32[credits], 25);
  Atomics.sub(i32, credits, 30);
  trunks.refillRelay(100);
  assert.equal(i32[credits], -3);
  trunks.limitRelay(slot, { datagramsPerSecond: 25, bytesPerSecond: undefined });
  trunks.refillRelay(100);
  assert.equal(i32[credits], 0, 'the halves are kept, and what is owed');
  trunks.refillRelay(60_000);
  assert.equal(i32[credits], 25);
  trunks.limitRelay(slot, undefined);
  trunks.refillRelay(1000);
  assert.equal(i32[word + (Trunk.at.relayFlags >> 2)], 0);
  trunks.limitAllRelay({ datagramsPerSecond: undefined, bytesPerSecond: 5e9 });
  const header = TABLE.header >> 2;
  assert.equal(i32[header + (TablesHeader.at.relayFlags >> 2)], RELAY_LIMITED);
  assert.ok((i32[header + (TablesHeader.at.relayByteCredits >> 2)] ?? 0) > 1e9);
});

test('what a trunk had relayed is counted from its beginning', () => {
  const world = bench();
  const slot = world.writers.trunks.add() as number;
  const word = (TABLE.trunks + slot * Trunk.size) >> 2;
  Atomics.add(world.tables.u32, word + (Trunk.at.copies >> 2), 4);
  Atomics.add(world.tables.u32, word + (Trunk.at.relayedDatagrams >> 2), 9);
  assert.deepEqual(world.writers.trunks.totals(slot), { datagrams: 9, bytes: 0, refused: 0, copies: 4 });
});

test('a VLAN is flooded along the tree or to all members at once, and its flags do not disturb each other', () => {
  const world = bench();
  const { vlans } = world.writers;
  const slot = vlans.add(1500) as number;
  const word = (TABLE.vlans + slot * Vlan.size) >> 2;
  const field = (at: number): number => world.tables.u32[word + (at >> 2)] ?? 0;
  assert.equal(field(Vlan.at.floodHops), INITIAL_HOPS);
  vlans.setFlood(slot, { set: 3, hops: 1, pathBytes: 100 });
  assert.deepEqual(
    [field(Vlan.at.floodSet), field(Vlan.at.floodHops), field(Vlan.at.floodPathBytes)],
    [3, 1, PATH_MIN_BYTES],
  );
  vlans.setFloodSet(slot, 4);
  assert.deepEqual(
    [field(Vlan.at.floodSet), field(Vlan.at.floodHops), field(Vlan.at.floodPathBytes)],
    [4, INITIAL_HOPS, 0],
  );
  vlans.setSnooping(slot, true);
  vlans.setHostsMove(slot, true);
  vlans.setSnooping(slot, false);
  assert.equal(field(Vlan.at.flags), VLAN_HOSTS_MOVE);
});

test('a station goes by a set, a group to its subscribers or nobody', () => {
  const world = bench();
  const { stations } = world.writers;
  const field = (address: Uint8Array, at: number): number => {
    const slot = findStation(world.tables, 1, macWords(address).low, macWords(address).high);
    return world.tables.u32[(TABLE.stations + slot * Station.size + at) >> 2] ?? 0;
  };
  const route = { trunk: 4, pairKeys: 20_000, epoch: 2, member: 9 };
  stations.setRemote(1, mac(2), { ...route, pathMtuBytes: 1300 });
  assert.equal(field(mac(2), Station.at.pathMtuBytes), 1300);
  stations.setRemote(1, mac(2), { ...route, set: 6, pathMtuBytes: 12 });
  assert.equal(field(mac(2), Station.at.flags), STATION_REMOTE | STATION_SET);
  assert.equal(field(mac(2), Station.at.trunk), 6);
  assert.equal(field(mac(2), Station.at.pathMtuBytes), PATH_MIN_BYTES);
  stations.setRemote(1, mac(2), route);
  assert.equal(field(mac(2), Station.at.flags), STATION_REMOTE);
  assert.equal(field(mac(2), Station.at.pathMtuBytes), 0);

  const group = Uint8Array.of(1, 0, 0x5e, 1, 2, 3);
  stations.setGroup(1, group, { set: 8, pathMtuBytes: 1400, viaBroadcast: false, nowMs: 50 });
  assert.equal(field(group, Station.at.flags), STATION_GROUP | STATION_SET);
  assert.equal(field(group, Station.at.trunk), 8);
  stations.setGroup(1, group, { set: NONE, pathMtuBytes: 0, viaBroadcast: true, nowMs: 60 });
  assert.equal(field(group, Station.at.flags), STATION_GROUP | STATION_SET | STATION_VIA_BROADCAST);
  assert.equal(field(group, Station.at.trunk), NONE);
  assert.equal(stations.groupLastSeenMs(1, group), 50);
  assert.equal(stations.lastSeenMs(1, group), undefined);
});
