/** Behaviour of the exchange's messages: what was written is read, and nothing else is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeExchange, encodeExchange, OBJECT_MAX_BYTES, PART_BYTES } from './exchange-message.ts';

const digests = fc.uint8Array({ minLength: 16, maxLength: 16 });

test('every message comes back as it was', () => {
  const payloads = fc.record({
    type: fc.constantFrom('gossip', 'admission', 'record', 'presence'),
    bytes: fc.uint8Array({ maxLength: 200 }),
  });
  const asks = fc.record({ type: fc.constant('object-ask' as const), digest: digests, offset: fc.nat() });
  const parts = fc.record({
    type: fc.constant('object-part' as const),
    digest: digests,
    total: fc.integer({ min: 300, max: OBJECT_MAX_BYTES }),
    offset: fc.nat(100),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 200 }),
  });
  const nones = fc.record({ type: fc.constant('object-none' as const), digest: digests });
  fc.assert(
    fc.property(fc.oneof(payloads, asks, parts, nones), (message) => {
      assert.deepEqual(decodeExchange(encodeExchange(message)), { ...message });
    }),
  );
});

test('a part beyond its object, an object beyond the limit and an empty part are refused', () => {
  const part = { type: 'object-part' as const, digest: new Uint8Array(16), bytes: new Uint8Array(8) };
  assert.equal(decodeExchange(encodeExchange({ ...part, total: 10, offset: 3 })), undefined);
  assert.equal(
    decodeExchange(encodeExchange({ ...part, total: OBJECT_MAX_BYTES + 1, offset: 0 })),
    undefined,
  );
  assert.equal(
    decodeExchange(encodeExchange({ ...part, total: 10, offset: 0, bytes: new Uint8Array(0) })),
    undefined,
  );
  const large = encodeExchange({ ...part, total: 10 ** 6, offset: 0, bytes: new Uint8Array(PART_BYTES + 1) });
  assert.equal(decodeExchange(large), undefined);
});

test('no bytes make the decoder throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      decodeExchange(bytes);
    }),
  );
  assert.equal(decodeExchange(new Uint8Array(0)), undefined);
});
