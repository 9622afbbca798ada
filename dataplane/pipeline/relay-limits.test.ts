/** What a relay refuses: copies, what is over quota, and a trunk's part beyond its share; and what it counts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { START_MS, TOKEN } from '../../test/harness/dataplane-fixture.ts';
import {
  clearDrops,
  createDrivenPair,
  type DrivenNode,
  drops,
  egress,
  ingress,
  passOn,
  setClock,
  verdict,
} from '../../test/harness/engine-driver.ts';
import { addTrunk, forwardToken } from '../../test/harness/relay-fixture.ts';
import { getField, setFields, writeSegment, writeVlan } from '../../test/harness/table-writer.ts';
import {
  ArenaHeader,
  INITIAL_HOPS,
  Lane,
  RELAY_LIMITED,
  RX_FRAME,
  RX_PUNTED,
  SEGMENT_FOREIGN,
  Segment,
  TablesHeader,
  TOKEN_LOCAL,
  TOKEN_SEVERAL,
  Trunk,
  TxDatagram,
} from '../shm/layout.ts';
import { ARENA, TABLE } from '../shm/memory-map.ts';
import { controlWord } from '../wire/link-datagram.ts';
import { STANDING_BYTES } from './fair-shares.ts';

/** The set's slot is the segment's, too. */
const SEGMENT = 1;
const LINK_BYTES = 64;

function frameOf(payloadBytes: number, fill = 0x5a): { bytes: Uint8Array } {
  const bytes = new Uint8Array(14 + payloadBytes).fill(fill);
  bytes.set([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
  return { bytes };
}

function createRelay(flags = 0, trunks: readonly number[] = [1]): { left: DrivenNode; relay: DrivenNode } {
  const { left, right: relay } = createDrivenPair();
  addTrunk(relay, { trunk: 1, like: createDrivenPair().left });
  addTrunk(relay, { trunk: 2, like: createDrivenPair().left });
  forwardToken(relay, TOKEN.right, { set: SEGMENT, trunks, flags });
  return { left, relay };
}

/** The datagram that was sealed last once more, under the lane's next counter. */
function again(left: DrivenNode, control = controlWord(1, 1, INITIAL_HOPS, 0)): Uint8Array {
  setFields(left.arena.buffer, TxDatagram, ARENA.txDatagrams, { control });
  left.engine.closeLink(0);
  const length = getField(left.arena.buffer, TxDatagram, ARENA.txDatagrams, 'length');
  return left.arena.bytes.slice(ARENA.txBuffer, ARENA.txBuffer + length);
}

function trunkField(node: DrivenNode, name: string, trunk = 0): number {
  return getField(node.tables.buffer, Trunk, TABLE.trunks + trunk * Trunk.size, name);
}

function segmentField(node: DrivenNode, name: string): number {
  return getField(node.tables.buffer, Segment, TABLE.segments + SEGMENT * Segment.size, name);
}

function limit(node: DrivenNode, datagrams: number, bytes: number): void {
  const ports = SEGMENT + 1;
  writeSegment(node.tables, SEGMENT, { ports, flags: SEGMENT_FOREIGN });
  setFields(node.tables.buffer, Trunk, TABLE.trunks, {
    relayFlags: RELAY_LIMITED,
    relayDatagramCredits: datagrams,
    relayByteCredits: bytes,
  });
}

test('what a trunk and a segment had passed on is added up, a copy each', () => {
  const { left, relay } = createRelay(0, [0, 1, 2]);
  const sent = egress(left, [frameOf(100), frameOf(100), frameOf(30)]);
  assert.equal(passOn(relay, sent).length, 2);
  const bytes = 2 * sent.reduce((sum, datagram) => sum + datagram.length, 0);
  assert.equal(trunkField(relay, 'relayedDatagrams'), 6);
  assert.equal(trunkField(relay, 'relayedBytes'), bytes);
  assert.equal(segmentField(relay, 'relayedDatagrams'), 6);
  assert.equal(segmentField(relay, 'relayedBytes'), bytes);
  assert.equal(trunkField(relay, 'relayedDatagrams', 1), 0);
});

test('a copy by another way goes no further, and counts for the trunk that brought it', () => {
  const { left, relay } = createRelay(TOKEN_SEVERAL, [1, 2]);
  const sent = egress(left, [frameOf(100)]);
  assert.equal(passOn(relay, sent).length, 2);
  assert.deepEqual(passOn(relay, [again(left)]), []);
  assert.deepEqual(drops(relay), { duplicate: 1 });
  assert.equal(trunkField(relay, 'copies'), 1);
  // Fewer hops are the same datagram; a changed byte behind the header is another one.
  assert.deepEqual(passOn(relay, [again(left, controlWord(1, 1, 9, 0))]), []);
  const changed = again(left);
  changed[70] = (changed[70] ?? 0) ^ 1;
  assert.equal(passOn(relay, [changed]).length, 2);
});

test('after two seconds without a copy it is forgotten', () => {
  const { left, relay } = createRelay(TOKEN_SEVERAL, [1, 2]);
  passOn(relay, egress(left, [frameOf(100)]));
  setClock(relay, START_MS + 1900);
  assert.deepEqual(passOn(relay, [again(left)]), []);
  setClock(relay, START_MS + 3800);
  assert.deepEqual(passOn(relay, [again(left)]), [], 'each copy keeps it in mind');
  setClock(relay, START_MS + 5900);
  assert.equal(passOn(relay, [again(left)]).length, 2);
});

test('a token of one way is not looked up among the recent ones', () => {
  const { left, relay } = createRelay();
  passOn(relay, egress(left, [frameOf(100)]));
  assert.equal(passOn(relay, [again(left)]).length, 1);
});

test('what comes by a trunk that is no port is delivered, and does not keep the one by the tree from going on', () => {
  const { left, relay } = createRelay(TOKEN_LOCAL | TOKEN_SEVERAL);
  forwardToken(relay, TOKEN.right, {
    set: SEGMENT,
    trunks: [1],
    ports: [1],
    flags: TOKEN_LOCAL | TOKEN_SEVERAL,
  });
  assert.equal(ingress(relay, egress(left, [frameOf(100)])).length, 1);
  forwardToken(relay, TOKEN.right, { set: SEGMENT, trunks: [1], flags: TOKEN_LOCAL | TOKEN_SEVERAL });
  assert.equal(passOn(relay, [again(left)]).length, 1);
  assert.deepEqual(drops(relay), {});
});

test('a flood of one hop is delivered, not passed on, and no loss', () => {
  const { left, relay } = createRelay();
  writeVlan(left.tables, 0, { floodHops: 1 });
  forwardToken(relay, TOKEN.broadcast, { set: SEGMENT, trunks: [0], flags: TOKEN_LOCAL });
  const { bytes } = frameOf(100);
  bytes.fill(0xff, 0, 6);
  assert.equal(ingress(relay, egress(left, [{ bytes }])).length, 1);
  assert.equal(verdict(relay, 0), RX_FRAME);
  assert.deepEqual(drops(relay), {});
});

test('an echo to a station here goes to the main thread, and one for others goes on', () => {
  const { left, relay } = createRelay(TOKEN_LOCAL);
  egress(left, [frameOf(100)]);
  const echo = controlWord(4, 1, INITIAL_HOPS, 0);
  assert.equal(passOn(relay, [again(left, echo)]).length, 1);
  assert.equal(verdict(relay, 0), RX_PUNTED);
  forwardToken(relay, TOKEN.right, { set: SEGMENT, trunks: [1] });
  assert.equal(passOn(relay, [again(left, echo)]).length, 1);
  assert.notEqual(verdict(relay, 0), RX_PUNTED);
});

test('over quota a run is dropped; the last one within it may run into debt', () => {
  const { left, relay } = createRelay();
  limit(relay, 5, 1_000_000);
  const run = (): readonly unknown[] =>
    passOn(relay, egress(left, [frameOf(100), frameOf(100), frameOf(100)]));
  assert.equal(run().length, 1);
  assert.equal(run().length, 1);
  assert.deepEqual(run(), []);
  assert.deepEqual(drops(relay), { 'relay-quota': 3 });
  assert.equal(trunkField(relay, 'relayDatagramCredits') | 0, -1);
  assert.equal(trunkField(relay, 'refusedDatagrams'), 3);
  assert.equal(segmentField(relay, 'refusedDatagrams'), 3);
  assert.equal(trunkField(relay, 'relayByteCredits'), 1_000_000 - 6 * (14 + 100 + LINK_BYTES));
});

test('bytes have a quota of their own, and what is refused costs no datagrams', () => {
  const { left, relay } = createRelay();
  limit(relay, 5, 0);
  assert.deepEqual(passOn(relay, egress(left, [frameOf(100)])), []);
  assert.equal(trunkField(relay, 'relayDatagramCredits'), 5);
  assert.equal(trunkField(relay, 'relayByteCredits'), 0);
});

test('all trunks together have one, and what it refuses is given back to the trunk', () => {
  const { left, relay } = createRelay();
  limit(relay, 5, 1_000_000);
  setFields(relay.tables.buffer, TablesHeader, TABLE.header, {
    relayFlags: RELAY_LIMITED,
    relayDatagramCredits: 1,
    relayByteCredits: 50,
  });
  assert.equal(passOn(relay, egress(left, [frameOf(100)])).length, 1);
  assert.deepEqual(passOn(relay, egress(left, [frameOf(100)])), []);
  assert.equal(trunkField(relay, 'relayDatagramCredits'), 4);
  assert.deepEqual(drops(relay), { 'relay-quota': 1 });
});

test('a copy for each trunk of the set is paid', () => {
  const { left, relay } = createRelay(0, [0, 1, 2]);
  limit(relay, 10, 1_000_000);
  passOn(relay, egress(left, [frameOf(100)]));
  assert.equal(trunkField(relay, 'relayDatagramCredits'), 8);
});

test('in a segment of its own a node relays without limit', () => {
  const { left, relay } = createRelay();
  limit(relay, 0, 0);
  writeSegment(relay.tables, SEGMENT, { ports: SEGMENT + 1, flags: 0 });
  assert.equal(passOn(relay, egress(left, [frameOf(100)])).length, 1);
  assert.deepEqual(drops(relay), {});
});

test('what is refused others is opened here all the same', () => {
  const { left, relay } = createRelay(TOKEN_LOCAL | TOKEN_SEVERAL);
  limit(relay, 0, 0);
  assert.deepEqual(passOn(relay, egress(left, [frameOf(100)])), []);
  relay.engine.openFrame(1);
  assert.equal(verdict(relay, 0), RX_FRAME);
});

test('while the socket stays full, the trunk that brings most loses what is too much', () => {
  const { left, relay } = createRelay();
  const lane = TABLE.lanes + relay.lane * Lane.size;
  const passed = [0, 0];
  setFields(relay.arena.buffer, ArenaHeader, ARENA.header, { standingBytes: STANDING_BYTES });
  for (let ms = 0; ms < 40; ms++) {
    setClock(relay, START_MS + ms);
    for (const [trunk, trains] of [
      [2, 1],
      [0, 10],
    ] as const) {
      setFields(relay.tables.buffer, Lane, lane, { trunk });
      forwardToken(relay, TOKEN.right, { set: SEGMENT, trunks: [1], ports: [0, 2] });
      for (let train = 0; train < trains; train++) {
        const isPassed = passOn(relay, egress(left, [frameOf(900), frameOf(900)])).length === 1;
        passed[trunk === 2 ? 0 : 1] = (passed[trunk === 2 ? 0 : 1] ?? 0) + (isPassed ? 1 : 0);
      }
    }
  }
  assert.equal(passed[0], 40);
  assert.ok((passed[1] ?? 0) > 60 && (passed[1] ?? 0) < 250, `${passed[1]} of 400`);
  assert.deepEqual(drops(relay), { 'relay-unfair': 2 * (400 - (passed[1] ?? 0)) });
  assert.equal(trunkField(relay, 'refusedDatagrams', 2), 0);
  clearDrops(relay);
  setFields(relay.arena.buffer, ArenaHeader, ARENA.header, { standingBytes: 0 });
  for (let ms = 40; ms < 60; ms++) {
    setClock(relay, START_MS + ms);
    passOn(relay, egress(left, [frameOf(900)]));
  }
  clearDrops(relay);
  assert.equal(passOn(relay, egress(left, [frameOf(900)])).length, 1);
});
