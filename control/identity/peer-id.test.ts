/** Behaviour of the PeerId's forms: each leads back to the key, and nothing else is taken for one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { peerIdFromString } from '@libp2p/peer-id';
import fc from 'fast-check';
import { formatPeerId, peerIdBytes, publicKeyOfPeerId, publicKeyOfPeerIdBytes } from './peer-id.ts';

const keys = fc.uint8Array({ minLength: 32, maxLength: 32 });

test('text and bytes lead back to the key, as libp2p reads them', () => {
  fc.assert(
    fc.property(keys, (key) => {
      const text = formatPeerId(key);
      assert.deepEqual(publicKeyOfPeerId(text), key);
      assert.deepEqual(publicKeyOfPeerIdBytes(peerIdBytes(key)), key);
      assert.deepEqual(Uint8Array.from(peerIdFromString(text).toMultihash().bytes), peerIdBytes(key));
    }),
  );
});

test('a text that is no Ed25519 PeerId is refused, whatever it is', () => {
  const text = formatPeerId(new Uint8Array(32).fill(7));
  for (const wrong of ['', text.slice(1), `${text}1`, text.replace('D', '0'), `2${text.slice(1)}`]) {
    assert.equal(publicKeyOfPeerId(wrong), undefined, wrong);
  }
  fc.assert(
    fc.property(fc.string({ maxLength: 60 }), (any) => {
      assert.equal(publicKeyOfPeerId(any), undefined);
    }),
  );
});
