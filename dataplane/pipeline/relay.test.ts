/** Passing on: where datagrams leave again, what becomes of their headers, and what is never forwarded. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOf, TOKEN } from '../../test/harness/dataplane-fixture.ts';
import {
  createDrivenPair,
  type DrivenNode,
  drops,
  egress,
  ingress,
  passOn,
  verdict,
} from '../../test/harness/engine-driver.ts';
import { addTrunk, forwardToken } from '../../test/harness/relay-fixture.ts';
import { getField, setFields } from '../../test/harness/table-writer.ts';
import {
  ForwardSet,
  INITIAL_HOPS,
  Lane,
  NONE,
  RX_FORWARDED,
  RX_LOCAL,
  RX_PUNTED,
  RxDatagram,
  TOKEN_CONTROL,
  TOKEN_LOCAL,
  Trunk,
  TxDatagram,
} from '../shm/layout.ts';
import { ARENA, TABLE } from '../shm/memory-map.ts';
import { controlHops, controlWord } from '../wire/link-datagram.ts';

/** A frame from the left station to the right one. */
function frameOf(payloadBytes: number, fill = 0x5a): { bytes: Uint8Array } {
  const bytes = new Uint8Array(14 + payloadBytes).fill(fill);
  bytes.set([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
  return { bytes };
}

/** A sender, a relay with trunks 1 and 2, and the node at the far end of each. */
function createChain(): { left: DrivenNode; relay: DrivenNode; far: readonly [DrivenNode, DrivenNode] } {
  const near = createDrivenPair();
  const [one, two] = [createDrivenPair(), createDrivenPair()];
  addTrunk(near.right, { trunk: 1, like: one.left });
  addTrunk(near.right, { trunk: 2, like: two.left });
  forwardToken(near.right, TOKEN.right, { set: 1, trunks: [1] });
  return { left: near.left, relay: near.right, far: [one.right, two.right] };
}

/** Closes datagram 0 of what was sealed last once more, under another control word. */
function closeWith(left: DrivenNode, control: number, token?: Uint8Array): Uint8Array {
  const fields = token === undefined ? { control } : { control, token };
  setFields(left.arena.buffer, TxDatagram, ARENA.txDatagrams, fields);
  left.engine.closeLink(0);
  const length = getField(left.arena.buffer, TxDatagram, ARENA.txDatagrams, 'length');
  return left.arena.bytes.slice(ARENA.txBuffer, ARENA.txBuffer + length);
}

function hopsAt(node: DrivenNode): number {
  return controlHops(getField(node.arena.buffer, RxDatagram, ARENA.rxDatagrams, 'control'));
}

test('a datagram for others leaves by the trunk that its token names, one hop poorer, and opens at its end', () => {
  const { left, relay, far } = createChain();
  const sent = egress(left, [frameOf(100)]);
  const [train] = passOn(relay, sent);
  assert.equal(train?.trunk, 1);
  assert.equal(verdict(relay, 0), RX_FORWARDED);
  const [wire] = train.datagrams;
  assert.deepEqual(wire?.subarray(32), sent[0]?.subarray(32));
  assert.notDeepEqual(wire?.subarray(0, 32), sent[0]?.subarray(0, 32));
  const [written] = ingress(far[0], train.datagrams);
  assert.deepEqual(written?.bytes, frameOf(100).bytes);
  assert.equal(hopsAt(far[0]), INITIAL_HOPS - 1);
  assert.deepEqual(drops(relay), {});
});

test('neighbours leave as one train, with the lane’s next counters', () => {
  const { left, relay, far } = createChain();
  const sent = egress(
    left,
    Array.from({ length: 30 }, (_, index) => frameOf(200, index)),
  );
  const trains = passOn(relay, sent);
  assert.deepEqual(
    trains.map(({ datagrams }) => datagrams.length),
    [30],
  );
  assert.equal(ingress(far[0], trains[0]?.datagrams ?? []).length, 30);
  const lane = TABLE.lanes + 65 * Lane.size;
  assert.equal(getField(relay.tables.buffer, Lane, lane, 'txCounterLow'), 30);
});

test('a train ends where sizes grow, and where one in between goes no further', () => {
  const { left, relay } = createChain();
  const sent = egress(left, [
    frameOf(100),
    frameOf(100),
    frameOf(60),
    frameOf(100),
    frameOf(100),
    frameOf(100),
  ]);
  const forged = Uint8Array.from(sent[4] ?? []);
  forged[20] = (forged[20] ?? 0) ^ 1;
  const trains = passOn(relay, [...sent.slice(0, 4), forged, ...sent.slice(5)]);
  assert.deepEqual(
    trains.map(({ datagrams }) => datagrams.length),
    [3, 1, 1],
  );
  assert.deepEqual(drops(relay), { 'token-unknown': 1 });
});

test('a token of several trunks sends one copy to each but the one it came from', () => {
  const { left, relay, far } = createChain();
  forwardToken(relay, TOKEN.right, { set: 1, trunks: [0, 1, 2] });
  const trains = passOn(relay, egress(left, [frameOf(100), frameOf(100)]));
  assert.deepEqual(
    trains.map(({ trunk, datagrams }) => [trunk, datagrams.length]),
    [
      [1, 2],
      [2, 2],
    ],
  );
  for (const [index, node] of far.entries())
    assert.equal(ingress(node, trains[index]?.datagrams ?? []).length, 2);
});

test('what names only the trunk that it came from goes nowhere and is counted', () => {
  const { left, relay } = createChain();
  forwardToken(relay, TOKEN.right, { set: 1, trunks: [0] });
  assert.deepEqual(passOn(relay, egress(left, [frameOf(100)])), []);
  assert.deepEqual(drops(relay), { 'not-forwarding': 1 });
});

test('what comes from a trunk that is no forwarding port is never passed on, and cannot be sent again', () => {
  const { left, relay } = createChain();
  forwardToken(relay, TOKEN.right, { set: 1, trunks: [1], ports: [1, 2] });
  const sent = egress(left, [frameOf(100)]);
  assert.deepEqual(passOn(relay, sent), []);
  assert.deepEqual(passOn(relay, sent), []);
  assert.deepEqual(drops(relay), { 'not-forwarding': 1, 'link-replay': 1 });
});

test('it is delivered here all the same', () => {
  const { left, relay } = createChain();
  forwardToken(relay, TOKEN.right, { set: 1, trunks: [1], ports: [], flags: TOKEN_LOCAL });
  assert.equal(ingress(relay, egress(left, [frameOf(100)])).length, 1);
  assert.deepEqual(drops(relay), {});
});

test('the last hop is this node: one left is not passed on, two are', () => {
  const { left, relay, far } = createChain();
  egress(left, [frameOf(100)]);
  assert.deepEqual(passOn(relay, [closeWith(left, controlWord(1, 1, 1, 0))]), []);
  assert.deepEqual(drops(relay), { 'hops-exceeded': 1 });
  const [train] = passOn(relay, [closeWith(left, controlWord(1, 1, 2, 0))]);
  assert.equal(ingress(far[0], train?.datagrams ?? []).length, 1);
  assert.equal(hopsAt(far[0]), 1);
});

test('what is for this node and for others is passed on and then opened here', () => {
  const { left, relay, far } = createChain();
  forwardToken(relay, TOKEN.right, { set: 1, trunks: [1], flags: TOKEN_LOCAL });
  const [train] = passOn(relay, egress(left, [frameOf(100)]));
  assert.equal(verdict(relay, 0), RX_LOCAL);
  relay.engine.openFrame(1);
  relay.engine.learn(1);
  assert.equal(relay.engine.coalesce(1), 1);
  assert.equal(ingress(far[0], train?.datagrams ?? []).length, 1);
});

test('with its last hop it is opened here, and that is no loss', () => {
  const { left, relay } = createChain();
  forwardToken(relay, TOKEN.right, { set: 1, trunks: [1], flags: TOKEN_LOCAL });
  egress(left, [frameOf(100)]);
  assert.equal(ingress(relay, [closeWith(left, controlWord(1, 1, 1, 0))]).length, 1);
  assert.deepEqual(drops(relay), {});
});

test('members’ control goes to the main thread and to the others', () => {
  const { left, relay, far } = createChain();
  forwardToken(relay, TOKEN.control, { set: 1, trunks: [1], flags: TOKEN_CONTROL });
  egress(left, [frameOf(100)]);
  const [train] = passOn(relay, [closeWith(left, controlWord(3, 0, 16, 0), TOKEN.control)]);
  assert.equal(verdict(relay, 0), RX_PUNTED);
  ingress(far[0], train?.datagrams ?? []);
  assert.equal(verdict(far[0], 0), RX_PUNTED);
});

test('a probe is never passed on, whatever its slot held before', () => {
  const { left, relay } = createChain();
  passOn(relay, egress(left, [frameOf(100)]));
  const link = bytesOf('left link token', 16);
  egress(left, [frameOf(100)]);
  assert.deepEqual(passOn(relay, [closeWith(left, controlWord(5, 0, 1, 0), link)]), []);
  assert.deepEqual(drops(relay), { 'link-body-invalid': 1 });
});

test('what the next trunk does not take is counted, a copy each', () => {
  const { left, relay } = createChain();
  forwardToken(relay, TOKEN.right, { set: 1, trunks: [1, 2] });
  setFields(relay.tables.buffer, Trunk, TABLE.trunks + Trunk.size, { datagramMtuBytes: 163 });
  setFields(relay.tables.buffer, Trunk, TABLE.trunks + 2 * Trunk.size, { lanes: [NONE] });
  assert.deepEqual(passOn(relay, egress(left, [frameOf(100), frameOf(100)])), []);
  assert.deepEqual(drops(relay), { 'path-too-small': 2, 'lane-down': 2 });
});

test('a set that is being written passes nothing on', () => {
  const { left, relay } = createChain();
  setFields(relay.tables.buffer, ForwardSet, TABLE.sets + ForwardSet.size, { version: 1 });
  assert.deepEqual(passOn(relay, egress(left, [frameOf(100)])), []);
  assert.deepEqual(drops(relay), { 'not-forwarding': 1 });
});
