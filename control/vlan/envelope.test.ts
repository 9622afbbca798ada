/** Behaviour of envelopes: closed to whoever has no id, and never a way to pass off another record. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  directoryKey,
  MAX_ENVELOPE_BYTES,
  openEnvelope,
  openPlainEnvelope,
  sealEnvelope,
  selectNewest,
  validateEnvelope,
} from './envelope.ts';
import { signedOf } from './record.fixture.ts';

const closed = signedOf(1);
const open = signedOf(2, { public: true });
const KEY = directoryKey(closed.idBytes);
const knows = (keyHex: string) => (keyHex === Buffer.from(KEY).toString('hex') ? closed.idBytes : undefined);
const stranger = () => undefined;

test('a record that is not public opens to its id alone', () => {
  const envelope = sealEnvelope(closed);

  assert.deepEqual(openEnvelope(envelope, KEY, closed.idBytes), { ok: true, signed: closed });
  assert.deepEqual(openEnvelope(envelope, KEY), { ok: false, fault: 'sealed' });
  assert.deepEqual(openPlainEnvelope(envelope), { ok: false, fault: 'sealed' });
  assert.equal(openEnvelope(envelope, KEY, open.idBytes).ok, false);
  const text = Buffer.from(envelope).toString('latin1');
  assert.ok(!text.includes('office') && !text.includes(Buffer.from(closed.idBytes).toString('latin1')));
});

test('a public record opens to everybody', () => {
  const envelope = sealEnvelope(open);

  assert.deepEqual(openPlainEnvelope(envelope), { ok: true, signed: open });
  assert.deepEqual(openEnvelope(envelope, directoryKey(open.idBytes)), { ok: true, signed: open });
});

test('one record has one envelope, another record another nonce', () => {
  const changed = sealEnvelope(signedOf(1, { name: 'attic' }));

  assert.deepEqual(sealEnvelope(closed), sealEnvelope(closed));
  assert.notDeepEqual(changed.subarray(1, 13), sealEnvelope(closed).subarray(1, 13));
});

test('sizes say little: records of about one size have envelopes of one', () => {
  const sizes = ['', 'a line', 'a longer line about the office'].map(
    (description) => sealEnvelope(signedOf(1, { description })).length,
  );

  assert.equal(new Set(sizes).size, 1);
  const icon = new Uint8Array(8_192);
  icon.set([0xff, 0xd8, 0xff]);
  assert.ok(sealEnvelope(signedOf(1, { icon })).length <= MAX_ENVELOPE_BYTES);
});

test('any changed bit, and any other place, is refused', () => {
  const envelope = sealEnvelope(closed);
  for (let bit = 0; bit < envelope.length * 8; bit += 31) {
    const changed = Uint8Array.from(envelope);
    changed[bit >>> 3] = (changed[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(openEnvelope(changed, KEY, closed.idBytes).ok, false, `bit ${bit}`);
  }
  assert.equal(openEnvelope(envelope, directoryKey(open.idBytes), closed.idBytes).ok, false);
  assert.equal(validateEnvelope(KEY, sealEnvelope(open), stranger), false);
});

test('a record that its owner did not make public is not taken in the open', () => {
  const laidOpen = Uint8Array.of(1, ...closed.bytes);

  assert.equal(openPlainEnvelope(laidOpen).ok, false);
  assert.equal(openEnvelope(laidOpen, KEY, closed.idBytes).ok, false);
});

test('who does not know the id keeps what has the form, who knows it only what holds', () => {
  const forged = sealEnvelope(closed);
  forged[100] = (forged[100] ?? 0) ^ 1;

  assert.equal(validateEnvelope(KEY, forged, stranger), true);
  assert.equal(validateEnvelope(KEY, forged, knows), false);
  assert.equal(validateEnvelope(KEY, sealEnvelope(closed), knows), true);
  assert.equal(validateEnvelope(KEY, forged.subarray(0, 100), stranger), false);
});

test('the newest that holds is chosen, wherever it stands', () => {
  const older = sealEnvelope(signedOf(1, { sequence: 1 }));
  const newer = sealEnvelope(signedOf(1, { sequence: 2 }));
  const forged = Uint8Array.from(newer);
  forged[50] = (forged[50] ?? 0) ^ 1;

  assert.equal(selectNewest(KEY, [older, forged, newer, new Uint8Array(0)], knows), 2);
  assert.equal(selectNewest(KEY, [new Uint8Array(3), older, newer], stranger), 1);
  assert.equal(selectNewest(KEY, [], knows), 0);
});

test('random bytes never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 700 }), (bytes) => {
      for (const form of [1, 2, 3]) {
        const envelope = Uint8Array.of(form, ...bytes);
        assert.equal(openEnvelope(envelope, KEY, closed.idBytes).ok, false);
        assert.equal(openPlainEnvelope(envelope).ok, false);
        validateEnvelope(KEY, envelope, stranger);
      }
    }),
  );
});
