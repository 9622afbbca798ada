/** Behaviour of presences: what was said is heard, and nothing else is believed. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatPeerId } from '../identity/peer-id.ts';
import { verifySignature } from '../membership/node-ports.ts';
import { rawPublicKey } from '../vlan/raw-keys.ts';
import {
  isSignedPresence,
  openPresences,
  PRESENCES_PER_MESSAGE_MAX,
  type Presence,
  presenceKeyOf,
  readPresence,
  sealPresences,
  signPresence,
} from './presence.ts';

const VLAN = new Uint8Array(16).fill(1);
const OTHER_VLAN = new Uint8Array(16).fill(2);
const NONCE = new Uint8Array(12).fill(3);
const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const PRESENCE: Presence = {
  peer: formatPeerId(rawPublicKey(publicKey)),
  sequence: 1_795_000_000_000,
  roles: 1,
  load: 17,
  addresses: ['/ip4/192.0.2.1/tcp/7946', '/ip6/2001:db8::1/udp/7946/quic-v1'],
  segments: [new Uint8Array(16).fill(9)],
};

function signedBytes(presence: Presence = PRESENCE, vlan = VLAN): Uint8Array {
  return signPresence(presence, vlan, (bytes) => new Uint8Array(sign(null, bytes, privateKey))).bytes;
}

test('a presence comes back as it was said, with its signature', () => {
  const read = readPresence(signedBytes());
  assert.ok(read);
  assert.deepEqual(read.presence, PRESENCE);
  assert.ok(isSignedPresence(read, VLAN, verifySignature));
});

test('it holds in its own VLAN only, and not with one bit changed', () => {
  const read = readPresence(signedBytes());
  assert.ok(read);
  assert.equal(isSignedPresence(read, OTHER_VLAN, verifySignature), false);
  const bytes = signedBytes();
  for (let at = 1; at < bytes.length; at++) {
    const changed = bytes.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    const other = readPresence(changed);
    assert.ok(other === undefined || !isSignedPresence(other, VLAN, verifySignature), `byte ${at}`);
  }
});

test('every part of a presence, and more than one, are no presence', () => {
  const bytes = signedBytes();
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(readPresence(bytes.subarray(0, length)), undefined, `${length} bytes`);
  }
  assert.equal(readPresence(Uint8Array.from([...bytes, 0])), undefined);
  assert.equal(readPresence(Uint8Array.from([2, ...bytes.subarray(1)])), undefined, 'version 2');
});

test('messages open under the VLAN’s keys only, an older one among them, and show neither id nor peer', () => {
  const [older, newer] = [presenceKeyOf(VLAN), presenceKeyOf(OTHER_VLAN)];
  const message = sealPresences([signedBytes(), signedBytes()], older, NONCE);
  assert.deepEqual(
    openPresences(message, [newer, older])?.map((bytes) => Uint8Array.from(bytes)),
    [signedBytes(), signedBytes()],
  );
  assert.equal(openPresences(message, [newer]), undefined);
  assert.equal(openPresences(message, []), undefined);
  assert.equal(Buffer.from(message).includes(Buffer.from(VLAN)), false);
  assert.equal(Buffer.from(message).includes(Buffer.from(rawPublicKey(publicKey))), false);
});

test('a message of too many presences, or with a broken list, is none', () => {
  const key = presenceKeyOf(VLAN);
  const many = Array.from({ length: PRESENCES_PER_MESSAGE_MAX + 1 }, () => signedBytes());
  assert.equal(openPresences(sealPresences(many, key, NONCE), [key]), undefined);
  assert.equal(openPresences(sealPresences(many.slice(1), key, NONCE), [key])?.length, many.length - 1);
  assert.equal(openPresences(sealPresences([new Uint8Array(5_000)], key, NONCE), [key]), undefined);
});

test('no bytes make the readers throw', () => {
  const key = presenceKeyOf(VLAN);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      readPresence(bytes);
      readPresence(Uint8Array.from([1, ...bytes]));
      openPresences(bytes, [key]);
    }),
  );
});
