import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fuzz } from '../../../test/fuzz/trunk-messages.ts';
import { TrunkMessage as TrunkCodec } from './trunk-codec.ts';
import type { Party, TrunkMessage } from './trunk-messages.ts';
import {
  CHANNEL_BODY_MAX_BYTES,
  decodeTrunkMessage,
  encodeTrunkMessage,
  MESSAGE_MAX_BYTES,
} from './trunk-messages.ts';

const bytes = (size: number) => fc.uint8Array({ minLength: size, maxLength: size });
const lanes = fc.uniqueArray(
  fc.record({
    carrier: fc.constantFrom('udp' as const, 'stream' as const),
    lane: fc.nat(15),
    receiverIndex: fc.nat(0xffff_ffff),
  }),
  { maxLength: 32, selector: (offer) => `${offer.carrier}${offer.lane}` },
);
const party: fc.Arbitrary<Party> = fc.record({
  incarnation: bytes(16),
  workers: fc.integer({ min: 1, max: 16 }),
  linkMtuBytes: fc.integer({ min: 1_232, max: 65_535 }),
  features: fc.array(fc.string({ maxLength: 20 }), { maxLength: 4 }),
  roles: fc.array(fc.string({ maxLength: 20 }), { maxLength: 4 }),
  lanes,
  datagramAddresses: fc.array(fc.record({ ip: fc.ipV4(), port: fc.integer({ min: 1, max: 65_535 }) }), {
    maxLength: 8,
  }),
  datagramPort: fc.nat(65_535),
  listenAddresses: fc.array(fc.string({ maxLength: 60 }), { maxLength: 8 }),
});
const generation = fc.integer({ min: 1, max: 0xffff_ffff });
const message: fc.Arbitrary<TrunkMessage> = fc.oneof(
  fc.record({
    kind: fc.constant('hello' as const),
    session: bytes(16),
    generation,
    x25519PublicKey: bytes(32),
    mlKemPublicKey: bytes(1_184),
    party,
    rekey: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('hello-reply' as const),
    version: fc.constant(1),
    session: bytes(16),
    generation,
    x25519PublicKey: bytes(32),
    mlKemCiphertext: bytes(1_088),
    party,
  }),
  fc.record({ kind: fc.constant('meet' as const), tags: fc.array(bytes(16), { maxLength: 256 }) }),
  fc.record({ kind: fc.constant('rekey-request' as const), lanes }),
  fc.record({
    kind: fc.constant('body' as const),
    channel: fc.constantFrom('routes' as const, 'tree' as const, 'trace' as const),
    body: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  }),
  fc.record({
    kind: fc.constant('candidates' as const),
    isAnswer: fc.boolean(),
    lanes: fc.uniqueArray(
      fc.record({
        lane: fc.nat(15),
        addresses: fc.array(fc.record({ ip: fc.ipV4(), port: fc.integer({ min: 1, max: 65_535 }) }), {
          maxLength: 8,
        }),
      }),
      { maxLength: 16, selector: ({ lane }) => lane },
    ),
    paddingBytes: fc.nat(2_000),
  }),
  fc.record({
    kind: fc.constant('bye' as const),
    code: fc.constantFrom('going-away' as const, 'malformed-message' as const),
    detail: fc.constant('a sentence'),
  }),
);

test('what is encoded is decoded to the same message', () => {
  fc.assert(
    fc.property(message, (sent) => {
      const result = decodeTrunkMessage(encodeTrunkMessage(sent));
      assert.ok(result.ok, result.ok ? '' : result.detail);
      // fast-check makes objects without a prototype; a clone has one.
      assert.deepEqual(result.message, structuredClone(sent));
    }),
    { numRuns: 200 },
  );
});

test('random bytes, truncated and bit-flipped messages never throw', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (input) => fuzz(input)));
  fc.assert(
    fc.property(message, fc.nat(), fc.nat(7), (sent, position, bit) => {
      const encoded = encodeTrunkMessage(sent);
      fuzz(encoded.subarray(0, position % (encoded.length + 1)));
      const at = position % Math.max(encoded.length, 1);
      encoded[at] = (encoded[at] ?? 0) ^ (1 << bit);
      fuzz(encoded);
    }),
  );
});

test('deeply nested unknown groups are refused, not followed to the end of the stack', () => {
  assert.equal(decodeTrunkMessage(new Uint8Array(MESSAGE_MAX_BYTES).fill(0x5b)).ok, false);
});

test('an oversized message is refused before it is parsed', () => {
  assert.equal(decodeTrunkMessage(new Uint8Array(MESSAGE_MAX_BYTES + 1)).ok, false);
});

test('the largest token announcement fits a message', () => {
  const body = new Uint8Array(CHANNEL_BODY_MAX_BYTES);
  const encoded = encodeTrunkMessage({ kind: 'body', channel: 'routes', body });
  assert.ok(encoded.length <= MESSAGE_MAX_BYTES);
  const result = decodeTrunkMessage(encoded);
  assert.ok(result.ok && result.message.kind === 'body' && result.message.body.length === body.length);
});

test('an unknown field is skipped', () => {
  const encoded = encodeTrunkMessage({ kind: 'meet', tags: [] });
  const result = decodeTrunkMessage(Uint8Array.from([...encoded, 0x7a, 2, 1, 2, 0x80, 0x01, 5]));
  assert.ok(result.ok);
  assert.equal(result.message.kind, 'meet');
});

test('a Hello without a common version is told apart from garbage, whatever else it holds', () => {
  const encoded = TrunkCodec.encode({ hello: { minVersion: 2, maxVersion: 7 } as never });
  const result = decodeTrunkMessage(encoded);
  assert.ok(!result.ok);
  assert.equal(result.code, 'version-mismatch');
  assert.match(result.detail, /2 to 7/);
});

test('keys and sessions of a wrong size, lanes twice and empty messages are malformed', () => {
  const cases = [
    TrunkCodec.encode({}),
    TrunkCodec.encode({ hello: { minVersion: 1, maxVersion: 1, session: new Uint8Array(15) } as never }),
    TrunkCodec.encode({
      rekeyRequest: {
        lanes: [
          { carrier: 1, lane: 1, receiverIndex: 1 },
          { carrier: 1, lane: 1, receiverIndex: 2 },
        ],
      },
    }),
    TrunkCodec.encode({ rekeyRequest: { lanes: [{ carrier: 1, lane: 16, receiverIndex: 1 }] } }),
    TrunkCodec.encode({ meet: { tags: [new Uint8Array(15)] } }),
    TrunkCodec.encode({ routes: { body: new Uint8Array(0) } }),
    TrunkCodec.encode({ routes: { body: new Uint8Array(CHANNEL_BODY_MAX_BYTES + 1) } }),
  ];
  for (const encoded of cases) {
    const result = decodeTrunkMessage(encoded);
    assert.ok(!result.ok);
    assert.equal(result.code, 'malformed-message');
  }
});

test("a peer's Bye cannot write control characters into our log", () => {
  const encoded = TrunkCodec.encode({
    bye: { code: 'no such code', detail: 'a\u001b[2J\nb', minVersion: 1, maxVersion: 1 },
  });
  const result = decodeTrunkMessage(encoded);
  assert.ok(result.ok && result.message.kind === 'bye');
  assert.equal(result.message.code, 'rejected');
  assert.equal(result.message.detail, 'a?[2J?b');
});

test('candidates beyond their limits are refused', () => {
  const address = { ip: '192.0.2.1', port: 53 };
  const refused = (lanes: { lane: number; addresses: { ip: string; port: number }[] }[]): boolean =>
    !decodeTrunkMessage(encodeTrunkMessage({ kind: 'candidates', isAnswer: false, lanes, paddingBytes: 0 }))
      .ok;
  assert.ok(!refused([{ lane: 15, addresses: Array<typeof address>(8).fill(address) }]));
  assert.ok(refused([{ lane: 0, addresses: Array<typeof address>(9).fill(address) }]));
  assert.ok(refused([{ lane: 16, addresses: [] }]));
  assert.ok(refused([{ lane: 0, addresses: [{ ...address, port: 0 }] }]));
  assert.ok(refused([0, 0].map((lane) => ({ lane, addresses: [] }))));
  assert.ok(refused(Array.from({ length: 17 }, (_, lane) => ({ lane, addresses: [] }))));
  const oddIp = TrunkCodec.encode({
    candidates: {
      isAnswer: false,
      lanes: [{ lane: 0, addresses: [{ ip: new Uint8Array(5), port: 53 }] }],
      padding: new Uint8Array(),
    },
  });
  assert.equal(decodeTrunkMessage(oddIp).ok, false);
});
