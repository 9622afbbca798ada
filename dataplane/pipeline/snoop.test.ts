/** Multicast from a TAP: who gets it, what the main thread is told, and what stays as it is without snooping. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupToken, putFrames, START_MS, TOKEN } from '../../test/harness/dataplane-fixture.ts';
import {
  clearDrops,
  createDrivenPair,
  type DrivenNode,
  drops,
  header,
  setClock,
} from '../../test/harness/engine-driver.ts';
import { ethernetFrame, filler, udpFrame } from '../../test/harness/frame-builder.ts';
import { getField, insertStation, setFields, writeSet, writeVlan } from '../../test/harness/table-writer.ts';
import {
  BATCH,
  FRAME_DROPPED,
  FRAME_FLOOD,
  FrameDescriptor,
  NONE,
  SEEN_GROUP,
  Seen,
  Snooped,
  STATION_GROUP,
  STATION_SET,
  STATION_VIA_BROADCAST,
  Station,
  VLAN_SNOOP,
} from '../shm/layout.ts';
import { ARENA, TABLE } from '../shm/memory-map.ts';

const GROUP_MAC = Uint8Array.of(0x01, 0x00, 0x5e, 1, 2, 3);
const ALL_GROUPS = Uint8Array.of(1, 0, 0, 0, 0, 0);
/** Behind the set of floods, which is 0. */
const GROUP_SET = 3;

interface Bench {
  readonly left: DrivenNode;
  /** Slot of the group's entry, and of that of all groups. */
  readonly group: number;
  readonly all: number;
}

function bench(): Bench {
  const { left } = createDrivenPair();
  writeVlan(left.tables, 0, { flags: VLAN_SNOOP, floodHops: 1, floodPathBytes: 1400 });
  writeSet(left.tables, GROUP_SET, [0]);
  const entry = { flags: STATION_GROUP | STATION_SET, trunk: GROUP_SET };
  const group = insertStation(left.tables, 0, GROUP_MAC, { ...entry, pathMtuBytes: 1300 });
  const all = insertStation(left.tables, 0, ALL_GROUPS, entry);
  return { left, group, all };
}

function classify(node: DrivenNode, ...frames: readonly Uint8Array[]): void {
  clearDrops(node);
  node.engine.classify(
    putFrames(
      node,
      frames.map((bytes) => ({ bytes })),
    ),
  );
}

function field(node: DrivenNode, name: string, index = 0): number {
  return getField(node.arena.buffer, FrameDescriptor, ARENA.frames + index * FrameDescriptor.size, name);
}

function tokenOf(node: DrivenNode, index = 0): Uint8Array {
  const at = ARENA.frames + index * FrameDescriptor.size + FrameDescriptor.at.token;
  return node.arena.bytes.slice(at, at + 16);
}

function setEntry(node: DrivenNode, slot: number, values: Readonly<Record<string, number>>): void {
  setFields(node.tables.buffer, Station, TABLE.stations + slot * Station.size, values);
}

function snoopedFrames(node: DrivenNode): Uint8Array[] {
  return Array.from({ length: header(node, 'snoopedCount') }, (_, index) => {
    const at = ARENA.snooped + index * Snooped.size;
    const offset = getField(node.arena.buffer, Snooped, at, 'offset');
    return node.arena.bytes.slice(offset, offset + getField(node.arena.buffer, Snooped, at, 'length'));
  });
}

const toGroup = (destination: Uint8Array, ipVersion: 4 | 6 = 4): Uint8Array =>
  udpFrame({ destination, ipVersion, payload: filler(40) }).bytes;

/** An IGMP message behind the router alert option, which it always has. */
function igmp(
  type: number,
  destination = Uint8Array.of(1, 0, 0x5e, 0, 0, 22),
  tags: number[] = [],
): Uint8Array {
  const packet = Uint8Array.from([
    ...[0x46, 0, 0, 32, 0, 0, 0x40, 0, 1, 2, 0, 0, 10, 7, 0, 1, 224, 0, 0, 22],
    ...[0x94, 4, 0, 0],
    ...[type, 0, 0, 0, 224, 1, 2, 3],
  ]);
  return ethernetFrame(0x0800, packet, { destination, tags });
}

/** An MLD message behind its hop-by-hop header. */
function mld(type: number): Uint8Array {
  const packet = new Uint8Array(40 + 8 + 24);
  packet.set([0x60, 0, 0, 0, 0, 32, 0, 1]);
  packet.set([0xff, 0x02], 24);
  packet.set([58, 0, 5, 2, 0, 0, 1, 0], 40);
  packet[48] = type;
  return ethernetFrame(0x86dd, packet, { destination: Uint8Array.of(0x33, 0x33, 0, 0, 0, 0x16) });
}

test('a known group goes to those who want it, under its own token, cut to the size of the way', () => {
  const { left, group } = bench();
  setClock(left, START_MS + 500);
  classify(left, toGroup(GROUP_MAC));
  assert.equal(field(left, 'verdict'), FRAME_FLOOD);
  assert.equal(field(left, 'destination'), GROUP_SET);
  assert.equal(field(left, 'frameKey'), left.keys.txGroup);
  assert.equal(field(left, 'datagramMtuBytes'), 1300);
  assert.equal(field(left, 'hops'), 1, 'those of the VLAN’s floods');
  assert.deepEqual(tokenOf(left), groupToken(GROUP_MAC));
  const seenMs = getField(left.tables.buffer, Station, TABLE.stations + group * Station.size, 'lastSeenMs');
  assert.equal(seenMs, START_MS + 500);
  assert.equal(header(left, 'seenCount'), 0);
});

test('or under the broadcast token, where not all of them have the group’s', () => {
  const { left, group } = bench();
  setEntry(left, group, { flags: STATION_GROUP | STATION_SET | STATION_VIA_BROADCAST });
  classify(left, toGroup(GROUP_MAC));
  assert.equal(field(left, 'destination'), GROUP_SET);
  assert.deepEqual(tokenOf(left), TOKEN.broadcast);
});

test('what nobody wants goes nowhere, and it is noted that somebody sends it', () => {
  const { left, group } = bench();
  setEntry(left, group, { trunk: NONE });
  setClock(left, START_MS + 700);
  classify(left, toGroup(GROUP_MAC));
  assert.deepEqual(drops(left), { 'no-subscriber': 1 });
  const at = TABLE.stations + group * Station.size;
  assert.equal(getField(left.tables.buffer, Station, at, 'lastSeenMs'), START_MS + 700);
});

test('a group of which nothing is known is flooded, and told once a batch', () => {
  const { left } = bench();
  const unknown = Uint8Array.of(0x33, 0x33, 9, 9, 9, 9);
  classify(left, toGroup(unknown, 6), toGroup(unknown, 6));
  assert.equal(field(left, 'destination', 1), 0);
  assert.equal(field(left, 'datagramMtuBytes'), 1400);
  assert.deepEqual(tokenOf(left, 1), TOKEN.broadcast);
  assert.equal(header(left, 'seenCount'), 1);
  assert.equal(getField(left.arena.buffer, Seen, ARENA.seen, 'kind'), SEEN_GROUP);
  assert.equal(getField(left.arena.buffer, Seen, ARENA.seen, 'macLow'), 0x0909_3333);
});

test('link-local groups, broadcast and what is no IP of its address are flooded and not told', () => {
  const { left } = bench();
  const linkLocal6 = toGroup(Uint8Array.of(0x33, 0x33, 1, 2, 3, 4), 6);
  linkLocal6.set([0xff, 0x02], 14 + 24);
  const frames = [
    toGroup(Uint8Array.of(1, 0, 0x5e, 0, 0, 0xfb)),
    linkLocal6,
    toGroup(Uint8Array.of(255, 255, 255, 255, 255, 255)),
    ethernetFrame(0x88b5, filler(60), { destination: GROUP_MAC }),
    toGroup(GROUP_MAC, 6),
    ethernetFrame(0x0027, filler(60), { destination: Uint8Array.of(1, 0x80, 0xc2, 0, 0, 0) }),
  ];
  classify(left, ...frames);
  for (let index = 0; index < frames.length; index++) {
    assert.equal(field(left, 'verdict', index), FRAME_FLOOD);
    assert.equal(field(left, 'destination', index), 0, `frame ${index}`);
  }
  assert.equal(header(left, 'seenCount'), 0);
  assert.deepEqual(snoopedFrames(left), []);
});

test('reports are told, and go only to those who want all groups', () => {
  const { left, all } = bench();
  const reports = [
    ...[0x12, 0x16, 0x17, 0x22].map((type) => igmp(type)),
    ...[131, 132, 143].map((type) => mld(type)),
    igmp(0x16, GROUP_MAC, [5]),
  ];
  classify(left, ...reports);
  assert.deepEqual(snoopedFrames(left), reports);
  for (let index = 0; index < reports.length; index++) {
    assert.equal(field(left, 'destination', index), GROUP_SET, `report ${index}`);
  }
  setEntry(left, all, { trunk: NONE });
  classify(left, igmp(0x22));
  assert.equal(field(left, 'verdict'), FRAME_DROPPED);
  assert.deepEqual(drops(left), { 'no-subscriber': 1 });
  assert.equal(snoopedFrames(left).length, 1);
});

test('queries and routers’ hellos are told, and flooded like any link-local group', () => {
  const { left } = bench();
  const hello = igmp(0x20);
  hello[14 + 9] = 103;
  const frames = [igmp(0x11), mld(130), hello];
  classify(left, ...frames);
  assert.deepEqual(snoopedFrames(left), frames);
  for (let index = 0; index < 3; index++) assert.equal(field(left, 'destination', index), 0);
});

test('without snooping all groups are flooded, and nothing is told', () => {
  const { left } = bench();
  writeVlan(left.tables, 0, { flags: 0 });
  classify(left, toGroup(GROUP_MAC), igmp(0x22));
  assert.deepEqual([field(left, 'destination'), field(left, 'destination', 1)], [0, 0]);
  assert.equal(header(left, 'snoopedCount') + header(left, 'seenCount'), 0);
});

test('more than a batch has room for is treated alike, and not told', () => {
  const { left } = bench();
  const report = igmp(0x22);
  classify(left, ...new Array<Uint8Array>(20).fill(report));
  assert.equal(header(left, 'snoopedCount'), BATCH.snooped);
  assert.equal(field(left, 'destination', 19), GROUP_SET);
});
