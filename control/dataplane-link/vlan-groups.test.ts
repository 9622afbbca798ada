/** Behaviour of a VLAN's groups: where frames to them go, seen in the entries that workers look up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createArena } from '../../dataplane/shm/arena.ts';
import {
  ForwardSet,
  NONE,
  STATION_GROUP,
  STATION_VIA_BROADCAST,
  Station,
} from '../../dataplane/shm/layout.ts';
import { TABLE } from '../../dataplane/shm/memory-map.ts';
import { createTables, findStation } from '../../dataplane/shm/tables.ts';
import { ALL_GROUPS_MAC } from '../multicast/group-address.ts';
import { keyOf } from '../token/route-message.ts';
import { forwardingToken, groupRoute } from '../token/token.ts';
import { deriveOpenEpoch } from '../vlan/open-epoch.ts';
import { Quiescence } from './quiescence.ts';
import { macWords } from './station-table.ts';
import { createTableWriters } from './table-writers.ts';
import { type GroupEpoch, VlanGroups } from './vlan-groups.ts';

const VLAN = 3;
const GROUP = Uint8Array.of(1, 0, 0x5e, 1, 2, 3);
const OTHER = Uint8Array.of(0x33, 0x33, 0, 0, 0xab, 0xcd);
const TODAY = deriveOpenEpoch(new Uint8Array(16).fill(3), 20_778);
const TOMORROW = deriveOpenEpoch(new Uint8Array(16).fill(3), 20_779);
const FORGET_MS = 300_000;

/** Tables and a fabric that says what the test tells it. */
class Bench {
  readonly tables = createTables({ workerCount: 1, tokenCapacity: 1_024, hashKey: { key0: 1, key1: 2 } });
  readonly writers = createTableWriters(
    this.tables,
    new Quiescence([createArena(0)], () => undefined),
    () => 1,
  );
  epoch: GroupEpoch | undefined = { secrets: TODAY, period: 7 };
  hops = 1;
  isKnown = true;
  nowMs = 5_000;
  /** Trunks behind which a group is wanted, by token. */
  readonly #wanted = new Map<string, readonly number[]>();
  readonly #soon: (() => void)[] = [];
  readonly groups = new VlanGroups({
    vlan: VLAN,
    table: this.writers.stations,
    sets: this.writers.sets,
    sending: () => this.epoch,
    waysOf: (token) =>
      this.isKnown
        ? { hops: this.hops, trunks: this.#wanted.get(keyOf(token)) ?? [], pathMtuBytes: 1_400 }
        : undefined,
    nowMs: () => this.nowMs,
    soon: (run) => this.#soon.push(run),
  });

  constructor() {
    this.groups.setPruning(true);
  }

  want(mac: Uint8Array, trunks: readonly number[], epoch: GroupEpoch = { secrets: TODAY, period: 7 }): void {
    const { secrets, period } = epoch;
    const route = groupRoute(secrets.tokenKey, period, mac);
    this.#wanted.set(keyOf(forwardingToken(secrets.segment.id, route)), trunks);
  }

  /** Tells the groups of a change, and lets them work it off. @returns in how many turns */
  change(): number {
    this.groups.changed();
    let turns = 0;
    for (let run = this.#soon.shift(); run !== undefined; run = this.#soon.shift()) {
      run();
      turns++;
    }
    return turns;
  }

  /** What workers find: trunks, or undefined where there is no entry. */
  entry(
    mac: Uint8Array,
  ): { trunks: readonly number[]; viaBroadcast: boolean; pathMtuBytes: number } | undefined {
    const { low, high } = macWords(mac);
    const slot = findStation(this.tables, VLAN, low, high);
    if (slot === NONE) return undefined;
    const at = TABLE.stations + slot * Station.size;
    const flags = this.#u32(at + Station.at.flags);
    assert.ok((flags & STATION_GROUP) !== 0);
    return {
      trunks: this.#trunksOf(this.#u32(at + Station.at.trunk)),
      viaBroadcast: (flags & STATION_VIA_BROADCAST) !== 0,
      pathMtuBytes: this.#u32(at + Station.at.pathMtuBytes),
    };
  }

  trunks(mac: Uint8Array): readonly number[] | undefined {
    return this.entry(mac)?.trunks;
  }

  /** A worker sends to a group. */
  send(mac: Uint8Array): void {
    const { low, high } = macWords(mac);
    const at = TABLE.stations + findStation(this.tables, VLAN, low, high) * Station.size;
    this.tables.u32[(at + Station.at.lastSeenMs) >> 2] = this.nowMs;
  }

  #trunksOf(set: number): readonly number[] {
    if (set === NONE) return [];
    const at = TABLE.sets + set * ForwardSet.size;
    const count = this.#u32(at + ForwardSet.at.count);
    return [...this.tables.u16.subarray((at + ForwardSet.at.trunks) >> 1).subarray(0, count)];
  }

  #u32(at: number): number {
    return this.tables.u32[at >> 2] ?? 0;
  }
}

test('a group that is sent to goes to those who want it, as far as all of them can be reached', () => {
  const bench = new Bench();
  bench.want(GROUP, [4, 9]);
  bench.groups.seen(GROUP);

  assert.deepEqual(bench.entry(GROUP), { trunks: [4, 9], viaBroadcast: false, pathMtuBytes: 1_400 });
});

test('a group that nobody wants has an entry that leads to nobody', () => {
  const bench = new Bench();
  bench.groups.seen(GROUP);

  assert.deepEqual(bench.trunks(GROUP), []);
});

test('who begins to want a group, and who ends, changes its entry', () => {
  const bench = new Bench();
  bench.groups.seen(GROUP);
  bench.want(GROUP, [4]);
  bench.change();
  assert.deepEqual(bench.trunks(GROUP), [4]);

  bench.want(GROUP, [5]);
  bench.change();
  assert.deepEqual(bench.trunks(GROUP), [5]);
  bench.want(GROUP, []);
  bench.change();
  assert.deepEqual(bench.trunks(GROUP), []);
});

test('a group of which it is not known who wants it is flooded until it is', () => {
  const bench = new Bench();
  bench.isKnown = false;
  bench.groups.seen(GROUP);
  assert.equal(bench.entry(GROUP), undefined);

  bench.isKnown = true;
  bench.want(GROUP, [4]);
  bench.change();
  assert.deepEqual(bench.trunks(GROUP), [4]);
});

test('reports go to those who want all groups, and to nobody else', () => {
  const bench = new Bench();
  bench.change();
  assert.deepEqual(bench.trunks(ALL_GROUPS_MAC), []);

  bench.want(ALL_GROUPS_MAC, [2]);
  bench.change();
  assert.deepEqual(bench.entry(ALL_GROUPS_MAC), { trunks: [2], viaBroadcast: false, pathMtuBytes: 1_400 });
});

test('while somebody wants all groups, each goes to both sets under the token that both have', () => {
  const bench = new Bench();
  bench.want(GROUP, [4, 2]);
  bench.want(ALL_GROUPS_MAC, [2, 7]);
  bench.groups.seen(GROUP);
  bench.groups.seen(OTHER);
  assert.deepEqual(bench.entry(GROUP), { trunks: [2, 4, 7], viaBroadcast: true, pathMtuBytes: 1_400 });
  assert.deepEqual(bench.entry(OTHER), { trunks: [2, 7], viaBroadcast: true, pathMtuBytes: 1_400 });

  bench.want(ALL_GROUPS_MAC, []);
  bench.change();
  assert.deepEqual(bench.entry(GROUP), { trunks: [2, 4], viaBroadcast: false, pathMtuBytes: 1_400 });
});

test('along a tree all groups are flooded while somebody wants all, since no relay merges two tokens', () => {
  const bench = new Bench();
  bench.hops = 64;
  bench.want(GROUP, [4]);
  bench.groups.seen(GROUP);
  assert.deepEqual(bench.trunks(GROUP), [4]);

  bench.want(ALL_GROUPS_MAC, [2]);
  bench.change();
  assert.equal(bench.entry(GROUP), undefined);
  assert.deepEqual(bench.trunks(ALL_GROUPS_MAC), [2]);
});

test('a new period and a new epoch have tokens of their own', () => {
  const bench = new Bench();
  const next = { secrets: TODAY, period: 8 };
  const morrow = { secrets: TOMORROW, period: 24 };
  bench.want(GROUP, [4]);
  bench.want(GROUP, [5], next);
  bench.want(GROUP, [6], morrow);
  bench.groups.seen(GROUP);
  bench.epoch = next;
  bench.change();
  assert.deepEqual(bench.trunks(GROUP), [5]);

  bench.epoch = morrow;
  bench.change();
  assert.deepEqual(bench.trunks(GROUP), [6]);
  bench.epoch = undefined;
  bench.change();
  assert.equal(bench.entry(GROUP), undefined);
});

test('a group that nobody sends to is forgotten, one that workers send to is not', () => {
  const bench = new Bench();
  bench.groups.seen(GROUP);
  bench.groups.seen(OTHER);
  bench.nowMs += FORGET_MS - 1_000;
  bench.send(OTHER);
  bench.groups.poll();
  assert.equal(bench.groups.count, 2);

  bench.nowMs += 12_000;
  bench.groups.poll();
  assert.equal(bench.entry(GROUP), undefined);
  assert.deepEqual(bench.trunks(OTHER), []);
});

test('a flooded group is kept by what workers tell of it', () => {
  const bench = new Bench();
  bench.isKnown = false;
  bench.groups.seen(GROUP);
  bench.nowMs += FORGET_MS - 1_000;
  bench.groups.seen(GROUP);
  bench.nowMs += FORGET_MS - 1_000;
  bench.groups.poll();

  assert.equal(bench.groups.count, 1);
});

test('more groups than there is room for are flooded, and a change of all takes turns', () => {
  const bench = new Bench();
  const macs = Array.from({ length: 1_025 }, (_, index) =>
    Uint8Array.of(1, 0, 0x5e, 9, index >> 8, index & 255),
  );
  for (const mac of macs) bench.groups.seen(mac);

  assert.equal(bench.groups.refused, 1);
  assert.equal(bench.entry(macs[1_024] as Uint8Array), undefined);
  bench.want(macs[1_023] as Uint8Array, [4]);
  assert.equal(bench.change(), 1_024 / 128);
  assert.deepEqual(bench.trunks(macs[1_023] as Uint8Array), [4]);
});

test('who floods keeps no groups, but still sends reports where they are wanted', () => {
  const bench = new Bench();
  bench.want(ALL_GROUPS_MAC, [2]);
  bench.groups.seen(GROUP);
  bench.groups.setPruning(false);
  bench.groups.seen(OTHER);

  assert.equal(bench.groups.count, 0);
  assert.equal(bench.entry(GROUP), undefined);
  assert.deepEqual(bench.trunks(ALL_GROUPS_MAC), [2]);
});

test('what is closed leaves no entry and no set', () => {
  const bench = new Bench();
  bench.want(GROUP, [4, 9]);
  bench.want(OTHER, [4, 9]);
  bench.groups.seen(GROUP);
  bench.groups.seen(OTHER);
  bench.change();
  assert.equal(bench.writers.sets.live, 1);
  bench.groups.close();

  assert.equal(bench.writers.sets.live, 0);
  assert.equal(bench.writers.stations.live, 0);
});
