/** Behaviour of the directory's messages: each comes back as it was written, and any other bytes are none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  DIRECTORY_LIMIT,
  type DirectoryMessage,
  decodeDirectoryMessage,
  encodeDirectoryMessage,
} from './directory-message.ts';

const key = fc.uint8Array({ minLength: 16, maxLength: 16 });
const plain = { noNullPrototype: true } as const;
const given = {
  ageSeconds: fc.integer({ min: 0, max: 0xffffff }),
  envelope: fc.uint8Array({ minLength: 1, maxLength: 60 }),
};
const message: fc.Arbitrary<DirectoryMessage> = fc.oneof(
  fc.record({ type: fc.constantFrom('ask' as const, 'none' as const), key }, plain),
  fc.record({ type: fc.constant('give' as const), ...given }, plain),
  fc.record({ type: fc.constant('list' as const), after: key }, plain),
  fc.record(
    {
      type: fc.constant('page' as const),
      hasMore: fc.boolean(),
      records: fc.array(fc.record(given, plain), { maxLength: DIRECTORY_LIMIT.pageRecords }),
    },
    plain,
  ),
  fc.record({ type: fc.constant('news' as const), key, sequence: fc.nat(Number.MAX_SAFE_INTEGER) }, plain),
);

test('a message comes back as it was written; cut or longer it is none', () => {
  fc.assert(
    fc.property(message, (sent) => {
      const bytes = encodeDirectoryMessage(sent);
      assert.deepEqual(decodeDirectoryMessage(bytes), sent);
      assert.equal(decodeDirectoryMessage(bytes.subarray(0, -1)), undefined);
      assert.equal(decodeDirectoryMessage(Uint8Array.of(...bytes, 0)), undefined);
    }),
  );
});

test('random bytes never throw', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 8 }), fc.uint8Array({ maxLength: 200 }), (type, bytes) => {
      decodeDirectoryMessage(Uint8Array.of(type, ...bytes));
    }),
  );
  assert.equal(decodeDirectoryMessage(new Uint8Array(DIRECTORY_LIMIT.messageBytes + 1)), undefined);
});
