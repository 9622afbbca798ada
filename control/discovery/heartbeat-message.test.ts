/** Behaviour of heartbeat messages. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readHeartbeat, writeHeartbeat } from './heartbeat-message.ts';

test('a message comes back as it was, and nothing else is one', () => {
  const nonce = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  for (const kind of ['question', 'answer'] as const) {
    const bytes = writeHeartbeat({ kind, load: 200, nonce });
    assert.equal(bytes.length, 10);
    assert.deepEqual(readHeartbeat(bytes), { kind, load: 200, nonce });
    assert.equal(readHeartbeat(bytes.subarray(1)), undefined);
    assert.equal(readHeartbeat(Uint8Array.from([3, ...bytes.subarray(1)])), undefined);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
      readHeartbeat(bytes);
    }),
  );
});
