/** Behaviour of the VLAN id's text form: one spelling for each id, and a reason for everything else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatVlanId, parseVlanId, VLAN_ID_BYTES, VLAN_ID_CHARACTERS, vlanLabel } from './vlan-id.ts';

const ZERO_TEXT = 'a'.repeat(VLAN_ID_CHARACTERS);

function reasonOf(text: string): string {
  const parsed = parseVlanId(text);
  assert.ok(!parsed.ok, `'${text}' was accepted`);
  return parsed.reason;
}

test('an id survives the way to text and back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: VLAN_ID_BYTES, maxLength: VLAN_ID_BYTES }), (id) => {
      const text = formatVlanId(id);
      assert.match(text, /^[a-z2-7]{26}$/);
      assert.deepEqual(parseVlanId(text), { ok: true, id });
    }),
  );
});

test('the text is base32 of RFC 4648, most significant bits first', () => {
  const id = new Uint8Array(VLAN_ID_BYTES);
  id.set(new TextEncoder().encode('foobar'));
  assert.ok(formatVlanId(id).startsWith('mzxw6ytb'));
  assert.equal(formatVlanId(new Uint8Array(VLAN_ID_BYTES)), ZERO_TEXT);
  assert.equal(formatVlanId(new Uint8Array(VLAN_ID_BYTES).fill(0xff)), `${'7'.repeat(25)}4`);
});

test('whatever is accepted is the one spelling of its id', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 24, maxLength: 28, unit: fc.constantFrom(...Array.from('abz247A189=')) }),
      (text) => {
        const parsed = parseVlanId(text);
        if (parsed.ok) assert.equal(formatVlanId(parsed.id), text);
      },
    ),
  );
});

test('each of the three other values of the spare bits is refused', () => {
  for (const last of 'bcd') {
    assert.match(reasonOf(ZERO_TEXT.slice(0, -1) + last), /spare bits/);
  }
  assert.ok(parseVlanId(`${ZERO_TEXT.slice(0, -1)}e`).ok);
});

test('a wrong length names both lengths', () => {
  assert.match(reasonOf(''), /26 characters, got 0/);
  assert.match(reasonOf(`${ZERO_TEXT}a`), /26 characters, got 27/);
});

test('a character outside the alphabet is named with its place', () => {
  assert.match(reasonOf(`a1${ZERO_TEXT.slice(2)}`), /character 2, '1'/);
  assert.match(reasonOf(`A${ZERO_TEXT.slice(1)}`), /lower case/);
  assert.match(reasonOf(`💥${ZERO_TEXT.slice(2)}`), /character 1, '💥'/);
});

test('formatting another size is a bug of the caller', () => {
  assert.throws(() => formatVlanId(new Uint8Array(15)), RangeError);
});

test('a log names a VLAN by its interface, else by too little of the id to join it', () => {
  const id = 'f5unhj3makry6qdeildpgxzt2q';
  assert.equal(vlanLabel(id, 'ptap0'), 'ptap0');
  assert.equal(vlanLabel(id, undefined), 'f5un…');
});
