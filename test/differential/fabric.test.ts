/**
 * What a fabric adds to the frame path, under both engines: multicast to those who want it, several ways at once, paths of an
 * announced size; and on relays quotas, fairness and the cache of recent frames. The tables are compared whole, so that
 * credits, totals and what is remembered are the same.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ArenaHeader,
  Lane,
  NONE,
  RELAY_LIMITED,
  SEGMENT_FOREIGN,
  STATION_GROUP,
  STATION_REMOTE,
  STATION_SET,
  STATION_VIA_BROADCAST,
  Station,
  TablesHeader,
  TOKEN_CONTROL,
  TOKEN_LOCAL,
  TOKEN_SEVERAL,
  Trunk,
  VLAN_SNOOP,
} from '../../dataplane/shm/layout.ts';
import { ARENA, TABLE } from '../../dataplane/shm/memory-map.ts';
import { createPair, type FixtureNode, TOKEN } from '../harness/dataplane-fixture.ts';
import { addTrunk, forwardToken } from '../harness/relay-fixture.ts';
import { insertStation, setFields, writeSegment, writeSet, writeVlan } from '../harness/table-writer.ts';
import { attack } from './attacks.ts';
import { GROUP_MACS, groupFrame } from './group-frames.ts';
import { type Seeded, seeded } from './seeded.ts';
import { forEachSeed, type Pair, randomFrames, reached, SEEDS, skip } from './seeded-pairs.ts';
import { advance } from './twin.ts';

/** First of the sets that frames go to; see writeSets. */
const FIRST_SET = 20;
const SETS: readonly (readonly number[])[] = [[0], [0, 1], [1, 2, 0], [2], [], [0, 0]];
const GROUP = STATION_GROUP | STATION_SET;
/** Entries of groups, and that of all groups. */
const ENTRIES = [...GROUP_MACS.slice(0, 3), Uint8Array.of(1, 0, 0, 0, 0, 0)];

/** What these runs shall meet. */
const EXPECTED = ['no-subscriber', 'no-trunk', 'duplicate', 'relay-quota', 'relay-unfair', 'not-forwarding'];

function writeSets(node: FixtureNode): void {
  for (const [index, trunks] of SETS.entries()) writeSet(node.tables, FIRST_SET + index, trunks);
}

/** Further trunks of both ends of a pair, as `like` has its own. */
function addTrunks({ left, right }: Pair, carrier: number): void {
  for (const twin of [left, right]) {
    twin.change((node) => {
      writeSets(node);
    });
    for (const trunk of [1, 2]) {
      const like = createPair().left;
      twin.change((node) => {
        addTrunk(node, { trunk, like, carrier });
      });
    }
  }
}

/** A set, or none. */
function anySet(random: Seeded): number {
  return random.oneIn(5) ? NONE : FIRST_SET + random.below(SETS.length);
}

const anySize = (random: Seeded): number => random.pick([0, 0, 256, 300, 1300, 9000]);

forEachSeed(
  'multicast, several ways and announced sizes leave both engines alike',
  (pair, random, carrier) => {
    const { left, right, macs } = pair;
    addTrunks(pair, carrier);
    const slots = new Map<number, number>();
    left.change((node) => {
      for (const [index, mac] of ENTRIES.entries())
        slots.set(index, insertStation(node.tables, 0, mac, { flags: GROUP }));
    });
    for (let batch = 0; batch < 16; batch++) {
      const seed = random.below(1e9);
      left.change((node) => {
        upsetWays(seeded(seed), node, slots);
      });
      const frames = Array.from({ length: 1 + random.below(40) }, () => groupFrame(random, macs.own));
      const sent = left.egress([...frames, ...randomFrames(random, macs)].slice(0, 64));
      right.ingress(sent.slice(0, 1500), carrier);
      advance(left, random.below(50));
    }
  },
);

/** Other ways for floods, groups and the peer's station. */
function upsetWays(random: Seeded, node: FixtureNode, slots: ReadonlyMap<number, number>): void {
  const { tables } = node;
  writeVlan(tables, 0, {
    flags: random.oneIn(5) ? 0 : VLAN_SNOOP,
    floodSet: anySet(random),
    floodHops: random.pick([1, 16, 64]),
    floodPathBytes: anySize(random),
  });
  for (const slot of slots.values()) {
    setFields(tables.buffer, Station, TABLE.stations + slot * Station.size, {
      flags: random.pick([GROUP, GROUP, GROUP | STATION_VIA_BROADCAST, 0]),
      trunk: anySet(random),
      pathMtuBytes: anySize(random),
    });
  }
  const isToSet = random.oneIn(2);
  setFields(tables.buffer, Station, TABLE.stations + node.peerStation * Station.size, {
    flags: STATION_REMOTE | (isToSet ? STATION_SET : 0),
    trunk: isToSet ? anySet(random) : random.pick([0, 0, 1, NONE]),
    pathMtuBytes: anySize(random),
  });
  const datagramMtuBytes = random.pick([0, 256, 1472, 1472]);
  setFields(tables.buffer, Trunk, TABLE.trunks + Trunk.size, { datagramMtuBytes });
}

forEachSeed(
  'quotas, fairness and the cache of recent frames treat datagrams for others alike',
  (pair, random, carrier) => {
    const { left, right, macs } = pair;
    addTrunks(pair, carrier);
    left.change((node) => {
      // Each flooded frame goes out twice, under two counters: a copy.
      writeVlan(node.tables, 0, { floodSet: FIRST_SET + 5 });
    });
    for (let batch = 0; batch < 30; batch++) {
      const seed = random.below(1e9);
      const isOverloaded = batch > 8;
      right.change((node) => {
        upsetRelay(seeded(seed), node, isOverloaded);
      });
      const sent = left.egress(randomFrames(random, macs)).slice(0, 700);
      right.ingress(random.oneIn(4) ? attack(random, sent, sent).slice(0, 1500) : sent, carrier);
      advance(right, random.below(2));
    }
  },
);

/** Other limits, and other passages. */
function upsetRelay(random: Seeded, node: FixtureNode, isOverloaded: boolean): void {
  const { buffer } = node.tables;
  const credits = (): Record<string, number> => ({
    relayFlags: random.pick([0, RELAY_LIMITED]),
    relayDatagramCredits: random.pick([0, 1, 100, 1_000_000, -5]),
    relayByteCredits: random.pick([0, 1, 50_000, 100_000_000, -5]),
  });
  setFields(buffer, Trunk, TABLE.trunks, credits());
  setFields(buffer, TablesHeader, TABLE.header, random.oneIn(2) ? credits() : { relayFlags: 0 });
  const standingBytes = isOverloaded && !random.oneIn(4) ? 5e6 : 0;
  setFields(node.arena.buffer, ArenaHeader, ARENA.header, { standingBytes });
  // What comes next counts as another trunk's.
  setFields(buffer, Lane, TABLE.lanes + node.lane * Lane.size, { trunk: random.pick([0, 0, 2]) });
  for (const [index, token] of [TOKEN.right, TOKEN.broadcast, TOKEN.control].entries()) {
    const local = random.pick([0, TOKEN_LOCAL, TOKEN_CONTROL]);
    const trunks = random.pick([[0, 1], [1], [1, 2], [0, 1, 2]]);
    const isSeveral = trunks.length > 1 || local !== 0;
    const set = 40 + 2 * index;
    forwardToken(node, token, { set, trunks, flags: local | (isSeveral ? TOKEN_SEVERAL : 0) });
    const flags = random.pick([0, SEGMENT_FOREIGN]);
    writeSegment(node.tables, set, {
      ports: set + 1,
      flags,
      state: random.oneIn(12) ? 0 : 1,
      version: random.oneIn(20) ? 1 : 2,
    });
  }
}

test('together they reach what is new', { skip: skip || SEEDS.length === 1 }, () => {
  const missing = EXPECTED.filter((name) => !reached.has(name));
  assert.deepEqual(missing, [], `reached: ${[...reached].join(' ')}`);
});
