import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hash128 } from '../vlan/hash.ts';
import { rootName } from './root-claim.ts';
import {
  decodeTreeMessage,
  encodeTreeMessage,
  type TreeAnnounce,
  type TreeMessage,
  treeSegmentKeyOf,
  treeSegmentOf,
} from './tree-message.ts';

const SEGMENT_KEY = new Uint8Array(32).fill(7);
const SEGMENT_ID = hash128(SEGMENT_KEY);
const ROOT_BYTES = new Uint8Array(17).fill(3);

function announce(isWhole: boolean): TreeAnnounce {
  const claim = {
    segmentKey: SEGMENT_KEY,
    rootBytes: ROOT_BYTES,
    sequence: 2 ** 41 + 5,
    expiresAtUnixMs: 2 ** 41 + 600_000,
    signature: new Uint8Array(64).fill(9),
  };
  return {
    kind: 'announce',
    number: 2 ** 41 + 1,
    heard: 2 ** 41 + 2,
    port: 'accept',
    joinNumber: 0xfedcba98,
    isFresh: true,
    told: {
      root: rootName(ROOT_BYTES),
      rootBytes: ROOT_BYTES,
      sequence: claim.sequence,
      distance: 0xffff_fffe,
      hops: 31,
      claim: isWhole ? claim : undefined,
    },
  };
}

const MESSAGES: readonly [name: string, message: TreeMessage, sizeBytes: number][] = [
  ['an announcement with its claim', announce(true), 164],
  ['an announcement that refers to a claim', announce(false), 62],
  ['an announcement of no way', { ...announce(false), port: 'nothing', isFresh: false, told: undefined }, 34],
  [
    'a request',
    { kind: 'request', root: rootName(ROOT_BYTES), rootBytes: ROOT_BYTES, sequence: 2 ** 47 },
    40,
  ],
  ['a goodbye', { kind: 'goodbye' }, 17],
];

for (const [name, message, sizeBytes] of MESSAGES) {
  test(`${name} is read as it was written, and nothing shorter or longer is`, () => {
    const bytes = encodeTreeMessage(SEGMENT_ID, message);
    assert.equal(bytes.length, sizeBytes);
    assert.deepEqual(decodeTreeMessage(bytes), message);
    assert.deepEqual(treeSegmentOf(bytes), SEGMENT_ID);
    for (let size = 0; size < bytes.length; size++) {
      assert.equal(decodeTreeMessage(bytes.subarray(0, size)), undefined, `${size} bytes`);
    }
    assert.equal(decodeTreeMessage(Uint8Array.of(...bytes, 0)), undefined);
  });
}

test('any bytes are a message that is written as it was read, or none', () => {
  const typed = fc.tuple(fc.integer({ min: 0, max: 4 }), fc.uint8Array({ maxLength: 200 }));
  fc.assert(
    fc.property(typed, ([type, rest]) => {
      const bytes = Uint8Array.of(type, ...rest);
      const message = decodeTreeMessage(bytes);
      treeSegmentKeyOf(bytes);
      if (message !== undefined) {
        assert.deepEqual(encodeTreeMessage(bytes.slice(1, 17), message), bytes);
      }
    }),
    { numRuns: 3_000 },
  );
});

test('a segment key is taken from a claim only when the segment id is its hash', () => {
  const whole = encodeTreeMessage(SEGMENT_ID, announce(true));
  assert.deepEqual(treeSegmentKeyOf(whole), SEGMENT_KEY);
  assert.equal(treeSegmentKeyOf(encodeTreeMessage(SEGMENT_ID, announce(false))), undefined);
  const other = encodeTreeMessage(hash128(ROOT_BYTES), announce(true));
  assert.equal(treeSegmentKeyOf(other), undefined);
});

test('flags that nobody knows, or a claim without a root, are no message', () => {
  const bytes = encodeTreeMessage(SEGMENT_ID, announce(true));
  for (const flags of [0x20, 0x80, 0x10]) {
    const bad = bytes.slice();
    bad[17] = flags;
    assert.equal(decodeTreeMessage(bad), undefined, flags.toString(16));
  }
});
