/** Behaviour of admissions and tombstones: what is signed comes back, and nothing else is taken for it. */
import assert from 'node:assert/strict';
import { sign } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatPeerId, publicKeyOfPeerId } from '../identity/peer-id.ts';
import { privateKeyFromRaw, rawPublicKey } from '../vlan/raw-keys.ts';
import {
  ADMISSION_BYTES,
  type Admission,
  type Credential,
  decodeCredential,
  encodeCredential,
  isInForce,
  nextSequence,
  TOMBSTONE_BYTES,
  type Tombstone,
  verifyCredential,
} from './credentials.ts';

const VLAN_ID = new Uint8Array(16).fill(7);
const admin = nodeOf(1);
const peer = nodeOf(2);
const ADMISSION: Admission = {
  kind: 'admission',
  peer: peer.id,
  sequence: 1_763_700_000_000,
  admin: admin.id,
  role: 'member',
};
const TOMBSTONE: Tombstone = { kind: 'tombstone', peer: peer.id, sequence: 5, admin: admin.id };
const CONTEXT = { vlanId: VLAN_ID, admins: new Set([admin.id]) };

function nodeOf(seed: number) {
  const key = privateKeyFromRaw('ed25519', new Uint8Array(32).fill(seed));
  return {
    id: formatPeerId(rawPublicKey(key)),
    sign: (bytes: Uint8Array) => new Uint8Array(sign(null, bytes, key)),
  };
}

test('a credential comes back as it was signed', () => {
  const roles = fc.constantFrom<Admission['role']>('member', 'admin');
  fc.assert(
    fc.property(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), roles, (sequence, role) => {
      const admission = { ...ADMISSION, sequence, role };
      const tombstone = { ...TOMBSTONE, sequence };

      const bytes = encodeCredential(admission, VLAN_ID, admin.sign);
      assert.equal(bytes.length, ADMISSION_BYTES);
      assert.deepEqual(verifyCredential('admission', bytes, CONTEXT), { ok: true, credential: admission });

      const grave = encodeCredential(tombstone, VLAN_ID, admin.sign);
      assert.equal(grave.length, TOMBSTONE_BYTES);
      assert.deepEqual(verifyCredential('tombstone', grave, CONTEXT), { ok: true, credential: tombstone });
    }),
    { numRuns: 20 },
  );
});

test('any changed bit, a cut and an appended byte are refused', () => {
  for (const credential of [ADMISSION, TOMBSTONE] satisfies Credential[]) {
    const bytes = encodeCredential(credential, VLAN_ID, admin.sign);
    for (let bit = 0; bit < bytes.length * 8; bit += 3) {
      const changed = Uint8Array.from(bytes);
      changed[bit >>> 3] = (changed[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(verifyCredential(credential.kind, changed, CONTEXT).ok, false, `bit ${bit}`);
    }
    for (const cut of [0, 1, 40, bytes.length - 1]) {
      assert.deepEqual(verifyCredential(credential.kind, bytes.subarray(0, cut), CONTEXT), {
        ok: false,
        fault: 'malformed',
      });
    }
    const longer = Uint8Array.from([...bytes, 0]);
    assert.deepEqual(verifyCredential(credential.kind, longer, CONTEXT), { ok: false, fault: 'malformed' });
  }
});

test('a credential of another VLAN, of no admin, or of the other kind is refused with its reason', () => {
  const bytes = encodeCredential(ADMISSION, VLAN_ID, admin.sign);
  const elsewhere = { ...CONTEXT, vlanId: new Uint8Array(16) };
  const demoted = { ...CONTEXT, admins: new Set([peer.id]) };

  assert.deepEqual(verifyCredential('admission', bytes, elsewhere), { ok: false, fault: 'forged' });
  assert.deepEqual(verifyCredential('admission', bytes, demoted), { ok: false, fault: 'not-an-admin' });
  assert.deepEqual(verifyCredential('tombstone', bytes, CONTEXT), { ok: false, fault: 'malformed' });
  const posed = encodeCredential(ADMISSION, VLAN_ID, peer.sign);
  assert.deepEqual(verifyCredential('admission', posed, CONTEXT), { ok: false, fault: 'forged' });
});

test('random bytes are no credential and never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.equal(verifyCredential('admission', bytes, CONTEXT).ok, false);
      decodeCredential(bytes);
    }),
  );
});

test('an admission holds until a tombstone of the same or a later sequence', () => {
  assert.equal(isInForce({ sequence: 5 }, undefined), true);
  assert.equal(isInForce({ sequence: 5 }, { sequence: 4 }), true);
  assert.equal(isInForce({ sequence: 5 }, { sequence: 5 }), false);
  assert.equal(nextSequence(undefined, 1_000.5), 1_000);
  assert.equal(nextSequence(2_000, 1_000), 2_001);
});

test('a PeerId gives its key back, and no other text does', () => {
  const key = publicKeyOfPeerId(admin.id);
  assert.ok(key);
  assert.equal(formatPeerId(key), admin.id);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (raw) => {
      assert.deepEqual(publicKeyOfPeerId(formatPeerId(raw)), raw);
    }),
  );
  for (const text of [
    '',
    'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
    `${admin.id}1`,
    admin.id.slice(1),
  ]) {
    assert.equal(publicKeyOfPeerId(text), undefined);
  }
  assert.equal(publicKeyOfPeerId('1'.repeat(52)), undefined);
});
