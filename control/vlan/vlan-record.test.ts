/** Behaviour of VLAN records: what an owner signed comes back, nothing else does, and the newest wins. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NOW_MS, nodeOf, recordOf, seedOf, signedOf } from './record.fixture.ts';
import { type RecordSettings, SETTING_LIMIT } from './record-settings.ts';
import { isAheadOfTime, isNewer, MAX_RECORD_BYTES, openRecord, signRecord } from './vlan-record.ts';

const PNG = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

const settings: fc.Arbitrary<Partial<RecordSettings>> = fc.record({
  name: fc.stringMatching(/^[a-z äß漢]{1,20}$/),
  description: fc.stringMatching(/^[ -~]{0,200}$/),
  icon: fc.constantFrom(new Uint8Array(0), PNG, Uint8Array.from([...PNG, ...new Uint8Array(8_184)])),
  subnet: fc.constantFrom(null, '10.7.0.0/24', '192.168.0.0/16', 'fd00:1::/64', '2001:db8::/32'),
  public: fc.boolean(),
  admins: fc
    .uniqueArray(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 32 })
    .map((numbers) => numbers.map((number) => nodeOf(number).id)),
  cipher: fc.constantFrom('aes-256-gcm', 'chacha20-poly1305'),
  movingHosts: fc.constantFrom('allow', 'refuse'),
  tokenPeriodSeconds: fc.constantFrom(60, 600, 3_600, 86_400),
  membersMax: fc.integer({ min: 1, max: SETTING_LIMIT.members }),
  rekeyIntervalSeconds: fc.integer({ min: 10, max: SETTING_LIMIT.rekeyMostSeconds }),
});

test('a record comes back as it was signed, whatever its settings', () => {
  const kinds = fc.constantFrom('open' as const, 'private' as const);
  const sequences = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
  fc.assert(
    fc.property(settings, kinds, sequences, (changes, kind, sequence) => {
      const record = recordOf(seedOf(1), { ...changes, kind, sequence });
      const signed = signRecord(record, seedOf(1));

      assert.ok(signed.bytes.length <= MAX_RECORD_BYTES);
      assert.deepEqual(openRecord(signed.bytes, signed.idBytes), { ok: true, signed });
      assert.deepEqual(signed.record, record);
    }),
    { numRuns: 60 },
  );
});

test('any changed bit, any cut and any appended byte is refused', () => {
  const { bytes } = signedOf(1);
  for (let bit = 0; bit < bytes.length * 8; bit += 5) {
    const changed = Uint8Array.from(bytes);
    changed[bit >>> 3] = (changed[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(openRecord(changed).ok, false, `bit ${bit}`);
  }
  for (let length = 0; length < bytes.length; length += 7) {
    assert.equal(openRecord(bytes.subarray(0, length)).ok, false);
  }
  assert.equal(openRecord(Uint8Array.of(...bytes, 0)).ok, false);
});

test('random bytes are no record and never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      assert.equal(openRecord(bytes).ok, false);
      assert.equal(openRecord(Uint8Array.of(1, ...bytes)).ok, false);
    }),
  );
  assert.deepEqual(openRecord(new Uint8Array(MAX_RECORD_BYTES + 1).fill(1)), {
    ok: false,
    fault: 'malformed',
  });
});

test('a record of another VLAN, of a later release, or signed by another key is told apart', () => {
  const signed = signedOf(1);
  const other = signedOf(2);
  const posed = Uint8Array.from(signed.bytes);
  posed.set(other.bytes.subarray(-64), posed.length - 64);

  assert.deepEqual(openRecord(signed.bytes, other.idBytes), { ok: false, fault: 'other-vlan' });
  assert.deepEqual(openRecord(Uint8Array.of(2, 0)), { ok: false, fault: 'malformed' });
  assert.deepEqual(openRecord(Uint8Array.of(2, ...signed.bytes.subarray(1))), {
    ok: false,
    fault: 'newer-version',
  });
  assert.deepEqual(openRecord(posed), { ok: false, fault: 'forged' });
});

test('the owner cannot sign what is out of range, or with another key', () => {
  assert.throws(() => signRecord(recordOf(seedOf(1), { membersMax: 0 }), seedOf(1)), /membersMax/);
  assert.throws(() => signRecord(recordOf(seedOf(1), { admins: [] }), seedOf(1)), /admin/);
  assert.throws(() => signRecord(recordOf(seedOf(1)), seedOf(2)), /another key/);
});

test('the higher sequence wins, and of two with one sequence everybody keeps the same', () => {
  const older = signedOf(1, { sequence: 5 });
  const newer = signedOf(1, { sequence: 6 });
  const twin = signedOf(1, { sequence: 6, name: 'attic' });

  assert.equal(isNewer(newer, older), true);
  assert.equal(isNewer(older, newer), false);
  assert.equal(isNewer(older, older), false);
  assert.equal(isNewer(older, undefined), true);
  assert.notEqual(isNewer(newer, twin), isNewer(twin, newer));
});

test('a sequence more than an hour ahead is absurd', () => {
  assert.equal(isAheadOfTime({ sequence: NOW_MS + 3_600_000 }, NOW_MS), false);
  assert.equal(isAheadOfTime({ sequence: NOW_MS + 3_600_001 }, NOW_MS), true);
});
