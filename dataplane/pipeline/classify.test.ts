/** Where frames go, and why they do not: classify and train over tables that lack this or that. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { putFrames, START_MS } from '../../test/harness/dataplane-fixture.ts';
import {
  clearDrops,
  createDrivenPair,
  type DrivenNode,
  drops,
  egress,
  header,
  setClock,
} from '../../test/harness/engine-driver.ts';
import { ethernetFrame, filler, tcpFrame, udpFrame } from '../../test/harness/frame-builder.ts';
import {
  getField,
  setFields,
  writeEpoch,
  writeLane,
  writeSet,
  writeTrunk,
  writeVlan,
} from '../../test/harness/table-writer.ts';
import {
  BATCH,
  FRAME_FLOOD,
  FRAME_UNICAST,
  FrameDescriptor,
  LANE_RECEIVES,
  Lane,
  LIMIT,
  NONE,
  Station,
  Train,
} from '../shm/layout.ts';
import { ARENA, TABLE } from '../shm/memory-map.ts';

const BROADCAST = new Uint8Array(6).fill(0xff);
const UNICAST_FRAME = { bytes: ethernetFrame(0x88b5, filler(100)) };
const BROADCAST_FRAME = { bytes: ethernetFrame(0x88b5, filler(100), { destination: BROADCAST }) };

function frameField(node: DrivenNode, name: string, index = 0): number {
  return getField(node.arena.buffer, FrameDescriptor, ARENA.frames + index * FrameDescriptor.size, name);
}

function trainField(node: DrivenNode, name: string, index: number): number {
  return getField(node.arena.buffer, Train, ARENA.trains + index * Train.size, name);
}

/** Lays and groups frames; returns how many trains there are. */
function trainsOf(node: DrivenNode, frames: readonly { bytes: Uint8Array }[]): number {
  const count = putFrames(node, frames);
  node.engine.classify(count);
  node.engine.segment(0, count);
  return node.engine.train(header(node, 'txDatagramCount'));
}

test('a station goes to its trunk under the pairwise key, a group address to the set under the group key', () => {
  const { left } = createDrivenPair();
  left.engine.classify(putFrames(left, [UNICAST_FRAME, BROADCAST_FRAME]));
  assert.equal(frameField(left, 'verdict'), FRAME_UNICAST);
  assert.equal(frameField(left, 'frameKey'), left.keys.txPair);
  assert.equal(frameField(left, 'verdict', 1), FRAME_FLOOD);
  assert.equal(frameField(left, 'frameKey', 1), left.keys.txGroup);
  assert.equal(frameField(left, 'datagramMtuBytes', 1), 1472);
});

test('an unknown station is flooded', () => {
  const { left } = createDrivenPair();
  const bytes = ethernetFrame(0x88b5, filler(100), { destination: Uint8Array.of(2, 7, 7, 7, 7, 7) });
  left.engine.classify(putFrames(left, [{ bytes }]));
  assert.equal(frameField(left, 'verdict'), FRAME_FLOOD);
});

test('what is missing has a drop code of its own', () => {
  const { left } = createDrivenPair();
  const { tables } = left;
  const peer = TABLE.stations + left.peerStation * Station.size;
  const expect = (code: string, frame = UNICAST_FRAME): void => {
    clearDrops(left);
    assert.deepEqual(egress(left, [frame]), []);
    assert.deepEqual(drops(left), { [code]: 1 });
  };
  expect('destination-local', { bytes: ethernetFrame(0x88b5, filler(60), { destination: left.mac }) });
  setFields(tables.buffer, Station, peer, { route: NONE });
  expect('no-key');
  setFields(tables.buffer, Station, peer, { trunk: NONE });
  expect('no-trunk');
  writeEpoch(tables, 0, { groupKeys: [NONE] });
  expect('no-key', BROADCAST_FRAME);
  writeTrunk(tables, 0, { datagramMtuBytes: 0 });
  expect('no-member', BROADCAST_FRAME);
  writeVlan(tables, 0, { floodSet: NONE });
  expect('no-member', BROADCAST_FRAME);
  writeVlan(tables, 0, { txEpoch: NONE });
  expect('vlan-down');
  writeVlan(tables, 0, { txEpoch: 0, state: 0 });
  expect('vlan-down');
  writeVlan(tables, 0, { state: 1, version: 1 }); // being written
  expect('vlan-down');
});

test('the priority of a tag, or the upper bits of the DSCP, become the class', () => {
  const { left } = createDrivenPair();
  const payload = filler(20);
  const frames = [
    udpFrame({ payload, tags: [0x6001], tos: 0xff }),
    udpFrame({ payload, tos: 0xb8 }),
    udpFrame({ payload, tos: 0xb8, ipVersion: 6 }),
  ];
  left.engine.classify(putFrames(left, frames));
  assert.deepEqual(
    [0, 1, 2].map((index) => frameField(left, 'class', index)),
    [3, 5, 5],
  );
});

test('a flow has one hash, whatever its payload; another port has another', () => {
  const { left } = createDrivenPair();
  const build = (sourcePort: number, length: number, ipVersion: 4 | 6): { bytes: Uint8Array } =>
    tcpFrame({ sourcePort, ipVersion, payload: filler(length) });
  for (const version of [4, 6] as const) {
    left.engine.classify(
      putFrames(left, [build(1, 10, version), build(1, 900, version), build(2, 10, version)]),
    );
    const [one, same, other] = [0, 1, 2].map((index) => frameField(left, 'flowHash', index));
    assert.equal(one, same);
    assert.notEqual(one, other);
  }
});

test('a local station that sends stays young', () => {
  const { left } = createDrivenPair();
  setClock(left, START_MS + 900);
  egress(left, [UNICAST_FRAME]);
  const at = TABLE.stations + left.ownStation * Station.size;
  assert.equal(getField(left.tables.buffer, Station, at, 'lastSeenMs'), START_MS + 900);
});

test('a train takes equal sizes and one shorter last, within the limits of a send', () => {
  const { left } = createDrivenPair({ gsoSegments: 8 });
  const sized = (length: number): { bytes: Uint8Array } => ({ bytes: ethernetFrame(0x88b5, filler(length)) });
  const lengths = [300, 300, 200, 300, 400, 300, ...new Array<number>(20).fill(500)];
  const trains = trainsOf(left, lengths.map(sized));
  const counts = Array.from({ length: trains }, (_, index) => trainField(left, 'count', index));
  assert.deepEqual(counts, [3, 1, 2, 8, 8, 4]);
  const wide = createDrivenPair({ gsoSegments: 128, tapMtuBytes: 9000, datagramMtuBytes: 9000 }).left;
  assert.equal(trainsOf(wide, new Array(30).fill(sized(4000))), 2); // 65,000 bytes hold fifteen
});

test('a flooded run is a train for each trunk of its set', () => {
  const { left } = createDrivenPair();
  addTrunk(left, 1, 40);
  addTrunk(left, 2, 41);
  writeSet(left.tables, 0, [0, 1, 2]);
  assert.equal(trainsOf(left, [BROADCAST_FRAME, BROADCAST_FRAME, UNICAST_FRAME]), 4);
  assert.deepEqual(
    [0, 1, 2, 3].map((index) => trainField(left, 'trunk', index)),
    [0, 1, 2, 0],
  );
  assert.deepEqual(
    [0, 1, 2, 3].map((index) => trainField(left, 'count', index)),
    [2, 2, 2, 1],
  );
  assert.deepEqual(
    [0, 1, 2, 3].map((index) => trainField(left, 'lane', index)),
    [left.lane, 40, 41, left.lane],
  );
});

test('the least path of the set counts for a flooded frame', () => {
  const { left } = createDrivenPair();
  addTrunk(left, 1, 40);
  writeTrunk(left.tables, 1, { datagramMtuBytes: 600, laneCount: 1 });
  writeSet(left.tables, 0, [0, 1]);
  left.engine.classify(putFrames(left, [BROADCAST_FRAME]));
  assert.equal(frameField(left, 'datagramMtuBytes'), 600);
});

test('a batch of frames flooded to every trunk of a full set fits the trains', () => {
  const { left } = createDrivenPair();
  writeSet(left.tables, 0, new Array<number>(LIMIT.setTrunks).fill(0));
  const frames = Array.from({ length: BATCH.frames }, (_, index) => ({
    bytes: ethernetFrame(0x88b5, filler(60 + index), { destination: BROADCAST }),
  }));
  assert.equal(trainsOf(left, frames), BATCH.frames * LIMIT.setTrunks);
  assert.deepEqual(drops(left), {});
});

test('flows spread over the lanes of a worker, and each keeps to one', () => {
  const { left } = createDrivenPair();
  addLane(left, 50, 0);
  writeTrunk(left.tables, 0, { laneCount: 2, lanes: [left.lane, 50] });
  const lanes = new Map<number, number>();
  for (let port = 0; port < 64; port++) {
    assert.equal(trainsOf(left, [tcpFrame({ sourcePort: port % 32, payload: filler(port) })]), 1);
    const lane = trainField(left, 'lane', 0);
    assert.equal(lanes.get(port % 32) ?? lane, lane);
    lanes.set(port % 32, lane);
  }
  assert.deepEqual(new Set(lanes.values()), new Set([left.lane, 50]));
});

test('a worker without a lane names the one that has it; without any, each datagram is counted', () => {
  const { left } = createDrivenPair({ workerCount: 2 });
  addLane(left, 50, 1); // lane 1 of the trunk belongs to worker 1
  writeTrunk(left.tables, 0, { laneCount: 2, lanes: [left.lane, 50] });
  writeLane(left.tables, left.lane, { state: LANE_RECEIVES });
  assert.equal(trainsOf(left, [UNICAST_FRAME, UNICAST_FRAME]), 1);
  assert.equal(trainField(left, 'lane', 0), NONE);
  assert.equal(trainField(left, 'owner', 0), 1);
  writeLane(left.tables, 50, { state: LANE_RECEIVES });
  assert.equal(trainsOf(left, [UNICAST_FRAME, UNICAST_FRAME]), 0);
  assert.deepEqual(drops(left), { 'lane-down': 2 });
});

function addTrunk(node: DrivenNode, trunk: number, lane: number): void {
  writeTrunk(node.tables, trunk, { datagramMtuBytes: 1472, carrier: 1, laneCount: 1, lanes: [lane] });
  addLane(node, lane, 0);
  writeLane(node.tables, lane, { trunk });
}

/** A copy of the fixture's lane for another slot. */
function addLane(node: DrivenNode, lane: number, worker: number): void {
  const at = TABLE.lanes + node.lane * Lane.size;
  node.tables.bytes.copyWithin(TABLE.lanes + lane * Lane.size, at, at + Lane.size);
  writeLane(node.tables, lane, { worker });
}
