/** Behaviour of a VLAN's link: two nodes, checked with the look-ups that workers do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Epoch,
  ForwardSet,
  FrameKey,
  NONE,
  Salt,
  STATION_REMOTE,
  STATION_SET,
  Station,
  Vlan,
} from '../../dataplane/shm/layout.ts';
import { TABLE } from '../../dataplane/shm/memory-map.ts';
import { assertBothWays, MAC, Pair } from './vlan-link.fixture.ts';

test('each worker of two members can reach the other, unicast and broadcast', () => {
  assertBothWays(new Pair());
});

test('neighbours are told once of each change what is received under each epoch, and nothing when nothing changed', () => {
  const { a } = new Pair();
  a.link.routes.tell();
  const before = a.announced.splice(0);
  // At noon all tokens are today's: broadcast, control and a station in three periods.
  assert.deepEqual(
    [...before.slice(-1)].sort((left, right) => left - right),
    [9],
  );
  a.link.routes.tell();
  assert.deepEqual(a.announced, []);
  a.link.perform({ kind: 'add-own-station', mac: Uint8Array.of(2, 0, 0, 0, 9, 9), enforced: false });
  a.link.perform({ kind: 'add-own-station', mac: Uint8Array.of(2, 0, 0, 0, 9, 8), enforced: false });
  a.link.routes.tell();
  assert.deepEqual(
    a.announced.splice(0).sort((left, right) => left - right),
    [15],
  );
});

test('hour after hour and over midnight the tokens and keys of both ends meet', () => {
  const pair = new Pair(Date.UTC(2026, 10, 21, 22, 58));
  for (let hour = 0; hour < 3; hour++) {
    pair.run(60 * 60_000);
    assertBothWays(pair);
  }
  assert.equal(pair.a.unknownTokens + pair.b.unknownTokens, 0);
  assert.ok(pair.a.writers.tokens.live <= 3 * 3, `${pair.a.writers.tokens.live} tokens`);
});

test('after a worker died both ends meet under keys and counters that were never used', () => {
  const pair = new Pair();
  const epoch = pair.a.u32('vlans', Vlan, pair.a.link.slot, Vlan.at.txEpoch);
  const before = pair.a.u32('epochs', Epoch, epoch, Epoch.at.groupKeys + 4);
  pair.a.input({ kind: 'worker-restarted', worker: 1 });
  const after = pair.a.u32('epochs', Epoch, epoch, Epoch.at.groupKeys + 4);

  assert.notEqual(after, before);
  pair.run(500);
  assertBothWays(pair);
});

test('a salt that nears its end is reported once, and its successor takes over', () => {
  const pair = new Pair();
  const epoch = pair.a.u32('vlans', Vlan, pair.a.link.slot, Vlan.at.txEpoch);
  const key = pair.a.u32('epochs', Epoch, epoch, Epoch.at.groupKeys);
  const salt = pair.a.u32('frameKeys', FrameKey, key, FrameKey.at.salt);
  pair.a.tables.u32[(TABLE.salts + salt * Salt.size + Salt.at.counter) >> 2] = 0xc000_0001;
  const low = pair.a.link.lowSalts();
  assert.equal(low.length, 1);
  assert.equal(pair.a.link.saltCounter(low[0] as number), 0xc000_0001);
  assert.equal(pair.a.link.lowSalts().length, 0);
  pair.a.input({ kind: 'salt-low', salt: low[0] as number });
  pair.run(5_000);

  const next = pair.a.u32('epochs', Epoch, epoch, Epoch.at.groupKeys);
  assert.notEqual(pair.a.u32('frameKeys', FrameKey, next, FrameKey.at.salt), salt);
  assertBothWays(pair);
});

test('without a trunk a station stays, and its frames have nowhere to go', () => {
  const pair = new Pair();
  pair.a.trunks.clear();
  pair.a.link.waysChanged();

  const station = pair.a.station(MAC.b);
  assert.equal(pair.a.u32('stations', Station, station, Station.at.trunk), NONE);
  assert.equal(pair.a.u32('vlans', Vlan, pair.a.link.slot, Vlan.at.floodSet), NONE);
  pair.a.connect(pair.b.peer, 7);
  pair.a.link.waysChanged();
  assertBothWays(pair);
});

test('where both are wanted, a member is sent to by its own trunk and through the fabric', () => {
  const pair = new Pair();
  const { a } = pair;
  const setsBefore = a.writers.sets.live;
  const way = (): readonly number[] => {
    const station = a.station(MAC.b);
    const word = (at: number): number => a.u32('stations', Station, station, at);
    const trunk = word(Station.at.trunk);
    if ((word(Station.at.flags) & STATION_SET) === 0) return [trunk];
    const count = a.u32('sets', ForwardSet, trunk, ForwardSet.at.count);
    assert.equal(word(Station.at.pathMtuBytes), 1_372);
    const place = { at: ForwardSet.at.trunks, length: 2 * count };
    return [...new Uint16Array(a.bytes('sets', ForwardSet, trunk, place).buffer)];
  };
  a.path = { trunk: 9, pathMtuBytes: 1_372 };
  a.link.waysChanged();
  assert.deepEqual(way(), [7], 'failover: direct beats relayed');

  a.link.setPaths('redundant');
  assert.deepEqual(way(), [7, 9]);
  const another = Uint8Array.of(2, 0, 0, 0, 0, 0xc);
  pair.b.input({ kind: 'station-seen', mac: another });
  pair.run(2_000);
  assert.equal(
    a.u32('stations', Station, a.station(another), Station.at.flags),
    STATION_REMOTE | STATION_SET,
  );
  a.path = { trunk: 5, pathMtuBytes: 1_372 };
  a.link.waysChanged();
  assert.deepEqual(way(), [5, 7]);
  assert.equal(a.writers.sets.live, setsBefore + 1, 'the set of before is given back');

  a.path = { trunk: 7, pathMtuBytes: 1_400 };
  a.link.waysChanged();
  assert.deepEqual(way(), [7], 'the tree leads by its own trunk: there is one way');
  a.path = { trunk: 9, pathMtuBytes: 1_372 };
  a.trunks.set(pair.b.peer, { slot: 7, carrier: undefined, datagramMtuBytes: 0 });
  a.link.waysChanged();
  assert.deepEqual(way(), [9], 'nothing gets through on its own');
  assert.equal(a.writers.sets.live, setsBefore);
});

test('a member that leaves is out of the tables, and so are the tables of who left', () => {
  const pair = new Pair();
  pair.a.input({ kind: 'leave' });
  pair.run(500);
  assert.equal(pair.b.station(MAC.a), NONE);
  assert.equal(pair.b.writers.senders.live, 0);

  pair.a.link.close();
  assert.equal(pair.a.writers.tokens.live, 0);
  assert.equal(pair.a.writers.stations.live, 0);
  assert.equal(pair.a.writers.senders.live, 0);
  assert.equal(pair.a.u32('vlans', Vlan, pair.a.link.slot, Vlan.at.state), 0);
});

test('workers that die again and again, and stations that come and go, leave the tables as they were', () => {
  const pair = new Pair();
  const live = (): readonly number[] => [
    pair.b.writers.tokens.live,
    pair.b.writers.stations.live,
    pair.b.writers.senders.live,
  ];
  const before = live();
  for (let round = 0; round < 30; round++) {
    pair.b.input({ kind: 'worker-restarted', worker: round % 2 });
    pair.b.input({ kind: 'station-seen', mac: Uint8Array.of(2, 9, 0, 0, 0, round) });
    pair.run(200);
  }
  pair.b.input({ kind: 'interface-mac', mac: undefined });
  pair.b.input({ kind: 'interface-mac', mac: MAC.b });
  pair.run(12_000);

  assert.deepEqual(live(), before);
  assertBothWays(pair);
});
