import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fuzz } from '../../test/fuzz/stream-framing.ts';
import { CARRIER_BATCH_BYTES, CarrierReader, CarrierWriter } from './carrier-framing.ts';
import { frameMessage, MessageReader } from './message-framing.ts';

const datagram = fc.uint8Array({ minLength: 64, maxLength: 400 });

function inPieces(bytes: Uint8Array, pieceBytes: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / pieceBytes) }, (_, index) =>
    bytes.subarray(index * pieceBytes, (index + 1) * pieceBytes),
  );
}

test('messages come out as they went in, however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }),
      fc.integer({ min: 1, max: 400 }),
      (messages, pieceBytes) => {
        const reader = new MessageReader(65_536);
        const received: Uint8Array[] = [];
        for (const piece of inPieces(Buffer.concat(messages.map(frameMessage)), pieceBytes)) {
          assert.ok(reader.push(piece, (message) => received.push(message)));
        }
        assert.deepEqual(received, messages);
      },
    ),
  );
});

test('a message of 64 KiB passes, an announced byte more fails at once', () => {
  const largest = new Uint8Array(65_536).fill(7);
  const received: number[] = [];
  assert.ok(
    new MessageReader(65_536).push(frameMessage(largest), (message) => received.push(message.length)),
  );
  assert.deepEqual(received, [65_536]);
  assert.equal(
    new MessageReader(65_536).push(Uint8Array.of(0x81, 0x80, 0x04), () => undefined),
    false,
  );
});

test('a prefix that does not end fails', () => {
  assert.equal(
    new MessageReader(65_536).push(new Uint8Array(9).fill(0xff), () => undefined),
    false,
  );
});

test('datagrams come out as they went in, however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(datagram, { maxLength: 20 }),
      fc.integer({ min: 1, max: 900 }),
      (datagrams, pieceBytes) => {
        const writer = new CarrierWriter(1 << 20);
        for (const sent of datagrams) {
          assert.ok(writer.push(sent, 0, sent.length));
        }
        const reader = new CarrierReader();
        const received: Uint8Array[] = [];
        for (let batch = writer.take(); batch !== undefined; batch = writer.take()) {
          for (const piece of inPieces(batch, pieceBytes)) {
            assert.ok(
              reader.push(piece, (bytes, offset, length) =>
                received.push(bytes.slice(offset, offset + length)),
              ),
            );
          }
        }
        assert.deepEqual(received, datagrams);
      },
    ),
  );
});

test('batches are at most 64 KiB, and a full queue drops instead of growing', () => {
  const writer = new CarrierWriter(200_000);
  const bytes = new Uint8Array(1_472);
  let accepted = 0;
  while (writer.push(bytes, 0, bytes.length)) {
    accepted += 1;
  }
  assert.equal(accepted, Math.floor(200_000 / 1_474));
  let taken = 0;
  for (let batch = writer.take(); batch !== undefined; batch = writer.take()) {
    assert.ok(batch.length <= CARRIER_BATCH_BYTES);
    taken += batch.length;
  }
  assert.equal(taken, accepted * 1_474);
  assert.ok(writer.push(bytes, 0, bytes.length));
});

test('the largest datagram passes and one shorter than a header breaks the framing', () => {
  const writer = new CarrierWriter(1 << 20);
  assert.ok(writer.push(new Uint8Array(0xffff), 0, 0xffff));
  const lengths: number[] = [];
  assert.ok(
    new CarrierReader().push(writer.take() ?? new Uint8Array(), (_bytes, _offset, length) =>
      lengths.push(length),
    ),
  );
  assert.deepEqual(lengths, [0xffff]);
  assert.equal(
    new CarrierReader().push(Uint8Array.of(63, 0, 1), () => undefined),
    false,
  );
  assert.equal(
    new CarrierReader().push(Uint8Array.of(63), () => undefined),
    true,
  );
});

test('random bytes never throw', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => fuzz(bytes)));
});
