/** The attacks that protocol section 4 names, against the sealed frame; and what a member itself may try. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOf, type FixtureOptions, START_MS, TOKEN } from '../../test/harness/dataplane-fixture.ts';
import {
  clearDrops,
  createDrivenPair,
  type DrivenNode,
  type DrivenPair,
  drops,
  egress,
  header,
  ingress,
  setClock,
  verdict,
} from '../../test/harness/engine-driver.ts';
import { ethernetFrame, filler } from '../../test/harness/frame-builder.ts';
import {
  getField,
  insertStation,
  setFields,
  writeEpoch,
  writeFrameKey,
  writeVlan,
} from '../../test/harness/table-writer.ts';
import type { DropName } from '../base/drop-code.ts';
import {
  FLAG_PAIRWISE,
  INITIAL_HOPS,
  KIND_FRAGMENT,
  KIND_FRAME,
  Lane,
  NONE,
  RX_DROPPED,
  RX_HELD,
  RxSender,
  SLOT_DELETED,
  STATION_LOCAL,
  STATION_REMOTE,
  Station,
  TxDatagram,
  VLAN_HOSTS_MOVE,
} from '../shm/layout.ts';
import { ARENA, TABLE } from '../shm/memory-map.ts';
import { controlWord } from '../wire/link-datagram.ts';

const BROADCAST = new Uint8Array(6).fill(0xff);
const UNICAST_FRAME = { bytes: ethernetFrame(0x88b5, filler(100)) };
const BROADCAST_FRAME = { bytes: ethernetFrame(0x88b5, filler(100), { destination: BROADCAST }) };

/** Closes the datagram that lies first in the transmit buffer once more, under a fresh link counter. */
function closeAgain(node: DrivenNode): Uint8Array {
  assert.equal(node.engine.closeLink(0), 0);
  const length = getField(node.arena.buffer, TxDatagram, ARENA.txDatagrams, 'length');
  return node.arena.bytes.slice(ARENA.txBuffer, ARENA.txBuffer + length);
}

/** What a member can seal under its own keys: any plaintext, kind, flags and token; one datagram. */
interface Forgery {
  readonly plain: Uint8Array;
  readonly isPairwise: boolean;
  readonly kind?: number;
  readonly token?: Uint8Array;
  readonly counter?: number;
}

function sealAs(node: DrivenNode, forgery: Forgery): Uint8Array {
  const { arena, engine } = node;
  const peer = Uint8Array.of(2, 0, 0, 0, 0, node.name === 'left' ? 2 : 1);
  const destination = forgery.isPairwise ? peer : BROADCAST;
  // For its descriptor and train.
  egress(node, [{ bytes: ethernetFrame(0x88b5, filler(100), { destination, source: node.mac }) }]);
  const flags = forgery.isPairwise ? FLAG_PAIRWISE : 0;
  arena.bytes.set(forgery.plain, ARENA.txBuffer + 48);
  setFields(arena.buffer, TxDatagram, ARENA.txDatagrams, {
    length: forgery.plain.length + 64,
    control: controlWord(forgery.kind ?? KIND_FRAME, flags, INITIAL_HOPS, 0),
    ...(forgery.token === undefined ? {} : { token: forgery.token }),
  });
  if (forgery.counter !== undefined) {
    const sender = ARENA.txDatagrams + TxDatagram.at.sender;
    const view = new DataView(arena.buffer);
    view.setUint16(sender + 10, forgery.counter & 0xffff, true);
    view.setUint32(sender + 12, forgery.counter / 0x1_0000, true);
  }
  engine.seal(1);
  return closeAgain(node);
}

function fragment(frameId: number, offset: number, total: number, piece: Uint8Array): Uint8Array {
  const plain = new Uint8Array(8 + piece.length);
  const view = new DataView(plain.buffer);
  view.setUint32(0, frameId, true);
  view.setUint16(4, offset, true);
  view.setUint16(6, total, true);
  plain.set(piece, 8);
  return plain;
}

function expectDrop(node: DrivenNode, datagram: Uint8Array, code: DropName): void {
  clearDrops(node);
  assert.deepEqual(ingress(node, [datagram]), []);
  assert.deepEqual(drops(node), { [code]: 1 });
}

test('with any byte of the sealed frame changed nothing opens, and the genuine frame still does', () => {
  const { left, right } = createDrivenPair();
  egress(left, [UNICAST_FRAME]);
  const genuine = left.arena.bytes.slice(ARENA.txBuffer, ARENA.txBuffer + 178);
  for (let at = 32; at < genuine.length; at++) {
    left.arena.bytes[ARENA.txBuffer + at] = (genuine[at] ?? 0) ^ 0x04; // by somebody who holds the link keys: a relay
    clearDrops(right);
    assert.deepEqual(ingress(right, [closeAgain(left)]), []);
    const codes = Object.keys(drops(right));
    assert.ok(
      ['frame-forged', 'sender-unknown', 'frame-too-old'].includes(codes[0] ?? ''),
      `byte ${at}: ${codes.join()}`,
    );
    left.arena.bytes.set(genuine, ARENA.txBuffer);
  }
  assert.equal(ingress(right, [closeAgain(left)]).length, 1);
});

test('a relay can put a payload neither behind another token nor under another class, kind or flags', () => {
  const { left, right } = createDrivenPair();
  egress(left, [UNICAST_FRAME]);
  const controlAt = ARENA.txDatagrams;
  const genuine = getField(left.arena.buffer, TxDatagram, controlAt, 'control');
  const altered = [
    { control: genuine ^ (1 << 16) }, // class
    { control: genuine ^ (2 << 4) }, // checksum left
    { control: (genuine & ~0xf) | KIND_FRAGMENT },
    { token: TOKEN.broadcast },
  ];
  for (const fields of altered) {
    setFields(left.arena.buffer, TxDatagram, controlAt, fields);
    expectDrop(right, closeAgain(left), 'frame-forged');
    setFields(left.arena.buffer, TxDatagram, controlAt, {
      control: genuine,
      token: TOKEN.right,
    });
  }
  setFields(left.arena.buffer, TxDatagram, controlAt, { control: genuine - (1 << 8) }); // hops: a relay lowers them
  assert.equal(ingress(right, [closeAgain(left)]).length, 1);
});

test('a frame that comes again under fresh link headers is a replay', () => {
  const { left, right } = createDrivenPair();
  egress(left, [UNICAST_FRAME]);
  assert.equal(ingress(right, [closeAgain(left)]).length, 1);
  expectDrop(right, closeAgain(left), 'frame-replay');
  sealAs(left, { plain: UNICAST_FRAME.bytes, isPairwise: true, counter: 20_000 });
  ingress(right, [closeAgain(left)]);
  expectDrop(
    right,
    sealAs(left, { plain: UNICAST_FRAME.bytes, isPairwise: true, counter: 5 }),
    'frame-too-old',
  );
});

test('two members with equal leaf, lane, salt and counter have different keys, for all kinds', () => {
  const options: FixtureOptions = { equalSenders: true };
  const { left, right } = createDrivenPair(options);
  const mirror = createDrivenPair(options);
  for (const isPairwise of [true, false]) {
    for (const kind of [KIND_FRAME, KIND_FRAGMENT]) {
      const plain = kind === KIND_FRAME ? filler(64) : fragment(1, 0, 1000, filler(56));
      const forgery: Forgery = { plain, isPairwise, kind, counter: 3, token: TOKEN.broadcast };
      const one = sealAs(left, forgery);
      const other = sealAs(mirror.right, forgery);
      assert.notDeepEqual(one.slice(48), other.slice(48), 'one key stream for two members');
      assert.notDeepEqual(one.slice(32, 48), other.slice(32, 48));
    }
  }
  // Each knows the other by an announcement, so their frames still open.
  assert.equal(ingress(right, egress(left, [UNICAST_FRAME])).length, 1);
});

test('a group-sealed frame to a station that we announced is dropped, pairwise it passes', () => {
  const { left, right } = createDrivenPair();
  const claimed = ethernetFrame(0x88b5, filler(100)); // to the fixture's right station
  expectDrop(right, sealAs(left, { plain: claimed, isPairwise: false }), 'group-to-claimed');
  assert.equal(ingress(right, [sealAs(left, { plain: claimed, isPairwise: true })]).length, 1);
  const station = TABLE.stations + right.ownStation * Station.size;
  setFields(right.tables.buffer, Station, station, { flags: STATION_LOCAL }); // claimed a moment ago
  assert.equal(ingress(right, [sealAs(left, { plain: claimed, isPairwise: false })]).length, 1);
});

test('a group-sealed frame to a claimed station is dropped also when it comes in fragments', () => {
  const { left, right } = createDrivenPair();
  const claimed = ethernetFrame(0x88b5, filler(100));
  const pieces = [claimed.slice(0, 60), claimed.slice(60)];
  const [first, second] = pieces.map((piece, index) =>
    sealAs(left, {
      plain: fragment(7, index * 60, claimed.length, piece),
      isPairwise: false,
      kind: KIND_FRAGMENT,
    }),
  ) as [Uint8Array, Uint8Array];
  ingress(right, [first]);
  expectDrop(right, second, 'group-to-claimed');
});

test('a group fragment cannot be put into a pairwise frame', () => {
  const { left, right } = createDrivenPair();
  const frame = ethernetFrame(0x88b5, filler(100));
  const token = TOKEN.right;
  const seal = (isPairwise: boolean, from: number, to: number): Uint8Array => {
    const plain = fragment(7, from, frame.length, frame.slice(from, to));
    return sealAs(left, { plain, isPairwise, kind: KIND_FRAGMENT, token });
  };
  ingress(right, [seal(true, 0, 60)]);
  assert.deepEqual(ingress(right, [seal(false, 60, frame.length)]), []);
  assert.equal(verdict(right, 0), RX_HELD);
  assert.deepEqual(
    ingress(right, [seal(true, 60, frame.length)]).map((write) => write.bytes),
    [frame],
  );
});

test('what was recorded before the announcement is refused, and an unknown sender is told', () => {
  const { left, right } = createDrivenPair();
  const slot = TABLE.rxSenders + right.peerSender * RxSender.size;
  setFields(right.tables.buffer, RxSender, slot, { firstCounter: 2 });
  const [zero, one, two] = egress(left, [UNICAST_FRAME, BROADCAST_FRAME, UNICAST_FRAME]);
  expectDrop(right, zero as Uint8Array, 'frame-before-announcement');
  expectDrop(right, one as Uint8Array, 'frame-before-announcement');
  assert.equal(ingress(right, [two as Uint8Array]).length, 1);
  setFields(right.tables.buffer, RxSender, slot, { state: SLOT_DELETED });
  expectDrop(right, egress(left, [UNICAST_FRAME])[0] as Uint8Array, 'sender-unknown');
  assert.equal(header(right, 'puntCount'), 1);
  assert.equal(verdict(right, 0), RX_DROPPED);
});

test('a counter past a salt is no genuine one', () => {
  const { left, right } = createDrivenPair();
  const beyond = sealAs(left, { plain: UNICAST_FRAME.bytes, isPairwise: true, counter: 2 ** 32 });
  expectDrop(right, beyond, 'frame-forged');
});

test('a key that is not there, or was replaced, opens and seals nothing', () => {
  const { left, right } = createDrivenPair();
  const [frame, next, last] = egress(left, [UNICAST_FRAME, UNICAST_FRAME, UNICAST_FRAME]);
  const slot = TABLE.rxSenders + right.peerSender * RxSender.size;
  setFields(right.tables.buffer, RxSender, slot, { pairKey: NONE });
  expectDrop(right, frame as Uint8Array, 'no-key');
  setFields(right.tables.buffer, RxSender, slot, { pairKey: right.keys.rxPair });
  assert.equal(ingress(right, [next as Uint8Array]).length, 1);
  writeFrameKey(right.tables, right.keys.rxPair, { key: bytesOf('a new key', 32), keySerial: 99 });
  expectDrop(right, last as Uint8Array, 'frame-forged');
  writeFrameKey(left.tables, left.keys.txPair, { state: 0 });
  assert.deepEqual(egress(left, [UNICAST_FRAME]), []);
  assert.deepEqual(drops(left), { 'no-key': 1 });
});

test('a new epoch mask is taken over with the slot', () => {
  const { left, right } = createDrivenPair();
  assert.equal(ingress(right, egress(left, [UNICAST_FRAME])).length, 1);
  for (const node of [left, right]) {
    writeEpoch(node.tables, 0, { version: 2, maskKey: bytesOf('next mask', 32), groupKeys: [0] });
  }
  assert.equal(ingress(right, egress(left, [UNICAST_FRAME])).length, 1);
});

test('a source that is a group address or a station of ours is dropped', () => {
  const { left, right } = createDrivenPair();
  const from = (source: Uint8Array): Uint8Array => ethernetFrame(0x88b5, filler(64), { source });
  expectDrop(right, sealAs(left, { plain: from(BROADCAST), isPairwise: true }), 'source-invalid');
  expectDrop(right, sealAs(left, { plain: from(right.mac), isPairwise: true }), 'source-is-local');
});

/** A frame from a station that `member` holds at the receiver, sent by member 1; and what the receiver has of it. */
function fromStationOf(member: number): { pair: DrivenPair; stationAt: number; plain: Uint8Array } {
  const pair = createDrivenPair();
  const source = Uint8Array.of(2, 5, 5, 5, 5, 5);
  const values = { flags: STATION_REMOTE, member, lastSeenMs: 1 };
  const slot = insertStation(pair.right.tables, 0, source, values);
  setClock(pair.right, START_MS + 700);
  const stationAt = TABLE.stations + slot * Station.size;
  return { pair, stationAt, plain: ethernetFrame(0x88b5, filler(64), { source }) };
}

test('a station that its member sends from stays young', () => {
  const { pair, stationAt, plain } = fromStationOf(1);
  assert.equal(ingress(pair.right, [sealAs(pair.left, { plain, isPairwise: true })]).length, 1);
  assert.equal(getField(pair.right.tables.buffer, Station, stationAt, 'lastSeenMs'), START_MS + 700);
});

test('a frame from a station that another member holds is dropped, pairwise or not, and ages nothing', () => {
  const { pair, stationAt, plain } = fromStationOf(8);
  expectDrop(pair.right, sealAs(pair.left, { plain, isPairwise: true }), 'source-claimed');
  const flooded = Uint8Array.from(plain);
  flooded.set(BROADCAST);
  expectDrop(pair.right, sealAs(pair.left, { plain: flooded, isPairwise: false }), 'source-claimed');
  assert.equal(getField(pair.right.tables.buffer, Station, stationAt, 'lastSeenMs'), 1);
  assert.equal(getField(pair.right.tables.buffer, Station, stationAt, 'member'), 8);
});

test('another member cannot speak for a station in fragments either', () => {
  const { pair, plain } = fromStationOf(8);
  const seal = (from: number, to: number): Uint8Array =>
    sealAs(pair.left, {
      plain: fragment(7, from, plain.length, plain.slice(from, to)),
      isPairwise: true,
      kind: KIND_FRAGMENT,
    });
  assert.deepEqual(ingress(pair.right, [seal(0, 60)]), []);
  expectDrop(pair.right, seal(60, plain.length), 'source-claimed');
});

test('where hosts may move, such a frame is let through, and its station still stays where it was claimed', () => {
  const { pair, stationAt, plain } = fromStationOf(8);
  writeVlan(pair.right.tables, 0, { flags: VLAN_HOSTS_MOVE });
  assert.equal(ingress(pair.right, [sealAs(pair.left, { plain, isPairwise: true })]).length, 1);
  assert.equal(getField(pair.right.tables.buffer, Station, stationAt, 'member'), 8);
  assert.equal(getField(pair.right.tables.buffer, Station, stationAt, 'lastSeenMs'), 1);
});

test('a sealed plaintext shorter than an Ethernet header is dropped', () => {
  const { left, right } = createDrivenPair();
  for (const length of [0, 1, 13]) {
    expectDrop(right, sealAs(left, { plain: filler(length), isPairwise: true }), 'frame-short');
  }
});

test('the checksum flag on a frame without TCP or UDP is refused', () => {
  const { left, right } = createDrivenPair();
  egress(left, [UNICAST_FRAME]);
  const control = controlWord(KIND_FRAME, FLAG_PAIRWISE | 2, INITIAL_HOPS, 0);
  left.arena.bytes.set(UNICAST_FRAME.bytes, ARENA.txBuffer + 48);
  setFields(left.arena.buffer, TxDatagram, ARENA.txDatagrams, { control });
  left.engine.seal(1);
  expectDrop(right, closeAgain(left), 'frame-offload-invalid');
});

test('a lane of another node opens nothing of ours', () => {
  const { left, right } = createDrivenPair();
  setFields(left.tables.buffer, Lane, TABLE.lanes + left.lane * Lane.size, {
    txKeys: bytesOf('other link keys', 128),
    keySerial: 8,
  });
  expectDrop(right, egress(left, [UNICAST_FRAME])[0] as Uint8Array, 'token-unknown');
});

/** Kept apart: what it shows is that both directions of one pair use different keys. */
test('a frame reflected to its sender opens nothing', () => {
  const pair: DrivenPair = createDrivenPair({ equalSenders: true });
  const [datagram] = egress(pair.left, [BROADCAST_FRAME]) as [Uint8Array];
  const reflected = datagram.slice();
  new DataView(reflected.buffer).setUint32(4, (0x1234 << 13) | 5, true); // the left lane's own index
  expectDrop(pair.left, reflected, 'token-unknown');
});
