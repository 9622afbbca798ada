/** Frames through all stages of one node and all of the other: what one TAP gives is what the other gets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createPair } from '../../test/harness/dataplane-fixture.ts';
import {
  createDrivenPair,
  drops,
  egress,
  header,
  ingress,
  withTypescript,
} from '../../test/harness/engine-driver.ts';
import { moveUnicastAhead } from '../../test/harness/epoch-fixture.ts';
import { ethernetFrame, filler, udpFrame } from '../../test/harness/frame-builder.ts';
import { getField, writeEpoch } from '../../test/harness/table-writer.ts';
import { COUNTER } from '../base/counter.ts';
import { createNodeCrypto } from '../crypto/node-crypto.ts';
import { CIPHER_AES_256_GCM, CIPHER_CHACHA20_POLY1305, Salt, TxDatagram } from '../shm/layout.ts';
import { ARENA, COUNTER_BASE, TABLE } from '../shm/memory-map.ts';

const BROADCAST = new Uint8Array(6).fill(0xff);
const PLAIN_VIRTIO = new Uint8Array(10);

test('frames of every kind pass, unicast and broadcast, under both ciphers', () => {
  for (const cipher of [CIPHER_AES_256_GCM, CIPHER_CHACHA20_POLY1305]) {
    const { left, right } = createDrivenPair({ cipher });
    const frames = [
      ethernetFrame(0x88b5, new Uint8Array(0)), // a header alone
      ethernetFrame(0x88b5, filler(46)),
      ethernetFrame(0x0806, filler(28), { destination: BROADCAST }),
      ethernetFrame(0x86dd, filler(40), { destination: Uint8Array.of(0x33, 0x33, 0, 0, 0, 1) }),
      udpFrame({ payload: filler(600), tags: [0x2064] }).bytes,
      udpFrame({ ipVersion: 6, payload: filler(600), tags: [0x0064, 0x00c8] }).bytes,
    ];
    const datagrams = egress(
      left,
      frames.map((bytes) => ({ bytes })),
    );
    const written = ingress(right, datagrams);
    assert.deepEqual(
      written.map((write) => write.bytes),
      frames,
    );
    for (const write of written) assert.deepEqual(write.virtio, PLAIN_VIRTIO);
    assert.deepEqual(drops(left), {});
    assert.deepEqual(drops(right), {});
  }
});

test('a frame of the full MTU and a jumbo one pass a small path in fragments', () => {
  const { left, right } = createDrivenPair({ tapMtuBytes: 9000, datagramMtuBytes: 1280 });
  for (const bytes of [ethernetFrame(0x88b5, filler(1500)), udpFrame({ payload: filler(8972) }).bytes]) {
    const datagrams = egress(left, [{ bytes }]);
    assert.ok(datagrams.length > 1);
    for (const datagram of datagrams) assert.ok(datagram.length <= 1280);
    assert.deepEqual(
      ingress(right, datagrams).map((write) => write.bytes),
      [bytes],
    );
  }
  assert.equal(right.arena.counters[COUNTER_BASE + COUNTER.framesReassembled], 2);
});

test('a frame shorter than an Ethernet header, or longer than the MTU and two tags, is dropped and counted', () => {
  const { left } = createDrivenPair();
  const short = Array.from({ length: 13 }, (_, length) => ({ bytes: filler(length + 1) }));
  assert.deepEqual(egress(left, short), []);
  assert.deepEqual(egress(left, [{ bytes: ethernetFrame(0x88b5, filler(1509)) }]), []);
  assert.deepEqual(drops(left), { 'frame-short': 13, 'frame-oversize': 1 });
});

test('any frame comes out as it went in, whatever its bytes', () => {
  const { left, right } = createDrivenPair({ datagramMtuBytes: 700 });
  const unicast = Uint8Array.of(2, 0, 0, 0, 0, 2);
  const bytes = fc
    .tuple(fc.constantFrom(BROADCAST, unicast), fc.nat(0xffff), fc.uint8Array({ maxLength: 1500 }))
    .map(([destination, type, payload]) => ethernetFrame(type, payload, { destination }));
  fc.assert(
    fc.property(fc.array(bytes, { minLength: 1, maxLength: 8 }), (frames) => {
      const written = ingress(
        right,
        egress(
          left,
          frames.map((frame) => ({ bytes: frame })),
        ),
      );
      assert.deepEqual(
        written.map((write) => write.bytes),
        frames,
      );
    }),
    { numRuns: 100 },
  );
});

test('no counter of a salt is drawn twice, and an exhausted salt seals nothing', () => {
  const { left, right } = createDrivenPair();
  const counterAt = (TABLE.salts + Salt.at.counter) >> 2;
  const frame = { bytes: ethernetFrame(0x88b5, filler(100)) };
  egress(left, [frame, frame, frame]);
  assert.equal(left.tables.u32[counterAt], 3);
  left.tables.u32[counterAt] = 0xffff_fffe;
  assert.equal(ingress(right, egress(left, [frame])).length, 1);
  assert.deepEqual(egress(left, [frame]), []);
  assert.deepEqual(drops(left), { 'salt-exhausted': 1 });
});

test('a station that nobody announced is told to the main thread once a batch', () => {
  const { left } = createDrivenPair();
  const from = (last: number): { bytes: Uint8Array } => ({
    bytes: ethernetFrame(0x88b5, filler(50), { source: Uint8Array.of(2, 9, 9, 9, 9, last) }),
  });
  assert.equal(egress(left, [from(1), from(2), from(1)]).length, 3);
  assert.equal(header(left, 'seenCount'), 2);
  egress(left, [{ bytes: ethernetFrame(0x88b5, filler(50)) }]); // the fixture's own station
  assert.equal(header(left, 'seenCount'), 0);
});

test('the fallback cryptography makes the same datagrams, and opens them', () => {
  const { left } = createDrivenPair();
  const plain = createPair();
  const sender = withTypescript(plain.left, createNodeCrypto(plain.left.tables, plain.left.arena));
  const receiver = withTypescript(plain.right, createNodeCrypto(plain.right.tables, plain.right.arena));
  const frames = [60, 1000, 1500].map((length) => ({ bytes: ethernetFrame(0x88b5, filler(length)) }));
  const datagrams = egress(sender, frames);
  assert.deepEqual(datagrams, egress(left, frames));
  const written = ingress(receiver, datagrams);
  assert.deepEqual(
    written.map((write) => write.bytes),
    frames.map((frame) => frame.bytes),
  );
  assert.deepEqual(ingress(receiver, datagrams), [], 'replays');
});

test('unicast to a member that is ahead goes under its epoch and cipher, floods under the one before', () => {
  const pair = createDrivenPair();
  moveUnicastAhead(pair);
  const unicast = ethernetFrame(0x88b5, filler(100));
  const flooded = ethernetFrame(0x88b5, filler(100), { destination: new Uint8Array(6).fill(0xff) });
  const sent = egress(pair.left, [{ bytes: unicast }, { bytes: flooded }]);
  const epochs = [0, 1].map((index) =>
    getField(pair.left.arena.buffer, TxDatagram, ARENA.txDatagrams + index * TxDatagram.size, 'epoch'),
  );

  assert.deepEqual(epochs, [1, 0]);
  assert.deepEqual(
    ingress(pair.right, sent).map(({ bytes }) => bytes),
    [unicast, flooded],
  );
  assert.deepEqual(drops(pair.right), {});
});

test('a member whose epoch is gone is not reached under another: the frame is dropped', () => {
  const pair = createDrivenPair();
  moveUnicastAhead(pair);
  writeEpoch(pair.left.tables, 1, { state: 0 });
  assert.deepEqual(egress(pair.left, [{ bytes: ethernetFrame(0x88b5, filler(100)) }]), []);
  assert.deepEqual(drops(pair.left), { 'no-key': 1 });
});
