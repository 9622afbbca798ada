/** Behaviour of very many stations behind one member, whose way changes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createArena } from '../../dataplane/shm/arena.ts';
import { Station } from '../../dataplane/shm/layout.ts';
import { TABLE } from '../../dataplane/shm/memory-map.ts';
import { createTables, findStation } from '../../dataplane/shm/tables.ts';
import { Quiescence } from './quiescence.ts';
import { macWords } from './station-table.ts';
import { createTableWriters } from './table-writers.ts';
import { VlanStations } from './vlan-stations.ts';

const MEMBER = 3;
const COUNT = 1_000;
/** One step of the main thread. */
const STEP = 256;

function macOf(index: number): Uint8Array {
  return Uint8Array.of(2, 0, 0, 0, index >> 8, index & 0xff);
}

/** A member with many stations, reached by whatever way the test says. */
function bench() {
  const tables = createTables({ workerCount: 1, tokenCapacity: 1_024, hashKey: { key0: 1, key1: 2 } });
  const writers = createTableWriters(tables, new Quiescence([createArena(0)], () => undefined), () => 1);
  const says = { trunk: 4, kept: [] as number[][] };
  const stations = new VlanStations({
    vlan: 1,
    table: writers.stations,
    ways: { keepSets: (used) => says.kept.push([...used]) },
    tokens: { addStation: () => undefined, removeStation: () => undefined },
    nowMs: () => 1_000,
    routeTo: () => ({ trunk: says.trunk, pairKeys: 8, epoch: 1, pathMtuBytes: 1_400 }),
    full: () => assert.fail('a station found no room'),
  });
  stations.addMember(MEMBER);
  stations.routeAll();
  for (let index = 0; index < COUNT; index++) stations.addRemote(macOf(index), MEMBER);
  const by = (trunk: number): number => {
    const at = Array.from({ length: COUNT }, (_, index) => {
      const { low, high } = macWords(macOf(index));
      return TABLE.stations + findStation(tables, 1, low, high) * Station.size + Station.at.trunk;
    });
    return at.filter((offset) => tables.u32[offset >> 2] === trunk).length;
  };
  return { stations, says, by };
}

test('another way is written a piece at a time, the first at once, and all of it without being asked again', async () => {
  const { stations, says, by } = bench();
  assert.equal(by(4), COUNT);
  says.trunk = 5;
  stations.routeAll();
  assert.deepEqual([by(4), by(5)], [COUNT - STEP, STEP]);
  for (let turns = 1; turns < COUNT / STEP; turns++) await turn();

  assert.deepEqual([by(4), by(5)], [0, COUNT]);
});

test('a way that changes again meanwhile is the one that all have in the end', async () => {
  const { stations, says, by } = bench();
  says.trunk = 5;
  stations.routeAll();
  await turn();
  says.trunk = 6;
  stations.routeAll();
  for (let turns = 0; turns < COUNT / STEP; turns++) await turn();

  assert.equal(by(6), COUNT);
});

test('what a day needs done is done when no station has the way of before', async () => {
  const { stations, says, by } = bench();
  let isDone = false;
  says.trunk = 7;
  stations.routeAllSoon(() => {
    isDone = true;
    assert.equal(by(7), COUNT);
  });
  assert.ok(!isDone);
  for (let turns = 0; turns < COUNT / STEP; turns++) await turn();

  assert.ok(isDone);
});
