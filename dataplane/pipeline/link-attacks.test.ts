/** The attacks that protocol section 3 names, against the link datagram. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOf, START_MS, TOKEN } from '../../test/harness/dataplane-fixture.ts';
import {
  clearDrops,
  createDrivenPair,
  type DrivenNode,
  drops,
  egress,
  header,
  ingress,
  setClock,
  verdict,
} from '../../test/harness/engine-driver.ts';
import { ethernetFrame, filler } from '../../test/harness/frame-builder.ts';
import { getField, insertToken, setFields, writeLane } from '../../test/harness/table-writer.ts';
import {
  CARRIER_STREAM,
  LANE_FREE,
  LANE_RECEIVES,
  LANE_WINDOW_WORDS,
  Lane,
  NONE,
  RX_PUNTED,
  RxDatagram,
  TOKEN_LOCAL,
  TxDatagram,
} from '../shm/layout.ts';
import { ARENA, TABLE } from '../shm/memory-map.ts';
import { SCRATCH } from '../shm/scratch.ts';
import { controlWord } from '../wire/link-datagram.ts';

const FRAME = { bytes: ethernetFrame(0x88b5, filler(100)) };

/** Everything that a lane remembers of what it received. */
function windowOf(node: DrivenNode): string {
  const laneAt = TABLE.lanes + node.lane * Lane.size;
  const highest = node.tables.bytes.slice(laneAt + Lane.at.rxHighestLow, laneAt + Lane.at.rxHighestLow + 8);
  const bitsAt = TABLE.laneWindows + node.lane * LANE_WINDOW_WORDS * 4;
  const bits = node.tables.bytes.slice(bitsAt, bitsAt + LANE_WINDOW_WORDS * 4);
  return Buffer.concat([highest, bits]).toString('hex');
}

/** Asserts that a datagram leaves nothing behind but one drop. */
function assertIgnored(node: DrivenNode, datagram: Uint8Array, what: string): void {
  const before = windowOf(node);
  clearDrops(node);
  assert.deepEqual(ingress(node, [datagram]), [], what);
  assert.equal(header(node, 'puntCount'), 0, what);
  assert.equal(windowOf(node), before, what);
  assert.equal(
    Object.values(drops(node)).reduce((sum, count) => sum + count, 0),
    1,
    what,
  );
}

/** Seals a probe on a node's lane as Engine.sendLink does, and takes it from the transmit buffer. */
function probe(node: DrivenNode, body: Uint8Array): Uint8Array {
  node.arena.bytes.set(body, SCRATCH.body);
  node.engine.sendLink(node.lane, body.length);
  const length = getField(node.arena.buffer, TxDatagram, ARENA.txDatagrams, 'length');
  return node.arena.bytes.slice(ARENA.txBuffer, ARENA.txBuffer + length);
}

test('a datagram with any bit of its first 32 bytes flipped forwards nothing and leaves the window as it was', () => {
  const { left, right } = createDrivenPair();
  const [first, genuine] = egress(left, [FRAME, FRAME]) as [Uint8Array, Uint8Array];
  assert.equal(ingress(right, [first]).length, 1); // so that the window is not empty
  for (let bit = 0; bit < 32 * 8; bit++) {
    const forged = genuine.slice();
    forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assertIgnored(right, forged, `bit ${bit}`);
  }
  assert.equal(ingress(right, [genuine]).length, 1, 'the genuine one is still good');
});

test('a truncated or extended datagram forwards nothing and leaves the window as it was', () => {
  const { left, right } = createDrivenPair();
  const [genuine] = egress(left, [FRAME]) as [Uint8Array];
  for (let length = 0; length < genuine.length; length++) {
    assertIgnored(right, genuine.slice(0, length), `cut to ${length}`);
  }
  for (const more of [1, 2, 16, 64, 1000]) {
    const extended = new Uint8Array(genuine.length + more);
    extended.set(genuine);
    assertIgnored(right, extended, `${more} bytes longer`);
  }
  assert.equal(ingress(right, [genuine]).length, 1);
});

test('a replay is dropped, also within one batch, and so is what is left of the window', () => {
  const { left, right } = createDrivenPair();
  const [genuine] = egress(left, [FRAME]) as [Uint8Array];
  assert.equal(ingress(right, [genuine, genuine]).length, 1);
  assert.deepEqual(drops(right), { 'link-replay': 1 });
  clearDrops(right);
  ingress(right, [genuine]);
  assert.deepEqual(drops(right), { 'link-replay': 1 });
  setFields(left.tables.buffer, Lane, TABLE.lanes + left.lane * Lane.size, { txCounterLow: 20_000 });
  ingress(right, egress(left, [FRAME]));
  clearDrops(right);
  ingress(right, [genuine]);
  assert.deepEqual(drops(right), { 'link-too-old': 1 });
});

test('forged token blocks hit none of many tokens, though many begin alike', () => {
  const tokens = 131_072;
  const { left, right } = createDrivenPair({ tokenCapacity: 524_288 });
  for (let index = 0; index < tokens; index++) {
    const token = TOKEN.right.slice(); // thirteen bytes in common, or three
    token.set([index & 0xff, (index >> 8) & 0xff, index >> 16], index % 2 === 0 ? 13 : 3);
    insertToken(right.tables, token, { epoch: 0, flags: TOKEN_LOCAL });
  }
  const [genuine] = egress(left, [FRAME]) as [Uint8Array];
  const before = windowOf(right);
  const batch = Array.from({ length: 1000 }, () => genuine.slice());
  for (let round = 0; round < 100; round++) {
    for (const [index, forged] of batch.entries()) {
      const view = new DataView(forged.buffer);
      const noise = Math.imul(round * 1000 + index + 1, 0x9e3779b1);
      view.setUint32(16 + 4 * (index & 3), noise, true);
      view.setUint32(8, index, true);
    }
    assert.deepEqual(ingress(right, batch), []);
  }
  assert.deepEqual(drops(right), { 'token-unknown': 100_000 });
  assert.equal(windowOf(right), before);
});

test('the token block of one datagram is worthless on another', () => {
  const { left, right } = createDrivenPair();
  const [one, other] = egress(left, [FRAME, FRAME]) as [Uint8Array, Uint8Array];
  const spliced = other.slice();
  spliced.set(one.slice(16, 32), 16);
  assertIgnored(right, spliced, 'a block of another counter');
  assert.deepEqual(drops(right), { 'token-unknown': 1 });
});

test('a token that is not ours to carry enters the window all the same, and is never forwarded', () => {
  const { left, right } = createDrivenPair();
  const [genuine] = egress(left, [FRAME]) as [Uint8Array];
  right.tables.bytes.fill(0, TABLE.tokens); // our own tokens go …
  insertToken(right.tables, TOKEN.right, { epoch: 0, flags: 0, set: NONE }); // … and this one is for others
  assert.deepEqual(ingress(right, [genuine]), []);
  assert.deepEqual(drops(right), { 'not-forwarding': 1 });
  clearDrops(right);
  ingress(right, [genuine]);
  assert.deepEqual(drops(right), { 'link-replay': 1 });
});

test('without hops left, or of an unknown kind, a datagram is dropped after it entered the window', () => {
  for (const [control, code] of [
    [controlWord(1, 1, 0, 0), 'hops-exceeded'],
    [controlWord(9, 1, 16, 0), 'kind-invalid'],
    [controlWord(0, 1, 16, 0), 'kind-invalid'],
    [controlWord(3, 1, 16, 0), 'kind-invalid'], // control under a station's token
    [controlWord(6, 1, 16, 0), 'kind-invalid'],
  ] as const) {
    const { left, right } = createDrivenPair();
    egress(left, [FRAME]);
    setFields(left.arena.buffer, TxDatagram, ARENA.txDatagrams, { control });
    left.engine.closeLink(0);
    const length = getField(left.arena.buffer, TxDatagram, ARENA.txDatagrams, 'length');
    const datagram = left.arena.bytes.slice(ARENA.txBuffer, ARENA.txBuffer + length);
    assert.deepEqual(ingress(right, [datagram, datagram]), []);
    assert.deepEqual(drops(right), { [code]: 1, 'link-replay': 1 });
  }
});

test('an unknown receiver, a foreign carrier, a freed or outlived lane and a spent counter are told apart', () => {
  const { left, right } = createDrivenPair();
  const [genuine] = egress(left, [FRAME]) as [Uint8Array];
  const expect = (code: string, datagram: Uint8Array, carrier?: number): void => {
    clearDrops(right);
    assert.deepEqual(ingress(right, [datagram], carrier), []);
    assert.deepEqual(drops(right), { [code]: 1 });
  };
  const changed = (at: number, value: number): Uint8Array => {
    const copy = genuine.slice();
    copy[at] = value;
    return copy;
  };
  expect('datagram-version', changed(0, 0x12));
  expect('receiver-unknown', changed(7, 0xff));
  expect('counter-limit', changed(13, 1)); // 2^40
  expect('carrier-mismatch', genuine, CARRIER_STREAM);
  setClock(right, START_MS + 180_001);
  expect('lane-expired', genuine);
  setClock(right, START_MS);
  writeLane(right.tables, right.lane, { worker: 1 });
  expect('receiver-unknown', genuine);
  writeLane(right.tables, right.lane, { worker: 0, state: LANE_FREE });
  expect('receiver-unknown', genuine);
  writeLane(right.tables, right.lane, { state: LANE_RECEIVES, rxOpened: 2 ** 40 });
  expect('lane-expired', genuine);
});

test('a lane stops rather than repeat a counter or outlive its hard stop', () => {
  const { left } = createDrivenPair();
  const laneAt = TABLE.lanes + left.lane * Lane.size;
  setFields(left.tables.buffer, Lane, laneAt, { txCounterLow: 0xffff_fffe, txCounterHigh: 0xff });
  assert.equal(egress(left, [FRAME, FRAME]).length, 2);
  assert.equal(egress(left, [FRAME]).length, 0);
  setFields(left.tables.buffer, Lane, laneAt, { txCounterLow: 0, txCounterHigh: 0 });
  setClock(left, START_MS + 180_001);
  assert.equal(egress(left, [FRAME]).length, 0);
  assert.deepEqual(drops(left), { 'lane-exhausted': 2 });
});

test('the same frame sent twice shares no byte pattern on the wire', () => {
  const { left } = createDrivenPair();
  const [one, other] = egress(left, [FRAME, FRAME]) as [Uint8Array, Uint8Array];
  assert.notDeepEqual(one.slice(1, 4), other.slice(1, 4));
  assert.notDeepEqual(one.slice(16, 32), other.slice(16, 32));
  assert.notDeepEqual(one.slice(32, 48), other.slice(32, 48));
});

test('a probe opens to its body, once, and no frame token is needed', () => {
  const { left, right } = createDrivenPair();
  const body = bytesOf('a probe', 100);
  const datagram = probe(left, body);
  assert.deepEqual(ingress(right, [datagram, datagram]), []);
  assert.equal(verdict(right, 0), RX_PUNTED);
  assert.equal(header(right, 'puntCount'), 1);
  const bodyAt = getField(right.arena.buffer, RxDatagram, ARENA.rxDatagrams, 'frameOffset');
  const bodyBytes = getField(right.arena.buffer, RxDatagram, ARENA.rxDatagrams, 'frameLength');
  assert.deepEqual(right.arena.bytes.slice(bodyAt, bodyAt + bodyBytes), body);
  assert.deepEqual(drops(right), { 'link-replay': 1 });
});

test('a probe with a spliced body is refused, and the genuine one is accepted afterwards', () => {
  const { left, right } = createDrivenPair();
  const genuine = probe(left, bytesOf('genuine', 64));
  const other = probe(left, bytesOf('another', 64));
  const spliced = genuine.slice();
  spliced.set(other.slice(32), 32);
  assertIgnored(right, spliced, 'spliced');
  assert.deepEqual(drops(right), { 'link-body-invalid': 1 });
  for (let at = 32; at < genuine.length; at++) {
    const flipped = genuine.slice();
    flipped[at] = (flipped[at] ?? 0) ^ 0x10;
    assertIgnored(right, flipped, `byte ${at}`);
  }
  ingress(right, [genuine]);
  assert.equal(verdict(right, 0), RX_PUNTED);
});

test("a frame under the lane's link token, and a probe under a frame's, are unknown", () => {
  const { left, right } = createDrivenPair();
  egress(left, [FRAME]);
  const linkToken = bytesOf('left link token', 16);
  const close = (fields: Record<string, number | Uint8Array>): Uint8Array => {
    setFields(left.arena.buffer, TxDatagram, ARENA.txDatagrams, fields);
    left.engine.closeLink(0);
    const length = getField(left.arena.buffer, TxDatagram, ARENA.txDatagrams, 'length');
    return left.arena.bytes.slice(ARENA.txBuffer, ARENA.txBuffer + length);
  };
  assertIgnored(right, close({ token: linkToken }), 'a frame');
  assert.deepEqual(drops(right), { 'token-unknown': 1 });
  assertIgnored(right, close({ token: TOKEN.right, control: controlWord(5, 0, 1, 0) }), 'a probe');
  assert.deepEqual(drops(right), { 'token-unknown': 1 });
});

test('a control datagram is told from its token on, which the graph puts there in the clear', () => {
  const { left, right } = createDrivenPair();
  egress(left, [FRAME]);
  const control = controlWord(3, 0, 16, 0);
  setFields(left.arena.buffer, TxDatagram, ARENA.txDatagrams, { token: TOKEN.control, control });
  left.engine.closeLink(0);
  const length = getField(left.arena.buffer, TxDatagram, ARENA.txDatagrams, 'length');
  const datagram = left.arena.bytes.slice(ARENA.txBuffer, ARENA.txBuffer + length);
  ingress(right, [datagram]);
  assert.equal(verdict(right, 0), RX_PUNTED);
  const offset = getField(right.arena.buffer, RxDatagram, ARENA.rxDatagrams, 'frameOffset');
  const token = ARENA.rxDatagrams + RxDatagram.at.token;
  assert.deepEqual(right.arena.bytes.slice(token, token + 16), TOKEN.control);
  assert.deepEqual(right.arena.bytes.slice(offset, offset + datagram.length - 16), datagram.slice(16));
});

test('random bytes of every length do nothing but count', () => {
  const { right } = createDrivenPair();
  const before = windowOf(right);
  for (let length = 0; length < 300; length++) {
    const noise = bytesOf(`noise ${length}`, length);
    if (length % 2 === 1) noise[0] = 0x11;
    if (length % 3 === 1 && length > 8) noise.set([0x09, 0x20, 0x64, 0x08], 4); // near the fixture's index
    ingress(right, [noise]);
  }
  assert.equal(windowOf(right), before);
  assert.equal(
    Object.values(drops(right)).reduce((sum, count) => sum + count, 0),
    300,
  );
});
