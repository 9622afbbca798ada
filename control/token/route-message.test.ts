/** Token announcements as bytes: what is encoded comes back, and nothing else passes for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { deriveEpochKeys } from '../vlan/epoch-keys.ts';
import { createRoutePorts } from './node-ports.ts';
import {
  decodeRouteMessage,
  encodeAnnounce,
  encodePaths,
  encodePull,
  NONCE_BYTES,
  PATH_MTU_ANY,
  PATH_MTU_LEAST,
  PATHS_MAX,
  PULL_NONCES_MAX,
  ROUTES_MAX,
  type RoutePath,
  type RouteSet,
  withHead,
} from './route-message.ts';

const { segment } = deriveEpochKeys(new Uint8Array(32).fill(9));
const ports = createRoutePorts();
const sign = (bytes: Uint8Array): Uint8Array => ports.sign(segment.seed, bytes);
const route = (index: number): Uint8Array => new Uint8Array(16).fill(index);

function setOf(change: Partial<RouteSet> = {}): RouteSet {
  return {
    segmentKey: segment.publicKey,
    nonce: new Uint8Array(NONCE_BYTES).fill(3),
    sequence: 7,
    base: 6,
    expiresAtUnixMs: 1_800_000_000_000,
    added: [route(1), route(2)],
    withdrawn: [route(3)],
    ...change,
  };
}

test('an announcement comes back as it was, names its segment by the hash of its key, and is signed', () => {
  const limit = 2 ** 48 - 1;
  fc.assert(
    fc.property(
      fc.tuple(fc.integer({ min: 1, max: limit }), fc.integer({ min: 0, max: limit })),
      fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 40 })),
      ([sequence, expiresAtUnixMs], [added, withdrawn]) => {
        const set = setOf({
          sequence,
          base: sequence - 1,
          expiresAtUnixMs,
          added: Array.from({ length: added }, (_, index) => route(index)),
          withdrawn: Array.from({ length: withdrawn }, (_, index) => route(100 + index)),
        });
        const message = decodeRouteMessage(encodeAnnounce(set, sign));

        assert.equal(message?.kind, 'announce');
        const { kind, segmentId, pathMtuBytes, hops, signed, signature, ...rest } = message;
        assert.deepEqual({ kind, ...rest }, { kind: 'announce', ...set });
        assert.deepEqual(segmentId, segment.id);
        assert.deepEqual({ pathMtuBytes, hops }, { pathMtuBytes: PATH_MTU_ANY, hops: 0 });
        assert.ok(ports.verify(segment.publicKey, signed, signature));
      },
    ),
    { numRuns: 50 },
  );
});

test('each bit but those of the path is signed or makes it no message', () => {
  const bytes = withHead(encodeAnnounce(setOf(), sign), { pathMtuBytes: 0b111_1111_1111_1111, hops: 3 });
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const altered = Uint8Array.from(bytes);
    altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const message = decodeRouteMessage(altered);
    const isOfPath = bit >= 8 && bit < 32;
    const isGenuine =
      message?.kind === 'announce' &&
      Buffer.compare(message.segmentId, segment.id) === 0 &&
      ports.verify(message.segmentKey, message.signed, message.signature);
    assert.equal(isGenuine, isOfPath, `bit ${bit}`);
  }
});

test('what is passed on differs in its head only', () => {
  const bytes = encodeAnnounce(setOf(), sign);
  const head = { pathMtuBytes: 1_412, hops: 3 };
  const passed = withHead(bytes, head);
  assert.deepEqual(decodeRouteMessage(passed), { ...decodeRouteMessage(bytes), ...head });
  const least = withHead(bytes, { ...head, pathMtuBytes: PATH_MTU_LEAST });
  assert.notEqual(decodeRouteMessage(least), undefined);
  const less = withHead(bytes, { ...head, pathMtuBytes: PATH_MTU_LEAST - 1 });
  assert.equal(decodeRouteMessage(less), undefined);
});

test('pulls and lists of paths come back, the longest too; others are no messages', () => {
  const nonces = (count: number): Uint8Array[] => Array.from({ length: count }, (_, index) => route(index));
  for (const count of [0, 1, PULL_NONCES_MAX]) {
    const pull = { kind: 'pull', segmentId: segment.id, nonces: nonces(count) };
    assert.deepEqual(decodeRouteMessage(encodePull(segment.id, nonces(count))), pull);
  }
  const path = (nonce: Uint8Array): RoutePath => ({ nonce, sequence: 2 ** 47 + 1, pathMtuBytes: 0, hops: 7 });
  for (const [count, isWhole] of [
    [0, true],
    [2, false],
    [PATHS_MAX, true],
  ] as const) {
    const paths = nonces(count).map(path);
    const bytes = encodePaths(segment.id, paths, isWhole);
    assert.ok(bytes.length <= 65_000);
    assert.deepEqual(decodeRouteMessage(bytes), { kind: 'paths', segmentId: segment.id, isWhole, paths });
    for (let length = 18; length < Math.min(bytes.length, 40); length++) {
      const isCut = (length - 18) % 25 !== 0;
      assert.equal(decodeRouteMessage(bytes.subarray(0, length)) === undefined, isCut, `${length} bytes`);
    }
  }
  assert.equal(decodeRouteMessage(encodePull(segment.id, nonces(PULL_NONCES_MAX + 1))), undefined);
  assert.equal(decodeRouteMessage(encodePaths(segment.id, nonces(PATHS_MAX + 1).map(path), true)), undefined);
  const small = { ...path(route(1)), pathMtuBytes: PATH_MTU_LEAST - 1 };
  assert.equal(decodeRouteMessage(encodePaths(segment.id, [small], true)), undefined);
  const odd = encodePaths(segment.id, [], true);
  odd[17] = 2;
  assert.equal(decodeRouteMessage(odd), undefined);
});

test('what is too short, too long, or not in order is no message', () => {
  const bytes = encodeAnnounce(setOf(), sign);
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(decodeRouteMessage(bytes.subarray(0, length)), undefined);
  }
  assert.equal(decodeRouteMessage(Buffer.concat([bytes, Buffer.of(0)])), undefined);
  assert.equal(decodeRouteMessage(encodeAnnounce(setOf({ base: 7 }), sign)), undefined);
  assert.equal(decodeRouteMessage(encodeAnnounce(setOf({ base: 8 }), sign)), undefined);
  assert.equal(decodeRouteMessage(Buffer.concat([encodePull(segment.id, []), Buffer.of(0)])), undefined);
});

test('the largest set fits a message of the trunk stream, and a larger one is none', () => {
  const routes = (count: number): Uint8Array[] => Array.from({ length: count }, (_, index) => route(index));
  const largest = encodeAnnounce(setOf({ added: routes(ROUTES_MAX), withdrawn: [] }), sign);
  assert.ok(largest.length <= 65_000, `${largest.length} bytes`);
  assert.equal(decodeRouteMessage(largest)?.kind, 'announce');
  const larger = encodeAnnounce(setOf({ added: routes(ROUTES_MAX), withdrawn: routes(1) }), sign);
  assert.equal(decodeRouteMessage(larger), undefined);
});

test('any bytes are taken', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.constantFrom(0, 1, 2, 3, 4), (bytes, type) => {
      bytes[0] = type;
      const message = decodeRouteMessage(bytes);
      assert.ok(message?.kind !== 'announce' || message.added.length <= ROUTES_MAX);
    }),
  );
});
